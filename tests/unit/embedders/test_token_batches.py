from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.embedders.token_batches import Device, Limits, TextQueue, compute_all
from embedkit.errors import EmbeddingError

LENGTHS = st.lists(st.integers(0, 60), max_size=60).map(lambda n: np.array(n, np.int64))


class NoRoomError(Exception):
    pass


def device(compute: Callable[[list[int]], None], texts: int = 100, tokens: int = 1000) -> Device:
    return Device(
        Limits(texts, tokens),
        compute,
        lambda error: isinstance(error, NoRoomError),
        lambda: None,
        "model",
        "buy memory",
    )


@given(LENGTHS, st.integers(1, 9), st.integers(1, 200))
def test_each_text_once_the_longest_first_within_the_limits(
    lengths: np.ndarray, texts: int, tokens: int
) -> None:
    batches: list[list[int]] = []
    compute_all(lengths, [device(batches.append, texts, tokens)])
    taken = [row for rows in batches for row in rows]
    assert sorted(taken) == list(range(len(lengths)))
    assert [lengths[row] for row in taken] == sorted(lengths, reverse=True)
    for rows in batches:
        assert len(rows) <= texts
        assert len(rows) == 1 or len(rows) * lengths[rows[0]] <= tokens


@given(LENGTHS, st.integers(60, 300), st.integers(60, 5000))
def test_each_text_once_whatever_a_device_bears(
    lengths: np.ndarray, bears: int, tokens: int
) -> None:
    done: list[int] = []

    def compute(rows: list[int]) -> None:
        if len(rows) * lengths[rows[0]] > bears:
            raise NoRoomError
        done.extend(rows)

    one = device(compute, tokens=tokens)
    compute_all(lengths, [one])
    assert sorted(done) == list(range(len(lengths)))
    assert one.limits.texts == 100, "memory follows the tokens, not the texts"


def test_what_did_not_fit_halves_the_tokens_for_good() -> None:
    tried: list[int] = []

    def compute(rows: list[int]) -> None:
        tried.append(len(rows))
        if len(rows) > 5:
            raise NoRoomError

    one = device(compute)
    compute_all(np.full(20, 10), [one])
    assert tried == [20, 10, 5, 5, 5, 5]
    assert one.limits.tokens == 50
    compute_all(np.full(10, 5), [one])
    assert tried[6:] == [10, 5, 5], "shorter texts may be more"


def test_a_late_failure_does_not_raise_the_limits_again() -> None:
    limits = Limits(100, 1000)
    limits.halve(10, 10)
    limits.halve(100, 10)
    assert limits.tokens == 50


def test_memory_is_released_once_the_error_is_gone() -> None:
    alive: list[bool] = []

    class Batch:
        freed = False

        def __del__(self) -> None:
            Batch.freed = True

    def compute(rows: list[int]) -> None:
        if len(rows) > 1:
            batch = Batch()
            raise NoRoomError(str(batch))

    def release() -> None:
        alive.append(Batch.freed)

    compute_all(
        np.full(2, 10),
        [
            Device(
                Limits(9, 99), compute, lambda e: isinstance(e, NoRoomError), release, "model", "x"
            )
        ],
    )
    assert alive == [True]


def test_a_single_text_that_does_not_fit_names_the_remedy() -> None:
    def compute(rows: list[int]) -> None:
        raise NoRoomError

    with pytest.raises(EmbeddingError, match="model ran out of memory on a single text; buy memor"):
        compute_all(np.full(5, 10), [device(compute)])


def test_what_one_puts_back_another_may_take() -> None:
    queue = TextQueue(np.array([5, 9, 7]))
    first = queue.take(Limits(2, 100))
    assert first == [1, 2]
    assert queue.longest(first) == 9
    queue.put_back(first)
    assert queue.take(Limits(1, 100)) == [1]
    assert queue.take(Limits(9, 100)) == [2], "lengths of two takings are not mixed"
    assert queue.take(Limits(9, 100)) == [0]
    assert queue.take(Limits(9, 100)) == []


def test_devices_work_at_the_same_time_and_share_the_texts() -> None:
    both = threading.Barrier(2, timeout=30)
    done: list[list[int]] = [[], []]

    def worker(i: int) -> Device:
        def compute(rows: list[int]) -> None:
            if not done[i]:
                both.wait()  # passes only where the other is at work too
            done[i].extend(rows)

        return device(compute, texts=1)

    compute_all(np.full(50, 10), [worker(0), worker(1)])
    assert sorted(done[0] + done[1]) == list(range(50))


def test_a_failure_stops_the_other_devices() -> None:
    failed = threading.Event()
    after: list[int] = []

    def fails(rows: list[int]) -> None:
        failed.set()
        raise ValueError("no such layer")

    def goes_on(rows: list[int]) -> None:
        assert failed.wait(30)
        after.extend(rows)

    with pytest.raises(EmbeddingError, match="model failed: no such layer"):
        compute_all(np.full(10_000, 1), [device(fails, 1), device(goes_on, 1)])
    assert len(after) < 10_000
