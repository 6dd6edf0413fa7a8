"""Rows whose label is likely to be wrong, with the reasons."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from embedkit.classification.audit.evidence import Evidence
from embedkit.classification.audit.nearest import nearest
from embedkit.classification.audit.noise import cut
from embedkit.types.audit import LabelError

if TYPE_CHECKING:
    from embedkit.types import Keys

NEIGHBOURS = 10


def label_errors(
    evidence: Evidence, most: int | None = None
) -> tuple[list[LabelError], float | None]:
    """Return the rows to look at, the likeliest error first, and their expected precision.

    Parameters
    ----------
    most : int, optional
        So many, however unlikely to be wrong; otherwise those of :func:`.noise.cut`.
    """
    rows = cut(evidence.wrong)
    if most is not None:
        rows = np.argsort(-evidence.wrong, kind="stable")[:most]
    if not len(rows):
        return [], None
    own = evidence.groups
    found, _ = nearest(
        evidence.vectors[rows], evidence.vectors, NEIGHBOURS, groups=(own[rows], own)
    )
    errors = [
        _error(evidence, row, near[near >= 0])
        for row, near in zip(rows.tolist(), found, strict=True)
    ]
    return errors, float(evidence.wrong[rows].mean())


def _error(evidence: Evidence, row: int, near: Keys) -> LabelError:
    given = int(evidence.targets[row])
    others = evidence.probabilities[row].copy()
    others[given] = -1
    best = int(others.argmax())
    names = evidence.names
    counts = Counter(names[target] for target in evidence.targets[near].tolist())
    error = LabelError(
        line=int(evidence.lines[row]),
        id=evidence.ids[row],
        text=evidence.texts[row],
        label=names[given],
        suggested=names[best],
        score=round(float(evidence.wrong[row]), 4),
        p_label=round(float(evidence.probabilities[row, given]), 4),
        p_suggested=round(float(others[best]), 4),
        neighbours=", ".join(f"{name} {count}" for name, count in counts.most_common()),
        agree=counts[names[best]],
        why="",
    )
    return replace(error, why=_why(error, len(near)))


def _why(error: LabelError, near: int) -> str:
    told = f"{error.suggested} is {error.p_suggested:.0%} probable, {error.label}"
    told += f" {error.p_label:.0%}"
    if not near:
        return told
    return f"{told}; {error.agree} of {near} neighbours are {error.suggested}"


def expected_errors(evidence: Evidence) -> list[int]:
    """Return how many rows of each class are flagged, in the order of the labels."""
    rows = cut(evidence.wrong)
    counts: list[int] = np.bincount(evidence.targets[rows], minlength=len(evidence.names)).tolist()
    return counts
