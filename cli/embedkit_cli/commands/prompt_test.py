"""``embedkit prompt test``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.failure import say
from embedkit_cli.lazy import Command
from embedkit_cli.options import Number, printing
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
    from embedkit.prompts.measuring import Formulation, PromptTest

METRICS = ("exact", "contains", "one-of", "rouge-l", "similarity", "json")


@click.command(
    cls=Command,
    example="embedkit prompt test title questions.csv --expected topic --generator echo",
)
@click.argument("templates", metavar="TEMPLATE... SOURCE", nargs=-1, required=True)
@click.option("--expected", metavar="COLUMN", required=True, help="What an answer should be.")
@click.option(
    "--metric",
    type=click.Choice(METRICS),
    help="How an answer is compared with it.  [default: exact]",
)
@click.option(
    "--min",
    "floor",
    type=Number(0, 1),
    help="Exit with 1 where no template's score is as high.",
)
@value_option
@click.option("--map", "mapping", metavar="INPUT=COLUMN", multiple=True, help="Column of an input.")
@asking_options
@example_options
@printing()
@pass_session
def test(
    session: Session,
    /,
    templates: tuple[str, ...],
    expected: str,
    metric: str | None,
    floor: float | None,
    given: tuple[str, ...],
    mapping: tuple[str, ...],
    **options: Any,
) -> int:
    """Ask with each TEMPLATE about each row of SOURCE, and show the scores side by side.

    Each score comes with its 95 % interval, with the difference to the first template and its
    p-value over the same rows, the share of answers that fail the template's check (they count 0),
    tokens, and the cost where [prices] in the settings knows the model. Templates are asked with as
    they are named. Answers are kept: run again, nothing is asked twice.
    """
    if len(templates) < 2:
        raise click.UsageError("expected one TEMPLATE or more, and then the SOURCE")
    *names, source = templates
    if len(set(names)) < len(names):
        raise click.UsageError("a template was given twice")
    from embedkit.prompts.measuring import compare_prompts, read_expected, scorer
    from embedkit_cli.output import emit

    kind: Any = metric or "exact"
    columns, fixed = pairs(mapping, "--map"), values(given, stdin_taken=source == "-")
    runners = _runners(session, names, columns, fixed, options)
    rows = read_expected(source, expected)
    with Progress("answers") as progress:
        found = compare_prompts(
            runners,
            rows,
            metric=kind,
            score=scorer(kind, home=session.home, embedder=session.settings.embedder or "minilm"),
            price=_price(session, runners[0][1].generator.model_id),
            progress=progress.show,
        )
    shown = found.to_dict()
    emit(
        session.format,
        shown if session.format == "json" else shown["formulations"],
        lambda: _table(found),
    )
    _tell_failures(found)
    if found.left_out:
        say(f"{found.left_out:,} rows were left out: nothing is expected of them")
    if floor is not None and found.best.score.mean < floor:
        say(f"the best score, {found.best.score.mean:.3f}, is below {floor:g}")
        return 1
    return 0


def _runners(
    session: Session,
    names: list[str],
    mapping: dict[str, str],
    fixed: dict[str, str],
    options: dict[str, Any],
) -> list[Any]:
    import embedkit
    from embedkit.prompts.ledger import AnswerLedger
    from embedkit.prompts.running import Runner
    from embedkit.prompts.tables import Columns

    parameters = sampling(options["parameters"])
    made = [embedkit.prompt(name) for name in names]
    columns = [Columns(template, mapping, fixed) for template in made]
    generator = open_generator(session, options["generator"])
    ledger = AnswerLedger(session.home, generator.model_id)
    shots = shots_of(session, options)
    return [
        (
            name,
            Runner(
                template,
                generator,
                ledger=ledger,
                parameters=parameters,
                shots=shots if template.few_shot is not None else None,
                seed=options["seed"] or 0,
                retries=options["retries"] or 0,
                anew=options["anew"],
            ),
            read,
        )
        for name, template, read in zip(names, made, columns, strict=True)
    ]


def _price(session: Session, model_id: str) -> float | None:
    from embedkit.managed.prices import price_of

    return price_of(model_id, session.settings.prices)


def _table(found: PromptTest) -> str:
    from embedkit.managed.budget import dollars
    from embedkit_cli.table import Column, render

    rows = found.formulations
    columns = [
        Column("template", [each.name for each in rows], widest=32),
        Column(f"{found.metric}", [f"{each.score.mean:.3f}" for each in rows], right=True),
        Column("95 %", [f"{each.score.low:.3f}-{each.score.high:.3f}" for each in rows]),
        Column("failing", [f"{each.failing:.1%}" for each in rows], right=True),
    ]
    if len(rows) > 1:
        columns.append(Column("to the first", [_difference(each) for each in rows]))
    columns.append(
        Column("tokens", [each.prompt_tokens + each.completion_tokens for each in rows], right=True)
    )
    if rows[0].cost is not None:
        columns.append(Column("cost", [dollars(each.cost or 0.0) for each in rows], right=True))
    head = f"{found.rows:,} rows, {found.model_id}"
    return f"{head}\n{render(columns)}"


def _difference(one: Formulation) -> str:
    if one.difference is None:
        return ""
    return f"{one.difference.difference.mean:+.3f} (p {one.difference.p_value:.3f})"


def _tell_failures(found: PromptTest) -> None:
    for one in found.formulations:
        first = next((each for each in one.answers if not each.passed), None)
        if first is not None:
            say(
                f"{one.name}: {sum(not each.passed for each in one.answers):,} without an answer "
                f"that passes; the first is line {first.line}: {first.reason}"
            )
