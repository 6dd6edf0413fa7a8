"""Evidence made by hand, so that each question can be asked alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from embedkit.classification.audit.evidence import Evidence
from embedkit.classification.audit.folding import group_equal
from embedkit.classification.audit.noise import Noise
from embedkit.embedders.hashing import HashingEmbedder


def evidence(
    texts: Sequence[str],
    labels: Sequence[str],
    *,
    said: Sequence[str] | None = None,
    wrong: Sequence[float] | None = None,
) -> Evidence:
    """Return evidence on texts: ``said`` is what the classifier gave, with a probability of 0.9."""
    names = sorted({*labels, *(said or ())})
    targets = np.array([names.index(label) for label in labels])
    given = [names.index(label) for label in said or labels]
    p = np.full((len(texts), len(names)), 0.1 / max(len(names) - 1, 1))
    p[np.arange(len(texts)), given] = 0.9
    return Evidence(
        head="logreg",
        texts=list(texts),
        names=names,
        targets=targets,
        lines=np.arange(2, len(texts) + 2),
        ids=[""] * len(texts),
        vectors=HashingEmbedder(dim=64).embed(list(texts)),
        groups=group_equal(texts),
        noise=Noise(1.0, 0.05),
        probabilities=p,
        wrong=np.array(wrong if wrong is not None else [0.0] * len(texts)),
    )
