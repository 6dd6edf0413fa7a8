"""Whether one search is better than another, or chance made it look so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from embedkit.errors import InvalidInputError, MissingDependencyError
from embedkit.evaluation.bootstrap import mean_with_interval
from embedkit.evaluation.results import Difference, SearchEvaluation

RESAMPLES = 9_999
HELD = 2**20
"""Values that the test holds at once: 8 MiB."""
EQUAL = 1e-9
"""Values of a query that differ by less are a tie: they were added up in another order."""


def compare(
    ours: SearchEvaluation, theirs: SearchEvaluation, *, seed: int = 0
) -> dict[str, Difference]:
    """Compare two searches in each measure, over the queries that both were measured by.

    Parameters
    ----------
    ours, theirs : SearchEvaluation
        The difference is of the first less the second.
    seed : int
        Of the resampling.

    Raises
    ------
    InvalidInputError
        They have no query in common.
    MissingDependencyError
        SciPy is not installed.
    """
    pairs = _paired(ours, theirs)
    if not pairs:
        raise InvalidInputError(
            f"expected queries that both searches were measured by, {ours.subject} and "
            f"{theirs.subject} have none"
        )
    return {
        name: difference(name, [(a[name], b[name]) for a, b in pairs], seed=seed)
        for name in ours.measures
        if name in theirs.measures
    }


def difference(measure: str, pairs: Sequence[tuple[float, float]], *, seed: int = 0) -> Difference:
    """Compare two values of each query.

    The interval is of the mean difference over resampled queries. The test changes the signs of the
    differences at random: were the two searches equal, each sign would be as likely. Where there
    are few queries, all changes of signs are counted and the p-value is exact.

    Parameters
    ----------
    pairs : sequence of (float, float), at least one

    Source
    ------
    Smucker, Allan and Carterette, "A comparison of statistical significance tests for information
    retrieval evaluation", CIKM 2007: the randomization test, by ``scipy.stats.permutation_test``
    with 9,999 permutations.
    """
    gaps = [0.0 if abs(ours - theirs) < EQUAL else ours - theirs for ours, theirs in pairs]
    return Difference(
        measure,
        sum(ours for ours, _ in pairs) / len(pairs),
        sum(theirs for _, theirs in pairs) / len(pairs),
        mean_with_interval(gaps, seed=seed),
        _p_value(gaps, seed),
        sum(gap > 0 for gap in gaps),
        sum(gap == 0 for gap in gaps),
        sum(gap < 0 for gap in gaps),
    )


def _p_value(gaps: Sequence[float], seed: int) -> float:
    import numpy as np

    stats = _scipy_stats()
    if not any(gaps):
        return 1.0
    if len(gaps) == 1:
        return 1.0  # the sign of one difference may always be chance
    result = stats.permutation_test(
        (np.array(gaps),),
        lambda values, axis: values.mean(axis=axis),
        permutation_type="samples",
        vectorized=True,
        n_resamples=RESAMPLES,
        batch=max(1, HELD // len(gaps)),
        alternative="two-sided",
        rng=np.random.default_rng(seed),
    )
    return float(result.pvalue)


def _paired(
    ours: SearchEvaluation, theirs: SearchEvaluation
) -> list[tuple[Mapping[str, float], Mapping[str, float]]]:
    other = {query.query_id: query.values for query in theirs.queries}
    return [
        (query.values, other[query.query_id]) for query in ours.queries if query.query_id in other
    ]


def _scipy_stats() -> Any:
    try:
        from scipy import stats
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "comparing searches needs scipy, which is not installed",
            do="run: pip install 'embedkit[evaluate]'",
        ) from error
    return stats
