"""Every filter of candidates in the registry does what every filter must do."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import pytest

from embedkit import registry
from embedkit.protocols import Filter
from embedkit.ranking.filters import ANSWERS, DEFAULT
from embedkit.ranking.pool import Pool
from embedkit.testing import CANDIDATE_FILTER_CHECKS, check_candidate_filter

Check = Callable[[Callable[[], Filter]], None]

NAMES = [row.name for row in registry.rows("filter")]
VARIANTS = {
    "length": ["length", "length?least=3&most=40"],
    "copied": ["copied", "copied?most=0.95&run=4"],
    "unsupported": ["unsupported", "unsupported?names=false", "unsupported?numbers=no&dates=no"],
}
"""Specs of each name; one that is not listed is checked as it stands."""
SPECS = [spec for name in NAMES for spec in VARIANTS.get(name, [name])]


@pytest.mark.parametrize("check", CANDIDATE_FILTER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("spec", SPECS)
def test_filter(spec: str, check: Check) -> None:
    check(lambda: registry.create("filter", spec))


@pytest.mark.parametrize("spec", SPECS)
def test_the_registry_knows_it_by_its_own_name(spec: str) -> None:
    assert registry.create("filter", spec).name == spec.partition("?")[0]


def test_the_defaults_are_registered_and_stand_once() -> None:
    for listed in (DEFAULT, ANSWERS):
        assert set(listed) <= set(NAMES)
        assert len(set(listed)) == len(listed)


def test_all_checks_in_one_call() -> None:
    check_candidate_filter(lambda: registry.create("filter", "empty"))


class Silent:
    """Rejects nothing, and is fine."""

    name: ClassVar[str] = "silent"

    def reject(self, pool: Pool) -> list[str | None]:
        return [None] * len(pool)


class Short(Silent):
    def reject(self, pool: Pool) -> list[str | None]:
        return [None] * (len(pool) - 1)


class Lines(Silent):
    def reject(self, pool: Pool) -> list[str | None]:
        return ["two\nlines" if not text else None for text in pool.texts]


class Neighbours(Silent):
    def reject(self, pool: Pool) -> list[str | None]:
        return ["one of many" if len(pool) > 3 and not text else None for text in pool.texts]


class Strict(Silent):
    def reject(self, pool: Pool) -> list[str | None]:
        return ["not good enough"] * len(pool)


class Moody(Silent):
    def __init__(self) -> None:
        self.asked = 0

    def reject(self, pool: Pool) -> list[str | None]:
        self.asked += 1
        return [f"asked {self.asked} times" if not text else None for text in pool.texts]


def test_a_filter_that_rejects_nothing_passes() -> None:
    check_candidate_filter(Silent)


@pytest.mark.parametrize("wrong", [Short, Lines, Neighbours, Strict, Moody])
def test_a_filter_that_does_it_wrong_is_noticed(wrong: type[Silent]) -> None:
    with pytest.raises(AssertionError):
        check_candidate_filter(wrong)
