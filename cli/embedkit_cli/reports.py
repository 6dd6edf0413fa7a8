"""What a person reads about a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from embedkit_cli.failure import say
from embedkit_cli.text import clean, count, size

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from embedkit.types import (
        CollectionInfo,
        IndexTrial,
        KeptVectors,
        MigrationReport,
        Report,
        RunInfo,
    )
    from embedkit_cli.session import Session


def describe(report: Report) -> str:
    """Return a report in a few lines."""
    name = click.style(clean(report.collection), bold=True)
    records = count(report.records, "record")
    kinds = ", ".join(
        f"{getattr(report, kind):,} {kind}"
        for kind in ("new", "changed", "unchanged", "removed", "failed")
        if getattr(report, kind) or kind in ("new", "unchanged")
    )
    unit = "text" if report.passages is None else "passage"
    if report.status == "planned":
        lines = [
            f"{name}: {records} in {clean(report.source)}; a dry run, nothing was written",
            f"  {kinds}",
            f"  {count(report.embedded, unit)} to embed, {report.reused:,} to reuse"
            + cached(report),
            *planned_costs(report),
        ]
    else:
        lines = [
            f"{name}: {records} from {clean(report.source)} in {_seconds(report.seconds)}",
            f"  {kinds}",
            f"  {count(report.embedded, unit)} embedded, {report.reused:,} reused" + cached(report),
            *costs(report),
        ]
    if report.truncated:
        verb = "is" if report.truncated == 1 else "are"
        # The tokens of a managed model are estimates.
        about = "by estimate, " if report.estimated_tokens else ""
        lines.append(
            f"  {about}{count(report.truncated, 'text')} {verb} longer than the model reads: "
            f"{count(report.tokens_cut, 'token')} left out; --chunk keeps them in a new collection"
        )
    lines += [f"  {clean(note)}" for note in report.notes]
    return "\n".join(lines)


def cached(report: Report | MigrationReport) -> str:
    """Return how much came out of the cache, where anything did."""
    return f" ({report.cached:,} out of the cache)" if report.cached else ""


def planned_costs(report: Report | MigrationReport) -> list[str]:
    """Return what a managed model would take; nothing where the model runs here."""
    if report.estimated_tokens is None:
        return []
    from embedkit.managed.budget import dollars

    cost = "price unknown" if report.cost is None else f"about {dollars(report.cost)}"
    lines = [f"  {count(report.estimated_tokens, 'token')} by estimate, {cost}"]
    if report.rate_limit_seconds:
        lines.append(f"  {_seconds(report.rate_limit_seconds)} at the service's rate limits")
    return lines


def costs(report: Report | MigrationReport) -> list[str]:
    """Return what a managed model was paid; nothing where the model runs here."""
    if not report.estimated_tokens:
        return []
    from embedkit.managed.budget import dollars

    estimate = f"{report.estimated_tokens:,} estimated"
    if report.billed_tokens is None:
        told = f"  {estimate} tokens; the service does not say what it bills"
    else:
        told = f"  {count(report.billed_tokens, 'token')} billed ({estimate})"
    return [told if report.cost is None else f"{told}, {dollars(report.cost)}"]


def advise(session: Session, report: Report, *, next_step: bool) -> None:
    """Say on stderr what needs attention, and what to do next."""
    name = report.collection
    if report.failed:
        if report.run is None:
            say(f"{name}: {count(report.failed, 'row')} would fail")
        else:
            listing = session.again("runs", "show", str(report.run), "-c", name)
            say(f"{name}: {count(report.failed, 'row')} failed; list them with: {listing}")
    left = report.gone - report.removed
    if left > 0:
        verb = "is" if left == 1 else "are"
        say(
            f"{name}: {count(left, 'record')} {verb} no longer in {report.source}; "
            "index again with --sync to remove them"
        )
    there = report.new + report.changed + report.unchanged
    if next_step and report.status in ("done", "stopped") and there:
        command = session.again("search", "your question", "-c", name)
        click.echo(f"Next: {clean(command)}", err=True)


def _seconds(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"


def describe_collection(info: CollectionInfo) -> str:
    """Return what is known of a collection, a fact a line."""
    from embedkit_cli.table import facts

    last = info.last_run
    pairs: list[tuple[str, Any]] = [
        ("name", info.name),
        ("path", info.path),
        ("records", f"{info.records:,}"),
        ("embedder", info.embedder),
        ("model", info.model_id),
        ("vectors", _vectors(info)),
        ("index", info.index),
        *contract_facts(info),
        *([("chunks", _chunks(info))] if info.chunk else []),
        ("size", size(info.bytes)),
        ("updated", _moment(info.updated)),
        ("columns", ", ".join(f"{name} {kind}" for name, kind in info.columns.items())),
        *(("also kept", _kept(kept)) for kept in info.kept),
    ]
    if last:
        pairs.append(("last run", f"{last.run}, {last.status}, {last.source}"))
    return facts(pairs)


def contract_facts(info: CollectionInfo) -> list[tuple[str, Any]]:
    """Return what the index promises, and what was measured of it."""
    measured = info.measurement
    pairs: list[tuple[str, Any]] = [("contract", _promise(info.recall))]
    if measured is None:
        return [*pairs, ("recall", "not measured; do it with: embedkit rebuild")]
    if measured.queries:
        told = (
            f"{measured.recall:.4f} at {measured.k} (surely above {_floor(measured.low)}, "
            f"below {_ceiling(measured.high)}): {'kept' if measured.met else 'MISSED'}"
        )
    else:
        told = "1, search is exact"
    setting = ", ".join(f"{name}={value:g}" for name, value in measured.setting.items())
    return [
        *pairs,
        ("recall", told),
        ("latency", f"p50 {measured.p50:.2f} ms, p95 {measured.p95:.2f} ms"),
        ("measured", f"{_moment(measured.measured)}, {count(measured.rows, 'vector')}"),
        ("how", measured.how),
        *([("tuned to", setting)] if setting else []),
        *([("note", measured.note)] if measured.note else []),
        *(("considered", _trial(trial)) for trial in measured.tried),
    ]


def _promise(recall: float) -> str:
    return "exact search" if recall == 1 else f"a recall of at least {recall:g}"


def _trial(trial: IndexTrial) -> str:
    if trial.recall is None or trial.p50 is None:
        return f"{trial.spec}: {trial.outcome}"
    return (
        f"{trial.spec}: {trial.outcome}; recall {trial.recall:.4f}, p50 {trial.p50:.2f} ms, "
        f"built in {_seconds(trial.build_seconds or 0)}"
    )


def _floor(value: float) -> str:
    return f"{int(value * 1e4) / 1e4:.4f}"


def _ceiling(value: float) -> str:
    return f"{-int(-value * 1e4 // 1) / 1e4:.4f}"


def _chunks(info: CollectionInfo) -> str:
    return f"{info.chunk}: {count(info.passages or 0, 'passage')}"


def _vectors(info: CollectionInfo) -> str:
    kept = "" if info.precision == "float32" else f" as {info.precision}"
    return f"{info.dim} dimensions{kept}, {info.metric.replace('_', ' ')}"


def _kept(kept: KeptVectors) -> str:
    when = "in use until " + _moment(kept.retired) if kept.retired else "not in use yet"
    name = kept.model_id if kept.embedder == "object" else kept.embedder
    return f"{count(kept.vectors, 'vector')} of {name}, {size(kept.bytes)}, {when}"


def describe_run(run: RunInfo) -> str:
    """Return what is known of a run, then the rows that failed."""
    from embedkit_cli.table import Column, facts, render

    pairs: list[tuple[str, Any]] = [
        ("run", run.run),
        ("status", run.status),
        ("source", run.source),
        ("started", _moment(run.started)),
        ("finished", _moment(run.finished)),
        ("took", _seconds(run.counts.get("seconds", 0))),
        ("counts", _counts(run.counts)),
        *(("note", note) for note in run.notes),
    ]
    text = facts(pairs)
    if run.failures:
        rows = run.failures
        columns = [
            Column("line", [row.line for row in rows], right=True),
            Column("reason", [row.reason for row in rows], widest=60),
            Column("row", [row.excerpt for row in rows], stretch=True),
        ]
        text += f"\n\n{render(columns)}"
    return text


def _counts(counts: Mapping[str, int]) -> str:
    """Return what there was any of."""
    return ", ".join(
        f"{number:,} {kind.replace('_', ' ')}"
        for kind, number in counts.items()
        if number and kind != "seconds"
    )


def _moment(time: datetime | None) -> str:
    return f"{time:%Y-%m-%d %H:%M:%S} UTC" if time else ""
