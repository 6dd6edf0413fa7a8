"""Templates by name: those that come with embedkit, and those in a folder of the user's own."""

from __future__ import annotations

import difflib
from pathlib import Path

from embedkit.errors import InvalidInputError
from embedkit.prompts.files import read_template
from embedkit.prompts.template import PromptTemplate

BUILT_IN = Path(__file__).with_name("builtin")
ENDINGS = (".toml", ".prompt", ".txt", ".md")


def names() -> list[str]:
    """Return the names of the built-in templates, sorted."""
    return sorted(path.stem for path in BUILT_IN.glob("*.toml"))


def prompt(name: str | Path) -> PromptTemplate:
    """Return a template by its name, or by the path of its file.

    Parameters
    ----------
    name : str or Path
        A built-in one, such as ``"summarize"``, or a file: TOML, or a text with TOML in front.

    Raises
    ------
    InvalidInputError
        No built-in template has the name; the nearest is offered.
    SourceNotFoundError, TemplateError

    Examples
    --------
    >>> embedkit.prompt("title").render(text="A long story.").prompt[0].role
    'system'
    """
    told = str(name)
    if told in names():
        return read_template(BUILT_IN / f"{told}.toml")
    path = Path(name)
    if path.suffix in ENDINGS or path.exists() or len(path.parts) > 1:
        return read_template(path)
    near = difflib.get_close_matches(told, names(), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InvalidInputError(
        f"no prompt {told!r}", do=f"{hint}there are: {', '.join(names())}, or the path of a file"
    )
