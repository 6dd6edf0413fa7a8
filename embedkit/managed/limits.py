"""How much a service takes: presets for its plans, and what settings or a spec say instead."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from embedkit.errors import InvalidInputError, SettingsError


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be asked of one endpoint. None is no limit.

    Attributes
    ----------
    inputs_per_minute, requests_per_minute, tokens_per_minute : int or None
        At most so many within any 60 seconds.
    concurrency : int
        Requests under way at once, at most; fewer where fewer reach the rate limit.
    attempts : int
        How often a request that fails for no fault of its own is sent, the first time included.
    timeout : float
        Seconds to wait for an answer.
    """

    inputs_per_minute: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    concurrency: int = 8
    attempts: int = 8
    timeout: float = 60.0

    def within(self, other: Limits) -> Limits:
        """Return these limits, those per minute no looser than another's."""

        def tighter(name: str) -> int | None:
            given = [getattr(limits, name) for limits in (self, other)]
            return min((limit for limit in given if limit is not None), default=None)

        return dataclasses.replace(
            self,
            inputs_per_minute=tighter("inputs_per_minute"),
            requests_per_minute=tighter("requests_per_minute"),
            tokens_per_minute=tighter("tokens_per_minute"),
        )

    @property
    def paced(self) -> bool:
        """Whether anything is limited by the minute."""
        counts = (self.inputs_per_minute, self.requests_per_minute, self.tokens_per_minute)
        return any(count is not None for count in counts)

    def minutes(self, *, inputs: int, requests: int, tokens: int) -> float:
        """Return how long these take at the limits, in minutes."""
        asked = (
            (inputs, self.inputs_per_minute),
            (requests, self.requests_per_minute),
            (tokens, self.tokens_per_minute),
        )
        return max([count / limit for count, limit in asked if limit], default=0.0)


PRESETS: dict[str, dict[str, dict[str, Limits]]] = {
    "cohere": {
        "trial": {
            "embed": Limits(inputs_per_minute=2000),
            "rerank": Limits(requests_per_minute=10),
            "chat": Limits(requests_per_minute=20, timeout=120.0),
        },
        "production": {
            "embed": Limits(inputs_per_minute=2000),
            "rerank": Limits(requests_per_minute=1000),
            "chat": Limits(requests_per_minute=500, timeout=120.0),
        },
    },
    "openai": {
        "unlimited": {
            "embed": Limits(concurrency=4),
            "chat": Limits(concurrency=4, timeout=120.0),
        },
    },
}
"""What the providers publish, by provider, plan and endpoint. The last plan is the default."""

_COUNTS = (
    "inputs_per_minute", "requests_per_minute", "tokens_per_minute", "concurrency", "attempts",
)  # fmt: skip
_NUMBERS = (*_COUNTS, "timeout")


def limits_for(
    provider: str,
    endpoint: str,
    *,
    plan: str | None = None,
    given: Mapping[str, float | None] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Limits:
    """Settle the limits of an endpoint.

    Parameters
    ----------
    plan : str or None
        Names a preset; else the settings do, else the default.
    given : mapping
        Limits out of a spec; None leaves one to the settings and the preset.
    settings : mapping or None
        The table ``[limits.PROVIDER]`` of a settings file: ``plan``, limits for every endpoint, and
        tables ``embed``, ``rerank``, ``chat`` for one alone.

    Raises
    ------
    SettingsError, InvalidInputError
    """
    table = dict(settings or {})
    plans = PRESETS[provider]
    chosen = plan or table.get("plan") or list(plans)[-1]
    if chosen not in plans:
        error = InvalidInputError if plan else SettingsError
        raise error(f"expected a plan of {provider}: {' or '.join(plans)}, got {chosen!r}")
    own = table.get(endpoint, {})
    common = {key: value for key, value in table.items() if key in _NUMBERS}
    changes = {**common, **own, **{k: v for k, v in (given or {}).items() if v is not None}}
    limits = dataclasses.replace(plans[chosen][endpoint], **changes)
    for name in _COUNTS:
        value = getattr(limits, name)
        if value is not None and value < 1:
            raise InvalidInputError(f"expected {name} to be a whole number >= 1, got {value!r}")
    if not 0 < limits.timeout < math.inf:
        raise InvalidInputError(f"expected timeout to be seconds > 0, got {limits.timeout!r}")
    return limits


def given_limits(
    *,
    inputs_per_minute: int | None = None,
    requests_per_minute: int | None = None,
    tokens_per_minute: int | None = None,
    concurrency: int | None = None,
    timeout: float | None = None,
) -> Mapping[str, float | None]:
    """Return the limits out of a spec under their names."""
    return {
        "inputs_per_minute": inputs_per_minute,
        "requests_per_minute": requests_per_minute,
        "tokens_per_minute": tokens_per_minute,
        "concurrency": concurrency,
        "timeout": timeout,
    }


def check_table(value: Any, where: str) -> dict[str, Any]:
    """Return the table ``[limits]`` of a settings file, or say what in it cannot be meant."""
    if not isinstance(value, dict):
        raise SettingsError(f"{where}: expected a table such as [limits.cohere], got {value!r}")
    for provider, table in value.items():
        if provider not in PRESETS:
            raise SettingsError(
                f"{where}: expected a provider: {' or '.join(PRESETS)}, got {provider!r}"
            )
        endpoints = next(iter(PRESETS[provider].values()))
        _check(table, f"{where}.{provider}", tables=tuple(endpoints))
        if "plan" in table and table["plan"] not in list(PRESETS[provider]):
            raise SettingsError(
                f"{where}.{provider}: expected plan to be {' or '.join(PRESETS[provider])}, "
                f"got {table['plan']!r}"
            )
    return value


def _check(table: Any, where: str, *, tables: tuple[str, ...]) -> None:
    if not isinstance(table, dict):
        raise SettingsError(f"{where}: expected a table, got {table!r}")
    for key, value in table.items():
        if key in tables:
            _check(value, f"{where}.{key}", tables=())
        elif key in _NUMBERS:
            whole = key in _COUNTS
            sound = isinstance(value, int if whole else (int, float)) and not isinstance(
                value, bool
            )
            if not sound or not 0 < value < math.inf:
                kind = "a whole number >= 1" if whole else "seconds > 0"
                raise SettingsError(f"{where}.{key}: expected {kind}, got {value!r}")
        elif key != "plan" or not tables:
            known = ", ".join([*(("plan",) if tables else ()), *_NUMBERS, *tables])
            raise SettingsError(f"{where}: no limit is called {key!r}", do=f"there are: {known}")
