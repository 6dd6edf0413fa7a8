"""Classifiers by name: folders in ``HOME/.classifiers``.

A classifier is put in place as a whole: its folder is written beside the one that is there, and
the two change places under a lock. A process that dies while it writes leaves the old one as it
was; one that dies between the two renames leaves the old one aside, and whoever looks next brings
it back.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from embedkit.errors import ClassifierNotFoundError, EmbedkitError, InvalidInputError
from embedkit.integrity import storage_error, sync_folder
from embedkit.store.layout import is_name

FOLDER = ".classifiers"
FACTS = "classifier.json"
"""The file that every saved classifier has."""
_ATTEMPTS = 5
_ABANDONED = 24 * 3600.0
"""Seconds after which a half-written folder is taken for one whose process died."""

T = TypeVar("T")


def check_name(name: str) -> str:
    """Return the name of a classifier, or refuse one that could not be a folder's.

    Raises
    ------
    InvalidInputError
    """
    if not is_name(name):
        raise InvalidInputError(
            f"expected a classifier's name of letters, digits, '-', '_' and '.', got {name!r}"
        )
    return name


def place_of(home: Path, name: str) -> Path:
    """Return the folder that a classifier of this name has, there or not."""
    return home / FOLDER / check_name(name)


def names(home: Path) -> list[str]:
    """Return the names of the classifiers in a home, sorted."""
    folder = home / FOLDER
    try:
        entries = [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise storage_error(error, folder, doing="read") from error
    aside = {name[1:-4] for name in entries if name.startswith(".") and name.endswith(".old")}
    for name in aside - set(entries):
        _bring_back(home, name)
    listed = {*entries, *aside}
    return sorted(name for name in listed if is_name(name) and (folder / name / FACTS).exists())


def not_found(home: Path, name: str) -> ClassifierNotFoundError:
    """Say which classifiers there are instead."""
    known = names(home)
    if not known:
        return ClassifierNotFoundError(
            f"no classifier {name!r} in {home}, which holds none",
            do=f"make it with: embedkit classify train FILE --name {name}",
        )
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return ClassifierNotFoundError(
        f"no classifier {name!r} in {home}", do=f"{hint}there are: {', '.join(known)}"
    )


def find(home: Path, name: str) -> Path:
    """Return the folder of a classifier that is there.

    Raises
    ------
    ClassifierNotFoundError
        The nearest name is offered.
    """
    place = place_of(home, name)
    if not (place / FACTS).exists():
        # It may be on its way to its place, or its process may have died on that way.
        _bring_back(home, name)
        if not (place / FACTS).exists():
            raise not_found(home, name)
    return place


def read(home: Path, name: str, load: Callable[[Path], T]) -> T:
    """Load a classifier, again where another takes its place meanwhile.

    Parameters
    ----------
    load : callable
        Reads the folder.

    Raises
    ------
    ClassifierNotFoundError, DamagedError
    """
    for attempt in range(_ATTEMPTS):
        place = find(home, name)
        before = _identity(place)
        try:
            return load(place)
        except (EmbedkitError, OSError):
            # Files of two classifiers do not fit together.
            if _identity(place) == before or attempt == _ATTEMPTS - 1:
                raise
    raise not_found(home, name)


def store(home: Path, name: str, save: Callable[[Path], object]) -> Path:
    """Put a classifier in the place of whatever has its name.

    Parameters
    ----------
    save : callable
        Writes it into a folder, which it makes.

    Returns
    -------
    Path
        Its folder.

    Raises
    ------
    StorageError
        The disk refused; what was there is as before.
    """
    place = place_of(home, name)
    fresh = place.with_name(f".{name}.{os.getpid()}.new")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(fresh, ignore_errors=True)
        save(fresh)
        with _locked(place):
            _exchange(fresh, place)
            _clear(place)
    except OSError as error:
        if isinstance(error, EmbedkitError):
            raise
        raise storage_error(error, place) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return place


def delete(home: Path, name: str) -> None:
    """Delete a classifier.

    Raises
    ------
    ClassifierNotFoundError
    StorageError
    """
    place = find(home, name)
    doomed = _aside(place)
    try:
        with _locked(place):
            shutil.rmtree(doomed, ignore_errors=True)
            # What lies aside would be brought back: it loses the file that makes it a classifier
            # before it gets that name.
            (place / FACTS).unlink(missing_ok=True)
            place.rename(doomed)
            shutil.rmtree(doomed)
    except OSError as error:
        raise storage_error(error, place) from error


def size(place: Path) -> int:
    """Return the bytes that a classifier takes on disk."""
    total = 0
    for path in place.rglob("*"):
        with contextlib.suppress(OSError):  # another may take its place meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total


def _aside(place: Path) -> Path:
    return place.with_name(f".{place.name}.old")


def _exchange(fresh: Path, place: Path) -> None:
    """Let a folder take the place of another. The lock must be held."""
    old = _aside(place)
    if place.exists():
        shutil.rmtree(old, ignore_errors=True)
        place.rename(old)
    fresh.rename(place)
    sync_folder(place.parent)
    shutil.rmtree(old, ignore_errors=True)


def _clear(place: Path) -> None:
    """Delete what processes that died left half-written. The lock must be held."""
    for left in place.parent.glob(f".{place.name}.*.new"):
        with contextlib.suppress(OSError):
            if time.time() - left.stat().st_mtime > _ABANDONED:
                shutil.rmtree(left, ignore_errors=True)


def _bring_back(home: Path, name: str) -> None:
    """Put a classifier back that a process which died had moved aside."""
    place = place_of(home, name)
    if not place.parent.is_dir():
        return
    with contextlib.suppress(OSError), _locked(place):
        if not place.exists() and (_aside(place) / FACTS).exists():
            _aside(place).rename(place)


def _identity(place: Path) -> tuple[int, int, int] | None:
    try:
        status = place.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_mtime_ns


@contextlib.contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Hold the lock of a name for the moment in which its folder changes; wait for it."""
    descriptor = os.open(
        place.with_name(f".{place.name}.lock"), os.O_RDWR | os.O_CREAT | _CLOSED_ON_EXEC, 0o644
    )
    try:
        _wait_for(descriptor)
        yield
    finally:
        os.close(descriptor)


_CLOSED_ON_EXEC = getattr(os, "O_CLOEXEC", 0)

if sys.platform == "win32":
    import msvcrt

    def _wait_for(descriptor: int) -> None:
        # Tries for ten seconds; an exchange takes milliseconds.
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
else:
    import fcntl

    def _wait_for(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
