"""Every gradient that was derived by hand is that of the loss beside it, by finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from embedkit.adapters import losses
from embedkit.adapters.residual import backward, forward, mean_of, start
from embedkit.validate import normalize

STEP = 1e-3
"""Of finite differences; losses are taken in float64, or rounding would drown them."""


def slope_of(loss: Callable[[Any], float], at: Any) -> Any:
    """Return the gradient of a loss by central differences."""
    at = np.asarray(at, np.float64)
    out = np.zeros_like(at)
    for place in np.ndindex(at.shape):
        ahead, behind = at.copy(), at.copy()
        ahead[place] += STEP
        behind[place] -= STEP
        out[place] = (loss(ahead) - loss(behind)) / (2 * STEP)
    return out


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, atol=2e-3 * max(1.0, np.abs(expected).max()))


@pytest.fixture
def units(rng: np.random.Generator) -> Any:
    return normalize(rng.standard_normal((7, 5))).astype(np.float64)


TARGETS = np.array([0, 1, 2, 0, 1, 2, 0])
WEIGHTS = np.array([1, 2, 0.5, 1, 1, 3, 1])


def test_prototype_loss(units: Any, rng: np.random.Generator) -> None:
    prototypes = rng.standard_normal((3, 5))

    def loss(at: Any, beside: Any) -> float:
        return losses.prototype_loss(at, TARGETS, beside, WEIGHTS, 4.0)[0]

    _, by_units, by_prototypes = losses.prototype_loss(units, TARGETS, prototypes, WEIGHTS, 4.0)
    close(by_units, slope_of(lambda at: loss(at, prototypes), units))
    close(by_prototypes, slope_of(lambda at: loss(units, at), prototypes))


def test_contrastive_loss(units: Any) -> None:
    def loss(at: Any) -> float:
        return losses.contrastive_loss(at, TARGETS, WEIGHTS, 3.0)[0]

    close(losses.contrastive_loss(units, TARGETS, WEIGHTS, 3.0)[1], slope_of(loss, units))


def test_contrastive_loss_of_classes_of_one_is_nothing(units: Any) -> None:
    loss, slope = losses.contrastive_loss(units, np.arange(7), WEIGHTS, 3.0)
    assert loss == 0
    assert not slope.any()


def test_keeping_loss(units: Any) -> None:
    originals = units[::-1].copy()
    found = losses.keeping_loss(units, originals)[1]
    close(found, slope_of(lambda at: losses.keeping_loss(at, originals)[0], units))


def test_pair_loss(units: Any) -> None:
    left, right = units[:4], units[3:]
    same = np.array([True, False, True, True])
    shut = np.zeros((4, 4), bool)
    shut[0, 2] = True

    def loss(a: Any, b: Any) -> float:
        return losses.pair_loss(a, b, same, shut, 4.0)[0]

    _, by_left, by_right = losses.pair_loss(left, right, same, shut, 4.0)
    close(by_left, slope_of(lambda at: loss(at, right), left))
    close(by_right, slope_of(lambda at: loss(left, at), right))


def test_difference_loss(units: Any) -> None:
    left, right = units[:4], units[3:]
    same = np.array([True, False, False, True])

    def loss(a: Any, b: Any, level: float) -> float:
        return losses.difference_loss(a, b, same, 4.0, level)[0]

    _, by_left, by_right, by_level = losses.difference_loss(left, right, same, 4.0, 0.25)
    close(by_left, slope_of(lambda at: loss(at, right, 0.25), left))
    close(by_right, slope_of(lambda at: loss(left, at, 0.25), right))
    close(by_level, slope_of(lambda at: loss(left, right, float(at)), 0.25))


@pytest.mark.parametrize("name", ["into", "bias", "out"])
def test_map(name: str, units: Any, rng: np.random.Generator) -> None:
    parameters: Any = {key: values.astype(np.float64) for key, values in start(5, 6, rng).items()}
    parameters["out"] = rng.standard_normal((6, 5))
    parameters["bias"] = rng.standard_normal(6)
    gates = rng.random((7, 1))
    kept = (rng.random((7, 6)) > 0.3) * 2.0
    wanted = rng.standard_normal((7, 5))  # the loss is how far the vectors point this way

    def loss(at: Any) -> float:
        return float((forward({**parameters, name: at}, units, gates, kept).units * wanted).sum())

    done = forward(parameters, units, gates, kept)
    found = backward(parameters, done, wanted)[name]
    close(found, slope_of(loss, parameters[name]))


def test_the_mean_of_maps_adds_the_mean_of_what_they_add(units: Any) -> None:
    vectors, gates = units.astype(np.float32), np.ones((7, 1), np.float32)
    members = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        one = start(5, 6, rng)
        one["out"] = rng.standard_normal((6, 5), dtype=np.float32)
        members.append(one)
    moved = [forward(one, vectors, gates) for one in members]
    added = np.mean([done.units * done.lengths - vectors for done in moved], axis=0)
    found = forward(mean_of(members), vectors, gates)
    np.testing.assert_allclose(found.units * found.lengths - vectors, added, atol=1e-5)
