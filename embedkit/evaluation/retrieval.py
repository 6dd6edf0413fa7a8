"""What a ranking is worth: against judgements of relevance, or against another ranking."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from math import log2

from embedkit.validate import check_k


def ndcg(ranking: Sequence[str], relevance: Mapping[str, float], k: int = 10) -> float | None:
    """Return the normalised discounted cumulative gain of the first k of a ranking.

    Parameters
    ----------
    ranking : sequence of str
        Ids, best first, none twice.
    relevance : mapping of str to float
        The judged ids; what was not judged, or below 0, counts as 0.
    k : int, >= 1

    Returns
    -------
    float or None
        From 0 to 1; None where nothing relevant was judged, so that no ranking is better than
        another.

    Notes
    -----
    ``DCG@k = sum of rel(i) / log2(i + 1)`` over the ranks i from 1 to k, divided by the DCG of the
    judged ids in their best order.

    Source
    ------
    Järvelin and Kekäläinen: Cumulated gain-based evaluation of IR techniques, ACM TOIS 20(4), 2002,
    with the discount of trec_eval (``ndcg_cut``), which also takes the relevance itself as gain.

    Examples
    --------
    >>> round(ndcg(["b", "a"], {"a": 1}), 4)
    0.6309
    """
    check_k(k)
    gains = [max(relevance.get(id, 0.0), 0.0) for id in ranking[:k]]
    best = sorted((gain for gain in relevance.values() if gain > 0), reverse=True)[:k]
    return _discounted(gains) / _discounted(best) if best else None


def _discounted(gains: Sequence[float]) -> float:
    return sum(gain / log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def overlap(left: Collection[object], right: Collection[object]) -> float:
    """Return the share of what two rankings of one length have in common, in whatever order.

    ``|left ∩ right| / max(|left|, |right|)``, 1 where both are empty.

    Examples
    --------
    >>> overlap(["a", "b"], ["b", "c"])
    0.5
    """
    longest = max(len(left), len(right))
    return len(set(left) & set(right)) / longest if longest else 1.0
