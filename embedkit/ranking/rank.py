"""Candidates from anywhere, best first, with every score and every reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit import registry
from embedkit.errors import InvalidInputError
from embedkit.ranking.blend import scorer
from embedkit.ranking.checks import checked
from embedkit.ranking.filters import default_filters
from embedkit.ranking.merging import merge
from embedkit.ranking.pool import Limits, Pool
from embedkit.types import Candidate, RankedCandidate, Ranking, Rejection

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.protocols import Embedder, Filter, Ranker

DECIMALS = 9
"""Scores that differ by less are a tie: sums of the same numbers in another order do."""


def rank_candidates(
    source: str,
    candidates: Sequence[str | Candidate],
    *,
    embedder: str | Embedder = "minilm",
    score: str | Mapping[str, float] = "default",
    rankers: str | Sequence[str] = "all",
    filters: str | Sequence[str] = "default",
    merging: bool = True,
    question: str = "",
    prompt: str = "",
    least_words: int | None = None,
    most_words: int | None = None,
    extracts: Iterable[int] = (),
    generators: Sequence[str] | None = None,
) -> Ranking:
    """Rank texts about one source, from whatever wrote them, and reject what cannot be shown.

    Every ranker scores every candidate, and every filter says what is wrong with it. Those that no
    filter rejects are ranked by the score; of those that say nearly the same, the best stands for
    the others. Equal scores keep the order of the candidates.

    Parameters
    ----------
    source : str
        What they summarize; for answers, the passages they answer from, one after the other.
    candidates : sequence of str or Candidate, length n >= 1
        Candidates with token log-probabilities are scored by them too.
    embedder : str or Embedder
    score : str or mapping of str to float
        What the ranking goes by: ``"default"``, for summaries the blend learned from human
        judgements, for answers ``"bearing"``; the spec of a ranker, such as ``"agreement"``; or the
        weights of rankers by their specs, such as ``{"coverage": 1, "mean_logprob": 0.5}``.
    rankers : str or sequence of str
        Specs of the rankers whose scores are told beside it: ``"all"`` that come with embedkit,
        ``"none"``, or some.
    filters : str or sequence of str
        Specs of filters: ``"default"``, those for summaries, or for answers where there is a
        question (:mod:`embedkit.ranking.filters`); ``"all"``, ``"none"``, or some.
    merging : bool
        Whether candidates that say nearly the same are merged.
    question : str
        What they answer; empty for summaries.
    prompt : str
        What the generator was told, so that a filter notices what merely repeats it.
    least_words, most_words : int, optional
        The length that was asked for.
    extracts : iterable of int
        Places of candidates that are made of the source's own sentences on purpose: being copied is
        nothing against them.
    generators : sequence of str, length n, optional
        Who wrote each.

    Returns
    -------
    Ranking
        All n candidates: those that passed, best first; then the others, by their scores.

    Raises
    ------
    InvalidInputError
        No candidates, an empty source, what is no text, lengths or places that cannot be meant.
    UnknownBackendError
        A name that no embedder, ranker or filter has; the nearest one is offered.

    Examples
    --------
    >>> ranking = embedkit.rank_candidates(
    ...     "The bakery opens at six. It sells bread, and cakes on Sundays.",
    ...     ["The bakery sells bread.", "The bakery opens at nine.", ""],
    ... )                                                           # doctest: +SKIP
    >>> ranking.best.text, ranking[-1].rejections[0].reason         # doctest: +SKIP
    """
    given = _candidates(candidates)
    pool = Pool(
        source=_text(source, "source", filled=True),
        candidates=given,
        embedder=_embedder(embedder),
        question=_text(question, "question"),
        prompt=_text(prompt, "prompt"),
        limits=_limits(least_words, most_words),
        extracts=_places(extracts, len(given)),
    )
    writers = _writers(generators, len(given))
    judge = scorer(score, pool.question)
    listed = _chosen("ranker", rankers, question)
    checks = _chosen("filter", filters, question)

    scores = _scores(pool, listed)
    blended = judge(pool, scores)
    rejections = _rejections(pool, checks)
    merged = _merged(pool, blended, rejections) if merging else [None] * len(pool)
    return _ranking(pool, blended, scores, rejections, merged, writers)


def _scores(pool: Pool, rankers: Mapping[str, Ranker]) -> dict[str, NDArray[np.float64]]:
    asked = bool(pool.question.strip())
    return {
        spec: checked(ranker.score(pool), len(pool), spec)
        for spec, ranker in rankers.items()
        if asked or not ranker.question
    }


def _rejections(pool: Pool, filters: Mapping[str, Filter]) -> list[tuple[Rejection, ...]]:
    found: list[list[Rejection]] = [[] for _ in range(len(pool))]
    for spec, one in filters.items():
        reasons = one.reject(pool)
        if len(reasons) != len(pool):
            raise InvalidInputError(
                f"expected {len(pool)} reasons or None from the filter {spec}, got {len(reasons)}"
            )
        for rejections, reason in zip(found, reasons, strict=True):
            if reason is not None:
                rejections.append(Rejection(one.name, reason))
    return [tuple(each) for each in found]


def _merged(
    pool: Pool, blended: NDArray[np.float64], rejections: Sequence[tuple[Rejection, ...]]
) -> list[int | None]:
    """Merge what passed, best first, so that the best stands for the others."""
    order = [place for place in _order(blended) if not rejections[place]]
    found: list[int | None] = [None] * len(pool)
    for place, stands in zip(order, merge(pool.take(order)), strict=True):
        found[place] = None if stands is None else order[stands]
    return found


def _order(blended: NDArray[np.float64]) -> list[int]:
    """Best first; ties by place, what has no score last."""
    keys = np.where(np.isnan(blended), np.inf, -np.round(blended, DECIMALS))
    return [int(place) for place in np.argsort(keys, kind="stable")]


def _ranking(
    pool: Pool,
    blended: NDArray[np.float64],
    scores: Mapping[str, NDArray[np.float64]],
    rejections: Sequence[tuple[Rejection, ...]],
    merged: Sequence[int | None],
    writers: Sequence[str],
) -> Ranking:
    ranked = [
        RankedCandidate(
            candidate=pool.candidates[place],
            place=place,
            rank=None,
            score=float(blended[place]),
            scores={spec: float(values[place]) for spec, values in scores.items()},
            rejections=rejections[place],
            merged_into=merged[place],
            generator=writers[place],
        )
        for place in _order(blended)
    ]
    passed = [each for each in ranked if not each.rejections and each.merged_into is None]
    others = [each for each in ranked if each.rejections or each.merged_into is not None]
    placed = [replace(each, rank=rank) for rank, each in enumerate(passed, 1)]
    return Ranking((*placed, *others))


def _chosen(family: Any, specs: str | Sequence[str], question: str) -> dict[str, Any]:
    """Build the backends that are asked for, by their specs, each once."""
    if not isinstance(specs, str):
        specs = _listed(specs, f"specs of {family}s")
        wrong = [spec for spec in specs if not isinstance(spec, str)]
        if wrong:
            raise InvalidInputError(
                f"expected specs of {family}s as texts, got {type(wrong[0]).__name__}"
            )
    else:
        if specs == "none":
            return {}
        if specs == "default" and family == "filter":
            specs = default_filters(question)
        elif specs in ("all", "default"):
            specs = [row.name for row in registry.rows(family)]
        else:
            specs = [specs]
    return {str(spec): registry.create(family, spec) for spec in specs}


# -- what was given ----------------------------------------------------------------------------


def _embedder(given: Any) -> Embedder:
    if isinstance(given, str):
        made: Embedder = registry.create("embedder", given)
        return made
    if not callable(
        getattr(given, "embed", None)
    ):  # the protocol would ask a service for its width
        raise InvalidInputError(
            f"expected an embedder or the spec of one, got {type(given).__name__}",
            do="write 'minilm', for example",
        )
    found: Embedder = given
    return found


def _text(text: Any, what: str, *, filled: bool = False) -> str:
    if not isinstance(text, str):
        raise InvalidInputError(f"expected the {what} as a text, got {type(text).__name__}")
    if filled and not text.strip():
        raise InvalidInputError(
            f"expected a {what} with words, got an empty one",
            do="candidates are judged by what they are about",
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(
            f"expected Unicode text, got a lone surrogate at character {error.start} of the {what}",
            do="read it with its right encoding, or replace that character",
        ) from error
    return text


def _listed(given: Any, what: str) -> list[Any]:
    try:
        return list(given)
    except TypeError as error:
        raise InvalidInputError(f"expected a list of {what}, got {type(given).__name__}") from error


def _candidates(candidates: Any) -> tuple[Candidate, ...]:
    if isinstance(candidates, (str, Candidate)):
        raise InvalidInputError(
            "expected a list of candidates, got one", do="write [candidate]; one is ranked too"
        )
    if isinstance(candidates, Mapping):
        raise InvalidInputError(
            "expected a list of candidates, got a mapping", do="give its values, and generators="
        )
    listed = _listed(candidates, "candidates")
    if not listed:
        raise InvalidInputError("expected at least one candidate, got none")
    return tuple(_candidate(each, place) for place, each in enumerate(listed))


def _candidate(given: Any, place: int) -> Candidate:
    if isinstance(given, Candidate):
        return given
    if isinstance(given, str):
        return Candidate(given, "")
    raise InvalidInputError(
        f"expected candidates as texts or Candidate, got {type(given).__name__} at position {place}"
    )


def _limits(least: Any, most: Any) -> Limits:
    for value, what in ((least, "least_words"), (most, "most_words")):
        whole = isinstance(value, int) and not isinstance(value, bool)
        if value is not None and not (whole and value >= 1):
            raise InvalidInputError(f"expected {what} as a whole number >= 1, got {value!r}")
    if least is not None and most is not None and least > most:
        raise InvalidInputError(f"expected least_words <= most_words, got {least} and {most}")
    return Limits(least, most)


def _places(places: Iterable[int], n: int) -> frozenset[int]:
    listed = _listed(places, "places")
    wrong = [place for place in listed if not isinstance(place, int) or not 0 <= place < n]
    if wrong:
        raise InvalidInputError(
            f"expected places of candidates, from 0 to {n - 1}, got {wrong[0]!r}"
        )
    return frozenset(listed)


def _writers(generators: Sequence[str] | None, n: int) -> tuple[str, ...]:
    if generators is None:
        return ("",) * n
    listed = [] if isinstance(generators, str) else _listed(generators, "generators")
    if len(listed) != n:
        raise InvalidInputError(f"expected {n} generators, one a candidate, got {generators!r}")
    return tuple(listed)
