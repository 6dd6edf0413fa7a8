"""Labelled texts, checked, and split so that nothing is measured on what was learned."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.classification.crossfit import folded
from embedkit.embedders.base import check_unicode
from embedkit.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys

LEAST = 12
"""Rows below which there is nothing to hold out."""
MOST_HELD_OUT = 1000
"""Rows of one held-out part, at most: they make an accuracy sure to 2-3 points."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Texts with their labels, as numbers.

    Attributes
    ----------
    texts : list of str, length n
    targets : int64 array, shape (n,)
        Places in ``labels``.
    labels : tuple of str
        Sorted.
    skipped : int
        Rows left out for want of a text or a label.
    """

    texts: list[str]
    targets: Keys
    labels: tuple[str, ...]
    skipped: int = 0

    @classmethod
    def of(cls, texts: Sequence[Any], labels: Sequence[Any]) -> Labelled:
        """Check rows and return those that can be learned from.

        Rows whose text or label is missing or blank are left out and counted.

        Raises
        ------
        InvalidInputError
            Cells that are not text, or that no encoding could write; other than one label a text;
            one label only; too few rows.
        """
        from embedkit.classification.training import usable

        rows = usable(texts, labels, task="single")
        names = tuple(str(name) for name in rows.labels.names)
        _check(len(rows.texts), names)
        check_unicode(rows.texts)
        targets = rows.targets.astype(np.int64)
        return cls(rows.texts, targets, names, len(texts) - len(rows.texts))

    def digest(self) -> str:
        """Return a SHA-256 over texts and labels, in their order."""
        digest = hashlib.sha256()
        for text, target in zip(self.texts, self.targets.tolist(), strict=True):
            digest.update(f"{len(text)}\0{text}\0{self.labels[target]}\0".encode())
        return digest.hexdigest()

    def take(self, rows: Keys) -> Labelled:
        """Return some of the rows, with all labels."""
        return Labelled([self.texts[i] for i in rows.tolist()], self.targets[rows], self.labels)

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True)
class Split:
    """Rows to learn from, rows that say when to stop, rows for the verdict: no row in two."""

    train: Keys
    stop: Keys
    judge: Keys


def split(data: Labelled, share: float, seed: int) -> Split:
    """Split rows by label.

    Texts that differ only in case and white space stay together: their place is drawn once. Of each
    label the share is held out, as nearly as whole texts allow; a label with one text is only
    learned from.

    Parameters
    ----------
    share : float in (0, 0.5]
        Of the texts of each label, for either held-out part; at most ``MOST_HELD_OUT`` rows each.

    Raises
    ------
    InvalidInputError
        No label has texts enough to hold one out.
    """
    rng = np.random.default_rng(seed)
    share = min(share, MOST_HELD_OUT / max(1, len(data)))
    groups: dict[str, list[int]] = defaultdict(list)
    for row, text in enumerate(data.texts):
        groups[folded(text)].append(row)
    of_label: dict[int, list[list[int]]] = defaultdict(list)
    for group in groups.values():
        of_label[int(data.targets[group[0]])].append(group)
    parts: tuple[list[int], list[int], list[int]] = ([], [], [])
    owed = 0.0  # rows that rounding withheld so far
    for label in sorted(of_label):
        drawn = [of_label[label][i] for i in rng.permutation(len(of_label[label]))]
        wish = share * len(drawn) + owed
        each = min(round(wish), (len(drawn) - 1) // 2)
        owed = wish - each
        for place, group in enumerate(drawn):
            part = 1 if place < each else 2 if place < 2 * each else 0
            parts[part].extend(group)
    if not parts[1]:
        raise InvalidInputError(
            "expected labels with at least 3 different texts, some of them to hold out; "
            f"the largest has {max(map(len, of_label.values()))}",
            do="label more texts",
        )
    train, stop, judge = (np.sort(np.array(part, np.int64)) for part in parts)
    return Split(train, stop, judge)


def _check(rows: int, names: tuple[str, ...]) -> None:
    if rows < LEAST:
        raise InvalidInputError(
            f"expected at least {LEAST} labelled texts, got {rows}", do="label more texts"
        )
    if len(names) > rows // 2:
        raise InvalidInputError(
            f"expected several texts a label, got {len(names):,} labels for {rows:,} texts",
            do="name the column that holds the labels",
        )


def fingerprints(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Return 8 bytes of a hash of each text, by which a row that was learned from is known again.

    Texts that differ only in case and white space have the same.
    """
    hashes = [
        int.from_bytes(
            hashlib.blake2b(folded(text).encode("utf-8", "surrogatepass"), digest_size=8).digest(),
            "little",
        )
        for text in texts
    ]
    return np.array(hashes, np.uint64)
