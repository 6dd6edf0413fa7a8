"""Which classifier is meant, and how classifiers and what they labelled are printed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from embedkit_cli.session import Session
from embedkit_cli.table import Column, facts, render
from embedkit_cli.text import count, size

if TYPE_CHECKING:
    import click
    from click.shell_completion import CompletionItem

    from embedkit.types import ClassifierInfo, Estimate, HeadTrial, LabellingReport

LABELS = 12
"""Labels that are listed with their counts, unless there are few more."""
CODES = {"accuracy": "accuracy", "macro_f1": "macro F1"}


def complete_classifier(
    ctx: click.Context, _param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Offer the classifiers of the home."""
    from click.shell_completion import CompletionItem

    from embedkit.classification.library import names

    home = ctx.ensure_object(Session).home
    return [CompletionItem(name) for name in names(home) if name.startswith(incomplete)]


def choose_classifier(session: Session, name: str | None) -> str:
    """Return the classifier that was named, or the only one.

    Raises
    ------
    ClassifierNotFoundError
        None at all, or none of that name; the nearest is offered.
    InvalidInputError
        There are several.
    """
    from embedkit.classification import library
    from embedkit.errors import ClassifierNotFoundError, InvalidInputError

    if name is not None:
        library.find(session.home, name)
        return name
    known = library.names(session.home)
    if not known:
        raise ClassifierNotFoundError(
            f"there is no classifier in {session.home}",
            do="make one with: embedkit classify train FILE --label COLUMN",
        )
    if len(known) > 1:
        raise InvalidInputError(
            f"there are several classifiers: {', '.join(known)}", do="choose one with --name"
        )
    return known[0]


def describe_training(info: ClassifierInfo) -> str:
    """Say what was learned: the heads that were tried, and the figures of the one in use."""
    heads = heads_table(info)
    told = facts(_figures(info))
    return f"{heads}\n\n{told}" if heads else told


def describe_classifier(info: ClassifierInfo) -> str:
    """Describe a classifier that is there."""
    report, origin = info.report, info.origin
    about: list[tuple[str, Any]] = [("name", info.name), *_figures(info)[:-1]]
    about += [
        ("labels", "\n".join(f"{label}: {rows:,}" for label, rows in _counts(info))),
    ]
    if origin is not None:
        columns = ", ".join(origin.text)
        about.append(("trained on", f"{origin.source}: {columns} -> {origin.label}"))
        about.append(("rows' digest", origin.digest[:16]))
    about += [
        ("trained", f"{report.created} by embedkit {report.version}, in {report.seconds:g} s"),
        ("on disk", f"{size(info.bytes)}, in {info.path}"),
    ]
    heads = heads_table(info)
    return f"{facts(about)}\n\n{heads}" if heads else facts(about)


def heads_table(info: ClassifierInfo) -> str:
    """Return the heads that were tried, the best first; nothing where there was no choice."""
    trials = info.report.heads
    if not trials:
        return ""
    return render(
        [
            Column("head", [f"{t.head}{' *' if t.head == info.head else ''}" for t in trials]),
            Column("accuracy", [_mean(trial.accuracy) for trial in trials], right=True),
            Column("95 % interval", [_interval(trial.accuracy) for trial in trials]),
            Column("macro F1", [_share(trial.macro_f1) for trial in trials], right=True),
            Column("seconds", [f"{trial.seconds:.1f}" for trial in trials], right=True),
            Column("note", [_note(trial) for trial in trials], stretch=True, comfortable=10),
        ]
    )


def _note(trial: HeadTrial) -> str:
    return trial.note


def _figures(info: ClassifierInfo) -> list[tuple[str, Any]]:
    report = info.report
    kinds = {"single": "one a text", "multi": "any number a text", "ordered": "in an order"}
    found: list[tuple[str, Any]] = [
        ("learned from", f"{count(report.rows, 'row')}, {len(info.labels):,} labels,"
         f" {kinds[info.task]}"),
        ("head", info.head),
        ("embedder", info.embedder or "none: it reads words alone"),
    ]  # fmt: skip
    found += [
        (CODES.get(name, name.replace("_", " ")), f"{_mean(value)} ({_interval(value)})")
        for name, value in report.measures.items()
    ]
    found += _calibration(report.calibration)
    if reached := [_cost(cost) for cost in info.abstaining if cost["threshold"] is not None]:
        found.append(("to be right", "\n".join(reached)))
    found += [("set aside", f"{count(a.rows, 'row')}: {a.reason}") for a in report.set_aside]
    found += [("note", note) for note in report.notes]
    found.append(("saved in", info.path))
    return found


def _cost(cost: Mapping[str, Any]) -> str:
    return (
        f"{cost['precision']:.0%} of the time: abstain below {cost['threshold']:.3f}, which labels"
        f" {cost['coverage']:.0%} of texts"
    )


def _calibration(figures: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return the errors of the probabilities, before and after they were calibrated."""
    before, after = figures.get("before"), figures.get("after")
    if not before or not after:
        return []
    rows = []
    for name, said in (("ece", "calibration error"), ("brier", "Brier score")):
        then, now = before[name], after[name]
        rows.append(
            (said, f"{now['mean']:.4f} ({now['low']:.4f} to {now['high']:.4f}), by"
             f" {figures['name']}; {then['mean']:.4f} before it")
        )  # fmt: skip
    return rows


def _counts(info: ClassifierInfo) -> list[tuple[Any, int]]:
    counts = list(info.labels.items())
    if info.task != "ordered":
        counts.sort(key=lambda pair: -pair[1])
    return counts


def _mean(value: Estimate | None) -> str:
    return "" if value is None else f"{value.mean:.4f}"


def _interval(value: Estimate | None) -> str:
    return "" if value is None else f"{value.low:.4f} to {value.high:.4f}"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def classifiers_table(found: Sequence[ClassifierInfo]) -> str:
    """Return classifiers as a table."""
    if not found:
        return ""
    accuracies = [info.report.measures.get("accuracy") for info in found]
    return render(
        [
            Column("name", [info.name for info in found], widest=30),
            Column("rows", [f"{info.report.rows:,}" for info in found], right=True),
            Column("labels", [f"{len(info.labels):,}" for info in found], right=True),
            Column("accuracy", [_mean(value) for value in accuracies], right=True),
            Column("size", [size(info.bytes) for info in found], right=True),
            Column("head", [info.head for info in found], optional=True),
            Column("embedder", [info.embedder for info in found], stretch=True, comfortable=10),
            Column(
                "trained (UTC)", [_minute(info.report.created) for info in found], optional=True
            ),
        ]
    )


def _minute(created: str) -> str:
    return created[:16].replace("T", " ")


def describe_labelling(done: LabellingReport) -> str:
    """Say what was labelled."""
    told = [f"{done.source}: {count(done.labelled, 'row')} of {done.rows:,} labelled"]
    if done.abstained:
        told[0] += f", {done.abstained:,} abstained"
    if done.counts:
        most = list(done.counts.items())
        listed = ", ".join(f"{label} {rows:,}" for label, rows in most[:LABELS])
        more = f", … ({len(most):,} labels)" if len(most) > LABELS else ""
        told.append(f"labels: {listed}{more}")
    if done.blank:
        told.append(f"{count(done.blank, 'row')} without a text left without a label")
    if done.failed:
        told.append(f"{count(done.failed, 'row')} could not be labelled:")
        told += [f"line {reject.line}: {reject.reason}" for reject in done.rejects[:5]]
        if done.failed > 5:
            told.append(f"… and {done.failed - 5:,} more")
    return "\n".join([*told, *done.notes])
