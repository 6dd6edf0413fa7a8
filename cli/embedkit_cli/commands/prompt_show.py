"""``embedkit prompt show``."""

from __future__ import annotations

from typing import Any

import click

from embedkit_cli.lazy import Command
from embedkit_cli.options import printing
from embedkit_cli.session import Session, pass_session


@click.command(cls=Command, example="embedkit prompt show title")
@click.argument("template", metavar="TEMPLATE")
@printing()
@pass_session
def show(session: Session, template: str) -> int:
    """Show all of TEMPLATE: inputs, texts, examples, parameters, what is asked of answers."""
    import embedkit
    from embedkit_cli.output import emit
    from embedkit_cli.prompting import facts_of

    facts = facts_of(embedkit.prompt(template))
    emit(session.format, facts, lambda: _described(facts))
    return 0


def _described(facts: dict[str, Any]) -> str:
    from embedkit_cli.table import facts as aligned

    pairs: list[tuple[str, Any]] = [
        (name, facts[name]) for name in ("name", "version", "description", "form")
    ]
    pairs += [(f"input {each['name']}", _input(each)) for each in facts["inputs"]]
    pairs += [(each["role"], each["content"]) for each in facts["messages"]]
    examples = facts["examples"]
    if examples is not None:
        pairs.append(("example", examples["shown"]))
        if examples["answer"] is not None:
            pairs.append(("its answer", examples["answer"]))
        pairs.append(("examples", f"{len(examples['rows'])} of its own"))
    for name in ("stop", "parameters", "check"):
        if facts[name]:
            pairs.append((name, facts[name]))
    return aligned([*pairs, ("origin", facts["origin"])])


def _input(facts: dict[str, Any]) -> str:
    told = facts["type"]
    if "choices" in facts:
        told += f", one of {', '.join(map(str, facts['choices']))}"
    told += f", default {facts['default']!r}" if "default" in facts else ", has to be given"
    return f"{told}. {facts.get('description', '')}".strip()
