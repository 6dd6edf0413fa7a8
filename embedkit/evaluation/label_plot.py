"""Pictures of an evaluation: which classes are taken for which, and what a probability is worth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.errors import InvalidInputError
from embedkit.evaluation.index_plot import COLOURS, GREY, check_plot
from embedkit.integrity import storage_error

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.evaluation.label_results import LabelEvaluation
    from embedkit.types import Keys

BLUE, ORANGE = COLOURS[:2]
MOST = 100
"""Classes that a picture can name; of more, those with most errors are shown."""
SORTED = 12
"""Classes from which on those that are confused stand beside each other."""
LONGEST = 44
"""Characters of a label."""


def plot_confusion(evaluation: LabelEvaluation, path: str | Path) -> None:
    """Draw which classes are taken for which into a file.

    A line is a true class, a column an answered one. The darker, the larger the share of the line:
    blue on the diagonal, where answers are right, orange off it. The numbers are rows. Of more than
    12 classes without an order, those that are taken for each other stand beside each other.

    Raises
    ------
    InvalidInputError, MissingDependencyError
        As in :func:`embedkit.evaluation.index_plot.check_plot`; or rows have several labels.
    StorageError
        The file cannot be written.
    """
    target = check_plot(path)
    if evaluation.confusion is None:
        raise InvalidInputError(
            "expected one label a row to draw which is taken for which, got several",
            do="look at the table of labels",
        )
    from matplotlib.figure import Figure

    matrix = np.array(evaluation.confusion, np.int64)
    shown = _shown(matrix, ordered=evaluation.task == "ordered")
    matrix = matrix[np.ix_(shown, shown)]
    labels = [_short(evaluation.labels[i]) for i in shown]
    size = 3.2 + len(labels) * (0.62 if len(labels) <= SORTED else 0.21)
    figure = Figure(figsize=(size + 0.9, size), layout="constrained")
    axes = figure.add_subplot()
    _draw_cells(axes, matrix, np.array(evaluation.confusion).sum(axis=1)[shown])
    _dress_cells(axes, evaluation, labels, len(shown))
    _save(figure, target)


def _shown(matrix: NDArray[np.int64], *, ordered: bool) -> Keys:
    """Return the classes to draw, in the order to draw them."""
    count = len(matrix)
    wrong = matrix.sum(axis=0) + matrix.sum(axis=1) - 2 * matrix.diagonal()
    chosen = np.sort(np.argsort(-wrong, kind="stable")[:MOST]).astype(np.int64)
    if ordered or count <= SORTED:
        return chosen
    part = matrix[np.ix_(chosen, chosen)]
    return chosen[_by_confusion(part)]


def _by_confusion(matrix: NDArray[np.int64]) -> Keys:
    """Return an order in which classes that are taken for each other are neighbours.

    Source
    ------
    Bar-Joseph, Gifford and Jaakkola, "Fast optimal leaf ordering for hierarchical clustering",
    Bioinformatics 2001, by scipy.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    near = shares + shares.T
    np.fill_diagonal(near, 0)
    apart = 1 - near / max(float(near.max()), 1e-12)
    np.fill_diagonal(apart, 0)
    tree = linkage(squareform(apart, checks=False), "average", optimal_ordering=True)
    return np.asarray(leaves_list(tree), np.int64)


def _draw_cells(axes: Any, matrix: NDArray[np.int64], rows: NDArray[np.int64]) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    share = matrix / np.maximum(rows, 1)[:, np.newaxis]
    inside = np.eye(len(matrix), dtype=np.bool_)
    for colour, name, mask in ((BLUE, "right", ~inside), (ORANGE, "wrong", inside)):
        tint = LinearSegmentedColormap.from_list(name, ["white", colour])
        # The root makes few errors visible among many rows.
        axes.imshow(
            np.ma.masked_array(np.sqrt(share), mask | (matrix == 0)), cmap=tint, vmin=0, vmax=1
        )
    small = len(matrix) > SORTED
    for i, j in zip(*np.nonzero(matrix), strict=True):
        axes.text(
            j, i, f"{matrix[i, j]:,}", ha="center", va="center",
            fontsize=5.5 if small else 10, color="white" if share[i, j] > 0.3 else "#222222",
        )  # fmt: skip


def _dress_cells(axes: Any, evaluation: LabelEvaluation, labels: Sequence[str], shown: int) -> None:
    small = shown > SORTED
    size = 6.5 if small else 10
    longest = max(map(len, labels))
    turned = 90 if small else (0 if longest * shown <= 60 else 45)
    axes.set_xticks(range(shown), labels, rotation=turned, fontsize=size,
                    ha="right" if turned == 45 else "center",
                    rotation_mode="anchor" if turned == 45 else "default")  # fmt: skip
    axes.set_yticks(range(shown), labels, fontsize=size)
    axes.set_xticks(np.arange(-0.5, shown), minor=True)
    axes.set_yticks(np.arange(-0.5, shown), minor=True)
    axes.grid(visible=True, which="minor", color="#E4E4E4", linewidth=0.5)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("answered", fontsize=size + 2)
    axes.set_ylabel("true", fontsize=size + 2)
    name, value = next(iter(evaluation.measures.items()))
    of = f"{evaluation.rows:,} rows, {name} {value.mean:.3f} ({value.low:.3f} to {value.high:.3f})"
    if shown < len(evaluation.labels):
        of += f"; the {shown} of {len(evaluation.labels)} classes with most errors"
    axes.set_title(f"{evaluation.subject}\n{of}" if evaluation.subject else of,
                   loc="left", fontsize=12)  # fmt: skip


def plot_calibration(evaluation: LabelEvaluation, path: str | Path) -> None:
    """Draw how often answers of a confidence are right, and how many rows have it, into a file.

    Points on the diagonal mean what they say; above it, answers are better than they claim. The
    lines are 95 % intervals.

    Raises
    ------
    InvalidInputError, MissingDependencyError
        As in :func:`embedkit.evaluation.index_plot.check_plot`.
    StorageError
        The file cannot be written.
    """
    target = check_plot(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.2, 7.2), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3.4, 1))
    _draw_curve(upper, evaluation)
    _draw_shares(lower, evaluation)
    error = evaluation.measures["ECE"]
    said = f"calibration error {error.mean:.3f} ({error.low:.3f} to {error.high:.3f})"
    upper.set_title(
        f"{evaluation.subject}\n{evaluation.rows:,} rows, {said}", loc="left", fontsize=11
    )
    _save(figure, target)


def _draw_curve(axes: Any, evaluation: LabelEvaluation) -> None:
    axes.plot((0, 1), (0, 1), color=GREY, linewidth=1, linestyle=(0, (4, 3)), label="exact")
    x = np.array([one.confidence for one in evaluation.curve])
    y = np.array([one.accuracy.mean for one in evaluation.curve])
    reach = np.array([
        [one.accuracy.mean - one.accuracy.low, one.accuracy.high - one.accuracy.mean]
        for one in evaluation.curve
    ]).T  # fmt: skip
    axes.errorbar(
        x, y, yerr=reach, color=BLUE, marker="o", markersize=6, linewidth=1.4, elinewidth=1.4,
        capsize=3, markeredgecolor="white", markeredgewidth=0.7, label="this classifier",
    )  # fmt: skip
    axes.set_ylabel("share that is right")
    axes.set_ylim(-0.02, 1.02)
    axes.legend(frameon=False, loc="upper left")
    _plain(axes)


def _draw_shares(axes: Any, evaluation: LabelEvaluation) -> None:
    from matplotlib.ticker import PercentFormatter

    for one in evaluation.curve:
        middle, width = (one.low + one.high) / 2, one.high - one.low
        axes.bar(middle, one.share, width=width * 0.92, color=BLUE, alpha=0.75)
        axes.annotate(
            f"{one.rows:,}", (middle, one.share), xytext=(0, 2), textcoords="offset points",
            ha="center", va="bottom", fontsize=7, color=GREY,
        )  # fmt: skip
    axes.set_ylabel("share of the rows")
    axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.margins(y=0.18)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("confidence, and how many rows have it")
    _plain(axes)


def _plain(axes: Any) -> None:
    axes.grid(visible=True, color="#EEEEEE", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _short(label: str) -> str:
    # matplotlib reads what is between dollars as mathematics.
    text = " ".join(label.split()).replace("$", r"\$") or "(blank)"
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _save(figure: Any, target: Path) -> None:
    try:
        figure.savefig(target, dpi=160)
    except OSError as error:
        raise storage_error(error, target) from error
