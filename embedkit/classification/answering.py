"""Labels for a stream of texts: equal ones once, a bad one costs only itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from embedkit.classification.columns import Shape
from embedkit.errors import EmbeddingError, InvalidInputError, RejectedError

if TYPE_CHECKING:
    from embedkit.classification.predictions import Predictions
    from embedkit.types import Keys

MOST_ROWS = 50_000
MOST_CHARACTERS = 16_000_000
"""What is remembered of texts that were answered, in case that they come again."""


@dataclass(slots=True)
class Answers:
    """What became of some texts.

    Attributes
    ----------
    table : pyarrow.RecordBatch
        A row a text, all empty where there is no answer.
    failures : dict of int to str
        The places of the texts that could not be answered, and why.
    """

    table: pa.RecordBatch
    failures: dict[int, str] = field(default_factory=dict)


class Answering:
    """Asks a classifier, remembering what it said.

    Parameters
    ----------
    ask : callable
        Returns predictions of texts.
    shape : Shape
        What is told of each.
    unanswered : callable, optional
        Returns which of the texts that were asked last got no answer, by their place, and why.
    """

    def __init__(
        self,
        ask: Callable[[Sequence[str]], Predictions],
        shape: Shape,
        unanswered: Callable[[], Mapping[int, str]] = dict,
    ) -> None:
        self._ask = ask
        self._unanswered = unanswered
        self._shape = shape
        self._schema = shape.schema()
        self._known: pa.Table = self._nothing()
        self._places: dict[str, int] = {}
        self._characters = 0

    def answer(self, texts: Sequence[str]) -> Answers:
        """Return what there is to be said of texts; of blank ones that is nothing.

        Raises
        ------
        CredentialsError, QuotaError, UnavailableError
            No text could do better.
        """
        fresh = dict.fromkeys(t for t in texts if t not in self._places and not is_blank(t))
        reasons: dict[str, str] = {}
        if fresh:
            self._learn(list(fresh), reasons)
        # Row 0 of what is known is empty: that of texts without an answer.
        rows = np.fromiter((self._places.get(text, 0) for text in texts), np.int64, len(texts))
        table = self._take(rows)
        failures = {}
        if reasons:
            failures = {i: reasons[text] for i, text in enumerate(texts) if text in reasons}
        self._bound()
        return Answers(table, failures)

    def _learn(self, texts: list[str], reasons: dict[str, str]) -> None:
        start = self._known.num_rows
        parts = [self._known]
        for some, told in self._answered(texts):
            if isinstance(told, str):
                reasons[some[0]] = told
                continue
            parts.append(pa.Table.from_batches([self._shape.table(told)]))
            missing = self._unanswered()
            reasons |= {some[place]: reason for place, reason in missing.items()}
            for place, text in enumerate(some):
                if place not in missing:
                    self._places[text] = start
                start += 1
                self._characters += len(text)
        self._known = pa.concat_tables(parts).combine_chunks()

    def _answered(self, texts: list[str]) -> Iterator[tuple[list[str], Predictions | str]]:
        """Yield predictions of texts; where asking fails, of halves, until the bad stand alone."""
        try:
            told = self._ask(texts)
        except (InvalidInputError, EmbeddingError, RejectedError) as error:
            if len(texts) == 1:
                yield texts, str(error)
                return
        else:
            yield texts, told
            return
        half = len(texts) // 2
        yield from self._answered(texts[:half])
        yield from self._answered(texts[half:])

    def _take(self, rows: Keys) -> pa.RecordBatch:
        taken = self._known.take(pa.array(rows)).combine_chunks()
        batches = taken.to_batches()
        if batches:
            return batches[0]
        none = [pa.array([], kind) for kind in self._schema.types]
        return pa.RecordBatch.from_arrays(none, schema=self._schema)

    def _bound(self) -> None:
        if self._known.num_rows > MOST_ROWS or self._characters > MOST_CHARACTERS:
            self._known, self._places, self._characters = self._nothing(), {}, 0

    def _nothing(self) -> pa.Table:
        empty = [pa.nulls(1, kind) for kind in self._schema.types]
        return pa.Table.from_arrays(empty, schema=self._schema)


def is_blank(text: str) -> bool:
    """Whether there is nothing to read in a text."""
    return not text or text.isspace()
