"""Rows of equal or much the same text.

Equal means equal but for case, blanks and punctuation (:func:`.folding.fold`). Near means a cosine
of at least the threshold, found by the exact join of :mod:`embedkit.pairs.join`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedkit.classification.audit.evidence import Evidence
from embedkit.pairs.join import Found, Join, together
from embedkit.types.audit import Repeat

if TYPE_CHECKING:
    from embedkit.types import Keys

MOST = 10_000
"""Near pairs of each kind that are told, the nearest first."""


class Kept:
    """The nearest pairs of all that come, no more than MOST of them."""

    def __init__(self, most: int = MOST) -> None:
        self.most = most
        self.count = 0
        self._parts: list[Found] = []
        self._held = 0

    def add(self, found: Found) -> None:
        """Take in some pairs."""
        self.count += len(found.left)
        self._parts.append(found)
        self._held += len(found.left)
        if self._held > 4 * self.most:
            self._trim()

    def best(self) -> Found:
        """Return the pairs, the nearest first, those of one cosine by place."""
        self._trim()
        return self._parts[0]

    def _trim(self) -> None:
        found = together(self._parts)
        order = np.lexsort((found.right, found.left, -found.scores))[: self.most]
        self._parts = [found.take(order)]
        self._held = len(order)


def repeats(evidence: Evidence, threshold: float) -> tuple[list[Repeat], list[Repeat], list[str]]:
    """Return conflicting and harmless repeats, and what was cut off.

    Of equal texts, each further row is paired with the first of the group's most frequent label.
    Of near ones, every two texts are paired once, by their first rows with each label.
    """
    conflicts, duplicates = _equal(evidence)
    first = _first_of_each(evidence.groups, evidence.targets)
    join = Join(evidence.vectors, first, threshold)
    unlike, like = Kept(), Kept()
    for found in join.pairs():
        left, right = first[found.left], first[found.right]
        apart = evidence.groups[left] != evidence.groups[right]
        same = evidence.targets[left] == evidence.targets[right]
        for kept, which in ((unlike, apart & ~same), (like, apart & same)):
            kept.add(Found(left[which], right[which], found.scores[which]))
    notes = []
    for name, kept, listed in (
        ("conflicting", unlike, conflicts),
        ("harmless", like, duplicates),
    ):
        best = kept.best()
        for row, other, cosine in zip(*(column.tolist() for column in best), strict=True):
            listed.append(_repeat(evidence, "near", cosine, row, other))
        if kept.count > MOST:
            notes.append(
                f"of {kept.count:,} {name} pairs of near texts the nearest {MOST:,} are told; "
                "raise the threshold to have fewer"
            )
    return conflicts, duplicates, notes


def _equal(evidence: Evidence) -> tuple[list[Repeat], list[Repeat]]:
    conflicts: list[Repeat] = []
    duplicates: list[Repeat] = []
    order = np.argsort(evidence.groups, kind="stable")
    edges = np.flatnonzero(np.diff(evidence.groups[order])) + 1
    for rows in np.split(order, edges):
        if len(rows) < 2:
            continue
        targets = evidence.targets[rows]
        frequent = np.bincount(targets).argmax()
        kept = int(rows[np.flatnonzero(targets == frequent)[0]])
        for row in rows.tolist():
            if row != kept:
                conflict = evidence.targets[row] != evidence.targets[kept]
                listed = conflicts if conflict else duplicates
                listed.append(_repeat(evidence, "equal", 1.0, row, kept))
    return conflicts, duplicates


def _first_of_each(groups: Keys, targets: Keys) -> Keys:
    """Return the first row of each text and label, ascending."""
    both = np.stack((groups, targets), axis=1)
    return np.sort(np.unique(both, axis=0, return_index=True)[1])


def _repeat(evidence: Evidence, kind: str, cosine: float, row: int, other: int) -> Repeat:
    return Repeat(
        kind=kind,
        cosine=round(float(cosine), 4),
        line=int(evidence.lines[row]),
        text=evidence.texts[row],
        label=evidence.names[evidence.targets[row]],
        other_line=int(evidence.lines[other]),
        other_text=evidence.texts[other],
        other_label=evidence.names[evidence.targets[other]],
    )
