"""Fine-tuning from labelled texts to a folder: split, mine, train, train again, judge, save."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from embedkit.classification.inputs import Inputs
from embedkit.errors import MissingDependencyError
from embedkit.finetuning import shelf
from embedkit.finetuning.data import Labelled, Split, fingerprints, split
from embedkit.finetuning.mining import mine
from embedkit.finetuning.recipe import Recipe
from embedkit.finetuning.report import FineTuned
from embedkit.finetuning.soup import Soup

if TYPE_CHECKING:
    from embedkit.evaluation.results import Difference
    from embedkit.finetuning.network import Network
    from embedkit.finetuning.training import Course, Part, Progress
    from embedkit.finetuning.verdict import Advice, Rows
    from embedkit.types import Keys, Mask, Vectors

T = TypeVar("T")

BASE = "minilm"
"""The model that is tuned where no other is named: the packaged weights of the default embedder."""
STEP_COST = 3.5
"""Time of learning from a text, in times of embedding it: forward, backward, and the step."""
SAVING = 3.0
"""Seconds kept back for saving."""
REFIT_EPOCHS = 2.0
"""Where the time does not allow so many epochs twice, there is one training."""
FIRST = 0.45
"""Share of the time that the first training may take where others are to follow."""
ENOUGH = 1.1
"""How much of the time of a training must be left for one more."""


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
    kept: float = SAVING
    """Seconds kept back for what comes after training."""
    members: int = 0
    """Trainings whose weights were averaged, after the one that said how long to train."""

    @property
    def network(self) -> Network:
        return self.base[0]

    def run(self, place: Path) -> FineTuned:
        """Train, say when to stop, train again as often as the time allows, and judge."""
        from embedkit.finetuning.training import Training, planned_steps
        from embedkit.finetuning.verdict import advise, compare, right

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
        old = advise(*self._rows(before[:2], rows.train, rows.stop))
        theirs = right(old.head, *self._rows(before[::2], rows.train, rows.judge))
        self.kept = SAVING + 2 * (time.monotonic() - clock + embedding)
        left = self.deadline - time.monotonic() - self.kept
        again = recipe.members > 0 and left > 2 * REFIT_EPOCHS * STEP_COST * embedding
        training = Training(network, train, before[0], stop, recipe, triplets)
        clock = time.monotonic()
        course = training.run(
            max(left * (FIRST if again else 1.0), 1.0),
            steps=planned_steps(len(train), recipe),
            progress=self.show,
        )
        took = time.monotonic() - clock
        self.show("the head on the new vectors", 0, 0)
        new = self._heeding(course, lambda: self._advised(train, stop))
        if again and course.stopped != "interrupted":
            self._again(start, np.concatenate(before[:2]), course, took)
        ours = self._heeding(course, lambda: self._right(new.head, judge))
        told = compare(ours, theirs, seed=recipe.seed)
        mined = 0.0 if triplets is None else triplets.hard
        return self._report(place, course, told, new.advised, mined)

    def _report(
        self, place: Path, course: Course, told: Difference, head: str, mined: float
    ) -> FineTuned:
        """Return what was done, and what came of it."""
        return FineTuned(
            path=place,
            base=self.base[1],
            data=self.data.digest(),
            labels=self.data.labels,
            rows=len(self.data),
            skipped=self.data.skipped,
            learned=len(self.parts.train),
            stop=len(self.parts.stop),
            judge=len(self.parts.judge),
            difference=told,
            head=head,
            measured=tuple(course.measured),
            best=course.best or 0,
            steps=course.steps,
            epochs=round(course.epochs, 2),
            stopped=course.stopped,
            members=self.members,
            mined=round(mined, 4),
            recipe=self.recipe.to_dict(),
        )

    def save(self, place: Path, told: FineTuned) -> None:
        """Write the model with its note."""
        self.show("saving", 0, 0)
        seen = self.data.take(self._learned())
        shelf.store(place, self.network.save, told.note(), fingerprints(seen.texts))

    def _part(self, rows: Any) -> Part:
        from embedkit.finetuning.training import Part

        some = self.data.take(rows)
        return Part(self.network.tokenize(some.texts), some.targets)

    def _rows(self, vectors: list[Vectors], *places: Keys) -> list[Rows]:
        """Return texts with their vectors, and their classes."""
        return [
            (Inputs(self.data.take(place).texts, some), self.data.targets[place])
            for some, place in zip(vectors, places, strict=True)
        ]

    def _advised(self, train: Part, stop: Part) -> Advice:
        """Return which heads suit the new vectors."""
        from embedkit.finetuning.verdict import advise

        vectors = [self.network.embed(part.tokens) for part in (train, stop)]
        return advise(*self._rows(vectors, self.parts.train, self.parts.stop))

    def _right(self, head: str, judge: Part) -> Mask:
        """Return which of the judging texts the final model gets right."""
        from embedkit.finetuning.verdict import right

        learned = self._learned()
        vectors = [self.network.embed(part.tokens) for part in (self._part(learned), judge)]
        return right(head, *self._rows(vectors, learned, self.parts.judge))

    def _heeding(self, course: Course, work: Callable[[], T]) -> T:
        """Return what work returns; an interruption is heeded after it, a second one at once."""
        try:
            return work()
        except KeyboardInterrupt:
            course.stopped = "interrupted"
            return work()

    def _learned(self) -> Keys:
        """Return the rows that the final model learned from: never those that judge.

        They stay unseen, so that a classifier's probabilities can be set right by them.
        """
        if not self.members:
            return self.parts.train
        return np.concatenate([self.parts.train, self.parts.stop])

    def _again(self, start: dict[str, Any], before: Vectors, course: Course, took: float) -> None:
        """Train again from the old weights, with more texts and as many epochs as did best.

        As often as the time allows, each time with other draws; the weights are averaged.

        Source
        ------
        Wortsman et al.: Model soups, ICML 2022 (the average of trainings from the same weights).
        """
        from embedkit.finetuning.training import Part, Training, planned_steps

        whole = self.data.take(np.concatenate([self.parts.train, self.parts.stop]))
        part = Part(self.network.tokenize(whole.texts), whole.targets)
        steps = planned_steps(len(part), self.recipe, course.measured[course.best or 0].epoch)
        each = took * steps / course.steps
        triplets = mine(before, whole.targets) if self.recipe.mined else None
        best, soup = self.network.state(), Soup()
        try:
            for member in range(self.recipe.members):
                left = self.deadline - time.monotonic() - self.kept
                if left < each * (ENOUGH if member else 0.5):
                    break
                self.network.restore(start)
                recipe = replace(self.recipe, seed=self.recipe.seed + 1 + member)
                Training(self.network, part, before, None, recipe, triplets).run(
                    left, steps=steps, progress=self.show
                )
                soup.add(self.network.state())
        except KeyboardInterrupt:  # the weights of the training that was cut short are left out
            course.stopped = "interrupted"
        self.members = soup.size
        self.network.restore(soup.mean() if soup.size else best)


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
