"""What calibrating learned, and what it is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from embedkit.classification.reliability import Bin, Quality


@dataclass(frozen=True, slots=True)
class MapTrial:
    """What cross-fitting said of one way to probabilities.

    Attributes
    ----------
    name : str
    log_loss, ece, accuracy : float
        Of probabilities learned from other folds.
    """

    name: str
    log_loss: float
    ece: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class CalibrationReport:
    """What was learned, and what it is worth.

    Attributes
    ----------
    name : str
        Of the map in use.
    before, after : Quality
        Of the scores taken for probabilities as they are (their softmax; of several labels a text
        their sigmoid), and of the calibrated ones, each learned from other folds.
    curve_before, curve_after : tuple of Bin
        The reliability diagrams, in 15 bins of equal width.
    trials : tuple of MapTrial
        All ways that were tried, the simplest first; of many rows on a sample.
    notes : tuple of str
        What a person should know.
    """

    name: str
    before: Quality
    after: Quality
    curve_before: tuple[Bin, ...] = ()
    curve_after: tuple[Bin, ...] = ()
    trials: tuple[MapTrial, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON; the accuracy of an empty bin is None."""
        body = asdict(self)
        for each in (*body["curve_before"], *body["curve_after"]):
            each["accuracy"] = each["accuracy"] if each["rows"] else None
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in body.items()
        }

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> CalibrationReport:
        """Read what ``to_dict`` returned."""
        curves = {
            name: tuple(
                Bin(**{**each, "accuracy": each["accuracy"] if each["rows"] else float("nan")})
                for each in body[name]
            )
            for name in ("curve_before", "curve_after")
        }
        return cls(
            body["name"],
            Quality.from_dict(body["before"]),
            Quality.from_dict(body["after"]),
            **curves,
            trials=tuple(MapTrial(**trial) for trial in body["trials"]),
            notes=tuple(body["notes"]),
        )
