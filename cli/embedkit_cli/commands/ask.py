"""``embedkit ask``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.choose import choose
from embedkit_cli.lazy import Command
from embedkit_cli.options import Decorated, Number, collection_option, printing
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    import embedkit

FINDING = ("neighbors", "chunk_tokens", "records", "where", "mode")


def finding(command: Decorated) -> Decorated:
    """Add the options that say what is looked at."""
    whole = click.IntRange(min=1)
    for option in reversed(
        (
            click.option("--neighbors", type=whole, help="Passages to find.  [default: 2]"),
            click.option(
                "--chunk-tokens",
                type=whole,
                help="Tokens of a passage, where records are kept whole.  [default: 64]",
            ),
            click.option(
                "--records", type=whole, help="Records to look through for them.  [default: 5]"
            ),
            click.option(
                "--where",
                metavar="SQL",
                help="Filter over the record's columns: \"lang = 'en'\".",
            ),
            click.option(
                "--mode",
                type=click.Choice(["hybrid", "dense", "lexical"]),
                help="How records are found.  [default: hybrid]",
            ),
        )
    ):
        command = option(command)
    return command


def answering(command: Decorated) -> Decorated:
    """Add the options that say how the answer is made of it."""
    whole = click.IntRange(min=1)
    for option in reversed(
        (
            click.option(
                "--generator",
                metavar="SPEC",
                help="What writes: extractive, smollm, cohere:MODEL.  [default: a setting, else"
                " extractive]",
            ),
            click.option("-n", "n", type=whole, help="Answers to draw.  [default: 5]"),
            click.option(
                "--least",
                type=Number(0, 1),
                help="How probable it must be that the passages bear on the question; with 0 there"
                " is always an answer.  [default: 0.5]",
            ),
            click.option("--most-words", type=whole, help="Words of an answer."),
            click.option(
                "--context",
                type=whole,
                help="Tokens of prompt and answer.  [default: what the generator reads]",
            ),
            click.option(
                "--temperature",
                type=Number(min=0),
                help="How daring the generator is.  [default: the prompt's]",
            ),
            click.option("--seed", type=click.IntRange(min=0), help="For the same answer again."),
        )
    ):
        command = option(command)
    return command


@click.command(cls=Command, example='embedkit ask "how do I get my money back?"')
@click.argument("question", required=False)
@collection_option
@finding
@answering
@click.option("--no-generate", is_flag=True, help="Show the passages alone; ask no generator.")
@click.option(
    "--show",
    type=click.Choice(["best", "all"]),
    default="best",
    help="The best answer, or each with its scores and why it was rejected.  [default: best]",
)
@click.option(
    "--questions", metavar="FILE", help="CSV or JSON Lines with id and text, or a text a line."
)
@printing()
@pass_session
def ask(
    session: Session,
    /,
    question: str | None,
    collection: str | None,
    no_generate: bool,
    show: str,
    questions: str | None,
    **options: Any,
) -> int:
    """Answer QUESTION from the records, with numbered sources; - reads it from stdin.

    Passages are found with what follows them, several answers are drawn from them, and the best
    that they support is shown. Where nothing found is good enough, the answer is "The collection
    does not say." and the exit code is 0 all the same; in JSON, "said" is then false.
    """
    if (question is None) == (questions is None):
        raise click.UsageError("expected a question, or a file of them with --questions FILE")
    given = {name: value for name, value in options.items() if value is not None}
    _check(given, no_generate, show)
    import embedkit
    from embedkit_cli.answers import answer_file, answer_one

    if not no_generate and session.settings.generator is not None:
        given.setdefault("generator", session.settings.generator)
    text = _read(question) if question is not None else ""
    name = choose(session, collection)
    with embedkit.open(name, home=session.home) as opened:
        call = _passages(opened, given) if no_generate else _answers(opened, given)
        if questions is not None:
            return answer_file(session.format, questions, call, everything=show == "all")
        return answer_one(session.format, text, call, everything=show == "all")


def _check(given: dict[str, Any], no_generate: bool, show: str) -> None:
    """Refuse options that would do nothing."""
    if not no_generate:
        return
    idle = [name for name in given if name not in FINDING]
    if show == "all":
        idle.append("show")
    if idle:
        flag = "-n" if idle[0] == "n" else "--" + idle[0].replace("_", "-")
        raise click.UsageError(f"{flag} is for answers, and --no-generate asks for none")


def _passages(opened: embedkit.Collection, given: dict[str, Any]) -> Any:
    def call(question: str) -> Any:
        return opened.passages_for(question, **given)

    return call


def _answers(opened: embedkit.Collection, given: dict[str, Any]) -> Any:
    from embedkit_cli.progress import Progress

    def call(question: str) -> Any:
        with Progress("answers") as progress:
            return opened.ask(question, progress=progress.show, **given)

    return call


def _read(question: str) -> str:
    import sys

    from embedkit_cli.failure import say_waiting

    text = question
    if question == "-":
        say_waiting()
        text = sys.stdin.read()
    if not text.strip():
        raise click.UsageError("expected a question, got nothing")
    return text
