"""A folder of files that all describe themselves: written durably, checked before any is read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from embedkit.errors import DamagedError
from embedkit.integrity import FileDigest, sync_file, sync_folder, write_durably

LIST = "files.json"


def seal(folder: Path, *, sealed: str | None = None) -> None:
    """Make every file of the folder durable and list all digests in ``files.json``.

    Parameters
    ----------
    sealed : str, optional
        A folder in it that was sealed by itself.
    """
    digests: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if sealed and folder / sealed in (path, *path.parents):
            continue
        if path.is_dir():
            sync_folder(path)
        elif path != folder / LIST:
            sync_file(path)
            digests[path.relative_to(folder).as_posix()] = FileDigest.of(path).to_dict()
    write_durably(folder / LIST, json.dumps(signed({"files": digests}), indent=1).encode())


def check(folder: Path, *, do: str, only: Callable[[str], bool] | None = None) -> int:
    """Raise DamagedError unless every file is there, whole and the one written.

    Parameters
    ----------
    only : callable, optional
        Says of the name of a file whether it is looked at.

    Returns
    -------
    int
        Bytes of all files, of those too that were not looked at.
    """
    size = 0
    for name, entry in read_signed(folder / LIST, do=do)["files"].items():
        digest = FileDigest.from_dict(entry)
        size += digest.size
        if only is None or only(name):
            digest.check(folder / name, thorough=True, do=do)
    return size


def signed(value: dict[str, Any]) -> dict[str, Any]:
    """Return the object with a digest of itself."""
    return value | {"sha256": _digest(value)}


def read_signed(path: Path, *, do: str) -> dict[str, Any]:
    """Return the object of a JSON file that ``signed`` made; DamagedError for any other file."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DamagedError(f"{path} is missing", do=do) from None
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or value.pop("sha256", None) != _digest(value):
        raise DamagedError(f"{path} is damaged: its content is not what was written", do=do)
    return value


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
