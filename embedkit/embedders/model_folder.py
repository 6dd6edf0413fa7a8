"""What names a model in a local folder exactly, found without loading it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from embedkit.integrity import PAGE, PAGES, WHOLE

_PARTS = {".safetensors", ".bin", ".json", ".txt", ".model", ".pt", ".onnx"}


def fingerprint(folder: Path) -> str:
    """Return a hash of a model's files, by relative name, size and content.

    Of files above 32 MiB, evenly spaced pages stand for the content, so that it takes
    milliseconds whatever the model's size: two trainings differ on every page.
    """
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        inner = path.relative_to(folder)
        if path.suffix not in _PARTS or not path.is_file() or inner.parts[0].startswith("."):
            continue
        size = path.stat().st_size
        digest.update(f"{inner.as_posix()}\0{size}\0".encode())
        with path.open("rb") as file:
            if size <= WHOLE:
                digest.update(file.read())
                continue
            for i in range(PAGES):
                file.seek((size - PAGE) * i // (PAGES - 1))
                digest.update(file.read(PAGE))
    return digest.hexdigest()


def looks_like_a_path(model: str) -> bool:
    """Whether a name can only mean a folder: the hub's are ``name`` or ``owner/name``."""
    return model.startswith((".", "~", "/")) or model.count("/") > 1 or os.sep * 2 in model
