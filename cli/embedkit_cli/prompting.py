"""What the commands of ``embedkit prompt`` share: values, examples, who is asked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from embedkit_cli.failure import say_waiting

if TYPE_CHECKING:
    from embedkit.prompts.running import Shots
    from embedkit.prompts.selection import Examples
    from embedkit.prompts.template import PromptTemplate
    from embedkit.protocols import Generator
    from embedkit_cli.session import Session

Decorated = TypeVar("Decorated", bound=Callable[..., Any])
GENERATOR = "smollm"
MOST = 64_000_000
"""Bytes of a file that is read as a value."""


def value_option(command: Decorated) -> Decorated:
    """Add ``--var``: values of a template's inputs."""
    return click.option(
        "--var",
        "given",
        metavar="INPUT=VALUE",
        multiple=True,
        help="Value of an input; @FILE reads it, - is stdin.",
    )(command)


def asking_options(command: Decorated) -> Decorated:
    """Add who is asked, and how."""
    for option in (
        click.option("--seed", type=click.IntRange(min=0), help="Of the drawing.  [default: 0]"),
        click.option(
            "--retries",
            type=click.IntRange(0, 20),
            help="Ask again, with another seed, when an answer fails its check.  [default: 0]",
        ),
        click.option(
            "--param",
            "parameters",
            metavar="NAME=VALUE",
            multiple=True,
            help="Sampling parameter in place of the template's: temperature=0.2.",
        ),
        click.option("--anew", is_flag=True, help="Ask again what was answered before."),
        click.option("--generator", metavar="SPEC", help=f"Who is asked.  [default: {GENERATOR}]"),
    ):
        command = option(command)
    return command


def example_options(command: Decorated) -> Decorated:
    """Add where few-shot examples are chosen from."""
    for option in (
        click.option(
            "--example-order",
            type=click.Choice(["nearest-last", "nearest-first"]),
            help="Which stands beside the question.  [default: nearest-last]",
        ),
        click.option(
            "--example-tokens",
            type=click.IntRange(min=1),
            help="Of all examples together, at most.  [default: 1500]",
        ),
        click.option("--k", type=click.IntRange(min=1), help="Examples, at most.  [default: 8]"),
        click.option("--example-label", metavar="COLUMN", help="Column of the labels in them."),
        click.option("--example-text", metavar="COLUMN", help="Column of the texts in a file."),
        click.option(
            "--examples",
            metavar="SOURCE",
            help="Show the nearest labelled rows of a file or a collection.",
        ),
    ):
        command = option(command)
    return command


def pairs(given: Sequence[str], option: str) -> dict[str, str]:
    """Return the names and values of ``NAME=VALUE``.

    Raises
    ------
    click.UsageError
    """
    found: dict[str, str] = {}
    for each in given:
        name, sign, value = each.partition("=")
        if not sign or not name.strip():
            raise click.UsageError(f"expected {option} NAME=VALUE, got {each!r}")
        if name.strip() in found:
            raise click.UsageError(f"{option} {name.strip()} was given twice")
        found[name.strip()] = value
    return found


def values(given: Sequence[str], *, stdin_taken: bool = False) -> dict[str, str]:
    """Return the values of ``--var``, files and stdin read.

    Raises
    ------
    click.UsageError
    """
    found = pairs(given, "--var")
    piped = [name for name, value in found.items() if value == "-"]
    if len(piped) > 1 or (piped and stdin_taken):
        raise click.UsageError("stdin can be read once only: give - to one thing")
    return {name: _value(name, value) for name, value in found.items()}


def _value(name: str, value: str) -> str:
    if value == "-":
        say_waiting()
        return _text(sys.stdin.buffer.read(MOST + 1), "stdin", name)
    if value.startswith("@@"):
        return value[1:]
    if not value.startswith("@"):
        return value
    path = Path(value[1:]).expanduser()
    try:
        with path.open("rb") as file:
            return _text(file.read(MOST + 1), str(path), name)
    except OSError as error:
        raise click.UsageError(
            f"cannot read {path} for {name}: {error.strerror}; write @@ for a value that begins "
            "with @"
        ) from error


def _text(data: bytes, where: str, name: str) -> str:
    if len(data) > MOST:
        raise click.UsageError(f"expected at most {MOST:,} bytes for {name}, {where} has more")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise click.UsageError(
            f"expected UTF-8 text for {name}, {where} is none (byte {error.start})"
        ) from error


def sampling(given: Sequence[str]) -> dict[str, Any]:
    """Return the values of ``--param`` as numbers; nothing after = leaves it to the model.

    Raises
    ------
    click.UsageError
    """
    import difflib

    kinds = {"temperature": float, "top_p": float, "top_k": int, "max_tokens": int}
    found: dict[str, Any] = {}
    for name, value in pairs(given, "--param").items():
        kind = kinds.get(name)
        if kind is None:
            near = difflib.get_close_matches(name, kinds, n=1)
            hint = f"did you mean {near[0]}? " if near else ""
            raise click.UsageError(f"no parameter {name!r}; {hint}there are: {', '.join(kinds)}")
        try:
            found[name] = kind(value) if value else None
        except ValueError:
            raise click.UsageError(f"expected a number for --param {name}, got {value!r}") from None
    return found


def open_generator(session: Session, spec: str | None) -> Generator:
    """Return who is asked; a missing or refused key is told before anything is read.

    Raises
    ------
    EmbedkitError
    """
    import embedkit

    made = embedkit.generator(spec or session.settings.generator or GENERATOR)
    check = getattr(made, "check_access", None)
    if check is not None:
        check()
    return made


def shots_of(session: Session, options: dict[str, Any]) -> Shots | None:
    """Return what chooses examples, where any are asked for.

    Raises
    ------
    click.UsageError, EmbedkitError
    """
    source = options["examples"]
    names = ("example_label", "example_text", "k", "example_tokens", "example_order")
    if source is None:
        for name in names:
            if options[name] is not None:
                raise click.UsageError(
                    f"--{name.replace('_', '-')} is for --examples SOURCE: add it"
                )
        return None
    from embedkit.prompts.selection import TOKENS, Choice, K, read_examples

    found: Examples = read_examples(
        source,
        home=session.home,
        label=options["example_label"],
        text=options["example_text"],
        embedder=session.settings.embedder,
        choice=Choice(
            k=options["k"] or K,
            tokens=options["example_tokens"] or TOKENS,
            order=options["example_order"] or "nearest-last",
        ),
    )
    return found.choose


def facts_of(template: PromptTemplate) -> dict[str, Any]:
    """Return all of a template as plain values."""
    shown = template.few_shot
    return {
        "name": template.name,
        "version": template.version,
        "description": template.description,
        "form": template.form,
        "inputs": [input_of(variable) for variable in template.inputs],
        "messages": [{"role": role, "content": source.text} for role, source in template.messages],
        "examples": None
        if shown is None
        else {
            "shown": shown.shown.text,
            "answer": shown.answer.text if shown.answer else None,
            "separator": shown.separator,
            "k": shown.k,
            "rows": list(shown.examples),
        },
        "stop": list(template.stop),
        "parameters": dict(template.parameters),
        "check": check_of(template),
        "origin": template.origin,
    }


def input_of(variable: Any) -> dict[str, Any]:
    """Return an input as plain values; one that has to be given has no default."""
    facts: dict[str, Any] = {"name": variable.name, "type": variable.kind}
    if not variable.required:
        facts["default"] = variable.default
    if variable.choices:
        facts["choices"] = list(variable.choices)
    if variable.description:
        facts["description"] = variable.description
    return facts


def check_of(template: PromptTemplate) -> dict[str, Any] | None:
    """Return what an answer has to be, without what is not asked."""
    import dataclasses

    if template.check is None:
        return None
    facts = {
        field.name: getattr(template.check, field.name)
        for field in dataclasses.fields(template.check)
    }
    return {name: value for name, value in facts.items() if value not in (None, (), False)}
