"""What a run may spend: reserved before a request is sent, settled when the bill is there."""

from __future__ import annotations

from dataclasses import dataclass, field

_SAFETY = 1.15
"""How much more than the worst seen so far the next batch may cost by an estimate."""


class BudgetReached(Exception):  # noqa: N818 -- a run that stops where it was told to has not failed
    """The next request might cost more than is left."""


@dataclass
class Meter:
    """Counts tokens, and refuses what might cross the line.

    Tokens are estimated before a request and billed after it. Until the first bill the estimate is
    taken for a tenth of the truth at worst; from then on for the worst ratio seen, and some more.

    Attributes
    ----------
    max_cost : float or None
        In the currency of the price table; None for no limit.
    price : float
        Of a million tokens.
    """

    max_cost: float | None = None
    price: float = 0.0
    estimated_tokens: int = 0
    """Estimate for what was sent and answered."""
    billed_tokens: int = 0
    """What the service billed for it; the estimate where it does not say."""
    told: bool = False
    """Whether the service ever said what it bills."""
    _reserved: int = field(default=0, repr=False)
    _worst: float = field(default=10.0, repr=False)

    @property
    def cost(self) -> float:
        """What was spent so far."""
        return self.billed_tokens * self.price / 1e6

    def reserve(self, tokens: int, inputs: int) -> BudgetReached | None:
        """Set the cost of a request aside; return why not, where it might cross the line."""
        if self.max_cost is not None:
            ahead = self.billed_tokens + self._bound(self._reserved + tokens)
            if ahead * self.price / 1e6 > self.max_cost:
                return BudgetReached(
                    f"stopped before --max-cost {self.max_cost:g} is crossed: {self.cost:.4f} was "
                    f"spent, and the next {inputs:,} texts might cost more than is left"
                )
        self._reserved += tokens
        return None

    def settle(self, tokens: int, inputs: int, billed: int | None) -> None:
        """Replace a reservation by the bill."""
        self._reserved -= tokens
        self.estimated_tokens += tokens
        self.billed_tokens += tokens if billed is None else billed
        if billed is not None:
            ratio = billed / max(tokens, 1)
            self._worst = max(self._worst, ratio) if self.told else max(ratio, 0.1)
            self.told = True

    def cancel(self, tokens: int, inputs: int) -> None:
        """Give a reservation back: what was refused is not billed."""
        self._reserved -= tokens

    def _bound(self, tokens: int) -> float:
        return tokens * self._worst * (_SAFETY if self.told else 1.0)
