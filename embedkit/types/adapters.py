"""What is known of an adapter: what it was learned from, and whether it helped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from embedkit.types.runs import Estimate

Verdict = Literal["yes", "mixed", "no"]


@dataclass(frozen=True, slots=True)
class AdapterMeasure:
    """One measure on held-out rows, without the adapter and with it.

    Attributes
    ----------
    name : {"nearest", "head", "ndcg@10", "auc"}
        Accuracy by the ten nearest rows; accuracy of logistic regression; how high other texts of
        the same meaning stand among all; how often a pair that means the same is nearer than one
        that does not.
    before, after : float
    difference : Estimate
        ``after - before``, paired, with its 95 % interval.
    """

    name: str
    before: float
    after: float
    difference: Estimate

    @property
    def helped(self) -> bool:
        """Whether the whole interval is above 0."""
        return self.difference.low > 0

    @property
    def hurt(self) -> bool:
        """Whether the whole interval is below 0."""
        return self.difference.high < 0


@dataclass(frozen=True, slots=True)
class AdapterReport:
    """What an adapter was learned from, and whether it helped.

    Attributes
    ----------
    learned_from : {"labels", "pairs"}
    rows : int
        Rows, or pairs, that there were.
    classes : int
        Labels, 0 where it was learned from pairs.
    held_out : int
        Rows, or pairs, that were measured on, each by an adapter that had not seen it.
    rounds : int
        Of training, over all rows.
    seconds : float
        CPU seconds, embedding left out.
    measures : tuple of AdapterMeasure
    notes : tuple of str
        What a person should know.
    created : str
        When, in ISO 8601.
    """

    learned_from: Literal["labels", "pairs"]
    rows: int
    classes: int
    held_out: int
    rounds: int
    seconds: float
    measures: tuple[AdapterMeasure, ...] = ()
    notes: tuple[str, ...] = ()
    created: str = ""

    @property
    def helped(self) -> Verdict:
        """Whether it helped: in something surely and in nothing surely not."""
        up = any(measure.helped for measure in self.measures)
        down = any(measure.hurt for measure in self.measures)
        if up:
            return "mixed" if down else "yes"
        return "no"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self) | {"helped": self.helped}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> AdapterReport:
        """Read what ``to_dict`` returned."""
        rest = {name: value for name, value in data.items() if name != "helped"}
        rest["measures"] = tuple(
            AdapterMeasure(**{**one, "difference": Estimate(**one["difference"])})
            for one in data["measures"]
        )
        rest["notes"] = tuple(data["notes"])
        return cls(**rest)
