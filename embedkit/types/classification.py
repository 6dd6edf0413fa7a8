"""What a classifier says of a text, and of how it was trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, TypeAlias

from embedkit.types.runs import Estimate

Task = Literal["single", "multi", "ordered"]
"""One label a text, any number of them, or one of an order such as low, medium, high."""
TASKS: tuple[Task, ...] = ("single", "multi", "ordered")
Label: TypeAlias = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a classifier says of one text.

    Attributes
    ----------
    label : str, int, float, bool, tuple or None
        The most probable label; where a text has any number of labels, the tuple of those that are
        more probable than not. None where the classifier abstains.
    probability : float
        How probable ``best`` is; of several labels, how probable all decisions together.
    best : str, int, float, bool or tuple
        What the label would be without abstaining.
    abstained : bool
    why : {"", "probability", "scope"}
        Why it abstains: too little probability, or a text unlike all that it was trained on.
    typicality : float or None
        Share of training texts that were as unlike the others as this text is; small where it is
        unlike all. None where that was not learned.
    labels : tuple
        The prediction set: labels of which the true one is one, as often as was asked for; empty
        where no set was asked for.
    probabilities : mapping of label to float
        Of every label.
    """

    label: Label | tuple[Label, ...] | None
    probability: float
    best: Label | tuple[Label, ...]
    abstained: bool = False
    why: Literal["", "probability", "scope"] = ""
    typicality: float | None = None
    labels: tuple[Label, ...] = ()
    probabilities: Mapping[Label, float] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class SetAside:
    """Rows that were not learned from, and why."""

    reason: str
    rows: int


@dataclass(frozen=True, slots=True)
class HeadTrial:
    """What cross-validation said of one head.

    Attributes
    ----------
    head : str
        Its spec.
    accuracy : Estimate or None
        On rows that it had not seen; None where it was not tried.
    macro_f1 : float or None
        Mean F1 of the classes.
    seconds : float
        That trying it took.
    note : str
        Why it was not tried, or on how much of the rows.
    """

    head: str
    accuracy: Estimate | None = None
    macro_f1: float | None = None
    seconds: float = 0.0
    note: str = ""


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """How a classifier was trained, and what cross-validation says of it.

    Every figure is of rows that the head had not seen when it scored them.

    Attributes
    ----------
    rows : int
        Rows learned from.
    counts : mapping of label to int
        Rows of each label.
    head : str
        The spec of the head in use.
    heads : tuple of HeadTrial
        All that were tried, the best first, with the baselines among them.
    measures : mapping of str to Estimate
        ``accuracy`` and others, with intervals.
    calibration : mapping of str to JSON value
        Errors of the probabilities before and after they were calibrated.
    abstention : tuple of mapping
        What precisions of 80, 90, 95 and 99 % cost: the threshold, and the share of texts that
        gets an answer; see ``embedkit.classification.abstention.Abstention``.
    sets : tuple of mapping
        What prediction sets of 80, 90, 95 and 99 % coverage are like; see
        ``embedkit.classification.conformal.SetReport``.
    set_aside : tuple of SetAside
    notes : tuple of str
        What a person should know: classes with few rows, what was sampled.
    folds : int
    seconds : float
        Of training, without embedding.
    created : str
        When, in ISO 8601.
    version : str
        Of embedkit.
    """

    rows: int
    counts: Mapping[Label, int]
    head: str
    heads: tuple[HeadTrial, ...] = ()
    measures: Mapping[str, Estimate] = field(default_factory=dict)
    calibration: Mapping[str, Any] = field(default_factory=dict)
    abstention: tuple[Mapping[str, Any], ...] = ()
    sets: tuple[Mapping[str, Any], ...] = ()
    set_aside: tuple[SetAside, ...] = ()
    notes: tuple[str, ...] = ()
    folds: int = 0
    seconds: float = 0.0
    created: str = ""
    version: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        body = asdict(self)
        body["counts"] = [[label, rows] for label, rows in self.counts.items()]
        return body

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> TrainingReport:
        """Read what ``to_dict`` returned."""
        return cls(
            **{
                **body,
                "counts": {label: rows for label, rows in body["counts"]},  # noqa: C416
                "heads": tuple(
                    HeadTrial(**{**trial, "accuracy": _estimate(trial["accuracy"])})
                    for trial in body["heads"]
                ),
                "measures": {name: Estimate(**value) for name, value in body["measures"].items()},
                "abstention": tuple(body.get("abstention", ())),
                "sets": tuple(body.get("sets", ())),
                "set_aside": tuple(SetAside(**value) for value in body["set_aside"]),
                "notes": tuple(body["notes"]),
            }
        )


def _estimate(body: Mapping[str, Any] | None) -> Estimate | None:
    return None if body is None else Estimate(**body)
