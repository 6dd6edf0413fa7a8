"""All processors at work, each on a product of its own."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

_lock = threading.Lock()
_users = 0
_limiter: Any = None


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

    with _single_threaded_products():
        try:
            yield run
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _single_threaded_products() -> Iterator[None]:
    """Let matrix products use one thread each.

    Between two products the threads of the library wait in a busy loop, which costs as much as the
    products themselves. Its setting is the process's own, so whoever comes first makes it and
    whoever goes last takes it back.
    """
    from threadpoolctl import threadpool_limits

    global _users, _limiter
    with _lock:
        _users += 1
        if _users == 1:
            _limiter = threadpool_limits(1, user_api="blas")
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _limiter.restore_original_limits()
