"""``embedkit prompt list``."""

from __future__ import annotations

import click

from embedkit_cli.lazy import Command
from embedkit_cli.options import printing
from embedkit_cli.session import Session, pass_session


@click.command("list", cls=Command, example="embedkit prompt list")
@printing()
@pass_session
def list_(session: Session) -> int:
    """List the templates that come along: name, version, inputs, description.

    Inputs in brackets have a default. One that ends in -completion says the same as the one without
    to models that go on from a text; `embedkit prompt run` chooses between them by itself.
    """
    import embedkit
    from embedkit_cli.output import emit
    from embedkit_cli.prompting import input_of
    from embedkit_cli.table import Column, render

    templates = embedkit.prompt_templates()
    rows = [
        {
            "name": each.name,
            "version": each.version,
            "description": each.description,
            "form": each.form,
            "inputs": [input_of(variable) for variable in each.inputs],
        }
        for each in templates
    ]
    inputs = [
        " ".join(v.name if v.required else f"[{v.name}]" for v in each.inputs) for each in templates
    ]
    emit(
        session.format,
        rows,
        lambda: render(
            [
                Column("name", [each.name for each in templates]),
                Column("version", [each.version for each in templates], optional=True),
                Column("inputs", inputs),
                Column("description", [each.description for each in templates], stretch=True),
            ]
        ),
    )
    return 0
