"""What the options that every command has amount to."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pathlib import Path

    from embedkit.settings import Settings


class Session:
    """One invocation: where its collections are and how it prints."""

    def __init__(self) -> None:
        self.given_home: str | None = None
        self.given_format: str | None = None

    @cached_property
    def settings(self) -> Settings:
        """The environment and the settings files, read on first use."""
        from embedkit.settings import load

        return load()

    @cached_property
    def home(self) -> Path:
        """The folder that holds the collections."""
        from embedkit.settings import resolve_home

        return resolve_home(self.given_home)

    @property
    def format(self) -> str:
        """How data is printed: as asked, else a table on a terminal and JSON Lines elsewhere."""
        asked = self.given_format or self.settings.format
        return asked or ("table" if is_terminal(sys.stdout) else "jsonl")

    def again(self, *words: str) -> str:
        """Return a command line that a person can paste, for the same home as this one."""
        home = ["--home", self.given_home] if self.given_home else []
        return " ".join(map(_quote, ["embedkit", *words, *home]))


def _quote(word: str) -> str:
    """Quote a word for a shell, in double quotes where that reads better."""
    import re
    import shlex

    readable = re.fullmatch(r"[\w,.? -]* [\w,.? -]*", word)
    if not readable and "'" in word:  # as in a filter: lang = 'en'
        readable = re.fullmatch(r"[^\"$`\\!\x00-\x1f]*", word)
    return f'"{word}"' if readable else shlex.quote(word)


pass_session = click.make_pass_decorator(Session, ensure=True)


def is_terminal(stream: object) -> bool:
    """Return whether a stream is a terminal; a closed one is not."""
    try:
        return bool(stream.isatty())  # type: ignore[attr-defined]
    except (AttributeError, ValueError):
        return False


def colourless() -> bool:
    """Return whether the environment asks for no colour (no-color.org) or cannot show it."""
    return bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
