from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from embedkit.embedders.base import BaseEmbedder, Lazy
from embedkit.errors import DimensionMismatchError, InvalidInputError
from embedkit.types import Embeddings, InputType


class Given(BaseEmbedder):
    """Returns what it was built with, whatever the texts."""

    model_id = "given"
    dim = 3

    def __init__(self, result: Embeddings) -> None:
        self.result = result

    def _embed(self, texts: list[str], input_type: InputType) -> Embeddings:
        return self.result


ROWS = np.eye(3, dtype=np.float32)


def test_the_result_passes_unchanged() -> None:
    result = Given(Embeddings(ROWS, np.array([1, 2, 3]), 256)).embed_batch(["a", "b", "c"])
    np.testing.assert_array_equal(result.vectors, ROWS)
    assert result.tokens is not None
    assert result.tokens.tolist() == [1, 2, 3]
    assert result.max_tokens == 256


def test_an_empty_list_never_reaches_the_model() -> None:
    assert Given(Embeddings(ROWS)).embed([]).shape == (0, 3)


def test_a_missing_row_is_an_error() -> None:
    with pytest.raises(DimensionMismatchError, match=r"expected 4 vectors from given.*got 3"):
        Given(Embeddings(ROWS)).embed(["a", "b", "c", "d"])


def test_a_wrong_width_is_an_error() -> None:
    with pytest.raises(DimensionMismatchError, match="vectors from given"):
        Given(Embeddings(np.ones((1, 4), np.float32))).embed(["a"])


def test_nan_is_an_error_that_names_the_row() -> None:
    broken = ROWS.copy()
    broken[1, 2] = np.nan
    with pytest.raises(InvalidInputError, match="row 1"):
        Given(Embeddings(broken)).embed(["a", "b", "c"])


def test_token_counts_of_another_length_are_an_error() -> None:
    with pytest.raises(DimensionMismatchError, match="expected 3 token counts"):
        Given(Embeddings(ROWS, np.array([1]))).embed(["a", "b", "c"])


def test_half_a_character_is_refused_by_position() -> None:
    with pytest.raises(InvalidInputError, match=r"U\+D83D\) at character 2 of the text at pos.* 1"):
        Given(Embeddings(ROWS)).embed(["ok", "ab" + chr(0xD83D)])


def test_lazy_makes_once_over_many_threads() -> None:
    made = []
    gate = threading.Barrier(8)

    def make() -> object:
        made.append(object())
        return made[0]

    lazy = Lazy(make)
    assert not lazy.ready

    def get(_: int) -> object:
        gate.wait()
        return lazy.get()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(get, range(8))) == {made[0]}
    assert len(made) == 1
    assert lazy.ready


def test_lazy_tries_again_after_a_failure() -> None:
    outcomes = [OSError("not yet"), 5]

    def make() -> int:
        outcome = outcomes.pop(0)
        if isinstance(outcome, OSError):
            raise outcome
        return outcome

    lazy = Lazy(make)
    with pytest.raises(OSError, match="not yet"):
        lazy.get()
    assert lazy.get() == 5
