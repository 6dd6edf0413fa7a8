"""Why a text has a label: its words, and the rows learned from that are nearest."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.classification.likeness import nearest_rows
from embedkit.errors import InvalidInputError
from embedkit.leaving_out import MOST, leave_out, without
from embedkit.types.explanations import Explanation, WordEffect

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.classification.fitted import Examples, Fitted
    from embedkit.classification.inputs import Inputs

BEST = 3
"""Words that are left out together, to see whether they carry what they seem to."""
LEAST = 1e-6
"""Probabilities nearer to 0 or 1 are not told apart: no classifier knows them better."""


def explain(
    fitted: Fitted,
    inputs: Callable[[list[str]], Inputs],
    text: str,
    *,
    examples: Examples | None = None,
    label: Any = None,
    against: Any = None,
    words: int = MOST,
    neighbours: int = 5,
) -> Explanation:
    """Tell why a text has a label.

    Each word is left out in turn, wherever it stands, and the log-odds of the label are compared:
    that works for any embedder and any head. Of a text of more than ``words`` different words,
    parts are left out first, and then the words of the parts that matter most.

    Parameters
    ----------
    fitted : Fitted
    inputs : callable
        Returns texts as the head sees them, embedded where it reads vectors.
    examples : Examples, optional
        The rows learned from; without them none is told that is near.
    label : optional
        Which label to explain. Default: the most probable one.
    against : optional
        Which label to hold it against. Default: the most probable of the others.
    words : int
        How many words are left out at most. At most ``words`` + 19 texts are embedded.
    neighbours : int
        How many of the nearest rows to tell.

    Raises
    ------
    InvalidInputError
        A text without anything in it, or labels that it does not know.

    Source
    ------
    Leaving out: Li, Monroe and Jurafsky, 2016. Leaving out the best words together is the
    comprehensiveness of DeYoung et al., "ERASER: a benchmark to evaluate rationalized NLP models",
    ACL 2020.
    """
    if not text.strip():
        raise InvalidInputError("expected a text to explain, got an empty one")
    if words < 1:
        raise InvalidInputError(f"expected at least 1 word to leave out, got {words}")
    seen = inputs([text])
    known = {text: fitted.probabilities(seen)[0]}

    def probabilities(texts: list[str]) -> NDArray[np.float64]:
        fresh = [one for one in texts if one not in known]
        if fresh:
            known.update(zip(fresh, fitted.probabilities(inputs(fresh)), strict=True))
        return np.stack([known[one] for one in texts])

    chosen, other = _pair(fitted, known[text], label, against)
    effects = _effects(fitted, text, probabilities, chosen, other, words)
    best = [effect for effect in effects if effect.effect > 0][:BEST]
    rest = without(text, sorted(span for effect in best for span in effect.spans))
    # Of a text of no words the labels are as probable as they are frequent.
    left = probabilities([rest])[0] if rest.strip() else shares(fitted)
    near = partial(nearest_rows, seen, examples=examples, labels=fitted.labels, count=neighbours)
    return Explanation(
        text,
        fitted.labels.names[chosen],
        float(known[text][chosen]),
        fitted.labels.names[other],
        float(known[text][other]),
        effects,
        tuple(effect.word for effect in best),
        float(left[chosen]),
        near(),
        near(only=other),
    )


def _pair(fitted: Fitted, row: NDArray[np.float64], label: Any, against: Any) -> tuple[int, int]:
    """Return the class to explain, and the one to hold it against."""
    labels = fitted.labels
    order = np.argsort(-row, kind="stable").tolist()
    chosen = order[0] if label is None else labels.number(label)
    rest = [i for i in order if i != chosen]
    if against is None:
        # Of several labels one that the text does not have tells more than one that it has too.
        absent = [i for i in rest if row[i] < 0.5] if labels.task == "multi" else rest
        return chosen, (absent or rest or [chosen])[0]
    other = labels.number(against)
    if other == chosen:
        raise InvalidInputError(
            f"expected another label to hold {labels.names[chosen]!r} against, got the same"
        )
    return chosen, other


def _effects(
    fitted: Fitted,
    text: str,
    probabilities: Callable[[list[str]], NDArray[np.float64]],
    chosen: int,
    other: int,
    words: int,
) -> tuple[WordEffect, ...]:
    multi = fitted.labels.task == "multi"

    def score(texts: list[str]) -> NDArray[np.float64]:
        return _columns(probabilities(texts), chosen, other, multi)

    nothing = _columns(shares(fitted)[np.newaxis], chosen, other, multi)[0]
    left = leave_out([text], score, nothing, most=words)[0]
    falls = left.falls
    return tuple(
        WordEffect(
            left.pieces[i].name,
            left.pieces[i].spans,
            float(falls[i, 0]),
            float(falls[i, 1]),
            float(left.without[i, 2]),
        )
        for i in np.argsort(-falls[:, 0], kind="stable").tolist()
    )


def _columns(
    chances: NDArray[np.float64], chosen: int, other: int, multi: bool
) -> NDArray[np.float64]:
    """Return the log-odds of the label, those against the other, and its probability."""
    one, two = chances[:, chosen], chances[:, other]
    odds = _log(one) - _log(1 - one)
    # Of several labels each has odds of its own; of one, the two share what there is.
    against = odds - (_log(two) - _log(1 - two)) if multi else _log(one) - _log(two)
    return np.stack([odds, against, one], axis=1)


def _log(chance: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.log(np.clip(chance, LEAST, 1 - LEAST)), np.float64)


def shares(fitted: Fitted) -> NDArray[np.float64]:
    """Return the share of the rows learned from that has each label, shape (n_labels,).

    Equal shares where it learned from none, by the labels' names alone.
    """
    labels, report = fitted.labels, fitted.report
    counts = np.array([report.counts.get(name, 0) for name in labels.names], np.float64)
    if not counts.sum():
        return np.full(len(labels), 0.5 if labels.task == "multi" else 1 / len(labels))
    return np.asarray(counts / (report.rows if labels.task == "multi" else counts.sum()))
