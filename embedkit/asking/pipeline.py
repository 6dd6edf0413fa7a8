"""From excerpts to an answer: draw several, reject what they do not support, take the best."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from embedkit import registry
from embedkit.asking.citing import Citing, unmarked
from embedkit.asking.context import bracketless, fit
from embedkit.asking.options import Asking
from embedkit.errors import InvalidInputError, UnsupportedOperationError
from embedkit.protocols import Embedder, Generator, SourceGenerator
from embedkit.ranking.rank import rank_candidates
from embedkit.types import Answer, Candidate, Excerpt, RankedCandidate, Ranking, Rejection
from embedkit.types.answers import NOTHING

if TYPE_CHECKING:
    from embedkit.generators.base import Progress
    from embedkit.types import Statement

DEFAULT = "extractive"
"""The generator where none is named: it needs no model beside the collection's own."""
READER = "minilm"
"""What compares sentences where the collection's own embedder would have to be paid for."""
_MATERIAL = (
    r"\b(?:the|these|those|provided|given) (?:(?:provided|given|available|above) )?"
    r"(?:sources?|passages?|texts?|context|documents?|records?|information)\b"
)
_SAYS_NOTHING = re.compile(
    _MATERIAL + r"[^.]{0,40}\b(?:do|does|did)(?: not|n['’]t)\b[^.]{0,20}"
    r"\b(?:say|mention|contain|hold|provide|state|specify|answer|tell|give|include)\b"
    r"|\bthe (?:answer|information)\b[^.]{0,40}\b(?:is|are|was|were)(?: not|n['’]t)\b[^.]{0,20}"
    r"\b(?:said|mentioned|contained|held|provided|stated|specified|told|given|included|found)\b",
    re.IGNORECASE,
)
"""How models say that what they were given does not hold the answer, seldom in the words asked for.
A passage may say of itself that something is not included: extracts are not looked at."""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Candidates, what they were told, and the excerpts that were in it."""

    candidates: Sequence[Candidate]
    excerpts: tuple[Excerpt, ...]
    prompt: str = ""
    notes: tuple[str, ...] = ()
    extracts: bool = False
    """Whether they are made of the excerpts' own sentences on purpose."""


def answer(
    question: str, excerpts: Sequence[Excerpt], asking: Asking, reader: Embedder | None
) -> Answer:
    """Answer a question from excerpts, or say that they do not.

    Parameters
    ----------
    reader : Embedder or None
        What compares sentences; None for MiniLM.
    """
    spec, generator, embedder = _backends(asking.generator, reader)
    found = Answer(question, NOTHING, said=False, excerpts=tuple(excerpts), generator=spec)
    if not excerpts:
        return replace(found, notes=("no record was found",))
    found = replace(found, confidence=excerpts[0].score)
    if found.confidence < asking.least:
        why = (
            f"what is nearest bears on the question with a probability of {found.confidence:.2f}, "
            f"less than {asking.least:g}"
        )
        return replace(found, notes=(why,))
    drawn = _draw(question, excerpts, generator, asking)
    found = replace(found, excerpts=drawn.excerpts, notes=drawn.notes)
    if not drawn.candidates:
        return replace(found, notes=(*drawn.notes, "no answer was found in the passages"))
    return _chosen(found, drawn, asking, embedder)


def _backends(
    given: str | Generator | None, reader: Embedder | None
) -> tuple[str, Generator, Embedder]:
    """Return the generator's spec, itself, and the embedder that reads."""
    embedder: Embedder = reader or registry.create("embedder", READER)
    if given is not None and not isinstance(given, str):
        if not isinstance(given, Generator):
            raise InvalidInputError(
                f"expected a spec or a generator, got {type(given).__name__}",
                do='write generator="extractive", or give an object with generate()',
            )
        return given.model_id, given, embedder
    spec = given or DEFAULT
    if spec == DEFAULT:  # with the embedder that is loaded already
        return spec, registry.resolve("generator", DEFAULT)(embedder=embedder), embedder
    return spec, registry.create("generator", spec), embedder


def _draw(
    question: str, excerpts: Sequence[Excerpt], generator: Generator, asking: Asking
) -> _Drawn:
    """Draw candidates, from the excerpts themselves or from a prompt that holds them."""
    if isinstance(generator, SourceGenerator):
        for name in ("temperature", "context"):
            if getattr(asking, name) is not None:
                raise UnsupportedOperationError(
                    f"{generator.model_id} does not know {name}", do="leave it out"
                )
        candidates = generator.from_sources(
            [bracketless(excerpt.text) for excerpt in excerpts],
            question=question,
            n=asking.n,
            most_words=asking.most_words,
            seed=asking.seed,
        )
        return _Drawn(candidates, tuple(excerpts), extracts=True)
    from embedkit.generators.drawing import draw
    from embedkit.prompts.library import prompt_for

    fitted = fit(question, excerpts, prompt_for("answer", generator), generator, asking.context)
    rendered = fitted.rendered
    told = {name: v for name, v in rendered.parameters.items() if name in generator.supports}
    for name in ("temperature", "seed"):
        if getattr(asking, name) is not None:
            told[name] = getattr(asking, name)
    stop = rendered.stop if "stop" in generator.supports else ()
    progress = _told(asking.progress)
    drawn = draw(generator, rendered.prompt, asking.n, stop=stop, progress=progress, **told)
    failed = [f"an answer could not be drawn: {reason}" for reason in drawn.failures]
    notes = (*fitted.notes, *drawn.notes, *dict.fromkeys(failed))
    return _Drawn(drawn.candidates, fitted.excerpts, rendered.text, notes)


def _told(progress: Callable[[str, int, int], None] | None) -> Callable[[Progress], None] | None:
    """Return what a generator tells how far it is, as a stage of the work."""
    if progress is None:
        return None

    def tell(step: Progress) -> None:
        progress("drawing answers", step.finished, step.n)

    return tell


def _chosen(found: Answer, drawn: _Drawn, asking: Asking, embedder: Embedder) -> Answer:
    """Return the best of the candidates as the answer, or nothing where none can be shown."""
    citing = Citing(drawn.excerpts, embedder)
    read = [citing.statements(candidate.text) for candidate in drawn.candidates]
    plain = [replace(candidate, text=unmarked(candidate.text)) for candidate in drawn.candidates]
    silent = {
        place
        for place, candidate in enumerate(plain)
        if not drawn.extracts and _SAYS_NOTHING.search(candidate.text)
    }
    against = {
        place: reason
        for place, (statements, _) in enumerate(read)
        if (reason := _against(place in silent, statements))
    }
    ranking = _ranked(found, drawn, plain, against, asking, embedder)
    notes = (*found.notes, *_notes(read, ranking))
    best = ranking.best
    if best is None or 2 * len(silent) > len(plain):
        why = f"none of {len(plain)} answers can be shown: {_reasons(ranking)}"
        if 2 * len(silent) > len(plain):
            why = f"{len(silent)} of {len(plain)} answers say that the passages do not"
        return replace(found, ranking=ranking, notes=(*notes, why))
    statements = tuple(read[best.place][0])
    return replace(
        found,
        text=_written(statements),
        said=True,
        statements=statements,
        ranking=ranking,
        notes=notes,
    )


def _written(statements: Sequence[Statement]) -> str:
    """Return sentences with the numbers of their sources behind them."""
    parts = []
    for statement in statements:
        numbers = ", ".join(map(str, statement.sources))
        parts.append(f"{statement.text} [{numbers}]" if numbers else statement.text)
    return " ".join(parts)


def _against(silent: bool, statements: Sequence[Statement]) -> str:
    """Return why an answer cannot be shown, as far as its sources tell; empty where it can."""
    if silent:
        return "says that the passages do not hold the answer"
    if statements and not any(statement.sources for statement in statements):
        return "no sentence of it is supported by a passage"
    return ""


def _ranked(
    found: Answer,
    drawn: _Drawn,
    plain: Sequence[Candidate],
    against: Mapping[int, str],
    asking: Asking,
    embedder: Embedder,
) -> Ranking:
    """Rank the candidates, those last that cannot be shown whatever the filters say."""

    def ranked(places: Sequence[int]) -> list[RankedCandidate]:
        if not places:
            return []
        ranking = rank_candidates(
            "\n\n".join(excerpt.text for excerpt in drawn.excerpts),
            [plain[place] for place in places],
            embedder=embedder,
            score=asking.score or "default",
            filters=asking.filters,
            question=found.question,
            prompt=drawn.prompt,
            most_words=asking.most_words,
            extracts=range(len(places)) if drawn.extracts else (),
            generators=[found.generator] * len(places),
        )
        return [
            replace(
                each,
                place=places[each.place],
                merged_into=None if each.merged_into is None else places[each.merged_into],
            )
            for each in ranking
        ]

    shown = ranked([place for place in range(len(plain)) if place not in against])
    rejected = [
        replace(
            each,
            rank=None,
            merged_into=None,
            rejections=(*each.rejections, Rejection("sources", against[each.place])),
        )
        for each in ranked(sorted(against))
    ]
    return Ranking((*shown, *rejected))


def _notes(read: Sequence[tuple[Sequence[Any], Sequence[int]]], ranking: Ranking) -> list[str]:
    """Say which sources the answer names that there are not."""
    best = ranking.best
    invented = read[best.place][1] if best is not None else []
    if not invented:
        return []
    listed = ", ".join(f"[{number}]" for number in invented)
    return [f"the generator named sources that there are not; left out: {listed}"]


def _reasons(ranking: Ranking) -> str:
    """Return why candidates were rejected, each filter once."""
    names = dict.fromkeys(rejection.filter for each in ranking for rejection in each.rejections)
    return ", ".join(names) or "no reason is known"
