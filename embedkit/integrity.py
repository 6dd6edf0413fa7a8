"""Files that are what was written: digests, cheap and whole checks, durable replacement.

A native loader must never see a damaged file (some crash the process on one), so every file is
described when it is written and checked before it is read. A file of up to ``WHOLE`` bytes is
checked whole on each open; of a larger one, size and evenly spaced pages, unless a thorough check
is asked for.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from embedkit.errors import DamagedError, StorageError

WHOLE = 32 * 2**20
"""Bytes up to which a file is checked whole on each open: 32 MiB take about 20 ms."""
PAGE = 4096
PAGES = 128
Stamp = tuple[tuple[str, int, int, int], ...]
"""What tells files that nobody touched from others: name, inode, size, time of the last change."""


@dataclass(frozen=True, slots=True)
class FileDigest:
    """Size in bytes, SHA-256 of the whole file, SHA-256 of evenly spaced pages of it."""

    size: int
    sha256: str
    sample: str

    @classmethod
    def of(cls, path: Path) -> FileDigest:
        """Describe a file."""
        whole = sha256(path)
        size = path.stat().st_size
        return cls(size, whole, whole if size <= WHOLE else sampled(path, size))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FileDigest:
        """Read what ``to_dict`` wrote."""
        return cls(int(data["size"]), str(data["sha256"]), str(data["sample"]))

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)

    def check(self, path: Path, *, thorough: bool = False, do: str = "") -> None:
        """Raise DamagedError unless the file is the one described.

        Parameters
        ----------
        thorough : bool
            Read the whole file, whatever its size.
        do : str
            What to do about damage; ends the error's message.
        """
        try:
            size = path.stat().st_size
            sound = size == self.size and self._matches(path, size, thorough)
        except FileNotFoundError:
            raise DamagedError(f"{path} is missing", do=do) from None
        except OSError as error:
            raise storage_error(error, path, doing="read") from error
        if size != self.size:
            raise DamagedError(
                f"{path} is damaged: expected {self.size:,} bytes, got {size:,}", do=do
            )
        if not sound:
            raise DamagedError(f"{path} is damaged: its content is not what was written", do=do)

    def _matches(self, path: Path, size: int, thorough: bool) -> bool:
        if thorough or size <= WHOLE:
            return sha256(path) == self.sha256
        return sampled(path, size) == self.sample


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sampled(path: Path, size: int) -> str:
    """Return the SHA-256 of evenly spaced pages of a file of that size."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        for i in range(PAGES):
            file.seek((size - PAGE) * i // (PAGES - 1))
            digest.update(file.read(PAGE))
    return digest.hexdigest()


def stamp(paths: Iterable[Path]) -> Stamp:
    """Return what tells these files from changed ones."""
    found = []
    for path in paths:
        try:
            status = path.stat()
        except OSError:
            found.append((str(path), 0, -1, 0))
        else:
            found.append((str(path), status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)


def write_durably(path: Path, data: bytes) -> None:
    """Replace a file as a whole: after a crash it holds the old content or the new, never a mix."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise storage_error(error, path) from error


def sync_file(path: Path) -> None:
    """Make a file's content durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable, where the platform can."""
    if os.name == "nt":
        return
    sync_file(path)


def copy_durably(source: Path, target: Path) -> None:
    """Copy a file beside its target, make it durable, rename it into place."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        shutil.copyfile(source, temporary)
        sync_file(temporary)
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise storage_error(error, target) from error


def storage_error(error: OSError, path: Path | str, *, doing: str = "write") -> StorageError:
    """Say what the operating system refused, and what to do about it."""
    import errno

    remedies = {
        errno.ENOSPC: "free some space and run the same command again: it goes on where it stopped",
        errno.EDQUOT: "free some space and run the same command again: it goes on where it stopped",
        errno.EACCES: "choose another folder with --home or mend its permissions",
        errno.EPERM: "choose another folder with --home or mend its permissions",
        errno.EROFS: "choose another folder with --home: this one is read-only",
        errno.ENOTDIR: "choose another folder with --home: there is a file of that name",
        errno.EEXIST: "choose another folder with --home: there is a file of that name",
        errno.EFBIG: "raise the limit on the size of files (ulimit -f) and run the same command "
        "again: it goes on where it stopped",
        errno.EMFILE: "raise the limit on open files (ulimit -n)",
    }
    do = remedies.get(error.errno or 0, "check the disk and run the same command again")
    return StorageError(f"cannot {doing} {path}: {error.strerror or error}", do=do)
