"""Classifiers by name: folders in ``HOME/.classifiers``.

Saving puts a classifier in place as a whole (:mod:`embedkit.learned`). Who saves or
deletes one holds the lock of its name for that moment, and waits for it: two processes that train
the same name both end well, and the last one's classifier is there.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from embedkit.errors import ClassifierNotFoundError
from embedkit.integrity import sha256, storage_error, write_durably
from embedkit.learned import Kind
from embedkit.types import Origin

CLASSIFIER = Kind(
    what="classifier",
    shelf=".classifiers",
    manifest="classifier.json",
    format=1,
    again="train it again; its vectors are in the cache",
    make="embedkit classify train FILE",
    missing=ClassifierNotFoundError,
)
ORIGIN = "origin.json"

check_name = CLASSIFIER.check_name
place_of = CLASSIFIER.place_of
names = CLASSIFIER.names


def find(home: Path, name: str) -> Path:
    """Return the folder of a classifier that is there.

    Raises
    ------
    ClassifierNotFoundError
        The nearest name is offered.
    """
    place = place_of(home, name)
    if not CLASSIFIER.is_at(place):
        raise CLASSIFIER.not_found(home, name)
    return place


def store(home: Path, name: str, save: Callable[[Path], object]) -> Path:
    """Put a classifier in the place of whatever has its name.

    Parameters
    ----------
    save : callable
        Writes it to a folder: all of it, or nothing.

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
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, place) from error
    with _locked(place):
        save(place)
    return place


def delete(home: Path, name: str) -> None:
    """Delete a classifier.

    Raises
    ------
    ClassifierNotFoundError
    StorageError
    """
    place = find(home, name)
    # Out of the way in one step, so that nobody meets a half-deleted classifier.
    doomed = place.with_name(f".deleted-{name}-{os.getpid()}")
    try:
        with _locked(place):
            place.rename(doomed)
        shutil.rmtree(doomed)
        for left in place.parent.glob(f".deleted-{name}-*"):  # by a process that died meanwhile
            shutil.rmtree(left, ignore_errors=True)
    except FileNotFoundError:
        raise CLASSIFIER.not_found(home, name) from None
    except OSError as error:
        raise storage_error(error, place) from error


def write_origin(place: Path, origin: Origin | None) -> None:
    """Write beside a classifier what it was trained on. The lock of its name must be held."""
    path = place / ORIGIN
    if origin is None:
        path.unlink(missing_ok=True)
        return
    facts = {"classifier": sha256(place / CLASSIFIER.manifest)} | origin.to_dict()
    write_durably(path, json.dumps(facts, ensure_ascii=False, indent=1).encode())


def read_origin(place: Path) -> Origin | None:
    """Return what a classifier was trained on; None where that is not known."""
    try:
        facts = json.loads((place / ORIGIN).read_text(encoding="utf-8"))
        if facts.pop("classifier") != sha256(place / CLASSIFIER.manifest):
            return None  # it is that of the classifier before
        return Origin(**facts | {"text": tuple(facts["text"])})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def size(place: Path) -> int:
    """Return the bytes that a classifier takes on disk."""
    total = 0
    for path in place.rglob("*"):
        with contextlib.suppress(OSError):  # another may take its place meanwhile
            total += path.stat().st_size if path.is_file() else 0
    return total


@contextlib.contextmanager
def _locked(place: Path) -> Iterator[None]:
    """Hold the lock of a name for the moment in which its folder changes; wait for it."""
    lock = place.with_name(f".{place.name}.lock")
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise storage_error(error, lock) from error
    try:
        _wait_for(descriptor)
        yield
    finally:
        os.close(descriptor)


if sys.platform == "win32":
    import msvcrt

    def _wait_for(descriptor: int) -> None:
        # Tries for ten seconds; saving takes less.
        msvcrt.locking(descriptor, msvcrt.LK_LOCK, 1)
else:
    import fcntl

    def _wait_for(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
