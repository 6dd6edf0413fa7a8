"""Every ranker of candidates in the registry does what every ranker must do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import pytest

from embedkit import registry
from embedkit.protocols import Ranker
from embedkit.ranking.pool import Pool
from embedkit.testing import RANKER_CHECKS, check_ranker

Check = Callable[[Callable[[], Ranker]], None]

NAMES = [row.name for row in registry.rows("ranker")]


@pytest.mark.parametrize("check", RANKER_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_ranker(name: str, check: Check) -> None:
    check(lambda: registry.create("ranker", name))


@pytest.mark.parametrize("name", NAMES)
def test_the_registry_knows_it_by_its_own_name(name: str) -> None:
    assert registry.create("ranker", name).name == name


class Plain:
    """As long as the text is, and fine."""

    name: ClassVar[str] = "plain"
    question: ClassVar[bool] = False

    def score(self, pool: Pool) -> Any:
        return np.array([len(text) or np.nan for text in pool.texts], np.float64)


class Narrow(Plain):
    def score(self, pool: Pool) -> Any:
        return super().score(pool).astype(np.float32)


class Endless(Plain):
    def score(self, pool: Pool) -> Any:
        return np.nan_to_num(super().score(pool), nan=-np.inf)


class Generous(Plain):
    def score(self, pool: Pool) -> Any:
        return np.nan_to_num(super().score(pool), nan=0.0)


class Short(Plain):
    def score(self, pool: Pool) -> Any:
        return super().score(pool)[:-1]


class Placed(Plain):
    def score(self, pool: Pool) -> Any:
        return super().score(pool) + np.arange(len(pool))


class Nosy(Plain):
    question: ClassVar[bool] = True


class Moody(Plain):
    def __init__(self) -> None:
        self.asked = 0

    def score(self, pool: Pool) -> Any:
        self.asked += 1
        return super().score(pool) * self.asked


def test_a_good_one_passes() -> None:
    check_ranker(Plain)


@pytest.mark.parametrize("faulty", [Narrow, Endless, Generous, Short, Placed, Nosy, Moody])
def test_a_faulty_one_is_found(faulty: Callable[[], Ranker]) -> None:
    with pytest.raises(AssertionError):
        check_ranker(faulty)
