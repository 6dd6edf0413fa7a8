"""Prompts over rows, for ``import embedkit``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from embedkit.ingest.stage import Progress
    from embedkit.prompts.running import Answered
    from embedkit.prompts.selection import Examples
    from embedkit.prompts.template import PromptTemplate
    from embedkit.protocols import Generator


def run_prompt(
    template: str | Path | PromptTemplate,
    rows: Sequence[Mapping[str, Any]],
    *,
    generator: str | Generator = "smollm",
    home: str | Path | None = None,
    examples: Examples | None = None,
    parameters: Mapping[str, Any] | None = None,
    seed: int = 0,
    retries: int = 0,
    anew: bool = False,
    progress: Progress | None = None,
) -> list[Answered]:
    """Ask a generator with a template about each row; nothing is asked twice.

    Parameters
    ----------
    template : str, Path or PromptTemplate
        A name or a file is formulated for the generator, see :func:`embedkit.prompt_for`.
    rows : sequence of mapping
        Values of the template's inputs, one mapping a row.
    generator : str or Generator
        A spec, such as ``"openai:gpt-4o-mini"``.
    home : str or Path, optional
        Where answers are kept. Default: as for :func:`embedkit.open`.
    examples : Examples, optional
        Labelled rows from which the nearest are shown, see
        :func:`embedkit.prompts.selection.read_examples`.
    parameters : mapping, optional
        Sampling parameters in place of the template's.
    seed : int
    retries : int
        How often a row is asked again, with another seed, when its answer does not pass the check.
    anew : bool
        Ask again what was answered before.
    progress : callable, optional
        Called with (what, done, total).

    Returns
    -------
    list of Answered, one a row, in order
        ``value`` is the answer as its check reads it; ``reason`` says why there is none. ``line``
        is the number of the row, from 1.

    Raises
    ------
    InvalidInputError, TemplateError
        No such template, or one that is none.
    CredentialsError, QuotaError, UnavailableError
        The generator cannot go on. What was answered is kept.

    Examples
    --------
    >>> rows = [{"text": "A cat sat on a mat."}]
    >>> embedkit.run_prompt("title", rows)[0].value                 # doctest: +SKIP
    """
    from embedkit import catalog, registry
    from embedkit.errors import InvalidInputError
    from embedkit.prompts.ledger import AnswerLedger
    from embedkit.prompts.library import prompt_for
    from embedkit.prompts.running import Input, Runner
    from embedkit.prompts.template import PromptTemplate

    made: Generator = (
        registry.create("generator", generator) if isinstance(generator, str) else generator
    )
    if isinstance(rows, Mapping) or not isinstance(rows, Sequence):
        raise InvalidInputError(
            f"expected a list of rows, got {type(rows).__name__}", do='pass [{"text": …}, …]'
        )
    wrong = [type(row).__name__ for row in rows if not isinstance(row, Mapping)]
    if wrong:
        raise InvalidInputError(
            f"expected rows of values by input, got {wrong[0]}", do='pass [{"text": …}, …]'
        )
    check = getattr(made, "check_access", None)
    if check is not None:
        check()
    runner = Runner(
        template if isinstance(template, PromptTemplate) else prompt_for(template, made),
        made,
        ledger=AnswerLedger(catalog.resolve_home(home), made.model_id),
        parameters=parameters,
        shots=None if examples is None else examples.choose,
        seed=seed,
        retries=retries,
        anew=anew,
    )
    inputs = (Input(number, dict(row)) for number, row in enumerate(rows, 1))
    return list(runner.run(inputs, total=len(rows), progress=progress))
