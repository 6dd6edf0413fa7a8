"""Homes and the collections in them."""

from __future__ import annotations

import difflib
import os
import shutil
from pathlib import Path

from embedkit.errors import CollectionNotFoundError, InvalidInputError
from embedkit.integrity import storage_error
from embedkit.store.layout import Layout, check_name, is_name
from embedkit.store.lock import WriterLock


def resolve_home(home: str | Path | None = None) -> Path:
    """Return the folder of the collections: the one given, what settings say, or ./.embedkit."""
    from embedkit.settings import resolve_home as resolve

    return Path(resolve(home))


def names(home: Path) -> list[str]:
    """Return the names of the collections in a home, sorted."""
    try:
        entries = sorted(home.iterdir())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise storage_error(error, home, doing="read") from error
    return [path.name for path in entries if is_name(path.name) and is_collection(path)]


def is_collection(path: Path) -> bool:
    """Whether a folder holds a collection, whole or damaged."""
    layout = Layout(path)
    return any(file.exists() for file in (layout.manifest, layout.previous, layout.work))


def not_found(home: Path, name: str) -> CollectionNotFoundError:
    """Say which collections there are instead."""
    known = names(home)
    if name in known:
        return CollectionNotFoundError(
            f"collection {name!r} in {home} holds nothing yet: its first run did not end",
            do="run the same embedkit index again: it goes on where it stopped",
        )
    if not known:
        return CollectionNotFoundError(
            f"no collection {name!r} in {home}, which holds none",
            do=f"make it with: embedkit index FILE -c {name}",
        )
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return CollectionNotFoundError(
        f"no collection {name!r} in {home}", do=f"{hint}there are: {', '.join(known)}"
    )


def delete(home: Path, name: str) -> None:
    """Delete a collection with everything in it.

    Raises
    ------
    CollectionNotFoundError
    CollectionLockedError
        A process is writing to it.
    """
    path = home / check_name(name)
    if not is_collection(path):
        raise not_found(home, name)
    with WriterLock(Layout(path).lock, name):
        _remove(home, name)


def discard_empty(home: Path, name: str) -> None:
    """Delete a collection that no run has ever put a record into."""
    # It loads numpy, which listing and completing names do without.
    from embedkit.store.manifest import Manifest

    layout = Layout(home / name)
    with WriterLock(layout.lock, name):
        manifest = Manifest.read(layout.manifest)
        if manifest.generation == 1 and not manifest.records:
            _remove(home, name)


def _remove(home: Path, name: str) -> None:
    path = home / name
    # Out of the way in one step, so that nobody meets a half-deleted collection.
    doomed = home / f".deleted-{name}-{os.getpid()}"
    try:
        path.rename(doomed)
        shutil.rmtree(doomed)
        for left in home.glob(f".deleted-{name}-*"):  # by a process that died while deleting
            shutil.rmtree(left, ignore_errors=True)
    except OSError as error:
        raise storage_error(error, path) from error


def check_home(home: Path) -> None:
    """Refuse a home that is a file, or could not be a folder."""
    if "\0" in str(home):
        raise InvalidInputError(f"expected a folder as home, got {str(home)!r}")
    try:
        is_file = home.exists() and not home.is_dir()
    except OSError as error:
        raise storage_error(error, home, doing="read") from error
    if is_file:
        raise InvalidInputError(f"expected a folder as home, got the file {home}")
