"""``embedkit doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from embedkit_cli.lazy import Command
from embedkit_cli.options import complete_collection, printing
from embedkit_cli.session import Session, pass_session

if TYPE_CHECKING:
    from embedkit.types import Finding

COLOURS = {"ok": "green", "absent": "yellow", "damaged": "red", "broken": "red"}


@click.command(cls=Command, example="embedkit doctor")
@click.argument("name", required=False, shell_complete=complete_collection)
@click.option("--repair", is_flag=True, help="Mend what is damaged in the collection NAME.")
@printing()
@pass_session
def doctor(session: Session, name: str | None, repair: bool) -> int:
    """Check the installation, or every file of the collection NAME.

    Exits with 1 where something is broken.
    """
    if name is not None:
        return _collection(session, name, repair)
    if repair:
        raise click.UsageError("--repair needs the name of a collection")
    from embedkit.doctor import examine
    from embedkit_cli.output import emit
    from embedkit_cli.table import checklist

    checks = examine(session.given_home)
    emit(
        session.format,
        [check.to_dict() for check in checks],
        lambda: checklist(
            [(check.state, check.part, check.detail, check.remedy) for check in checks], COLOURS
        ),
    )
    return 1 if any(check.state == "broken" for check in checks) else 0


def _collection(session: Session, name: str, repair: bool) -> int:
    import embedkit
    from embedkit_cli.choose import choose
    from embedkit_cli.failure import say
    from embedkit_cli.output import emit
    from embedkit_cli.table import checklist

    with embedkit.open(choose(session, name), home=session.home) as opened:
        if repair:
            for done in opened.repair():
                say(f"{done.part}: {done.detail}")
        findings = opened.check(thorough=True)
    emit(
        session.format,
        [finding.to_dict() for finding in findings],
        lambda: checklist([_line(finding) for finding in findings], COLOURS),
    )
    damaged = any(not finding.ok for finding in findings)
    if damaged and not repair:
        say(f"{name} is damaged; mend it with: {session.again('doctor', name, '--repair')}")
    return 1 if damaged else 0


def _line(finding: Finding) -> tuple[str, str, str, str]:
    return "ok" if finding.ok else "damaged", finding.part, finding.detail, finding.remedy
