"""The generator without a language model: it takes sentences from the source, and never invents."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from embedkit import registry
from embedkit.embedders.base import Lazy
from embedkit.errors import InvalidInputError
from embedkit.generators.base import BaseGenerator, Sampling
from embedkit.generators.extracts.answering import answers
from embedkit.generators.extracts.centrality import lexrank
from embedkit.generators.extracts.choosing import Length
from embedkit.generators.extracts.extracting import DIVERSITY, Sentences, extracts
from embedkit.generators.extracts.units import Unit, units_of
from embedkit.protocols import Embedder
from embedkit.ranking.bearing import bearing
from embedkit.threads import single_threaded_products
from embedkit.types import Candidate, Message
from embedkit.validate import check_texts, is_unicode, normalize

if TYPE_CHECKING:
    from embedkit.types import Vectors

Progress: TypeAlias = Callable[[str, int, int], None]

SENTENCES = 3
"""Of an extract, where neither sentences nor words were asked for."""
MANY = 10**6
MOST = 2000
"""Sentences that are compared each with each: 32 MB of cosines."""
BLOCK = 500
"""Sentences of a longer text that are weighed together, before the best of each block are."""


class ExtractiveGenerator(BaseGenerator):
    """Makes extracts: sentences of the source, as they stand and in its order.

    Candidates differ in how their sentences were chosen: by how central they are (LexRank) or how
    well they cover the rest (facility location), by what an early place is worth, how unlike each
    other they are, and by their length. The first is that of the setting which is best on average:
    central, rather early than late, as long as was asked. Nothing is drawn by chance; the same text
    gives the same candidates.

    Parameters
    ----------
    embedder : str or Embedder
        What compares sentences.
    sentences : int or None
        Of a candidate, at most. Default: as many as the words that are asked for hold; where
        nothing is asked, 3.
    diversity : float
        From 0, the most relevant sentences however alike, to 1, where after the first only being
        unlike counts.

    Raises
    ------
    InvalidInputError
        ``sentences`` or ``diversity`` out of their bounds.

    Notes
    -----
    Up to 2,000 sentences are compared each with each. Of a longer text, blocks of 500 are weighed
    by themselves first, and the most central sentences of every block go on, in equal shares, so
    that no part of it is passed over. What goes on for more than 120 words without a full stop is
    cut into its lines or, where it has none, into pieces of 40 words, and a candidate that holds
    such a piece has the finish reason ``length``.

    Source
    ------
    Erkan and Radev: LexRank, JAIR 22, 2004; Carbonell and Goldstein: MMR, SIGIR 1998; Lin and
    Bilmes: A class of submodular functions for document summarization, ACL 2011.

    Examples
    --------
    >>> generator = embedkit.generator("extractive?sentences=1")
    >>> [c.text for c in generator.from_sources([text], n=3)]               # doctest: +SKIP
    """

    supports: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        *,
        embedder: str | Embedder = "minilm",
        sentences: int | None = None,
        diversity: float = DIVERSITY,
    ) -> None:
        if sentences is not None and (isinstance(sentences, bool) or sentences < 1):
            raise InvalidInputError(f"expected sentences >= 1, got {sentences!r}")
        if not 0 <= diversity <= 1:
            raise InvalidInputError(f"expected diversity from 0 to 1, got {diversity!r}")
        self.embedder = embedder
        self.sentences = sentences
        self.diversity = diversity
        self._embedder = Lazy(self._make)

    @property
    def model_id(self) -> str:
        """Its name, and what is not as by default."""
        told = self.embedder if isinstance(self.embedder, str) else self.embedder.model_id
        options = {"embedder": told, "sentences": self.sentences, "diversity": self.diversity}
        usual = {"embedder": "minilm", "sentences": None, "diversity": DIVERSITY}
        given = [f"{name}={v}" for name, v in options.items() if v != usual[name]]
        return "extractive" + ("?" + "&".join(given) if given else "")

    def from_sources(
        self,
        sources: Sequence[str],
        *,
        question: str = "",
        n: int = 1,
        most_words: int | None = None,
        seed: int | None = None,
        progress: Progress | None = None,
    ) -> list[Candidate]:
        """Return extracts of sources, or sentences of them that answer a question.

        Parameters
        ----------
        sources : sequence of str
            Texts that are summarized together; for a question, passages.
        question : str
            Where there is one, the sentences that bear most on it come first: the best, with a
            second that is nearly as good; then shorter and longer answers, and the next best.
        n : int
            How many candidates, at least 1.
        most_words : int or None
            Words of one candidate. Where no sentence is as short, the best one is given whole.
        seed : int or None
            Changes nothing, as nothing is drawn.
        progress : callable, optional
            Called with (what, done, total) while sentences are embedded.

        Returns
        -------
        list of Candidate
            At most n, no two of the same text, that of the default setting first; fewer where the
            sentences do not give as many; none where the sources hold no word.

        Raises
        ------
        InvalidInputError
            What is no text, ``n`` or ``most_words`` below 1.
        """
        del seed
        _check(sources, question, n, most_words)
        units = units_of(sources)
        if not units:
            return []
        with single_threaded_products():
            return self._candidates(units, question.strip(), n, self._length(most_words), progress)

    def _generate(self, messages: list[Message], sampling: Sampling) -> list[Candidate]:
        """Make extracts of what the user says last; where there are too few, they come again."""
        found = self.from_sources([messages[-1].content], n=sampling.n)
        found = found or [Candidate("", "stop")]
        return [found[i % len(found)] for i in range(sampling.n)]

    def _candidates(
        self,
        units: list[Unit],
        question: str,
        n: int,
        length: Length,
        progress: Progress | None,
    ) -> list[Candidate]:
        near: Vectors | None = None
        if question:
            near = self._embedder.get().embed([question], input_type="query")[0]
        units, vectors = self._weighed(units, near, progress)
        known = Sentences.of(units, vectors)
        if near is None:
            chosen = extracts(known, n, length, self.diversity)
        else:
            similarity = (vectors @ near).astype(np.float64)
            chosen = answers(units, bearing(units, question, similarity), n, length)
        return [_candidate([units[i] for i in places]) for places in chosen]

    def _weighed(
        self, units: list[Unit], near: Vectors | None, progress: Progress | None
    ) -> tuple[list[Unit], Vectors]:
        """Return the sentences with their unit vectors; of too many, the best of every block."""
        done, total = 0, len(units)
        while True:
            kept: list[Unit] = []
            parts: list[Vectors] = []
            blocks = math.ceil(len(units) / BLOCK)
            share = BLOCK if len(units) <= MOST else max(1, MOST // blocks)
            rest = iter(units)
            while block := list(islice(rest, BLOCK)):
                vectors = self._embed(block)
                best = np.arange(len(block))
                if share < len(block):
                    worth = lexrank(vectors) if near is None else vectors @ near
                    best = np.sort(np.argsort(-worth, kind="stable")[:share])
                kept += [block[i] for i in best]
                parts.append(vectors[best])
                done = min(total, done + len(block))
                if progress is not None:
                    progress("embedding sentences", done, total)
            if len(kept) <= MOST:
                return kept, np.concatenate(parts)
            units = kept

    def _embed(self, units: list[Unit]) -> Vectors:
        texts = [unit.text for unit in units]
        distinct = list(dict.fromkeys(texts))
        vectors = normalize(self._embedder.get().embed(distinct, input_type="document"))
        row = {text: i for i, text in enumerate(distinct)}
        return vectors[[row[text] for text in texts]]

    def _length(self, most_words: int | None) -> Length:
        if self.sentences is None and most_words is None:
            return Length(SENTENCES)
        return Length(self.sentences or MANY, most_words)

    def _make(self) -> Embedder:
        if isinstance(self.embedder, str):
            made: Embedder = registry.create("embedder", self.embedder)
            return made
        return self.embedder


def _candidate(units: list[Unit]) -> Candidate:
    parts = [units[0].text]
    parts += [unit.text if unit.glued else f" {unit.text}" for unit in units[1:]]
    whole = all(unit.whole for unit in units)
    return Candidate("".join(parts), "stop" if whole else "length")


def _check(sources: Any, question: Any, n: Any, most_words: Any) -> None:
    for text in check_texts(sources):
        if not is_unicode(text):
            raise InvalidInputError("expected Unicode text, got a source with a lone surrogate")
    if not isinstance(question, str) or not is_unicode(question):
        raise InvalidInputError(f"expected a text as question, got {question!r}")
    for name, value in (("n", n), ("most_words", most_words)):
        right = isinstance(value, int) and not isinstance(value, bool) and value >= 1
        if not right and not (value is None and name == "most_words"):
            raise InvalidInputError(f"expected {name} to be a whole number >= 1, got {value!r}")
