"""One writer at a time: an advisory lock that the operating system drops when its process dies."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from embedkit.errors import CollectionLockedError
from embedkit.integrity import storage_error

if sys.platform == "win32":
    import msvcrt

    def _acquire(descriptor: int) -> None:
        # Beyond the content, so that others can read who holds the lock.
        os.lseek(descriptor, 2**20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _acquire(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


_ATTEMPTS = 20


def _is_at(descriptor: int, path: Path) -> bool:
    """Whether the open file is still the one at the path."""
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    mine = os.fstat(descriptor)
    return (mine.st_dev, mine.st_ino) == (there.st_dev, there.st_ino)


class WriterLock:
    """The lock of a collection's folder, as a context manager.

    Raises
    ------
    CollectionLockedError
        Another writer has it; the message names its process and since when.
    """

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        self._descriptor: int | None = None

    def __enter__(self) -> WriterLock:
        for _ in range(_ATTEMPTS):
            descriptor = self._take()
            if _is_at(descriptor, self.path):
                self._descriptor = descriptor
                self._sign(descriptor)
                return self
            # The folder was deleted, perhaps made anew, between opening the file and locking it.
            os.close(descriptor)
            self.path.parent.mkdir(parents=True, exist_ok=True)
        raise CollectionLockedError(
            f"collection {self.name!r} is being deleted and made again by others",
            do="try again in a moment",
        )

    def _take(self) -> int:
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise storage_error(error, self.path) from error
        try:
            _acquire(descriptor)
        except OSError as error:
            os.close(descriptor)
            if error.errno not in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
                raise storage_error(error, self.path) from error
            raise CollectionLockedError(
                f"collection {self.name!r} is being written by {self._holder()}",
                do="wait until it ends, or stop it; searching goes on meanwhile",
            ) from error
        return descriptor

    def _sign(self, descriptor: int) -> None:
        """Say who holds the lock. It is for people only, so that a full disk does no harm."""
        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, json.dumps(holder).encode())

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _holder(self) -> str:
        try:
            holder = json.loads(self.path.read_text(encoding="utf-8"))
            return f"process {holder['pid']} on {holder['host']} since {holder['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another process"
