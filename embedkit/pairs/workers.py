"""All processors at work, each on a product of its own."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from embedkit.threads import single_threaded_products

T = TypeVar("T")


@contextmanager
def workers() -> Iterator[Callable[[Iterable[Callable[[], T]]], Iterator[T]]]:
    """Give a way to run tasks on all processors, a few ahead, their results in order."""
    threads = os.cpu_count() or 1
    pool = ThreadPoolExecutor(threads, thread_name_prefix="embedkit-pairs")

    def run(tasks: Iterable[Callable[[], T]]) -> Iterator[T]:
        waiting: deque[Future[T]] = deque()
        for task in tasks:
            waiting.append(pool.submit(task))
            if len(waiting) > threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    with single_threaded_products():
        try:
            yield run
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
