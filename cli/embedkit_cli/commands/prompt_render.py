"""``embedkit prompt render``."""

from __future__ import annotations

from typing import Any

import click

from embedkit_cli.lazy import Command
from embedkit_cli.options import printing
from embedkit_cli.prompting import example_options, shots_of, value_option, values
from embedkit_cli.session import Session, pass_session


@click.command(cls=Command, example='embedkit prompt render title --var text="A cat sat on a mat."')
@click.argument("template", metavar="TEMPLATE")
@value_option
@example_options
@click.option("--generator", metavar="SPEC", help="Formulate it for this one.")
@printing()
@pass_session
def render(
    session: Session,
    /,
    template: str,
    given: tuple[str, ...],
    generator: str | None,
    **options: Any,
) -> int:
    """Print TEMPLATE with its inputs filled in: what a generator is sent.

    How many tokens that is, by estimate, goes to stderr.
    """
    import embedkit
    from embedkit.managed.tokens import estimate_tokens
    from embedkit_cli.failure import say
    from embedkit_cli.output import emit, write
    from embedkit_cli.text import count

    chosen = (
        embedkit.prompt(template)
        if generator is None
        else embedkit.prompt_for(template, embedkit.generator(generator))
    )
    told = values(given)
    shots = shots_of(session, options)
    rendered = chosen.render(shots(chosen, told) if shots else None, **told)
    tokens = estimate_tokens(rendered.text)
    if session.given_format in (None, "table"):
        write([rendered.text + "\n"])
        say(f"about {count(tokens, 'token')}, by estimate")
        return 0
    prompt: Any = rendered.prompt
    if not isinstance(prompt, str):
        prompt = [{"role": each.role, "content": each.content} for each in prompt]
    facts = {
        "template": chosen.name,
        "prompt": prompt,
        "stop": list(rendered.stop),
        "parameters": dict(rendered.parameters),
        "tokens": tokens,
    }
    emit(session.format, facts, lambda: "")
    return 0
