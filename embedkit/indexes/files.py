"""A folder of files that all describe themselves: written durably, checked before any is read."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from embedkit.errors import DamagedError
from embedkit.integrity import FileDigest, sync_file, sync_folder, write_durably

LIST = "files.json"


def seal(folder: Path) -> None:
    """Make every file of the folder durable and list all digests in ``files.json``."""
    digests: dict[str, Any] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_dir():
            sync_folder(path)
        elif path.name != LIST:
            sync_file(path)
            digests[path.relative_to(folder).as_posix()] = FileDigest.of(path).to_dict()
    listed = {"files": digests, "sha256": _digest(digests)}
    write_durably(folder / LIST, json.dumps(listed, indent=1).encode())


def check(folder: Path, *, do: str) -> None:
    """Raise DamagedError unless every file is there, whole and the one written."""
    listed = read_json(folder / LIST, do=do)
    digests = listed.get("files")
    if not isinstance(digests, dict) or listed.get("sha256") != _digest(digests):
        raise _damaged(folder / LIST, do)
    for name, digest in digests.items():
        FileDigest.from_dict(digest).check(folder / name, thorough=True, do=do)


def read_json(path: Path, *, do: str) -> dict[str, Any]:
    """Return the object that a JSON file holds; DamagedError where it holds none."""
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise DamagedError(f"{path} is missing", do=do) from None
    except (ValueError, RecursionError):
        raise _damaged(path, do) from None
    if not isinstance(value, dict):
        raise _damaged(path, do)
    return value


def _damaged(path: Path, do: str) -> DamagedError:
    return DamagedError(f"{path} is damaged: its content is not what was written", do=do)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
