"""``embedkit prompt run``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.failure import InterruptedWorkError, say, say_waiting
from embedkit_cli.lazy import Command
from embedkit_cli.options import printing
from embedkit_cli.progress import Progress
from embedkit_cli.prompting import (
    asking_options,
    example_options,
    open_generator,
    pairs,
    sampling,
    shots_of,
    value_option,
    values,
)
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from embedkit.prompts.running import Runner
    from embedkit.prompts.tables import PromptReport

SHOWN = 10
"""Rows without an answer that are listed."""


@click.command(
    cls=Command,
    example='embedkit prompt run title --var text="A cat sat." --generator echo\n'
    "embedkit prompt run rewrite questions.csv --generator echo",
)
@click.argument("template", metavar="TEMPLATE")
@click.argument("source", metavar="[SOURCE]", required=False)
@value_option
@click.option(
    "--map",
    "mapping",
    metavar="INPUT=COLUMN",
    multiple=True,
    help="Column of an input.  [default: the one of its name]",
)
@click.option("-o", "--output", "--out", metavar="OUT", help="File to write; - for stdout.")
@asking_options
@example_options
@click.option(
    "--to",
    "form",
    type=click.Choice(["csv", "tsv", "jsonl", "parquet"]),
    help="Format of OUT.  [default: by its suffix; as SOURCE for -]",
)
@click.option("--force", is_flag=True, help="Write over a file that is there.")
@printing()
@pass_session
def run(
    session: Session,
    /,
    template: str,
    source: str | None,
    given: tuple[str, ...],
    mapping: tuple[str, ...],
    output: str | None,
    form: str | None,
    force: bool,
    **options: Any,
) -> int:
    """Ask a generator with TEMPLATE: once, or for each row of SOURCE.

    SOURCE is whatever `embedkit index` reads, - for stdin. Its rows are copied to OUT in their
    order, with the columns answer and problem added; OUT appears when all is done. Rows that get no
    answer, or none that passes the template's check, are listed, and the others go on.

    Answers are kept in the home as they come: run it again after an interruption, and nothing is
    asked, or paid for, twice.
    """
    if source is None and (mapping or output or form or force):
        raise click.UsageError("--map, --output, --to and --force are for a SOURCE: add it")
    columns, fixed = pairs(mapping, "--map"), values(given, stdin_taken=source == "-")
    runner = _runner(session, template, options)
    if source is None:
        return _once(session, runner, fixed)
    if session.given_format is not None:
        raise click.UsageError("--format is for one input; the format of OUT is --to")
    if source == "-":
        say_waiting()
    from embedkit.prompts.tables import Columns, run_file

    try:
        with Progress() as progress:
            report = run_file(
                source,
                output or "-",
                runner,
                Columns(runner.template, columns, fixed),
                format=form,
                force=force,
                progress=progress.show,
            )
    except KeyboardInterrupt:
        raise InterruptedWorkError(
            "interrupted; what was answered is kept: run it again to go on"
        ) from None
    say(_described(report))
    return 1 if report.failed else 0


def _runner(session: Session, template: str, options: dict[str, Any]) -> Runner:
    import embedkit
    from embedkit.prompts.ledger import AnswerLedger
    from embedkit.prompts.running import Runner

    parameters = sampling(options["parameters"])
    embedkit.prompt(template)  # what is wrong with it is told before a model is loaded
    generator = open_generator(session, options["generator"])
    return Runner(
        embedkit.prompt_for(template, generator),
        generator,
        ledger=AnswerLedger(session.home, generator.model_id),
        parameters=parameters,
        shots=shots_of(session, options),
        seed=options["seed"] or 0,
        retries=options["retries"] or 0,
        anew=options["anew"],
    )


def _once(session: Session, runner: Runner, fixed: dict[str, Any]) -> int:
    from embedkit.prompts.running import Input
    from embedkit.prompts.tables import told
    from embedkit_cli.output import emit

    runner.render(fixed)  # a value that is missing is misuse, not a row that failed
    found = runner.answer_alone(Input(1, fixed))
    facts = {
        "template": runner.template.name,
        "answer": found.value,
        "problem": found.reason or None,
        "said": found.text,
        "prompt_tokens": found.prompt_tokens,
        "completion_tokens": found.completion_tokens,
        "kept": found.asked == 0 and bool(found.text),
    }
    if found.passed or session.format != "table":
        emit(session.format, facts, lambda: str(told(found)))
    if found.passed:
        return 0
    say(f"no answer that passes: {found.reason}")
    if found.text and session.format == "table":
        say(f"it said: {found.text.strip()[:400]}")
    return 1


def _described(report: PromptReport) -> str:
    """Return what was done, a line a fact."""
    from embedkit_cli.text import count

    asked = f"{report.asked:,} asked now"
    if report.kept:
        asked += f", {report.kept:,} kept from before"
    tokens = report.prompt_tokens + report.completion_tokens
    lines = [
        f"{report.answered:,} of {count(report.rows, 'row')} answered by {report.model_id}, with "
        f"{report.template} ({asked}; {tokens:,} tokens; {report.seconds:.1f} s)"
    ]
    if report.failed:
        lines.append(f"{count(report.failed, 'row')} got no answer:")
        lines += [f"line {each.line}: {each.reason}" for each in report.rejects[:SHOWN]]
        if report.failed > SHOWN:
            lines.append(f"and {report.failed - SHOWN:,} more, in the column problem")
    return "\n".join([*lines, *report.notes])
