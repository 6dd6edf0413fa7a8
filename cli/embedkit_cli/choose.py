"""Which collection is meant, where ``-c`` may be left out."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from embedkit_cli.failure import say

if TYPE_CHECKING:
    from pathlib import Path

    from embedkit_cli.session import Session

LAST = "last-used"


def choose(session: Session, given: str | None) -> str:
    """Return the collection that was named, the only one, or the last one used.

    Raises
    ------
    CollectionNotFoundError
        No collection at all, or none of that name; the nearest is offered.
    InvalidInputError
        Several, and none of them was used before.
    """
    from embedkit.catalog import names, not_found
    from embedkit.errors import CollectionNotFoundError, InvalidInputError

    home = session.home
    known = names(home)
    if not known:
        raise CollectionNotFoundError(
            f"there is no collection in {home}",
            do="make one with: embedkit index FILE (or choose another folder with --home)",
        )
    if given is not None:
        if given not in known:
            raise not_found(home, given)
        remember(home, given)
        return given
    if len(known) == 1:
        return known[0]
    last = _last(home)
    if last not in known:
        raise InvalidInputError(
            f"there are several collections: {', '.join(known)}", do="choose one with -c"
        )
    say(f"using {last}, the collection used last; choose with -c")
    return last


def remember(home: Path, name: str) -> None:
    """Keep the name for a later command without ``-c``, where the home can be written."""
    if _last(home) != name:
        with contextlib.suppress(OSError):
            (home / LAST).write_text(f"{name}\n", encoding="utf-8")


def _last(home: Path) -> str:
    try:
        return (home / LAST).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
