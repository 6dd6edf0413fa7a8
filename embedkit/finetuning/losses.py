"""What the model is taught: texts of one label near each other, of others far."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional


def with_prototypes(vectors: Any, prototypes: Any, targets: Any, temperature: float) -> Any:
    """Return the mean softmax loss of texts against one prototype a label.

    Parameters
    ----------
    vectors : tensor, shape (n, dim)
        Of length 1.
    prototypes : tensor, shape (labels, dim)
    targets : int64 tensor, shape (n,)
    temperature : float
        Divides the cosines.

    Source
    ------
    Movshovitz-Attias et al.: No fuss distance metric learning using proxies, ICCV 2017; Zhai and
    Wu: Classification is a strong baseline for deep metric learning, BMVC 2019 (normalised).
    """
    cosines = vectors @ functional.normalize(prototypes, dim=-1).T
    return functional.cross_entropy(cosines / temperature, targets)


def between_texts(vectors: Any, targets: Any, temperature: float) -> Any:
    """Return the supervised contrastive loss of a batch; zero where no two texts share a label.

    Parameters
    ----------
    vectors : tensor, shape (n, dim)
        Of length 1.
    targets : int64 tensor, shape (n,)

    Source
    ------
    Khosla et al.: Supervised contrastive learning, NeurIPS 2020, equation 2.
    """
    itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    cosines = (vectors @ vectors.T / temperature).masked_fill(itself, -torch.inf)
    shares = cosines.log_softmax(dim=1).masked_fill(itself, 0.0)
    friends = (targets[:, None] == targets) & ~itself
    count = friends.sum(dim=1)
    rows = (shares * friends).sum(dim=1) / count.clamp(min=1)
    return -rows.sum() / (count > 0).sum().clamp(min=1)
