"""What fine-tuning tells."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from embedkit.embedders.minilm_tuned import why_not

if TYPE_CHECKING:
    from embedkit.evaluation.results import Difference

Stopped: TypeAlias = Literal["finished", "no gain", "time", "interrupted"]
Verdict: TypeAlias = Literal["helped", "harmed", "no difference shown"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """How the averaged weights did on the held-out texts after some steps.

    Attributes
    ----------
    step : int
    epoch : float
        Passes over the training texts so far.
    accuracy : float
        Share of the held-out texts whose nearest prototype is that of their label.
    loss : float
        Mean softmax loss against the prototypes.
    """

    step: int
    epoch: float
    accuracy: float
    loss: float


@dataclass(frozen=True, slots=True)
class FineTuned:
    """A fine-tuned model, and whether it is better than the one it was made from.

    Attributes
    ----------
    path : Path
        Its folder, as sentence-transformers saves one.
    base : str
        What it was made from, as an embedder's ``model_id``.
    data : str
        SHA-256 of the texts and labels that were given.
    labels : tuple of str
    rows, skipped : int
        Rows that were used, and left out for want of a text or a label.
    learned, stop, judge : int
        Rows that were learned from at first, that said when to stop, that judged.
    difference : Difference
        Accuracy on the rows that judged: of the best head on the new vectors (``ours``) less that
        of the best on the old ones (``theirs``), with its paired 95 % interval. Of a few heads that
        read vectors alone, the rows that said when to stop choose the best. It is the model that
        was kept that is judged, and it never learned from these rows.
    head : str
        The head to use the model with, chosen likewise, also of those that read words as well.
    measured : tuple of Measurement
    best : int
        Place in ``measured`` of the weights that were kept.
    steps, epochs
        Of the first training.
    stopped : {"finished", "no gain", "time", "interrupted"}
    members : int
        Trainings that followed, also with the rows that said when to stop, whose averaged weights
        were kept; 0 where it is the first training's weights.
    mined : float
        Share of the texts that had a hard negative among their neighbours, before.
    seconds, cpu_seconds : float
        Of all of it, by the clock and by the processor.
    """

    path: Path
    base: str
    data: str
    labels: tuple[str, ...]
    rows: int
    skipped: int
    learned: int
    stop: int
    judge: int
    difference: Difference
    head: str
    measured: tuple[Measurement, ...]
    best: int
    steps: int
    epochs: float
    stopped: Stopped
    members: int
    mined: float
    recipe: dict[str, Any]
    seconds: float = 0.0
    cpu_seconds: float = 0.0

    @property
    def verdict(self) -> Verdict:
        """Whether the interval of the difference lies above zero, below it, or around it."""
        interval = self.difference.difference
        if interval.low > 0:
            return "helped"
        return "harmed" if interval.high < 0 else "no difference shown"

    @property
    def embedder(self) -> str:
        """The spec that names the model: where it has MiniLM's shape, without torch."""
        if not why_not(self.path):
            return f"minilm?weights={self.path}"
        return f"sentence-transformers:{self.path}"

    def note(self) -> dict[str, Any]:
        """Return what is kept beside the model: nothing of it depends on the clock."""
        told = asdict(self)
        for name in ("path", "seconds", "cpu_seconds"):
            del told[name]
        return {"verdict": self.verdict, **told}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return {
            "path": str(self.path),
            "embedder": self.embedder,
            **self.note(),
            "seconds": self.seconds,
            "cpu_seconds": self.cpu_seconds,
        }
