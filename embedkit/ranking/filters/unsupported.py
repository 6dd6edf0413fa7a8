"""A number, name or date that the source does not hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from embedkit.ranking.claims import Claim, unsupported

if TYPE_CHECKING:
    from embedkit.ranking.pool import Pool

_NAMED = 3
"""Claims that a reason names."""


class UnsupportedFilter:
    """Rejects a candidate that states a number, name or date that its source does not hold.

    See :mod:`embedkit.ranking.claims` for what counts as the same.

    Parameters
    ----------
    numbers, dates, names : bool
        Which of them are looked at.
    """

    name: ClassVar[str] = "unsupported"

    def __init__(self, *, numbers: bool = True, dates: bool = True, names: bool = True) -> None:
        self.numbers, self.dates, self.names = numbers, dates, names

    def reject(self, pool: Pool) -> list[str | None]:
        """Return the claims of each candidate that its source does not hold; None without any."""
        return [self._told(found) for found in unsupported(pool)]

    def _told(self, found: list[Claim]) -> str | None:
        """Return the reason that claims make; None without any of those looked at."""
        wanted = {"number": self.numbers, "date": self.dates, "name": self.names}
        listed = [claim for claim in found if wanted[claim.kind]]
        if not listed:
            return None
        told = "; ".join(map(str, listed[:_NAMED]))
        return f"{told}; and {len(listed) - _NAMED} more" if len(listed) > _NAMED else told

    def __repr__(self) -> str:
        return f"<filter {self.name}>"
