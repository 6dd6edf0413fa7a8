"""What every head must do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from embedkit.classification.inputs import Inputs
from embedkit.errors import DimensionMismatchError, InvalidInputError, NotFittedError
from embedkit.protocols import Head
from embedkit.testing.measures import ensure, refuses

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys

Factory = Callable[[], Head]
DIM = 12
CLASSES = 3
ROWS = 72
SUBJECTS = (
    ("rain", "cloud", "storm", "wind", "snow"),
    ("goal", "match", "player", "coach", "league"),
    ("bread", "flour", "oven", "butter", "dough"),
)
FILLERS = ("the", "of", "was", "again", "today", "very", "a")
CLOSE = 2e-3
"""Difference that solvers may leave, as a share of how far scores spread."""


def head_case(rows: int = ROWS, *, seed: int = 0) -> tuple[Inputs, Keys]:
    """Return texts of three subjects, their vectors in three clusters, and the subject of each."""
    rng = np.random.default_rng(seed)
    targets = np.arange(rows, dtype=np.int64) % CLASSES
    texts = [
        " ".join([*rng.choice(SUBJECTS[subject], 2), *rng.choice(FILLERS, 3), f"no{row}"])
        for row, subject in enumerate(targets.tolist())
    ]
    centres = np.random.default_rng(7).standard_normal((CLASSES, DIM))
    vectors = centres[targets] + 0.6 * rng.standard_normal((rows, DIM))
    return _inputs(texts, vectors), targets


def check_form(factory: Factory) -> None:
    """Scores are finite numbers, one a row and class, also for no rows."""
    head = factory()
    ensure(isinstance(head, Head), "does not fulfil the protocol Head")
    inputs, targets = head_case()
    refuses("scores before it learned", head.scores, inputs, error=NotFittedError)
    head.fit(inputs, targets, CLASSES)
    scores = head.scores(inputs)
    ensure(scores.shape == (ROWS, CLASSES), f"expected {(ROWS, CLASSES)}, got {scores.shape}")
    ensure(scores.dtype == np.float64, f"expected float64, got {scores.dtype}")
    ensure(bool(np.isfinite(scores).all()), "a score is not a finite number")
    none = head.scores(inputs.take(np.empty(0, np.int64)))
    ensure(none.shape == (0, CLASSES), f"no rows gave {none.shape}")


def check_learns(factory: Factory) -> None:
    """It tells subjects of new texts, if it reads anything of them."""
    head = factory()
    head.fit(*head_case(), CLASSES)
    inputs, targets = head_case(seed=1)
    right = (head.scores(inputs).argmax(axis=1) == targets).mean()
    ensure(not head.reads or bool(right > 0.8), f"only {right:.0%} of new texts are right")


def check_refusals(factory: Factory) -> None:
    """What cannot be meant is refused."""
    inputs, targets = head_case()
    wrong = factory()
    refuses("one class", wrong.fit, inputs, targets * 0, 1, error=InvalidInputError)
    refuses("a class out of range", wrong.fit, inputs, targets, 2, error=InvalidInputError)
    refuses("too few classes", wrong.fit, inputs, targets[1:], 3, error=InvalidInputError)
    none = inputs.take(np.empty(0, np.int64))
    refuses("no rows", wrong.fit, none, targets[:0], 3, error=InvalidInputError)
    head = factory()
    head.fit(inputs, targets, CLASSES)
    if "vectors" in head.reads:
        narrow = Inputs(inputs.texts, np.ascontiguousarray(inputs.vectors[:, 1:]))
        refuses("narrower vectors", head.scores, narrow, error=DimensionMismatchError)


def check_restored(factory: Factory) -> None:
    """What is restored from the state scores alike; the state is JSON and numeric arrays."""
    import json

    head, other = factory(), factory()
    inputs, targets = head_case()
    head.fit(inputs, targets, CLASSES)
    state = head.state()
    facts = json.loads(json.dumps(state.facts))
    ensure(facts == state.facts, "the facts are not values of JSON")
    kinds = {array.dtype.kind for array in state.arrays.values()}
    ensure(kinds <= set("biuf"), f"arrays must hold numbers, got the kinds {kinds}")
    other.restore(type(state)(facts, {name: a.copy() for name, a in state.arrays.items()}))
    new, _ = head_case(seed=1)
    for some in (inputs, new):
        np.testing.assert_allclose(other.scores(some), head.scores(some), rtol=0, atol=1e-6)


def check_batches(factory: Factory) -> None:
    """A row scores the same by itself, and in whatever order rows come."""
    head = factory()
    inputs, targets = head_case()
    head.fit(inputs, targets, CLASSES)
    new, _ = head_case(30, seed=1)
    scores = head.scores(new)
    back = np.arange(len(new))[::-1].copy()
    _close(head.scores(new.take(back))[back], scores, 1e-5)
    singles = [head.scores(new.take(np.array([row])))[0] for row in range(len(new))]
    _close(np.stack(singles), scores, 1e-5)


def check_repeatable(factory: Factory) -> None:
    """Equal seeds and rows give equal heads; the order of the rows changes next to nothing."""
    inputs, targets = head_case()
    first, second, third = factory(), factory(), factory()
    first.fit(inputs, targets, CLASSES, seed=3)
    second.fit(inputs, targets, CLASSES, seed=3)
    scores = first.scores(inputs)
    ensure(bool(np.array_equal(second.scores(inputs), scores)), "a second fit scores otherwise")
    order = np.random.default_rng(0).permutation(len(inputs))
    third.fit(inputs.take(order), targets[order], CLASSES, seed=3)
    _close(third.scores(inputs), scores, CLOSE * 10)


def check_weights(factory: Factory) -> None:
    """A class whose rows weigh more is given more often, and equal weights are no weights."""
    inputs, targets = head_case()
    noise = np.random.default_rng(5).integers(0, CLASSES, len(targets))
    plain, equal, heavy = factory(), factory(), factory()
    plain.fit(inputs, noise, CLASSES)
    equal.fit(inputs, noise, CLASSES, weights=np.ones(len(targets)))
    _close(equal.scores(inputs), plain.scores(inputs), CLOSE)
    heavy.fit(inputs, noise, CLASSES, weights=np.where(noise == 1, 20.0, 1.0))
    before = (plain.scores(inputs).argmax(axis=1) == 1).mean()
    after = (heavy.scores(inputs).argmax(axis=1) == 1).mean()
    ensure(bool(after >= before), f"its share fell from {before:.0%} to {after:.0%}")
    nothing = partial(factory().fit, weights=np.zeros(len(targets)))
    refuses("weights of nothing", nothing, inputs, targets, CLASSES)


def check_absent_class(factory: Factory) -> None:
    """A class without rows is never the most likely one."""
    inputs, targets = head_case()
    head = factory()
    head.fit(inputs, targets, CLASSES + 2)
    new, _ = head_case(seed=1)
    best = head.scores(new).argmax(axis=1)
    ensure(bool((best < CLASSES).all()), "a class without rows is the most likely one")


def check_odd_rows(factory: Factory) -> None:
    """Texts without words, equal texts, zero vectors and narrow ones are learned from."""
    rng = np.random.default_rng(0)
    cases = {
        "no words": (["", "  ", "\n", "", "…", ""], rng.standard_normal((6, 4))),
        "equal texts": (["same text"] * 6, rng.standard_normal((6, 4))),
        "zero vectors": ([f"text {row}" for row in range(6)], np.zeros((6, 4))),
        "one dimension": ([f"text {row}" for row in range(6)], np.ones((6, 1))),
    }
    targets = np.array([0, 1, 0, 1, 0, 2])
    for name, (texts, vectors) in cases.items():
        head = factory()
        inputs = _inputs(texts, vectors)
        head.fit(inputs, targets, 3)
        ensure(bool(np.isfinite(head.scores(inputs)).all()), f"{name}: a score is not finite")
    head = factory()
    head.fit(_inputs(["a word", "others"], rng.standard_normal((2, 4))), np.array([0, 1]), 2)


def check_out_of_fold(factory: Factory) -> None:
    """Scores of rows left out are near those of fits without them."""
    head = factory()
    own = getattr(head, "out_of_fold", None)
    if own is None:
        return
    inputs, targets = head_case()
    folds = np.random.default_rng(1).integers(0, 4, len(targets))
    scores, truth = own(inputs, targets, CLASSES, folds), np.empty((len(targets), CLASSES))
    for fold in range(4):
        rest, held = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        other = factory()
        other.fit(inputs.take(rest), targets[rest], CLASSES)
        truth[held] = other.scores(inputs.take(held))
    alike = float(np.corrcoef(scores.ravel(), truth.ravel())[0, 1])
    ensure(alike > 0.98, f"correlation with fits without the fold is {alike:.3f}")
    if not getattr(head, "fits_on_the_way", False):
        return
    other = factory()
    other.fit(inputs, targets, CLASSES)
    _close(head.scores(inputs), other.scores(inputs), CLOSE)


HEAD_CHECKS: tuple[Callable[[Factory], None], ...] = (
    check_form,
    check_learns,
    check_refusals,
    check_restored,
    check_batches,
    check_repeatable,
    check_weights,
    check_absent_class,
    check_odd_rows,
    check_out_of_fold,
)


def check_head(factory: Factory) -> None:
    """Run all checks of heads on new heads.

    Parameters
    ----------
    factory : callable
        Returns a new head.

    Raises
    ------
    AssertionError
        Says what the head did not do.
    """
    for check in HEAD_CHECKS:
        check(factory)


def _inputs(texts: list[str], vectors: NDArray[np.float64]) -> Inputs:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.where(lengths > 0, lengths, 1)
    return Inputs(texts, np.ascontiguousarray(unit, np.float32))


def _close(got: NDArray[np.float64], expected: NDArray[np.float64], share: float) -> None:
    spread = max(float(np.ptp(expected)), 1e-6)
    np.testing.assert_allclose(got, expected, rtol=0, atol=share * spread)
