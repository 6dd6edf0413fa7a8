"""What a run may spend: reserved before a request is sent, settled when the bill is there."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from embedkit.managed.tokens import CHARACTERS

_SAFETY = 1.15
"""How much more than the worst ratio seen so far the next batch may have, by an estimate."""
_MARKS = 2
"""Tokens that a service may add to a text: for its beginning and its end."""


def dollars(amount: float) -> str:
    """Return an amount of US dollars with as many decimals as it needs, two at least."""
    whole, _, rest = f"{amount:,.6f}".partition(".")
    return f"${whole}.{rest.rstrip('0').ljust(2, '0')}"


class BudgetReached(Exception):  # noqa: N818 -- a run that stops where it was told to has not failed
    """The next request might cost more than is left."""


@dataclass
class Meter:
    """Counts tokens, and refuses what might cross the line.

    Tokens are estimated before a request and billed after it. A token is at least a byte, so that
    a text has no more than :data:`CHARACTERS` times its estimate, and that is what is reserved: the
    line is not crossed, whatever the texts are. Safe from several threads.

    Attributes
    ----------
    max_cost : float or None
        In the currency of the price table; None for no limit.
    price : float
        Of a million tokens.
    max_inputs : int or None
        Texts that may be answered; None for no limit.
    """

    max_cost: float | None = None
    price: float = 0.0
    max_inputs: int | None = None
    estimated_tokens: int = 0
    """Estimate for what was sent and answered."""
    billed_tokens: int = 0
    """What the service billed for it; the estimate where it does not say."""
    told: bool = False
    """Whether the service ever said what it bills."""
    lost_tokens: int = 0
    """Estimate for what was sent, may be billed, and was never answered well."""
    _inputs: int = field(default=0, repr=False)
    _reserved: int = field(default=0, repr=False)
    _reserved_inputs: int = field(default=0, repr=False)
    _lost_inputs: int = field(default=0, repr=False)
    _worst: float = field(default=0.0, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def inputs(self) -> int:
        """Texts that were answered so far."""
        return self._inputs

    @property
    def cost(self) -> float:
        """What was spent so far."""
        return self.billed_tokens * self.price / 1e6

    def reserve(self, tokens: int, inputs: int) -> BudgetReached | None:
        """Set the cost of a request aside; return why not, where it might cross the line."""
        with self._lock:
            refusal = self._refusal(tokens, inputs)
            if refusal is None:
                self._reserved += tokens
                self._reserved_inputs += inputs
        return refusal

    def settle(self, tokens: int, inputs: int, billed: int | None) -> None:
        """Replace a reservation by the bill."""
        self.cancel(tokens, inputs)
        with self._lock:
            self._inputs += inputs
            self.estimated_tokens += tokens
            self.billed_tokens += tokens if billed is None else billed
            if billed is not None:
                self._worst = max(self._worst, billed / max(tokens, 1))
                self.told = True

    def cancel(self, tokens: int, inputs: int) -> None:
        """Give a reservation back: what was refused is not billed."""
        with self._lock:
            self._reserved -= tokens
            self._reserved_inputs -= inputs

    def lose(self, tokens: int, inputs: int) -> BudgetReached | None:
        """Count a request that may be billed and brought nothing; say why not to send it again."""
        with self._lock:
            self.lost_tokens += tokens
            self._lost_inputs += inputs
            return self._refusal(0, 0)

    def _refusal(self, tokens: int, inputs: int) -> BudgetReached | None:
        most_inputs = self.max_inputs
        if most_inputs is not None and self._inputs + self._reserved_inputs + inputs > most_inputs:
            return BudgetReached(f"stopped at --max-texts {most_inputs:,}, before more were sent")
        if self.max_cost is None:
            return None
        unsure = self._reserved + self.lost_tokens + tokens
        unsure_inputs = self._reserved_inputs + self._lost_inputs + inputs
        most = unsure * max(CHARACTERS, self._worst * _SAFETY) + unsure_inputs * _MARKS
        if (self.billed_tokens + most) * self.price / 1e6 <= self.max_cost:
            return None
        told = f"{dollars(self.cost)} was spent, and the next text might cost more than is left"
        if self.lost_tokens:
            told += " (answers that never came may be billed too)"
        return BudgetReached(
            f"stopped before --max-cost {dollars(self.max_cost)} is crossed: {told}"
        )
