"""A picture of recall against speed: what an index costs, and what it finds, on the user's data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.errors import InvalidInputError, MissingDependencyError
from embedkit.integrity import storage_error

if TYPE_CHECKING:
    from embedkit.evaluation.index_recall import IndexEvaluation, IndexPoint

ENDINGS = (".png", ".svg", ".pdf")
# Told apart also by people who do not see all colours (Okabe and Ito, 2008).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
MARKS = ("o", "s", "^", "D", "v", "P", "X")
TICKS = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999, 0.9995, 0.9998, 0.9999)
GREY = "#666666"


def check_plot(path: str | Path) -> Path:
    """Return where a picture can be drawn, before anything is measured for it.

    Raises
    ------
    InvalidInputError
        The ending names no kind of picture, or there is no such folder.
    MissingDependencyError
        matplotlib is not installed.
    """
    target = Path(path)
    if target.suffix.lower() not in ENDINGS:
        raise InvalidInputError(
            f"expected a file that ends in {', '.join(ENDINGS)}, got {str(path)!r}"
        )
    if not target.absolute().parent.is_dir():
        raise InvalidInputError(
            f"expected a file in a folder that is there, got {str(path)!r}", do="make the folder"
        )
    try:
        import matplotlib  # noqa: F401
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "drawing a plot needs matplotlib, which is not installed",
            do="run: pip install 'embedkit[evaluate]'",
        ) from error
    return target


def plot(evaluation: IndexEvaluation, path: str | Path) -> None:
    """Draw recall against queries per second, both better to the upper right, into a file.

    Each index is a line over its settings. The recall is drawn so that every halving of what is
    missed takes the same room, since that is what costs. The shaded step is the (Pareto) frontier:
    above and right of it nothing was measured.

    Raises
    ------
    InvalidInputError, MissingDependencyError
        As in :func:`check_plot`.
    StorageError
        The file cannot be written.
    """
    target = check_plot(path)
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 5.2), layout="constrained")
    axes = figure.add_subplot()
    scale = _Scale(evaluation)
    _draw_contract(axes, evaluation, scale)
    names = list(dict.fromkeys(point.index for point in evaluation.points if not point.in_use))
    for number, name in enumerate(names):
        _draw_index(axes, evaluation, name, number, scale)
    _draw_in_use(axes, evaluation.in_use, scale)
    _draw_frontier(axes, evaluation.points, scale)
    _dress(axes, evaluation, scale)
    try:
        figure.savefig(target, dpi=160)
    except OSError as error:
        raise storage_error(error, target) from error


class _Scale:
    """Places a recall: each halving of what is missed takes the same room, up to "all"."""

    def __init__(self, evaluation: IndexEvaluation) -> None:
        recalls = [point.recall for point in evaluation.points]
        missed = [1 - recall for recall in recalls if recall < 1]
        # What so many queries cannot tell from all: less than half an answer missed.
        least = 0.5 / (evaluation.queries * evaluation.k)
        self.least = min([*missed, 0.01]) / 2 if missed else least
        self.left = min(*recalls, evaluation.target if evaluation.target < 1 else 0.99)

    def place(self, recall: Any) -> Any:
        """Return where a recall stands."""
        return -np.log2(np.maximum(1 - np.asarray(recall, float), self.least))

    def ticks(self) -> tuple[list[float], list[str]]:
        """Return the ticks that are in the picture and far enough apart, and what they say."""
        inside = [
            tick
            for tick in TICKS
            if self.place(tick) >= self.place(self.left) - 1 and 1 - tick > 1.4 * self.least
        ]
        places = [*map(float, self.place(inside)), float(self.place(1))]
        return places, [*(f"{tick:g}" for tick in inside), "1"]


def _draw_contract(axes: Any, evaluation: IndexEvaluation, scale: _Scale) -> None:
    if evaluation.target < 1:
        place = scale.place(evaluation.target)
        axes.axvline(place, color=GREY, linewidth=1, linestyle=(0, (4, 3)), zorder=1)
        axes.annotate(
            f"contract {evaluation.target:g}",
            (place, 0.015),
            xycoords=("data", "axes fraction"),
            xytext=(-5, 0),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="bottom",
            fontsize=8.5,
            color=GREY,
        )


def _draw_frontier(axes: Any, points: Sequence[IndexPoint], scale: _Scale) -> None:
    best = sorted((point for point in points if point.frontier), key=lambda point: point.recall)
    if len(best) < 2:
        return
    x = [float(scale.place(point.recall)) for point in best]
    y = [point.queries_per_second for point in best]
    axes.step(
        x, y, where="pre", color="#DDDDDD", linewidth=7, zorder=0, solid_capstyle="round",
        label="best of all",
    )  # fmt: skip


def _draw_index(
    axes: Any, evaluation: IndexEvaluation, name: str, number: int, scale: _Scale
) -> None:
    points = [point for point in evaluation.points if point.index == name and not point.in_use]
    x = scale.place([point.recall for point in points])
    y = [point.queries_per_second for point in points]
    colour = COLOURS[number % len(COLOURS)]
    axes.plot(
        x,
        y,
        color=colour,
        marker=MARKS[number % len(MARKS)],
        markersize=6,
        markeredgecolor="white",
        markeredgewidth=0.7,
        linewidth=1.6,
        label=name,
        zorder=3,
    )
    ends = (points[0], points[-1]) if len(points) > 1 else ()
    for point, up in zip(ends, (True, False), strict=False):
        axes.annotate(
            point.tuned,
            (scale.place(point.recall), point.queries_per_second),
            xytext=(0, 8 if up else -9),
            textcoords="offset points",
            ha="center",
            va="bottom" if up else "top",
            fontsize=7.5,
            color=colour,
        )


def _draw_in_use(axes: Any, point: IndexPoint, scale: _Scale) -> None:
    axes.plot(
        scale.place(point.recall),
        point.queries_per_second,
        marker="o",
        markersize=14,
        markerfacecolor="none",
        markeredgecolor="black",
        markeredgewidth=1.5,
        linestyle="none",
        label="in use",
        zorder=4,
    )


def _dress(axes: Any, evaluation: IndexEvaluation, scale: _Scale) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    places, told = scale.ticks()
    axes.set_xticks(places, told)
    axes.set_xlim(float(scale.place(scale.left)) - 0.7, places[-1] + 0.6)
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.margins(y=0.12)
    axes.grid(visible=True, which="major", color="#EEEEEE", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(f"recall@{evaluation.k} (of {evaluation.queries:,} queries)")
    axes.set_ylabel("queries per second, one after the other")
    axes.set_title(
        f"{evaluation.collection}: {evaluation.rows:,} vectors of {evaluation.dim} dimensions",
        loc="left",
        fontsize=11,
    )
    axes.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1.0, 0.5))
