"""How a model is fine-tuned: every number that can be chosen."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from embedkit.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class Recipe:
    """What fine-tuning does, and for how long.

    Attributes
    ----------
    minutes : float, > 0
        Wall-clock time that all of it may take: loading, training, the verdict, saving.
    epochs : float, > 0
        Passes over the training texts, at most; fewer where the time allows no more.
    batch : int, >= 4
        Texts of a step.
    rate : float, > 0
        Learning rate of the topmost layer, reached after ``warmup`` of all steps, falling to zero.
    layer_decay : float in (0, 1]
        Factor of the rate from each layer to the one below it.
    prototype_rate : float, > 0
        Learning rate of the prototypes, one vector a label.
    temperature : float, > 0
        Divides cosines before the softmax, in both losses.
    contrast : float, >= 0
        Weight of the contrastive loss between the texts of a batch, beside that of texts with
        prototypes.
    masked : float in [0, 1)
        Share of the words hidden from the model at each step.
    average : float in [0, 1)
        Decay of the moving average of the weights, which is what is measured and kept.
    mined : float in [0, 1]
        Share of the batches that are made of texts with their hard negatives.
    warmup : float in [0, 1)
        Share of the steps in which the rate rises.
    weight_decay : float, >= 0
    patience : int, >= 1
        Measurements without a gain after which training stops.
    held_out : float in (0, 0.5]
        Share of the texts kept for early stopping, and as large a share for the verdict.
    members : int, >= 0
        How often, at most, training is done again with the rows that said when to stop as well, as
        far as the time allows; the weights are averaged. The rows that judged are never learned
        from.
    seed : int
    """

    minutes: float = 10.0
    epochs: float = 5.0
    batch: int = 32
    rate: float = 1.5e-4
    layer_decay: float = 0.9
    prototype_rate: float = 1e-2
    temperature: float = 0.07
    contrast: float = 0.3
    masked: float = 0.1
    average: float = 0.99
    mined: float = 0.2
    warmup: float = 0.1
    weight_decay: float = 0.01
    patience: int = 4
    held_out: float = 0.1
    members: int = 3
    seed: int = 0

    def __post_init__(self) -> None:
        for name, good, wanted in (
            ("minutes", self.minutes > 0, "minutes > 0"),
            ("epochs", self.epochs > 0, "epochs > 0"),
            ("batch", self.batch >= 4, "a batch of at least 4"),
            ("rate", self.rate > 0, "a rate > 0"),
            ("layer_decay", 0 < self.layer_decay <= 1, "layer_decay in (0, 1]"),
            ("prototype_rate", self.prototype_rate > 0, "prototype_rate > 0"),
            ("temperature", self.temperature > 0, "a temperature > 0"),
            ("contrast", self.contrast >= 0, "contrast >= 0"),
            ("masked", 0 <= self.masked < 1, "masked in [0, 1)"),
            ("average", 0 <= self.average < 1, "average in [0, 1)"),
            ("mined", 0 <= self.mined <= 1, "mined in [0, 1]"),
            ("warmup", 0 <= self.warmup < 1, "warmup in [0, 1)"),
            ("weight_decay", self.weight_decay >= 0, "weight_decay >= 0"),
            ("patience", self.patience >= 1, "patience >= 1"),
            ("members", self.members >= 0, "members >= 0"),
            ("held_out", 0 < self.held_out <= 0.5, "held_out in (0, 0.5]"),
        ):
            if not good:
                raise InvalidInputError(f"expected {wanted}, got {getattr(self, name)}")

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        return asdict(self)
