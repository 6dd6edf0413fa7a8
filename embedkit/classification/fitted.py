"""Everything that a fit learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit import registry
from embedkit.classification.abstention import Answers
from embedkit.classification.calibration import Calibrator
from embedkit.classification.conformal import PredictionSets
from embedkit.classification.inputs import Inputs
from embedkit.classification.labels import LabelSet
from embedkit.classification.scope import Scope
from embedkit.classification.state import State
from embedkit.classification.tasks import Cumulative, PerLabel
from embedkit.protocols import Head
from embedkit.types.classification import Task, TrainingReport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Mask, Vectors


@dataclass(slots=True)
class Examples:
    """The rows that were learned from.

    Attributes
    ----------
    texts : sequence of str, length n
    targets : int64 array, shape (n,), or bool array, shape (n, n_labels)
    vectors : float32 array, shape (n, dim)
    probabilities : float64 array, shape (n, n_labels)
        Of each label, by heads that had not seen the row.
    """

    texts: Sequence[str]
    targets: Keys | Mask
    vectors: Vectors
    probabilities: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(slots=True)
class Fitted:
    """A classifier's knowledge, but for the model that makes the vectors.

    Attributes
    ----------
    labels : LabelSet
    head : Head
    head_spec : str
    calibrator : Calibrator
        Turns the head's scores into probabilities.
    scope : Scope or None
        Tells texts that are unlike all that was learned from; None where vectors are not read.
    report : TrainingReport
    answers : Answers or None
        What thresholds for a wished precision are learned from; None where no row was held out.
    sets : PredictionSets or None
        Makes sets of labels of a stated coverage; None where no row was held out.
    """

    labels: LabelSet
    head: Head
    head_spec: str
    calibrator: Calibrator
    scope: Scope | None
    report: TrainingReport
    answers: Answers | None = None
    sets: PredictionSets | None = None

    def probabilities(self, inputs: Inputs) -> NDArray[np.float64]:
        """Return how probable each label is of each text, shape (n, n_labels)."""
        return self.calibrator.probabilities(self.head.scores(inputs))

    def state(self) -> State:
        """Return it all, to be kept."""
        facts: dict[str, Any] = {
            "task": self.labels.task,
            "labels": list(self.labels.names),
            "head": self.head_spec,
            "report": self.report.to_dict(),
        }
        parts = {"head": self.head.state(), "calibrator": self.calibrator.state()}
        for name in ("scope", "answers", "sets"):
            part = getattr(self, name)
            if part is not None:
                parts[name] = part.state()
        return State.join({"fitted": State(facts)} | parts)

    @classmethod
    def restore(cls, state: State) -> Fitted:
        """Return what ``state`` told."""
        facts = state.facts["fitted"]
        labels = LabelSet(facts["labels"], facts["task"])
        head = make_head(facts["head"], labels.task)
        head.restore(state.part("head"))
        calibrator = Calibrator()
        calibrator.restore(state.part("calibrator"))
        scope, sets = None, None
        if "scope" in state.facts:
            scope = Scope()
            scope.restore(state.part("scope"))
        if "sets" in state.facts:
            sets = PredictionSets()
            sets.restore(state.part("sets"))
        answers = Answers.restore(state.part("answers")) if "answers" in state.facts else None
        report = TrainingReport.from_dict(facts["report"])
        return cls(labels, head, facts["head"], calibrator, scope, report, answers, sets)


def make_head(spec: str, task: Task) -> Any:
    """Return a new head for a task.

    Raises
    ------
    UnknownBackendError, InvalidInputError, MissingDependencyError
    """
    if task == "multi":
        return PerLabel(lambda: registry.create("head", spec))
    if task == "ordered":
        return Cumulative(lambda: registry.create("head", spec))
    return registry.create("head", spec)
