"""The labels themselves: rare ones, ones often confused, and ones written in two ways."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from embedkit.classification.audit.evidence import Evidence
from embedkit.classification.audit.folding import fold
from embedkit.classification.audit.mislabelled import expected_errors
from embedkit.types.audit import ClassFacts, Confusion, Spelling

if TYPE_CHECKING:
    from numpy.typing import NDArray

FEW = 10
"""Rows: a class with fewer is rare."""
EVEN = 0.1
"""Of an even share: a class with less is rare."""
CONFUSED = 0.1
"""Of the rows of two classes: as many given the other of the two, and they are confused."""
LEAST = 3
"""Rows that a confusion stands on."""
SHORT = 5
"""Letters: shorter labels that differ in one are different words."""


def class_facts(evidence: Evidence) -> list[ClassFacts]:
    """Return all labels, the rarest first."""
    table = _table(evidence)
    errors = expected_errors(evidence)
    rows, given, right = table.sum(axis=1), table.sum(axis=0), table.diagonal()
    even = rows.sum() / len(rows)
    told = [
        ClassFacts(
            label=name,
            rows=int(rows[i]),
            share=round(float(rows[i] / rows.sum()), 4),
            recall=None if rows[i] < 2 else round(float(right[i] / rows[i]), 4),
            precision=None if not given[i] else round(float(right[i] / given[i]), 4),
            errors=errors[i],
            rare=bool(rows[i] < FEW or rows[i] < EVEN * even),
        )
        for i, name in enumerate(evidence.names)
    ]
    return sorted(told, key=lambda facts: (facts.rows, facts.label))


def confusions(evidence: Evidence) -> list[Confusion]:
    """Return the labels that are often taken for each other, the most often first."""
    table = _table(evidence)
    rows = table.sum(axis=1)
    centres = _centres(evidence)
    told = []
    for i, j in zip(*np.nonzero(np.triu(table + table.T, 1) >= LEAST), strict=True):
        first, second = int(i), int(j)
        share = (table[first, second] + table[second, first]) / (rows[first] + rows[second])
        if share >= CONFUSED:
            told.append(
                Confusion(
                    first=evidence.names[first],
                    second=evidence.names[second],
                    share=round(float(share), 4),
                    first_as_second=int(table[first, second]),
                    second_as_first=int(table[second, first]),
                    first_rows=int(rows[first]),
                    second_rows=int(rows[second]),
                    cosine=round(float(centres[first] @ centres[second]), 4),
                )
            )
    return sorted(told, key=lambda pair: (-pair.share, pair.first, pair.second))


def spellings(counts: dict[str, int]) -> list[Spelling]:
    """Return labels that may be one, the rarer of two first named.

    Parameters
    ----------
    counts : dict of str to int
        The rows of each label.
    """
    told = []
    folded: dict[str, list[str]] = defaultdict(list)
    for label in counts:
        folded[fold(label).replace(" ", "")].append(label)
    for alike in folded.values():
        told += [
            _spelling(counts, one, other, "case, blanks or punctuation")
            for one, other in combinations(alike, 2)
        ]
    told += [
        _spelling(counts, folded[one][0], folded[other][0], "one letter")
        for one, other in _one_letter_apart(list(folded))
    ]
    return sorted(told, key=lambda pair: (pair.rows, pair.label, pair.other))


def _spelling(counts: dict[str, int], one: str, other: str, differ: str) -> Spelling:
    rarer, usual = sorted((one, other), key=lambda label: (counts[label], label))
    return Spelling(rarer, counts[rarer], usual, counts[usual], differ)


def _one_letter_apart(labels: list[str]) -> list[tuple[str, str]]:
    """Return the labels of which one has a letter more, or another, than the other.

    Two that share what is left when a letter is taken out are looked at, so that it takes no
    comparing of all with all. A digit that differs is meant.
    """
    without: dict[str, set[str]] = defaultdict(set)
    for label in labels:
        if len(label) >= SHORT:
            for key in {label, *(label[:i] + label[i + 1 :] for i in range(len(label)))}:
                without[key].add(label)
    pairs = {pair for alike in without.values() for pair in combinations(sorted(alike), 2)}
    return sorted(pair for pair in pairs if _differ_in_a_letter(*pair))


def _differ_in_a_letter(one: str, other: str) -> bool:
    if len(one) > len(other):
        one, other = other, one
    at = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), len(one))
    same_length = len(one) == len(other)
    if one[at + same_length :] != other[at + 1 :]:
        return False
    changed = other[at] + (one[at] if same_length else "")
    return changed.isalpha()


def _table(evidence: Evidence) -> NDArray[np.int64]:
    """Return how many rows of each label were given each label, shape (n_classes, n_classes)."""
    n = len(evidence.names)
    said = evidence.probabilities.argmax(axis=1)
    return np.bincount(evidence.targets * n + said, minlength=n * n).reshape(n, n)


def _centres(evidence: Evidence) -> NDArray[np.float64]:
    """Return the mean vector of each label, of length 1, shape (n_classes, dim)."""
    sums = np.zeros((len(evidence.names), evidence.vectors.shape[1]))
    np.add.at(sums, evidence.targets, evidence.vectors)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.maximum(lengths, 1e-12))
