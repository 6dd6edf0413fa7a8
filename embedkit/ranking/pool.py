"""What rankers and filters look at: candidates beside their source, each view made once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from embedkit.ranking.words import words
from embedkit.sentences import Sentence, sentences

if TYPE_CHECKING:
    from embedkit.protocols import Embedder
    from embedkit.types import Candidate, Keys, Scores, Vectors


@dataclass(frozen=True)
class Limits:
    """What was asked of a candidate's length, in words; None where nothing was."""

    least_words: int | None = None
    most_words: int | None = None


@dataclass(frozen=True)
class Pool:
    """Candidates for one source.

    Attributes
    ----------
    source : str
        What they are about; for answers, the passages, one after the other.
    candidates : tuple of Candidate
    embedder : Embedder
    question : str
        What they answer; empty for summaries.
    prompt : str
        What the generator was told, so that what it merely repeats is noticed; may be empty.
    limits : Limits
    extracts : frozenset of int
        Places of candidates that are made of the source's own sentences on purpose.
    """

    source: str
    candidates: tuple[Candidate, ...]
    embedder: Embedder
    question: str = ""
    prompt: str = ""
    limits: Limits = field(default_factory=Limits)
    extracts: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.candidates)

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """What the candidates say, without the blanks around."""
        return tuple(candidate.text.strip() for candidate in self.candidates)

    @cached_property
    def source_words(self) -> list[str]:
        """The words of the source, folded, in order."""
        return words(self.source)

    @cached_property
    def source_sentences(self) -> list[Sentence]:
        """The sentences of the source, in order."""
        return sentences(self.source)

    @cached_property
    def candidate_sentences(self) -> list[list[Sentence]]:
        """The sentences of each candidate."""
        return [sentences(text) for text in self.texts]

    @cached_property
    def source_vectors(self) -> Vectors:
        """Unit vectors of the source's sentences, shape (n_sentences, dim)."""
        return self._embed([sentence.text for sentence in self.source_sentences])

    @cached_property
    def nearness(self) -> Scores:
        """Cosine of each candidate with what is nearest in the source, shape (n,).

        That is a sentence of the source, or the mean of all.
        """
        middle = self.source_vectors.mean(axis=0, keepdims=True)
        middle /= max(float(np.linalg.norm(middle)), 1e-12)
        found: Scores = (self.vectors @ np.vstack([self.source_vectors, middle]).T).max(axis=1)
        return found

    @cached_property
    def vectors(self) -> Vectors:
        """Unit vectors of the candidates, shape (n, dim); zeros for an empty one."""
        return self._embed(self.texts)

    @cached_property
    def sentence_vectors(self) -> list[Vectors]:
        """Unit vectors of each candidate's sentences, shapes (n_sentences, dim)."""
        flat = [sentence.text for listed in self.candidate_sentences for sentence in listed]
        ends = np.cumsum([len(listed) for listed in self.candidate_sentences])
        found: list[Vectors] = np.split(self._embed(flat), ends[:-1]) if len(self) else []
        return found

    def take(self, places: Sequence[int]) -> Pool:
        """Return the pool of some of the candidates, in that order; nothing is embedded again."""
        extracts = frozenset(i for i, place in enumerate(places) if place in self.extracts)
        taken = replace(
            self, candidates=tuple(self.candidates[place] for place in places), extracts=extracts
        )
        known = self.__dict__
        for name in {"source_sentences", "source_vectors"} & known.keys():
            taken.__dict__[name] = known[name]
        if "vectors" in known:
            taken.__dict__["vectors"] = self.vectors[list(places)]
        for name in {"candidate_sentences", "sentence_vectors"} & known.keys():
            taken.__dict__[name] = [known[name][place] for place in places]
        return taken

    def _embed(self, texts: Sequence[str]) -> Vectors:
        """Embed each distinct text once; an empty one is all zeros.

        Half a surrogate pair, which no embedder takes, is read as a question mark: a candidate that
        holds one is a filter's to reject, and the others are ranked.
        """
        texts = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        distinct = list(dict.fromkeys(text for text in texts if text))
        found = np.zeros((len(distinct) + 1, self.embedder.dim), np.float32)
        if distinct:
            found[:-1] = self.embedder.embed(distinct, input_type="document")
        row = {text: i for i, text in enumerate(distinct)}
        places: Keys = np.fromiter((row.get(text, -1) for text in texts), np.int64, len(texts))
        return found[places]
