"""Measures of retrieval by name, computed by ir-measures (extra ``evaluate``)."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

from embedkit.errors import InvalidInputError, MissingDependencyError

Qrels: TypeAlias = Mapping[str, Mapping[str, float]]
"""``{query id: {record id: relevance}}``; above 0 is relevant."""
Rankings: TypeAlias = Mapping[str, Sequence[str]]
"""``{query id: record ids, best first}``."""

DEFAULT = ("nDCG@10", "MRR@10", "recall@10", "recall@100", "MAP")
_SPELT = {
    "ndcg": ("nDCG", "nDCG"),
    "mrr": ("RR", "MRR"),
    "rr": ("RR", "MRR"),
    "recall": ("R", "recall"),
    "r": ("R", "recall"),
    "map": ("AP", "MAP"),
    "ap": ("AP", "MAP"),
    "precision": ("P", "precision"),
    "p": ("P", "precision"),
    "success": ("Success", "success"),
    "hit": ("Success", "success"),
    "rprec": ("Rprec", "Rprec"),
}
"""Names as people write them: what ir-measures calls the measure, and what we print."""
_NAME = re.compile(r"([^\W\d]\w*?)\s*(\(.*\))?\s*(?:@\s*(\d+))?", re.DOTALL)


def check_measures(names: Iterable[str]) -> dict[str, Any]:
    """Return the measures that names mean, each under its usual name, in order, none twice.

    Parameters
    ----------
    names : iterable of str
        Such as ``"ndcg@10"``, ``"MRR@10"``, ``"recall@100"``, ``"map"``, in whatever case, or any
        name of ir-measures: ``"P(rel=2)@5"``, ``"Judged@10"``.

    Raises
    ------
    MissingDependencyError
        ir-measures is not installed.
    InvalidInputError
        There is no such measure; the nearest is offered.
    """
    library = _library()
    found: dict[str, Any] = {}
    for name in [names] if isinstance(names, str) else names:
        told, measure = _parse(library, str(name))
        found.setdefault(told, measure)
    if not found:
        raise InvalidInputError("expected at least one measure, got none")
    try:
        library.evaluator(list(found.values()), {"q": {"d": 1}})
    except ValueError as error:
        raise InvalidInputError(
            f"expected measures that can be computed here, got {', '.join(found)}: {error}"
        ) from error
    return found


def same_measure(name: str, known: Iterable[str]) -> str:
    """Return which of the measures that were taken a name means.

    Raises
    ------
    InvalidInputError
        None; the nearest is offered.
    """
    listed = list(known)
    spelt = {told.lower(): told for told in listed}
    if name.lower() in spelt:
        return spelt[name.lower()]
    match = _NAME.fullmatch(name.strip())
    if match is not None:
        ours = _SPELT.get(match[1].lower(), (name, match[1]))[1]
        told = f"{ours}{match[2] or ''}" + (f"@{match[3]}" if match[3] else "")
        if told.lower() in spelt:
            return spelt[told.lower()]
    near = difflib.get_close_matches(name.lower(), spelt, n=1)
    hint = f"did you mean {spelt[near[0]]!r}?" if near else f"there are: {', '.join(listed)}"
    raise InvalidInputError(f"there is no measure {name!r} here", do=hint)


def deepest(measures: Mapping[str, Any]) -> int:
    """Return how many hits of a query the measures look at; 0 where none says a number."""
    return max((int(m.params.get("cutoff") or 0) for m in measures.values()), default=0)


def per_query(
    measures: Mapping[str, Any], qrels: Qrels, rankings: Rankings
) -> dict[str, dict[str, float]]:
    """Return ``{query id: {measure: value}}`` for each query of the judgements.

    A query without a ranking found nothing. The order of a ranking is kept: trec_eval would break
    ties of scores by id, so each rank is given a score of its own.

    Raises
    ------
    InvalidInputError
        A relevance is no whole number.
    """
    library = _library()
    judged = {query: _whole(query, docs) for query, docs in qrels.items()}
    run = {
        query: {id: float(len(listed) - place) for place, id in enumerate(listed)}
        for query, listed in rankings.items()
        if query in judged and listed
    }
    names = {measure: name for name, measure in measures.items()}
    values: dict[str, dict[str, float]] = {query: {} for query in judged}
    for value in library.iter_calc(list(names), judged, run):
        values[value.query_id][names[value.measure]] = float(value.value)
    return {query: {name: found[name] for name in measures} for query, found in values.items()}


def _whole(query: str, docs: Mapping[str, float]) -> dict[str, int]:
    for id, relevance in docs.items():
        if relevance != int(relevance):
            raise InvalidInputError(
                f"expected whole numbers as relevance, got {relevance:g} for record {id!r} and "
                f"query {query!r}",
                do="use grades such as 0, 1, 2",
            )
    return {id: int(relevance) for id, relevance in docs.items()}


def _parse(library: Any, name: str) -> tuple[str, Any]:
    match = _NAME.fullmatch(name.strip())
    if match is None:
        raise _unknown(name)
    word, arguments, cutoff = match[1], match[2] or "", match[3]
    at = f"@{cutoff}" if cutoff else ""
    if cutoff is not None and int(cutoff) < 1:
        raise InvalidInputError(f"expected a measure of at least one hit, got {name!r}")
    theirs, ours = _SPELT.get(word.lower(), ("", ""))
    if not theirs:
        known = {key.lower(): key for key in library.measures.registry}
        if word.lower() not in known:
            raise _unknown(name, library)
        theirs = known[word.lower()]
        ours = str(library.measures.registry[theirs].NAME)
    try:
        measure = library.parse_measure(f"{theirs}{arguments}{at}")
        if not set(measure.params) <= set(measure.SUPPORTED_PARAMS):
            raise ValueError(f"its parameters are {', '.join(measure.SUPPORTED_PARAMS)}")
        measure.validate_params()
    except (ValueError, TypeError, NameError, KeyError, AssertionError) as error:
        raise InvalidInputError(f"expected a measure such as nDCG@10, got {name!r}: {error}") from (
            error
        )
    return f"{ours}{arguments}{at}", measure


def _unknown(name: str, library: Any = None) -> InvalidInputError:
    known = ["nDCG@10", "MRR@10", "recall@10", "recall@100", "precision@10", "success@10", "MAP"]
    spelt = {key.lower(): key for key in known}
    others = list(library.measures.registry) if library else []
    spelt |= {key.lower(): key for key in others}
    near = difflib.get_close_matches(name.lower(), spelt, n=1, cutoff=0.5)
    do = f"did you mean {spelt[near[0]]!r}?" if near else f"there are {', '.join(known)} and more"
    return InvalidInputError(f"there is no measure {name!r}", do=do)


def _library() -> Any:
    try:
        import ir_measures
    except ModuleNotFoundError as error:
        if error.name not in ("ir_measures", "pytrec_eval"):
            raise
        raise MissingDependencyError(
            f"evaluating a search needs {error.name}, which is not installed",
            do="run: pip install 'embedkit[evaluate]'",
        ) from error
    return ir_measures
