"""Files of texts, a text a line."""

from __future__ import annotations

from pathlib import Path

from embedkit.errors import SourceError


def lines_of(path: Path) -> list[str]:
    """Return the lines of a file of texts; blank ones are passed over."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(f"{path} cannot be read as UTF-8 text: {error}") from error
    texts = [line for line in lines if line.strip()]
    if not texts:
        raise SourceError(f"expected a text on each line of {path}, got none")
    return texts
