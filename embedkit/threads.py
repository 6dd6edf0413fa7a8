"""How many threads a matrix product uses."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_lock = threading.Lock()
_users = 0
_limiter: Any = None


@contextmanager
def single_threaded_products() -> Iterator[None]:
    """Let matrix products use one thread each.

    Between two products the threads of the library wait in a busy loop, which costs as much as the
    products themselves, and on a busy machine a hundred times as much. Its setting is the
    process's own, so whoever comes first makes it and whoever goes last takes it back.
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
