"""Templates by name: those that come with embedkit, and those in a folder of the user's own."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from embedkit.errors import InvalidInputError
from embedkit.prompts.files import read_template
from embedkit.prompts.template import PromptTemplate

BUILT_IN = Path(__file__).with_name("builtin")
ENDINGS = (".toml", ".prompt", ".txt", ".md")
COMPLETION = "-completion"
"""Ends the name of a template that says the same to a model that goes on from texts."""


def names() -> list[str]:
    """Return the names of the built-in templates, sorted."""
    return sorted(path.stem for path in BUILT_IN.glob("*.toml"))


def prompt_templates() -> list[PromptTemplate]:
    """Return the built-in templates, sorted by name.

    Examples
    --------
    >>> "summarize" in [template.name for template in embedkit.prompt_templates()]
    True
    """
    return [prompt(name) for name in names()]


def prompt_for(task: str | Path, generator: Any) -> PromptTemplate:
    """Return the formulation of a task that suits a generator.

    A model that only goes on from texts gets the completion formulation: the template of the same
    name with ``-completion`` at its end, beside the one that is named. One that also takes a
    conversation gets it only where that is known to serve small models better (the template says
    ``chat = true``). All others get the template itself.

    Parameters
    ----------
    task : str or Path
        What :func:`prompt` takes.
    generator : Generator
        Its attributes ``completes`` (it goes on from a plain prompt) and ``chats`` (it takes a
        conversation) are asked; without them it does not complete.

    Raises
    ------
    InvalidInputError, SourceNotFoundError, TemplateError

    Examples
    --------
    >>> prompt_for("answer", embedkit.generator("echo")).name
    'answer'
    """
    if not getattr(generator, "completes", False):
        return prompt(task)
    path = Path(task)
    beside = f"{path.stem if path.suffix in ENDINGS else path.name}{COMPLETION}"
    if str(task) in names():
        other: str | Path = beside
        there = beside in names()
    else:
        other = path.with_name(beside + (path.suffix if path.suffix in ENDINGS else ""))
        there = other.exists()
    if not there:
        return prompt(task)
    completion = prompt(other)
    chats = getattr(generator, "chats", False)
    return completion if completion.chat or not chats else prompt(task)


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
