"""Fine-tuning from labelled texts to a folder: split, mine, train, judge, train again, save."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.classification.inputs import Inputs
from embedkit.errors import MissingDependencyError
from embedkit.finetuning import shelf
from embedkit.finetuning.data import Labelled, Split, fingerprints, split
from embedkit.finetuning.mining import mine
from embedkit.finetuning.recipe import Recipe
from embedkit.finetuning.report import FineTuned

if TYPE_CHECKING:
    from embedkit.finetuning.network import Network
    from embedkit.finetuning.training import Course, Part, Progress
    from embedkit.finetuning.verdict import Judged
    from embedkit.types import Keys, Vectors

BASE = "minilm"
"""The model that is tuned where no other is named: the packaged weights of the default embedder."""
STEP_COST = 3.5
"""Time of learning from a text, in times of embedding it: forward, backward, and the step."""
SAVING = 3.0
"""Seconds kept back for saving."""
REFIT_EPOCHS = 3.0
"""Where the time does not allow so many epochs twice, there is no second training."""


def finetune(
    texts: Sequence[str],
    labels: Sequence[Any],
    place: Path,
    *,
    model: str = BASE,
    recipe: Recipe | None = None,
    device: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> FineTuned:
    """Fine-tune a model and save it; see :func:`embedkit.finetune`.

    Parameters
    ----------
    place : Path
        The folder that the model gets.
    """
    begin, cpu = time.monotonic(), time.process_time()
    recipe = recipe or Recipe()
    data = Labelled.of(texts, labels)
    parts = split(data, recipe.held_out, recipe.seed)
    shelf.check_place(place, force=force)
    torch = _torch()
    show = progress or (lambda _stage, _done, _total: None)
    show("loading the model", 0, 0)
    with torch.random.fork_rng():
        torch.manual_seed(recipe.seed)
        work = _Work(data, parts, recipe, _load(model, device), begin + 60 * recipe.minutes, show)
        told = work.run(place)
        work.save(place, told)
    return replace(
        told,
        seconds=round(time.monotonic() - begin, 1),
        cpu_seconds=round(time.process_time() - cpu, 1),
    )


@dataclass(slots=True)
class _Work:
    """What the stages share."""

    data: Labelled
    parts: Split
    recipe: Recipe
    base: tuple[Network, str]
    deadline: float
    show: Progress
    refitted: bool = False

    @property
    def network(self) -> Network:
        return self.base[0]

    def run(self, place: Path) -> FineTuned:
        """Train, judge and, where the time allows, train on all."""
        from embedkit.finetuning.training import Training, planned_steps
        from embedkit.finetuning.verdict import compare

        recipe, network, rows = self.recipe, self.network, self.parts
        train, stop, judge = (self._part(some) for some in (rows.train, rows.stop, rows.judge))
        start = network.state()
        clock = time.monotonic()
        self.show("embedding the texts", 0, 0)
        before = [network.embed(part.tokens) for part in (train, stop, judge)]
        embedding = time.monotonic() - clock
        self.show("mining hard negatives", 0, 0)
        triplets = mine(before[0], train.targets) if recipe.mined else None
        self.show("the head on the old vectors", 0, 0)
        clock = time.monotonic()
        theirs = self._judge(before)
        judging = time.monotonic() - clock + embedding
        left = self.deadline - time.monotonic() - SAVING - judging
        again = self._refits(left, embedding)
        seconds = left * (len(train) / (2 * len(train) + len(stop)) if again else 1.0)
        training = Training(network, train, before[0], stop, recipe, triplets)
        course = training.run(
            max(seconds, 1.0), steps=planned_steps(len(train), recipe), progress=self.show
        )
        ours = self._judged([train, stop, judge], course)
        told = compare(ours.right, theirs.right, seed=recipe.seed)
        if again and course.stopped != "interrupted":
            self._refit(start, np.concatenate(before[:2]), course)
        return FineTuned(
            path=place,
            base=self.base[1],
            data=self.data.digest(),
            labels=self.data.labels,
            rows=len(self.data),
            skipped=self.data.skipped,
            learned=len(train),
            stop=len(stop),
            judge=len(judge),
            difference=told,
            head=ours.advised,
            measured=tuple(course.measured),
            best=course.best or 0,
            steps=course.steps,
            epochs=round(course.epochs, 2),
            stopped=course.stopped,
            refit=self.refitted,
            mined=0.0 if triplets is None else round(triplets.hard, 4),
            recipe=recipe.to_dict(),
        )

    def save(self, place: Path, told: FineTuned) -> None:
        """Write the model with its note."""
        self.show("saving", 0, 0)
        seen = self.data.take(self._learned() if self.refitted else self.parts.train)
        shelf.store(place, self.network.save, told.note(), fingerprints(seen.texts))

    def _part(self, rows: Any) -> Part:
        from embedkit.finetuning.training import Part

        some = self.data.take(rows)
        return Part(self.network.tokenize(some.texts), some.targets)

    def _judge(self, vectors: list[Vectors]) -> Judged:
        from embedkit.finetuning.verdict import judge

        rows = (self.parts.train, self.parts.stop, self.parts.judge)
        train, stop, judges = (
            (Inputs(self.data.take(place).texts, some), self.data.targets[place])
            for some, place in zip(vectors, rows, strict=True)
        )
        return judge(train, stop, judges)

    def _learned(self) -> Keys:
        """Return the rows of the second training: never those that judge.

        They stay unseen, so that a classifier's probabilities can be set right by them.
        """
        return np.concatenate([self.parts.train, self.parts.stop])

    def _judged(self, parts: list[Part], course: Course) -> Judged:
        """Judge the new vectors; an interruption is heeded after that."""
        self.show("the head on the new vectors", 0, 0)
        try:
            return self._judge([self.network.embed(part.tokens) for part in parts])
        except KeyboardInterrupt:  # a second one is heeded at once
            course.stopped = "interrupted"
            return self._judge([self.network.embed(part.tokens) for part in parts])

    def _refits(self, left: float, embedding: float) -> bool:
        """Whether there is time to train once more, with the texts that said when to stop."""
        epochs = min(self.recipe.epochs, REFIT_EPOCHS)
        return self.recipe.refit and left > 2 * epochs * STEP_COST * embedding

    def _refit(self, start: dict[str, Any], before: Vectors, course: Course) -> None:
        """Begin again from the old weights, with more texts and as many epochs as did best."""
        from embedkit.finetuning.training import Part, Training, planned_steps

        whole = self.data.take(self._learned())
        left = self.deadline - time.monotonic() - SAVING
        best = self.network.state()
        self.network.restore(start)
        try:
            triplets = mine(before, whole.targets) if self.recipe.mined else None
            part = Part(self.network.tokenize(whole.texts), whole.targets)
            epochs = course.measured[course.best or 0].epoch
            Training(self.network, part, before, None, self.recipe, triplets).run(
                left, steps=planned_steps(len(part), self.recipe, epochs), progress=self.show
            )
        except KeyboardInterrupt:  # the weights of the verdict are whole, these are not
            self.network.restore(best)
            course.stopped = "interrupted"
        else:
            self.refitted = True


def _load(model: str, device: str | None) -> tuple[Network, str]:
    """Return the network and the base's ``model_id``."""
    from embedkit.embedders.pretrained import Pretrained
    from embedkit.finetuning.network import Network

    if model == BASE:
        from embedkit.embedders.weights import REPOSITORY, REVISION, locate_minilm

        return Network(str(locate_minilm()), device), f"{REPOSITORY}@{REVISION[:8]}"
    name = model.removeprefix("sentence-transformers:")
    network = Network(name, device)
    files = Pretrained(name, organization="sentence-transformers")
    return network, f"sentence-transformers:{files.version(lambda: network)}"


def _torch() -> Any:
    try:
        import sentence_transformers  # noqa: F401
        import torch
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            f"fine-tuning needs {(error.name or '').partition('.')[0]}, which is not installed",
            do="run: pip install 'embedkit[local]'",
        ) from error
    return torch
