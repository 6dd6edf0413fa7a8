"""Which column holds the text, and which the id: found out where that is safe, asked otherwise."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from embedkit.errors import ColumnError, InvalidInputError

_MIN_WORDS = 3.0
_MIN_CHARACTERS = 12.0
"""What a text-like column has on average: words, or characters where words are not spaced."""
_MIN_DISTINCT = 0.3
"""Share of different values: below it a column names categories, however long their names."""
_EXAMPLE = 60


@dataclass(frozen=True, slots=True)
class Sample:
    """A column of a source as its first rows show it; ``values`` leaves out the empty ones."""

    name: str
    type: str
    values: Sequence[str]

    @property
    def text_like(self) -> bool:
        """Whether it reads like texts that somebody wrote, rather than names or codes."""
        if self.type != "VARCHAR" or not self.values:
            return False
        count = len(self.values)
        words = sum(len(value.split()) for value in self.values) / count
        unspaced = sum(len(value) for value in self.values if not value.isascii()) / count
        distinct = len(set(self.values)) / count
        wordy = words >= _MIN_WORDS or unspaced >= _MIN_CHARACTERS
        return wordy and (distinct >= _MIN_DISTINCT or count < 4)


@dataclass(frozen=True, slots=True)
class Choice:
    """The columns that become a record's text, joined, and the one that becomes its id."""

    text: tuple[str, ...]
    id: str | None

    @property
    def own(self) -> frozenset[str]:
        """Columns that are not metadata: the id and, unless several are joined, the text."""
        texts = self.text if len(self.text) == 1 else ()
        return frozenset((*texts, *([self.id] if self.id is not None else [])))


def choose(
    samples: Sequence[Sample],
    *,
    text: Sequence[str] | None,
    id: str | None,
    remembered: Choice | None = None,
) -> Choice:
    """Settle which columns are meant.

    Parameters
    ----------
    text, id
        What the user said, if anything.
    remembered
        What the same source was read with before.

    Raises
    ------
    ColumnError
        No such column (the nearest is offered), or no safe choice (all columns are listed, with
        an example of each).
    """
    for said in (*(text or ()), *([id] if id is not None else ())):
        if not isinstance(said, str):
            raise InvalidInputError(
                f"expected the name of a column as text, got {type(said).__name__}"
            )
    names = [sample.name for sample in samples]
    if remembered is not None and set(remembered.text) <= set(names):
        text = text or remembered.text
        if id is None and remembered.id in names:
            id = remembered.id
    chosen_id = _named(id, samples) if id is not None else _find_id(names)
    if text:
        texts = tuple(_named(name, samples) for name in text)
    else:
        texts = (_find_text([s for s in samples if s.name != chosen_id], samples),)
    if chosen_id in texts and id is None:
        chosen_id = None
    return Choice(texts, chosen_id)


def split_columns(text: str | Sequence[str] | None) -> list[str] | None:
    """Return column names from ``"title,body"`` or a list of them."""
    if text is None:
        return None
    if isinstance(text, str):
        text = text.split(",")
    elif not isinstance(text, Iterable):
        raise InvalidInputError(f"expected names of columns, got {type(text).__name__}")
    names = [name.strip() if isinstance(name, str) else name for name in text]
    return [name for name in names if name != ""] or None


def _named(name: str, samples: Sequence[Sample]) -> str:
    names = [sample.name for sample in samples]
    if name in names:
        return name
    alike = [known for known in names if known.casefold() == name.casefold()]
    if len(alike) == 1:
        return alike[0]
    near = difflib.get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise ColumnError(
        f"expected one of the source's columns, got {name!r}", do=hint + _listing(samples)
    )


def likely_ids(names: Sequence[str]) -> list[str]:
    """Return the columns that are named like one that identifies records: ``doc_id``."""
    return [name for name in names if re.search(r"(?i:[ _-]id)$|[a-z]I[dD]$", name)]


def _find_id(names: Sequence[str]) -> str | None:
    found = [name for name in names if name.casefold() == "id"]
    return found[0] if len(found) == 1 else None


def _find_text(candidates: Sequence[Sample], samples: Sequence[Sample]) -> str:
    named = [sample.name for sample in candidates if sample.name.casefold() == "text"]
    if len(named) == 1:
        return named[0]
    if len(samples) == 1:
        return samples[0].name
    alike = [sample.name for sample in candidates if sample.text_like]
    if len(alike) == 1:
        return alike[0]
    problem = "several columns look like text" if alike else "no column looks like text"
    raise ColumnError(
        f"which column is the text? {problem}", do=f"say it with --text: {_listing(samples)}"
    )


def _listing(samples: Sequence[Sample]) -> str:
    shown = []
    for sample in samples:
        example = " ".join(sample.values[0].split()) if sample.values else ""
        if len(example) > _EXAMPLE:
            example = example[: _EXAMPLE - 1] + "…"
        shown.append(f"\n  {sample.name}: {example}" if example else f"\n  {sample.name}: (empty)")
    return "the columns are" + "".join(shown)
