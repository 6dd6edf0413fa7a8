"""Several formulations of a task over one labelled file: which answers better, and for how much.

Source
------
ROUGE-L: Lin, "ROUGE: a package for automatic evaluation of summaries", 2004, by ``rouge_score``,
with stemming. Intervals and tests: :mod:`embedkit.evaluation.bootstrap` and ``significance``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from embedkit.errors import InvalidInputError, MissingDependencyError, SourceError
from embedkit.evaluation.bootstrap import mean_with_interval
from embedkit.evaluation.significance import difference
from embedkit.prompts.running import Answered, Runner
from embedkit.prompts.tables import Columns, column_named, told
from embedkit.types import Estimate

if TYPE_CHECKING:
    from pathlib import Path

    from embedkit.evaluation.results import Difference
    from embedkit.ingest.stage import Progress
    from embedkit.protocols import Source

Metric = Literal["exact", "contains", "one-of", "rouge-l", "similarity", "json"]
METRICS: tuple[Metric, ...] = get_args(Metric)
Score = Callable[[Sequence[str], Sequence[str]], list[float]]


@dataclass(frozen=True, slots=True)
class Formulation:
    """How one template did.

    Attributes
    ----------
    name : str
    score : Estimate
        Mean over the rows with its 95 % interval; an answer that does not pass counts 0.
    scores : tuple of float
        Of each row, in order.
    failing : float
        Share of rows without an answer that passes.
    prompt_tokens, completion_tokens : int
    cost : float or None
        US dollars for these tokens at the model's price; None where the price is not known.
    asked : int
        Answers that were asked for now; the others were kept.
    difference : Difference or None
        To the first template, over the same rows; None for itself.
    answers : tuple of Answered
    """

    name: str
    score: Estimate
    scores: tuple[float, ...]
    failing: float
    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    asked: int
    difference: Difference | None = None
    answers: tuple[Answered, ...] = field(default=(), repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, without those of single rows."""
        shown = asdict(self)
        del shown["scores"], shown["answers"]
        return shown


@dataclass(frozen=True, slots=True)
class PromptTest:
    """Formulations side by side.

    Attributes
    ----------
    metric : str
    model_id : str
    rows : int
        Rows that were asked about.
    left_out : int
        Rows that could not be read, or have nothing expected.
    formulations : tuple of Formulation
        As they were given.
    """

    metric: str
    model_id: str
    rows: int
    left_out: int
    formulations: tuple[Formulation, ...]

    @property
    def best(self) -> Formulation:
        """The one of the highest score; of equal ones the first."""
        return max(self.formulations, key=lambda each: each.score.mean)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "metric": self.metric,
            "model_id": self.model_id,
            "rows": self.rows,
            "left_out": self.left_out,
            "formulations": [each.to_dict() for each in self.formulations],
        }


@dataclass(slots=True)
class Labelled:
    """The rows of a file with what is expected of each."""

    tables: list[Any] = field(default_factory=list)
    lines: list[list[int]] = field(default_factory=list)
    expected: list[str] = field(default_factory=list)
    left_out: int = 0


def read_expected(source: Any, column: str) -> Labelled:
    """Read a file whose rows say in a column what is expected.

    Raises
    ------
    SourceError, ColumnError
    """
    from embedkit_connectors import open_source

    opened: Source = open_source(source)
    found = Labelled()
    for batch in opened.batches():
        found.left_out += len(batch.rejects)
        if not batch.table.num_rows:
            continue
        values = batch.table.column(column_named(column, batch.table.schema.names)).to_pylist()
        kept = [i for i, value in enumerate(values) if _text(value)]
        found.left_out += len(values) - len(kept)
        if not kept:
            continue
        found.tables.append(batch.table.take(kept))
        found.lines.append([int(batch.lines[i]) for i in kept])
        found.expected += [_text(values[i]) for i in kept]
    if not found.expected:
        raise SourceError(
            f"{opened.label} has no row with something in the column {column!r}",
            do="is it the right file and column?",
        )
    return found


def _text(value: Any) -> str:
    if value is None:
        return ""
    plain = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return plain.strip()


def compare_prompts(
    runners: Sequence[tuple[str, Runner, Columns]],
    rows: Labelled,
    *,
    metric: Metric = "exact",
    score: Score | None = None,
    price: float | None = None,
    progress: Progress | None = None,
) -> PromptTest:
    """Ask with each formulation about each row, and measure the answers.

    Parameters
    ----------
    runners : sequence of (name, Runner, Columns)
    rows : Labelled
    metric : str
        One of :data:`METRICS`.
    score : callable, optional
        Returns a score for each pair of answers and expected texts, in place of the metric's own.
    price : float, optional
        US dollars for a million tokens.

    Raises
    ------
    InvalidInputError, ProviderError
    """
    if not runners:
        raise InvalidInputError("expected at least one template to test, got none")
    score = score or scorer(metric)
    made: list[Formulation] = []
    for name, runner, columns in runners:
        answers = _answers(runner, columns, rows, name, progress)
        one = _measured(name, answers, rows.expected, score, price)
        if made:
            pairs = list(zip(one.scores, made[0].scores, strict=True))
            one = _with(one, difference(metric, pairs))
        made.append(one)
    model_id = runners[0][1].generator.model_id
    return PromptTest(metric, model_id, len(rows.expected), rows.left_out, tuple(made))


def _answers(
    runner: Runner, columns: Columns, rows: Labelled, name: str, progress: Progress | None
) -> list[Answered]:
    columns.settle(rows.tables[0])
    inputs = (
        each
        for table, lines in zip(rows.tables, rows.lines, strict=True)
        for each in columns.inputs(table, lines)
    )
    shown = None
    if progress is not None:
        tell = progress

        def shown(_stage: str, done: int, total: int) -> None:
            tell(f"asking {name}", done, total)

    return list(runner.run(inputs, total=len(rows.expected), progress=shown))


def _measured(
    name: str,
    answers: Sequence[Answered],
    expected: Sequence[str],
    score: Score,
    price: float | None,
) -> Formulation:
    passed = [i for i, each in enumerate(answers) if each.passed]
    said = [str(told(answers[i])) for i in passed]
    scores = [0.0] * len(answers)
    for i, value in zip(passed, score(said, [expected[i] for i in passed]), strict=True):
        scores[i] = value
    read, written = (
        sum(getattr(each, kind) for each in answers)
        for kind in ("prompt_tokens", "completion_tokens")
    )
    return Formulation(
        name,
        mean_with_interval(scores),
        tuple(scores),
        1 - len(passed) / len(answers),
        read,
        written,
        None if price is None else (read + written) * price / 1e6,
        sum(each.asked for each in answers),
        answers=tuple(answers),
    )


def _with(one: Formulation, told_difference: Difference) -> Formulation:
    from dataclasses import replace

    return replace(one, difference=told_difference)


def scorer(metric: Metric, *, home: Path | None = None, embedder: str = "minilm") -> Score:
    """Return what measures answers against what is expected; 1 is best, 0 worst.

    ``exact``: the same text, but for case, blanks and marks around. ``contains``: the expected text
    stands in the answer. ``one-of``: the answer is one of the expected texts, which ``|`` parts.
    ``rouge-l``: F-measure of the longest common subsequence of words. ``similarity``: cosine of
    the two texts' vectors, 0 where it is negative. ``json``: the same JSON value.

    Raises
    ------
    InvalidInputError
        There is no such metric.
    MissingDependencyError
        ``rouge-l`` without rouge-score.
    """
    if metric == "rouge-l":
        return _rouge()
    if metric == "similarity":
        return _similarity(embedder, home)
    single: dict[str, Callable[[str, str], bool]] = {
        "exact": lambda said, wanted: _folded(said) == _folded(wanted),
        "contains": lambda said, wanted: _folded(wanted) in _folded(said),
        "one-of": lambda said, wanted: _folded(said) in map(_folded, wanted.split("|")),
        "json": _same_json,
    }
    if metric not in single:
        raise InvalidInputError(f"no metric {metric!r}", do=f"there are: {', '.join(METRICS)}")
    judge = single[metric]

    def score(said: Sequence[str], expected: Sequence[str]) -> list[float]:
        return [float(judge(a, b)) for a, b in zip(said, expected, strict=True)]

    return score


def _folded(text: str) -> str:
    return " ".join(text.casefold().split()).strip(" \"'`*.,:;!?()[]")


def _same_json(said: str, wanted: str) -> bool:
    try:
        return bool(json.loads(said) == json.loads(wanted))
    except (ValueError, RecursionError):
        return False


def _rouge() -> Score:
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "the metric rouge-l needs rouge-score, which is not installed",
            do="run: pip install 'embedkit[evaluate]'",
        ) from error
    rouge = RougeScorer(["rougeL"], use_stemmer=True)

    def score(said: Sequence[str], expected: Sequence[str]) -> list[float]:
        return [
            float(rouge.score(b, a)["rougeL"].fmeasure) for a, b in zip(said, expected, strict=True)
        ]

    return score


def _similarity(embedder: str, home: Path | None) -> Score:
    def score(said: Sequence[str], expected: Sequence[str]) -> list[float]:
        if not said:
            return []
        from embedkit.catalog import resolve_home
        from embedkit.classification.embedding import embed_for

        texts = [text or " " for text in (*said, *expected)]
        vectors = embed_for(embedder, texts, home or resolve_home(None), input_type="document")
        half = len(said)
        cosines = (vectors[:half] * vectors[half:]).sum(axis=1)
        return [max(0.0, float(value)) for value in cosines]

    return score
