"""One writer at a time: an advisory lock that the operating system drops when its process dies."""

from __future__ import annotations

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
        try:
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise storage_error(error, self.path) from error
        try:
            _acquire(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise CollectionLockedError(
                f"collection {self.name!r} is being written by {self._holder()}",
                do="wait until it ends, or stop it; searching goes on meanwhile",
            ) from error
        holder = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        os.ftruncate(descriptor, 0)
        os.lseek(descriptor, 0, os.SEEK_SET)
        os.write(descriptor, json.dumps(holder).encode())
        self._descriptor = descriptor
        return self

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
