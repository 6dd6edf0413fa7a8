"""``embedkit generate``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.failure import say, say_waiting
from embedkit_cli.lazy import Command
from embedkit_cli.options import printing
from embedkit_cli.progress import Progress
from embedkit_cli.session import Session, is_terminal, pass_session

if TYPE_CHECKING:
    from embedkit.protocols import Generator
    from embedkit.types import Decoding, Message

GENERATOR = "smollm"
CHOICES = 6
"""Tokens that a step shows to a person."""
SAMPLING = ("temperature", "top_k", "top_p", "max_tokens", "stop", "seed")


@click.command(
    cls=Command,
    example='embedkit generate "to be or not to be" --generator echo -n 3\n'
    'embedkit generate "to be or not to be" --generator echo --show-tokens',
)
@click.argument("prompt", metavar="PROMPT|-")
@click.option("--generator", metavar="SPEC", help=f"Who writes.  [default: {GENERATOR}]")
@click.option("-n", "many", type=int, help="How many candidates.  [default: 1]")
@click.option("--temperature", type=float, help="How daring: 0 takes the likeliest tokens.")
@click.option("--top-k", type=int, help="Draw from so many of the likeliest tokens.")
@click.option("--top-p", type=float, help="Draw from the likeliest with this share: 0.9.")
@click.option(
    "--max-tokens", type=int, help="Tokens, at most.  [default: as SPEC has it; 24 to show]"
)
@click.option("--stop", metavar="TEXT", multiple=True, help="End before it; \\n is a line break.")
@click.option("--seed", type=int, help="The same seed gives the same candidates.")
@click.option("--system", metavar="TEXT", help="What the model is told before the prompt.")
@click.option("--logprobs", is_flag=True, help="Tell the log-probability of each token.")
@click.option("--show-tokens", is_flag=True, help="Show what each token was chosen from.")
@click.option(
    "--choices",
    type=click.IntRange(min=1),
    help="Tokens that --show-tokens shows of each step.  [default: 6 in a table, else 20]",
)
@click.option("--html", metavar="FILE", help="Write what --show-tokens shows as a page.")
@click.option("--force", is_flag=True, help="Write over FILE where it is there.")
@printing("text")
@pass_session
def generate(
    session: Session,
    /,
    prompt: str,
    generator: str | None,
    many: int | None,
    system: str | None,
    logprobs: bool,
    show_tokens: bool,
    choices: int | None,
    html: str | None,
    force: bool,
    **options: Any,
) -> int:
    """Write what goes on from PROMPT, once or several times; - reads it from stdin.

    A model that completes texts goes on from the prompt as it stands; a chat model answers it.
    With --system every model is told that first, and answers.

    One candidate alone is printed as text. --show-tokens shows, for each token of one candidate,
    what else might have stood there: the probabilities that the model gives, those at the
    temperature, what top-k and then top-p cut away, and those that are left to draw from.
    """
    if html is not None or show_tokens:
        if (many or 1) != 1:
            raise click.UsageError("--show-tokens and --html show one candidate: leave -n out")
        if logprobs:
            raise click.UsageError(
                "--show-tokens tells more than --logprobs: leave one of them out"
            )
    elif choices is not None:
        raise click.UsageError("--choices is for --show-tokens: add it")
    if html is not None:
        _check_file(Path(html), force=force)
    elif force:
        raise click.UsageError("--force is for --html FILE: add it")
    import embedkit

    asked = {name: options[name] for name in SAMPLING if options[name] not in (None, ())}
    if "stop" in asked:
        asked["stop"] = [_unescaped(text) for text in asked["stop"]]
    told = _prompt(prompt, system)
    chosen = embedkit.generator(generator or session.settings.generator or GENERATOR)
    if show_tokens or html is not None:
        return _show(session, chosen, told, asked, choices, html if html else None, show_tokens)
    return _candidates(session, chosen, told, 1 if many is None else many, asked, logprobs)


def _prompt(prompt: str, system: str | None) -> str | list[Message]:
    text = prompt
    if prompt == "-":
        say_waiting()
        # The line break is the end of what was typed or echoed, not a part of what it says.
        text = sys.stdin.read().removesuffix("\n").removesuffix("\r")
    if not text.strip():
        raise click.UsageError("expected a prompt, got nothing")
    if system is None:
        return text
    from embedkit.types import Message

    if not system.strip():
        raise click.UsageError("expected --system to tell something, got nothing")
    return [Message("system", system), Message("user", text)]


def _unescaped(text: str) -> str:
    """Return a stop sequence with the line breaks and tabs that a shell is hard to get to write."""
    return text.replace("\\n", "\n").replace("\\t", "\t")


def _check_file(path: Path, *, force: bool) -> None:
    if path.is_dir():
        raise click.UsageError(f"expected --html to be a file, got the folder {path}")
    if not path.absolute().parent.is_dir():
        raise click.UsageError(f"there is no folder {path.absolute().parent}")
    if path.exists() and not force:
        raise click.UsageError(f"{path} is there; write over it with --force")


def _candidates(
    session: Session,
    generator: Generator,
    prompt: str | list[Message],
    many: int,
    asked: dict[str, Any],
    logprobs: bool,
) -> int:
    from embedkit.generators.drawing import draw
    from embedkit_cli.candidates import candidate_rows, describe_candidates, describe_facts
    from embedkit_cli.output import emit

    with Progress("tokens") as progress:
        drawn = draw(
            generator,
            prompt,
            many,
            logprobs=True if logprobs else None,
            progress=progress.of_generator(),
            **asked,
        )
    for failure in drawn.failures:
        say(f"a candidate failed: {failure}")
    found = drawn.candidates
    form = _form(session, many)
    if form == "text":
        _texts([candidate.text for candidate in found])
        if len(found) == 1 and is_terminal(sys.stdout):
            say(describe_facts(found[0]))
    else:
        rows = candidate_rows(found, logprobs=logprobs)
        value = rows[0] if many == 1 else rows
        emit(form, value, lambda: describe_candidates(found, logprobs=logprobs))
    return 1 if drawn.failures else 0


def _form(session: Session, many: int) -> str:
    """Return how candidates are printed: as asked, else a single one as the text that it is."""
    asked = session.given_format or session.settings.format
    return asked or ("text" if many == 1 else session.format)


def _texts(texts: list[str]) -> None:
    """Print texts as they are, with a blank line between them."""
    from embedkit_cli.output import write

    write(["\n\n".join(text.removesuffix("\n") for text in texts), "\n"])


def _show(
    session: Session,
    generator: Generator,
    prompt: str | list[Message],
    asked: dict[str, Any],
    choices: int | None,
    html: str | None,
    show_tokens: bool,
) -> int:
    import embedkit
    from embedkit_cli.decodings import decoding_rows, describe_decoding
    from embedkit_cli.output import emit

    # Without a file, a table is all that there is to fill.
    form = session.format if show_tokens else _form(session, 1)
    narrow = form == "table" and html is None
    shown = choices or (CHOICES if narrow else 20)
    with Progress("tokens") as progress:
        if progress.show is not None:
            progress.show("generating", 0, 0)
        found = embedkit.show_decoding(prompt, generator, shown=shown, **asked)
    if html is not None:
        _write(Path(html), found)
    if form == "text":
        _texts([found.text])
    else:
        value = found.to_dict()
        rows = value["steps"] if form == "jsonl" else decoding_rows(found)
        emit(
            form,
            value if form == "json" else rows,
            lambda: describe_decoding(found, choices or CHOICES),
        )
    return 0


def _write(path: Path, found: Decoding) -> None:
    from embedkit.generators.decoding.html import page

    path.write_text(page(found), encoding="utf-8")
    say(f"wrote {path}")
