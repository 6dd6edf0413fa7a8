"""Which excerpts each sentence of an answer rests on: as the generator names them, and in truth.

A generator may name sources that do not exist or that say something else. A number counts only
where the excerpt supports the sentence; where none that it names does, the one that supports it
best is named, if any does.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from embedkit.asking.context import bracketless
from embedkit.asking.evidence import terms_of
from embedkit.lexical.words import COMMON
from embedkit.sentences import sentences
from embedkit.types import Excerpt, Statement

if TYPE_CHECKING:
    from embedkit.protocols import Embedder
    from embedkit.types import Vectors

SUPPORT = 0.6
"""The mean of likeness in meaning and share of words that an excerpt needs, to be a source."""
_MARK = re.compile(r"\[\s*\d+(?:\s*(?:,|;|&|and|-|–)\s*\d+)*\s*\]")
_AFTER = re.compile(rf"([.!?。！？][\"'”’)]*)\s*((?:{_MARK.pattern}\s*)+)")
_NUMBER = re.compile(r"(\d+)(?:\s*[-–]\s*(\d+))?")
_SPACED = re.compile(r"\s+(?=[.,;:!?])")


def unmarked(text: str) -> str:
    """Return an answer without the numbers of sources that stand in it."""
    return "\n".join(told for told, _ in named(text))


def named(text: str) -> list[tuple[str, list[int]]]:
    """Return the sentences of an answer, without numbers, each with those that it names.

    Examples
    --------
    >>> named("It opens at six. [1] It sells bread [2, 3].")
    [('It opens at six.', [1]), ('It sells bread.', [2, 3])]
    """
    moved = _AFTER.sub(lambda match: f" {match[2].strip()}{match[1]} ", text)
    found: list[tuple[str, list[int]]] = []
    for sentence in sentences(moved):
        numbers = [n for mark in _MARK.findall(sentence.text) for n in _numbers(mark)]
        told = _SPACED.sub("", _MARK.sub("", sentence.text)).strip()
        if re.search(r"\w", told):
            found.append((" ".join(told.split()), sorted(set(numbers))))
        elif found:  # numbers alone belong to the sentence before
            found[-1] = (found[-1][0], sorted({*found[-1][1], *numbers}))
    return found


def _numbers(mark: str) -> list[int]:
    out: list[int] = []
    for first, last in _NUMBER.findall(mark):
        if last and 0 <= int(last) - int(first) < 100:
            out += range(int(first), int(last) + 1)
        else:
            out += [int(first), *([int(last)] if last else [])]
    return out


class Citing:
    """Tells which of some excerpts support a sentence.

    Parameters
    ----------
    excerpts : sequence of Excerpt
    embedder : Embedder
    """

    def __init__(self, excerpts: Sequence[Excerpt], embedder: Embedder) -> None:
        self._numbers = [excerpt.number for excerpt in excerpts]
        self._embedder = embedder
        self._plain = [" ".join(bracketless(excerpt.text).split()) for excerpt in excerpts]
        self._terms = [terms_of(excerpt.text) for excerpt in excerpts]
        self._sentences = [[each.text for each in sentences(one.text)] for one in excerpts]
        self._vectors: list[Vectors] | None = None

    def statements(self, text: str) -> tuple[list[Statement], list[int]]:
        """Return the sentences of an answer with their sources, and numbers that are of none."""
        told = named(text)
        supports = self._supports([sentence for sentence, _ in told])
        out, invented = [], set[int]()
        for (sentence, numbers), support in zip(told, supports, strict=True):
            invented |= {number for number in numbers if number not in self._numbers}
            sources = [
                number
                for number, value in zip(self._numbers, support, strict=True)
                if value >= SUPPORT and number in numbers
            ]
            if not sources and len(support) and max(support) >= SUPPORT:
                sources = [self._numbers[int(np.argmax(support))]]
            out.append(Statement(sentence, tuple(sources)))
        return out, sorted(invented)

    def _supports(self, told: Sequence[str]) -> list[list[float]]:
        """Return how far each excerpt supports each sentence, from 0 to 1; 1 where it holds it."""
        exact = [[1.0 if one in plain else 0.0 for plain in self._plain] for one in told]
        open_ = [i for i, line in enumerate(exact) if not any(line)]
        if not open_:
            return exact
        vectors = self._embedder.embed([told[i] for i in open_], input_type="document")
        for i, vector in zip(open_, vectors, strict=True):
            terms = terms_of(told[i]) - _common()
            for place, near in enumerate(self._source_vectors()):
                like = float((near @ vector).max()) if len(near) else 0.0
                share = len(terms & self._terms[place]) / len(terms) if terms else 0.0
                exact[i][place] = min((max(like, 0.0) + share) / 2, 1.0)
        return exact

    def _source_vectors(self) -> list[Vectors]:
        if self._vectors is None:
            flat = [text for listed in self._sentences for text in listed]
            ends = np.cumsum([len(listed) for listed in self._sentences])[:-1]
            made = self._embedder.embed(flat, input_type="document")
            self._vectors = list(np.split(made, ends))
        return self._vectors


def _common() -> frozenset[str]:
    return terms_of(COMMON)
