"""``embedkit classify evaluate``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.answering import answering_options, classifier_option
from embedkit_cli.classifiers import choose_classifier, complete_classifier
from embedkit_cli.commands.evaluate_search import Floors, check_floors, read_floors
from embedkit_cli.failure import say, say_waiting
from embedkit_cli.lazy import Command
from embedkit_cli.options import printing
from embedkit_cli.progress import Progress
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embedkit.classification.classifier import Classifier
    from embedkit.classification.labelled import LabelledRows
    from embedkit.evaluation.label_results import LabelEvaluation
    from embedkit_cli.label_evaluations import Evaluated

ANSWERING = ("abstain_below", "precision", "scope_level", "coverage")
"""Options that say how it is to answer."""
OF_SOURCE = {
    "text": "--text",
    "label": "--label",
    "by": "--by",
    "separator": "--separator",
    "precision": "--precision",
    "scope_level": "--scope",
    "coverage": "--coverage",
}
"""Options that need a SOURCE; what was learned from held-out rows is not measured on these."""


@click.command(
    cls=Command,
    example="embedkit classify evaluate --name topics\n"
    "embedkit classify evaluate questions.csv --name topics --by lang",
)
@click.argument("source", metavar="[SOURCE]", required=False)
@click.option("--text", metavar="COLUMN", help="Column of the text.  [default: as it was trained]")
@click.option("--label", metavar="COLUMN", help="Column of the true label.  [default: likewise]")
@click.option("--separator", metavar="TEXT", help="What stands between several.  [default: ;]")
@classifier_option
@click.option(
    "--against",
    metavar="NAME",
    shell_complete=complete_classifier,
    help="Compare with another classifier on the same rows.",
)
@click.option("--by", metavar="COLUMN", help="Measure also the rows of each value of a column.")
@answering_options(
    abstain_below="Count a label that is less probable as no answer.",
    precision="Let it abstain as often as it takes for this share to be right: is that kept?",
    scope="Let it abstain on texts less typical of those trained on: 0.05.",
    coverage="Measure sets that are to hold the true label that often: is that kept?",
)
@click.option(
    "--min",
    "floors",
    multiple=True,
    metavar="NAME=VALUE",
    help="Exit with 1 where a measure is below it: accuracy=0.9; may be repeated.",
)
@click.option(
    "--max",
    "ceilings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Exit with 1 where a measure is above it: ECE=0.03; may be repeated.",
)
@click.option(
    "--mistakes",
    type=click.IntRange(min=0),
    default=5,
    help="Of the surest mistakes to show.  [default: 5]",
)
@click.option("--plot", metavar="FILE", help="Draw which label is taken for which: .png, .svg.")
@click.option("--calibration-plot", metavar="FILE", help="Draw what a probability is worth.")
@click.option("--report", metavar="FOLDER", help="Write all of it, and each row's answer.")
@printing()
@pass_session
def evaluate(
    session: Session,
    /,
    source: str | None,
    name: str | None,
    against: str | None,
    floors: tuple[str, ...],
    ceilings: tuple[str, ...],
    plot: str | None,
    calibration_plot: str | None,
    report: str | None,
    **options: Any,
) -> int:
    """Measure how good a classifier is, on the labelled rows of SOURCE.

    Without SOURCE: what cross-validation said in training, where each row was answered by a head
    that had not seen it. Rows of SOURCE whose text it learned from are told apart.
    """
    least, most = read_floors(floors), read_floors(ceilings)
    if source is None:
        given = [told for name, told in OF_SOURCE.items() if options[name] is not None]
        if given:
            raise click.UsageError(f"{given[0]} needs labelled rows: give a SOURCE")
    elif source == "-":
        say_waiting()
    from embedkit.evaluation.index_plot import check_plot

    for path in (plot, calibration_plot):
        if path is not None:
            check_plot(path)
    chosen = choose_classifier(session, name)
    other = choose_classifier(session, against) if against is not None else None
    with Progress() as progress:
        if source is None:
            evaluated, code = _trained(session, chosen, other, options), 0
        else:
            evaluated, code = _measured(session, source, chosen, other, options, progress)
    return max(code, _tell(session, evaluated, least, most, plot, calibration_plot, report))


def _tell(
    session: Session,
    evaluated: Evaluated,
    least: Floors,
    most: Floors,
    plot: str | None,
    calibration_plot: str | None,
    report: str | None,
) -> int:
    """Print, draw and write what was found; return the exit code."""
    from embedkit.evaluation.label_plot import plot_calibration, plot_confusion
    from embedkit_cli.label_evaluations import print_labels, write_report

    if plot is not None and evaluated.found.confusion is None:
        raise click.UsageError("--plot needs one label a row: these rows have several")
    print_labels(session.format, evaluated)
    for note in evaluated.found.notes:
        say(note)
    if plot is not None:
        plot_confusion(evaluated.found, plot)
    if calibration_plot is not None:
        plot_calibration(evaluated.found, calibration_plot)
    if report is not None:
        say(f"wrote {', '.join(write_report(report, evaluated))} to {report}")
    means = {key: value.mean for key, value in evaluated.found.measures.items()}
    return max(check_floors(means, least), _check_ceilings(means, most))


def _check_ceilings(means: Mapping[str, float], most: Floors) -> int:
    from embedkit.evaluation.measures import same_measure

    code = 0
    for name, ceiling in most.items():
        told = same_measure(name, means)
        if means[told] > ceiling:
            say(f"{told} is {means[told]:.4f}, above the ceiling of {ceiling:g}")
            code = 1
    return code


def _trained(session: Session, name: str, other: str | None, options: dict[str, Any]) -> Evaluated:
    """Return what cross-validation said."""
    import embedkit
    from embedkit.errors import InvalidInputError
    from embedkit.evaluation.classifier import evaluate_training
    from embedkit_cli.label_evaluations import Evaluated

    sides: list[tuple[Classifier, LabelEvaluation]] = []
    for each in (name, other):
        if each is None:
            continue
        opened = embedkit.classifier(each, home=session.home)
        subject = f"{each}, cross-validated in training"
        found = evaluate_training(
            opened, subject=subject, abstain_below=options["abstain_below"] or 0.0
        )
        sides.append((opened, found))
    (first, found), rest = sides[0], sides[1:]
    examples = first.examples
    assert examples is not None
    if rest:
        theirs = rest[0][0].examples
        if theirs is None or list(theirs.texts) != list(examples.texts):
            raise InvalidInputError(
                f"expected {name} and {other} to be trained on the same rows",
                do="give labelled rows to compare them on",
            )
    compared = rest[0][1] if rest else None
    return Evaluated(
        found,
        [examples.texts[i] for i in found.places],
        other=compared,
        differences=found.against(compared) if compared else {},
        mistakes=options["mistakes"],
    )


def _measured(
    session: Session,
    source: str,
    name: str,
    other: str | None,
    options: dict[str, Any],
    progress: Progress,
) -> tuple[Evaluated, int]:
    """Return what labelled rows say, and the exit code that rows left out ask for."""
    import embedkit
    from embedkit.evaluation.classifier import evaluate_by, evaluate_classifier
    from embedkit_cli.label_evaluations import Evaluated

    opened = embedkit.classifier(name, home=session.home)
    rows = _read(session, source, name, opened, options, progress)
    for told in (*rows.set_aside(), *rows.notes):
        say(told)
    found, compared = (
        None
        if each is None
        else evaluate_classifier(
            opened if each == name else embedkit.classifier(each, home=session.home),
            rows.texts,
            rows.labels,
            subject=f"{each} on {rows.source}",
            progress=progress.show,
            **{key: options[key] for key in ANSWERING if options[key]},
        )
        for each in (name, other)
    )
    assert found is not None
    values = [rows.also[i] for i in found.places] if options["by"] else []
    evaluated = Evaluated(
        found,
        [rows.texts[i] for i in found.places],
        [rows.lines[i] for i in found.places],
        evaluate_by(found, values) if values else {},
        options["by"] or "",
        compared,
        found.against(compared) if compared else {},
        options["mistakes"],
    )
    return evaluated, 1 if rows.failed else 0


def _read(
    session: Session,
    source: str,
    name: str,
    opened: Classifier,
    options: Mapping[str, Any],
    progress: Progress,
) -> LabelledRows:
    """Read the labelled rows, from the columns that the classifier was trained on by default."""
    from embedkit.classification import library
    from embedkit.classification.labelled import SEPARATOR, How, read_labelled

    origin = library.read_origin(library.find(session.home, name))
    how = How(opened.fitted.labels.task == "multi", options["separator"] or SEPARATOR)
    likely = (origin.text, origin.label) if origin is not None else ((), "")
    return read_labelled(
        source,
        text=options["text"],
        label=options["label"],
        also=options["by"],
        likely=likely,
        how=how,
        progress=progress.show,
    )
