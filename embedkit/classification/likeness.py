"""Rows learned from that are near to a text, or typical of a label, or nearly of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.leaving_out import WORD
from embedkit.retrieval.diversity import diverse
from embedkit.types.explanations import ExampleRow, Portrait, TypicalWord

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.classification.fitted import Examples
    from embedkit.classification.inputs import Inputs
    from embedkit.classification.labels import LabelSet
    from embedkit.types import Mask

DIVERSITY = 0.3
"""How much typical rows are to differ from each other: see :func:`diverse`."""
CANDIDATES = 200
"""Rows of the middle of a label among which unlike ones are sought."""
PRIOR = 500.0
"""Words that the prior of a word's frequency is worth."""


def nearest_rows(
    seen: Inputs,
    *,
    examples: Examples | None,
    labels: LabelSet,
    count: int,
    only: int | None = None,
) -> tuple[ExampleRow, ...]:
    """Return the rows learned from that are nearest to a text, nearest first.

    Parameters
    ----------
    seen : Inputs
        The text, as the head sees it.
    examples : Examples or None
        None gives none.
    count : int
    only : int, optional
        Look among the rows of one class.
    """
    if examples is None or count < 1:
        return ()
    rows = np.arange(len(examples))
    if only is not None:
        rows = np.flatnonzero(members(examples, only))
    near = _similarities(seen, examples)[rows]
    best = np.argsort(-near, kind="stable")[:count]
    return tuple(
        example_row(examples, labels, int(rows[i]), similarity=float(near[i])) for i in best
    )


def portraits(
    examples: Examples,
    labels: LabelSet,
    wanted: Sequence[Any] | None = None,
    *,
    count: int = 5,
    words: int = 10,
) -> list[Portrait]:
    """Return what labels look like: typical and borderline rows, and their words.

    Parameters
    ----------
    wanted : sequence, optional
        The labels. Default: all.
    count : int
        Rows of each kind.
    words : int

    Raises
    ------
    InvalidInputError
        A label that is not known; the nearest is offered.
    """
    numbers = [labels.number(one) for one in (labels.names if wanted is None else wanted)]
    held = words_of_rows(examples) if words > 0 else []
    return [
        Portrait(
            labels.names[number],
            int(members(examples, number).sum()),
            typical_rows(examples, labels, labels.names[number], count),
            borderline_rows(examples, labels, labels.names[number], count),
            typical_words(held, members(examples, number), words),
        )
        for number in numbers
    ]


def typical_rows(
    examples: Examples, labels: LabelSet, label: Any, count: int = 5
) -> tuple[ExampleRow, ...]:
    """Return rows in the middle of a label that are sure and unlike each other.

    A row is worth its similarity with the mean vector of the label times the probability that a
    head which had not seen it gave to its label. Where no vectors are read, the probability alone
    counts.

    Source
    ------
    Carbonell and Goldstein, SIGIR 1998: maximal marginal relevance chooses among the 200 best.
    """
    number = labels.number(label)
    rows = np.flatnonzero(members(examples, number))
    if not len(rows) or count < 1:
        return ()
    sure = examples.probabilities[rows, number]
    if not examples.vectors.shape[1]:
        order = np.argsort(-sure, kind="stable")[:count]
        return tuple(example_row(examples, labels, int(rows[i]), number=number) for i in order)
    vectors = examples.vectors[rows]
    middle = vectors.mean(axis=0)
    central = vectors @ (middle / max(float(np.linalg.norm(middle)), 1e-12))
    worth = (central * sure).astype(np.float32)
    some = np.argsort(-worth, kind="stable")[:CANDIDATES]
    chosen = [int(some[i]) for i in diverse(worth[some], vectors[some], count, DIVERSITY)]
    return tuple(
        example_row(examples, labels, int(rows[i]), similarity=float(central[i]), number=number)
        for i in chosen
    )


def borderline_rows(
    examples: Examples, labels: LabelSet, label: Any, count: int = 5
) -> tuple[ExampleRow, ...]:
    """Return the rows of a label that are nearest to another label, or beyond, nearest first.

    The margin is the probability of the label less that of the most probable other one, by heads
    that had not seen the row; the rows whose margin is nearest to 0 come first.
    """
    number = labels.number(label)
    rows = np.flatnonzero(members(examples, number))
    listed = [example_row(examples, labels, int(row), number=number) for row in rows]
    return tuple(sorted(listed, key=lambda one: abs(one.margin))[: max(count, 0)])


def words_of_rows(examples: Examples) -> list[frozenset[str]]:
    """Return the different words of each row, in whatever case."""
    return [
        frozenset(match[0].casefold() for match in WORD.finditer(text)) for text in examples.texts
    ]


def typical_words(
    held: Sequence[frozenset[str]], inside: Mask, count: int = 10
) -> tuple[TypicalWord, ...]:
    """Return the words that some rows have more often than the others, the surest first.

    Parameters
    ----------
    held : sequence of sets of str, length n
        The words of each row.
    inside : bool array, shape (n,)
        Which rows are meant.
    count : int

    Source
    ------
    Monroe, Colaresi and Quinn, "Fightin' words: lexical feature selection and evaluation for
    identifying the content of political conflict", Political Analysis 2008: the log-odds ratio with
    an informative Dirichlet prior, the words' frequencies in all rows, over its standard deviation.
    Each word counts once a row, so that one talkative row is not a label's language.
    """
    if count < 1:
        return ()
    ours: Counter[str] = Counter()
    theirs: Counter[str] = Counter()
    for words, own in zip(held, inside.tolist(), strict=True):
        (ours if own else theirs).update(words)
    names = sorted(ours)
    if not names:
        return ()
    here = np.array([ours[name] for name in names], np.float64)
    there = np.array([theirs[name] for name in names], np.float64)
    z = _z_scores(here, there, float(ours.total()), float(theirs.total()))
    order = [i for i in np.argsort(-z, kind="stable").tolist() if z[i] > 0][:count]
    return tuple(TypicalWord(names[i], float(z[i]), int(here[i]), int(there[i])) for i in order)


def _z_scores(
    here: NDArray[np.float64], there: NDArray[np.float64], ours: float, theirs: float
) -> NDArray[np.float64]:
    """Return the z-scores of words, by their counts on each side and the sums of all counts."""
    prior = PRIOR * (here + there) / (ours + theirs)
    one, two = here + prior, there + prior
    ratio = np.log(one / (ours + PRIOR - one)) - np.log(two / (theirs + PRIOR - two))
    return np.asarray(ratio / np.sqrt(1 / one + 1 / two), np.float64)


def members(examples: Examples, number: int) -> Mask:
    """Return which rows have a class, shape (n,)."""
    if examples.targets.ndim == 2:
        return np.asarray(examples.targets[:, number], np.bool_)
    return np.asarray(examples.targets == number)


def example_row(
    examples: Examples,
    labels: LabelSet,
    row: int,
    *,
    similarity: float | None = None,
    number: int | None = None,
) -> ExampleRow:
    """Return a row that was learned from; of several labels the margin is of one of them."""
    target, chances = examples.targets[row], examples.probabilities[row]
    own = np.flatnonzero(target).tolist() if target.ndim else [int(target)]
    told = tuple(labels.names[i] for i in own)
    if number is None:
        number = own[0] if own else int(chances.argmax())
    rest = np.where(np.isin(np.arange(len(chances)), [*own, number]), -np.inf, chances)
    other = int(rest.argmax())
    alone = not np.isfinite(rest[other])
    return ExampleRow(
        row,
        examples.texts[row],
        told if target.ndim else told[0],
        similarity,
        float(chances[number]),
        None if alone else labels.names[other],
        float(chances[number]) if alone else float(chances[number] - rest[other]),
    )


def _similarities(seen: Inputs, examples: Examples) -> NDArray[np.float64]:
    if examples.vectors.shape[1]:
        return np.asarray(examples.vectors @ seen.vectors[0], np.float64)
    return _shared_words(seen.texts[0], examples.texts)


def _shared_words(text: str, texts: Sequence[str]) -> NDArray[np.float64]:
    """Return the cosine of the words of a text with those of others, rare words counting more."""
    words = [{match[0].casefold() for match in WORD.finditer(one)} for one in (text, *texts)]
    rows: Counter[str] = Counter(word for one in words[1:] for word in one)
    weight = {word: np.log((len(texts) + 1) / (rows[word] + 0.5)) ** 2 for word in rows}
    own = words[0] & weight.keys()
    length = [np.sqrt(sum(weight.get(word, 0.0) for word in one)) for one in words]
    return np.array(
        [
            sum(weight[word] for word in own & one) / max(float(length[0] * size), 1e-12)
            for one, size in zip(words[1:], length[1:], strict=True)
        ]
    )
