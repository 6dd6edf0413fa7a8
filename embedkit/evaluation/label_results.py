"""What an evaluation of a classifier tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from embedkit.types import Estimate

if TYPE_CHECKING:
    from embedkit.evaluation.outcomes import Outcomes
    from embedkit.evaluation.results import Difference


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How well one class is found.

    Attributes
    ----------
    support, answered : int
        Rows that have the class, and rows that were given it.
    precision, recall : float
        Of the rows that were given it, the share that has it; of those that have it, the share
        that was given it. 0 where there are none.
    f1 : Estimate
        With its 95 % bootstrap interval over the resamples in which the class occurs.
    """

    label: str
    support: int
    answered: int
    precision: float
    recall: float
    f1: Estimate


@dataclass(frozen=True, slots=True)
class CurveBin:
    """The rows whose confidence is within one stretch.

    Attributes
    ----------
    low, high : float
        The stretch: above ``low``, up to ``high``.
    rows : int
    share : float
        Of all rows.
    confidence : float
        Mean confidence.
    accuracy : Estimate
        How often they were right, with its 95 % interval (Wilson).
    """

    low: float
    high: float
    rows: int
    share: float
    confidence: float
    accuracy: Estimate


@dataclass(frozen=True, slots=True)
class RiskPoint:
    """What is right among the rows that one is surest of.

    Attributes
    ----------
    coverage : float
        Share of the rows that are answered.
    confidence : float
        The least confidence among them: abstain below it to answer this share.
    accuracy : float
    """

    coverage: float
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Confused:
    """One class taken for another.

    ``share`` is of the rows that have the class.
    """

    label: str
    answered: str
    rows: int
    share: float


@dataclass(frozen=True, slots=True)
class LabelEvaluation:
    """How good a classifier is, by rows whose labels are known.

    Attributes
    ----------
    subject : str
        What was measured, and on what.
    task : str
        ``single``, ``multi`` or ``ordered``.
    labels : tuple of str
        The classes, in the classifier's order.
    rows : int
    measures : mapping of name to Estimate
        Values with 95 % bootstrap intervals over rows, equal texts drawn together.
    classes : tuple of ClassScore
    confusion : tuple of tuple of int, or None
        Rows by true class (lines) and answered class (columns); None where rows have several.
    curve : tuple of CurveBin
        Of confidence against how often it was right; bins without rows are left out.
    risk : tuple of RiskPoint
        From few rows to all.
    seen : int
        Rows whose text the classifier learned from.
    unseen : mapping of name to Estimate
        Measures without them; empty where there are none.
    unknown : mapping of str to int
        Labels that it never learned, and their rows, which were left out.
    unknown_abstained : int or None
        Of these rows, those of which nothing was said; None where it was not to abstain.
    training : mapping of name to Estimate
        What cross-validation measured in training.
    majority : mapping of name to Estimate
        Measures of an answer without reading: the most frequent class in training.
    places : tuple of int
        Where the rows are among those that were given.
    notes : tuple of str
        What was left out, and what is not as it should be.
    """

    subject: str
    task: str
    labels: tuple[str, ...]
    rows: int
    measures: Mapping[str, Estimate]
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...] | None
    curve: tuple[CurveBin, ...]
    risk: tuple[RiskPoint, ...]
    notes: tuple[str, ...] = ()
    seen: int = 0
    unseen: Mapping[str, Estimate] = field(default_factory=dict)
    unknown: Mapping[str, int] = field(default_factory=dict)
    unknown_abstained: int | None = None
    training: Mapping[str, Estimate] = field(default_factory=dict)
    majority: Mapping[str, Estimate] = field(default_factory=dict)
    places: tuple[int, ...] = field(default=(), repr=False)
    outcomes: Outcomes | None = field(default=None, repr=False, compare=False)
    """The single rows, which a comparison needs."""

    def confused(self, n: int = 10) -> list[Confused]:
        """Return the pairs of classes that are taken for each other most, most rows first."""
        if self.confusion is None:
            return []
        pairs = [
            Confused(self.labels[true], self.labels[said], rows, rows / sum(line))
            for true, line in enumerate(self.confusion)
            for said, rows in enumerate(line)
            if rows and said != true
        ]
        return sorted(pairs, key=lambda pair: (-pair.rows, -pair.share))[:n]

    def worst(self, n: int = 5) -> list[ClassScore]:
        """Return the classes with the lowest F1 among those that rows have."""
        found = [one for one in self.classes if one.support]
        return sorted(found, key=lambda one: one.f1.mean)[:n]

    def against(self, other: LabelEvaluation, *, seed: int = 0) -> dict[str, Difference]:
        """Compare with another classifier on the same rows, measure by measure.

        Raises
        ------
        InvalidInputError
            They were not measured on the same rows with the same labels.
        """
        from embedkit.evaluation.label_compare import compare

        return compare(self, other, seed=seed)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, without the single rows."""
        return {
            "subject": self.subject,
            "task": self.task,
            "rows": self.rows,
            "measures": _plain(self.measures),
            "seen": self.seen,
            "unseen": _plain(self.unseen),
            "unknown": dict(self.unknown),
            "unknown_abstained": self.unknown_abstained,
            "training": _plain(self.training),
            "majority": _plain(self.majority),
            "classes": [asdict(one) for one in self.classes],
            "labels": list(self.labels),
            "confusion": None if self.confusion is None else [list(x) for x in self.confusion],
            "confused": [asdict(pair) for pair in self.confused()],
            "curve": [asdict(one) for one in self.curve],
            "risk": [asdict(point) for point in self.risk],
            "notes": list(self.notes),
        }


def _plain(measures: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: asdict(value) for name, value in measures.items()}
