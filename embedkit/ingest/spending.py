"""What a run costs: planned before it, metered while it goes on, told after it."""

from __future__ import annotations

import math
from typing import Any

from embedkit.errors import InvalidInputError
from embedkit.managed.budget import Meter
from embedkit.protocols import Embedder
from embedkit.types import MigrationReport, Report


class Spending:
    """The money side of a run; there is none where the model runs here.

    Parameters
    ----------
    embedder : Embedder or None
    max_cost : float or None
        US dollars that the run may spend.
    max_texts : int or None
        Texts that the run may send.
    ratio : float or None
        Tokens that earlier runs were billed over those estimated for them.

    Raises
    ------
    InvalidInputError
        A limit for an embedder whose price is not known.
    """

    def __init__(
        self,
        embedder: Embedder | None,
        max_cost: float | None,
        max_texts: int | None = None,
        *,
        ratio: float | None = None,
    ) -> None:
        managed: Any = getattr(embedder, "inner", embedder)
        self._managed: Any = managed if hasattr(managed, "price") else None
        self._ratio = ratio or 1.0
        self.meter: Meter | None = None
        if self._managed is None:
            if max_cost is not None and hasattr(embedder, "embed_stream"):
                raise InvalidInputError(
                    f"expected an embedder with a price for --max-cost, {managed.model_id} tells "
                    "none",
                    do="limit the texts instead: --max-texts",
                )
            return
        price = self._managed.price
        if max_cost is not None and price is None:
            name = f"{self._managed.provider}:{self._managed.model}"
            raise InvalidInputError(
                f"expected a known price for --max-cost, that of {name} is not known",
                do=f"write it in embedkit.toml, in US dollars for a million tokens: [prices] "
                f'"{name}" = ...',
            )
        self.meter = Meter(max_cost, price or 0.0, max_texts)
        self._price = price

    def planned(self, texts: int, tokens: int) -> dict[str, Any]:
        """Return what a plan tells, by the fields of a report."""
        if self._managed is None:
            return {}
        expected = round(tokens * self._ratio)
        requests = math.ceil(texts / self._managed.max_inputs)
        minutes = self._managed.limits.minutes(inputs=texts, requests=requests, tokens=expected)
        return {
            "estimated_tokens": expected,
            "cost": None if self._price is None else round(expected * self._price / 1e6, 6),
            "rate_limit_seconds": round(60 * minutes, 1),
        }

    def done(self) -> dict[str, Any]:
        """Return what a run was billed, by the fields of a report."""
        meter = self.meter
        if meter is None:
            return {}
        return {
            "estimated_tokens": meter.estimated_tokens,
            "billed_tokens": meter.billed_tokens if meter.told else None,
            "cost": None if self._price is None else round(meter.cost, 6),
        }

    @property
    def left(self) -> tuple[float | None, int | None]:
        """US dollars, and texts, that may still be spent; None for no limit."""
        meter = self.meter
        if meter is None:
            return None, None
        cost = None if meter.max_cost is None else max(0.0, meter.max_cost - meter.cost)
        return cost, None if meter.max_inputs is None else meter.max_inputs - meter.inputs

    def notes(self) -> tuple[str, ...]:
        """Return what a person should know of the bill."""
        lost = self.meter.lost_tokens if self.meter is not None else 0
        if not lost:
            return ()
        return (
            "the bill may be higher: the service may charge for answers that were lost on the "
            f"way, about {lost:,} tokens",
        )


def paid_counts(report: Report | MigrationReport) -> dict[str, int | float]:
    """Return what the ledger keeps of what a run cost; nothing where the model runs here."""
    names = ("cached", "estimated_tokens", "billed_tokens", "cost")
    return {name: value for name in names if (value := getattr(report, name))}
