"""The loop: steps until no more is gained, the time is over, or somebody interrupts."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from embedkit.embedders.pretrained import is_out_of_memory
from embedkit.errors import EmbeddingError
from embedkit.finetuning import losses
from embedkit.finetuning.average import Average, put
from embedkit.finetuning.batches import epoch
from embedkit.finetuning.report import Measurement, Stopped

if TYPE_CHECKING:
    from embedkit.finetuning.mining import Triplets
    from embedkit.finetuning.network import Network, Tokens
    from embedkit.finetuning.recipe import Recipe
    from embedkit.types import Keys, Vectors

Progress = Callable[[str, int, int], None]
LEAST_STEPS = 120
"""Few texts are gone over more often, until so many steps are made."""
LEEWAY = 0.05
MEASUREMENTS = 8
"""How often the held-out texts are looked at in a training that runs its full length."""


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens and labels of some texts."""

    tokens: Tokens
    targets: Keys

    def __len__(self) -> int:
        return len(self.tokens)


@dataclass(slots=True)
class Course:
    """How a training went."""

    steps: int = 0
    planned: int = 0
    epochs: float = 0.0
    stopped: Stopped = "finished"
    losses: list[float] = field(default_factory=list)
    measured: list[Measurement] = field(default_factory=list)
    best: int | None = None
    """Which of the measurements is of the weights that the network has at the end."""


def planned_steps(rows: int, recipe: Recipe, epochs: float | None = None) -> int:
    """Return how many steps a training has if nothing ends it."""
    wanted = recipe.epochs if epochs is None else epochs
    steps = math.ceil(wanted * math.ceil(rows / recipe.batch))
    return max(steps, LEAST_STEPS) if epochs is None else max(1, steps)


class Training:
    """One training of a network.

    Parameters
    ----------
    network : Network
        Changed: at the end it has the best weights.
    train : Part
    vectors : float32 array, shape (n, dim)
        Of the training texts before; the prototypes begin as the means of their labels.
    stop : Part or None
        Held-out texts; without them the training runs its length and keeps the last average.
    """

    def __init__(
        self,
        network: Network,
        train: Part,
        vectors: Vectors,
        stop: Part | None,
        recipe: Recipe,
        triplets: Triplets | None,
    ) -> None:
        self.network, self.train, self.stop, self.recipe = network, train, stop, recipe
        self._triplets = triplets
        self._rng = np.random.default_rng(recipe.seed)
        start = torch.from_numpy(_means(vectors, train.targets)).to(network.device)
        self._prototypes = torch.nn.Parameter(start)
        groups = network.groups(recipe.rate, recipe.layer_decay)
        for group in groups:
            group["weight_decay"] = recipe.weight_decay
        groups.append(
            {"params": [self._prototypes], "lr": recipe.prototype_rate, "weight_decay": 0.0}
        )
        self._rates = [group["lr"] for group in groups]
        self._optimizer: Any = torch.optim.AdamW(groups, betas=(0.9, 0.98))
        self._learning = [*network.learning(), self._prototypes]
        self._average = Average(self._learning, recipe.average)
        self._lengths = np.array([len(row) for row in train.tokens], np.int64)

    def run(self, seconds: float, *, steps: int, progress: Progress | None = None) -> Course:
        """Train, and give the network its best weights.

        Parameters
        ----------
        seconds : float
            Wall-clock time that it may take. The rates fall with the steps or with the time,
            whichever is nearer to its end, so that a slow machine's training ends as softly.
        steps : int
            At most.

        Raises
        ------
        KeyboardInterrupt
            It came before anything was measured, so that there is nothing to keep.
        """
        course = Course(planned=steps)
        begin = time.monotonic()
        best: list[Any] | None = None
        self.network.model.train()
        every = max(1, steps // MEASUREMENTS)
        try:
            for rows in self._batches():
                done = max(course.steps / steps, _by_clock(time.monotonic() - begin, seconds))
                if done >= 1:
                    course.stopped = "finished" if course.steps >= steps else "time"
                    break
                self._step(rows, done, course)
                if progress is not None:
                    progress("training", course.steps, steps)
                if self.stop is not None and course.steps % every == 0:
                    best = self._measure(course, best)
                    if len(course.measured) - 1 - (course.best or 0) >= self.recipe.patience:
                        course.stopped = "no gain"
                        break
            if self.stop is not None and course.steps % every:
                best = self._measure(course, best)
        except KeyboardInterrupt:
            course.stopped = "interrupted"
            if best is None:
                raise
        finally:
            self._optimizer.zero_grad()
            self.network.model.eval()
        put(self._learning, self._average.copy() if best is None else best)
        return course

    def _batches(self) -> Any:
        while True:
            yield from epoch(
                self._lengths,
                self.recipe.batch,
                self._rng,
                triplets=self._triplets,
                mined=self.recipe.mined,
            )

    def _step(self, rows: Keys, done: float, course: Course) -> None:
        recipe = self.recipe
        factor = _schedule(done, recipe.warmup)
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        targets = torch.from_numpy(self.train.targets[rows]).to(self.network.device)
        try:
            vectors = self.network.vectors([self.train.tokens[i] for i in rows], recipe.masked)
            loss = losses.with_prototypes(vectors, self._prototypes, targets, recipe.temperature)
            if recipe.contrast:
                loss = loss + recipe.contrast * losses.between_texts(
                    vectors, targets, recipe.temperature
                )
            loss.backward()
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise EmbeddingError(
                f"the memory of {self.network.device} is too small for {len(rows)} texts a step",
                do=f"take a batch of {max(4, recipe.batch // 2)}, another device or smaller model",
            ) from error
        torch.nn.utils.clip_grad_norm_(self._learning, 1.0)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._average.update()
        course.losses.append(float(loss.detach()))
        course.steps += 1
        course.epochs += len(rows) / len(self.train)

    def _measure(self, course: Course, best: list[Any] | None) -> list[Any] | None:
        """Look at the held-out texts; return the weights that did best on them so far."""
        assert self.stop is not None
        with self._average.in_place():
            vectors = self.network.embed(self.stop.tokens)
            prototypes = functional.normalize(self._prototypes.detach(), dim=-1).cpu().numpy()
        cosines = torch.from_numpy(vectors @ prototypes.T)
        targets = torch.from_numpy(self.stop.targets)
        loss = float(functional.cross_entropy(cosines / self.recipe.temperature, targets))
        accuracy = float((cosines.argmax(dim=1) == targets).float().mean())
        now = Measurement(course.steps, round(course.epochs, 2), accuracy, loss)
        course.measured.append(now)
        before = None if course.best is None else course.measured[course.best]
        if before is None or (now.accuracy, -now.loss) > (before.accuracy, -before.loss):
            course.best = len(course.measured) - 1
            return self._average.copy()
        return best


def _means(vectors: Vectors, targets: Keys) -> Vectors:
    """Return the mean vector of each label, of length 1."""
    sums = np.zeros((int(targets.max()) + 1, vectors.shape[1]), np.float32)
    np.add.at(sums, targets, vectors)
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    return np.asarray(sums / np.where(lengths == 0, 1, lengths), np.float32)


def _by_clock(elapsed: float, seconds: float) -> float:
    """Return how much of the time is over.

    Nothing at first, so that training that is quick goes by its steps alone, and is the same each
    time.
    """
    return (elapsed / seconds - LEEWAY) / (1 - LEEWAY)


def _schedule(done: float, warmup: float) -> float:
    """Return the factor of the rates: up to 1, then down to 0, both in a straight line."""
    if done < warmup:
        return (done + 1e-3) / (warmup + 1e-3)
    return max(0.0, (1 - done) / (1 - warmup))
