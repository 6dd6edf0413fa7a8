"""Labelled questions of our own making, of which we know what is wrong."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

SUBJECTS: dict[str, tuple[Sequence[str], Sequence[str]]] = {
    "cooking": (
        ("boil", "bake", "fry", "season", "chop", "knead"),
        ("rice", "bread dough", "an egg", "soup", "potatoes", "salmon", "pancakes", "beans"),
    ),
    "gardening": (
        ("plant", "water", "prune", "repot", "fertilise", "sow"),
        ("tomatoes", "a rose", "the lawn", "an orchid", "herbs", "a hedge", "tulips", "ivy"),
    ),
    "travel": (
        ("book", "cancel", "reach", "pay for", "change", "find"),
        ("a flight", "the hotel", "a train ticket", "the ferry", "a tour", "the airport bus"),
    ),
}
FRAMES = ("how do I {verb} {thing}", "when should I {verb} {thing}", "can you {verb} {thing} twice")


def questions() -> list[tuple[str, str]]:
    """Return texts with their labels: 396, none twice, in mixed order."""
    made = [
        (frame.format(verb=verb, thing=thing), label)
        for label, (verbs, things) in SUBJECTS.items()
        for verb in verbs
        for thing in things
        for frame in FRAMES
    ]
    order = np.random.default_rng(7).permutation(len(made))
    return [made[i] for i in order]


def flipped(rows: Sequence[tuple[str, str]], share: float, seed: int) -> tuple[list[str], set[int]]:
    """Return the labels with some replaced by others, and which rows those are."""
    rng = np.random.default_rng(seed)
    labels = [label for _, label in rows]
    names = sorted(set(labels))
    which = rng.permutation(len(rows))[: round(share * len(rows))].tolist()
    for row in which:
        labels[row] = str(rng.choice([name for name in names if name != labels[row]]))
    return labels, set(which)


def write(path: Path, rows: Sequence[Sequence[str]], header: Sequence[str]) -> Path:
    """Write rows to a CSV file."""
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path
