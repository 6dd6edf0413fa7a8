"""What an adapter is taught by: losses of moved vectors, with their gradients.

Each function takes unit vectors and returns the loss and its gradient by them. Similarities are
cosines times a ``scale``, the inverse of what papers call the temperature.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.adapters.residual import through_length

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys, Vectors

FAR = np.float32(-1e9)
"""Stands for a similarity that is not to count."""


def softmax(scores: Vectors) -> Vectors:
    """Return the share of each column in its row, shape as the scores."""
    shares: Vectors = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def prototype_loss(
    units: Vectors, targets: Keys, prototypes: Vectors, weights: Vectors, scale: float
) -> tuple[float, Vectors, Vectors]:
    """Return how badly vectors are told apart by the nearest prototype of a class.

    Parameters
    ----------
    units : float32 array, shape (n, dim)
    targets : int64 array, shape (n,)
    prototypes : float32 array, shape (n_classes, dim)
        Of any length; their direction counts.
    weights : float32 array, shape (n,)
    scale : float

    Returns
    -------
    float
        Mean cross-entropy, in nats.
    float32 array, shape (n, dim)
        Its gradient by the vectors.
    float32 array, shape (n_classes, dim)
        Its gradient by the prototypes.

    Source
    ------
    Snell, Swersky and Zemel: Prototypical Networks for Few-shot Learning, NIPS 2017, with learned
    prototypes and cosines.
    """
    lengths = np.maximum(np.linalg.norm(prototypes, axis=1, keepdims=True), np.float32(1e-12))
    directions = prototypes / lengths
    shares = softmax(np.float32(scale) * (units @ directions.T))
    rows = np.arange(len(units))
    total = np.float32(weights.sum())
    loss = float((-np.log(np.maximum(shares[rows, targets], 1e-12)) * weights).sum() / total)
    shares[rows, targets] -= 1
    shares *= weights[:, np.newaxis] * (np.float32(scale) / total)
    return loss, shares @ directions, through_length(directions, lengths, shares.T @ units)


def contrastive_loss(
    units: Vectors, targets: Keys, weights: Vectors, scale: float
) -> tuple[float, Vectors]:
    """Return how far vectors of a class are from each other, compared with all in the batch.

    Vectors that are alone in their class are only what others are compared with.

    Source
    ------
    Khosla et al.: Supervised Contrastive Learning, NeurIPS 2020, equation 2.
    """
    same = (targets[:, np.newaxis] == targets[np.newaxis]).astype(np.float32)
    np.fill_diagonal(same, 0)
    partners = same.sum(axis=1, keepdims=True)
    counted = weights * (partners[:, 0] > 0)
    total = np.float32(counted.sum())
    if total <= 0:
        return 0.0, np.zeros_like(units)
    scores = np.float32(scale) * (units @ units.T)
    np.fill_diagonal(scores, FAR)
    shares = softmax(scores)
    wanted = same / np.maximum(partners, 1)
    loss = float(
        -((wanted * np.log(np.maximum(shares, 1e-12))).sum(axis=1) * counted).sum() / total
    )
    slopes = (shares - wanted) * (counted[:, np.newaxis] * (np.float32(scale) / total))
    return loss, (slopes + slopes.T) @ units


def keeping_loss(units: Vectors, originals: Vectors) -> tuple[float, Vectors]:
    """Return the mean squared distance that vectors were moved, and its gradient."""
    apart = units - originals
    return float(np.square(apart).sum() / len(units)), apart * np.float32(2 / len(units))


def pair_loss(
    left: Vectors, right: Vectors, same: NDArray[np.bool_], shut: NDArray[np.bool_], scale: float
) -> tuple[float, Vectors, Vectors]:
    """Return how badly each left vector finds its partner among all right ones, and the reverse.

    Parameters
    ----------
    left, right : float32 arrays, shape (n, dim)
    same : bool array, shape (n,)
        Which of the pairs mean the same; the right one of any other is one more to be confused
        with.
    shut : bool array, shape (n, n)
        True where a left and a right vector, not a pair, are not known to differ.
    scale : float

    Returns
    -------
    loss, gradient by left, gradient by right

    Source
    ------
    van den Oord, Li and Vinyals: Representation Learning with Contrastive Predictive Coding, 2018
    (InfoNCE), both ways; negatives of the batch as in Henderson et al.: Efficient Natural Language
    Response Suggestion for Smart Reply, 2017.
    """
    rows = np.flatnonzero(same)
    if not len(rows):
        return 0.0, np.zeros_like(left), np.zeros_like(right)
    scores = np.float32(scale) * (left @ right.T)
    scores[shut] = FAR
    slopes = np.zeros_like(scores)
    loss = 0.0
    for across, slope in ((scores, slopes), (scores.T, slopes.T)):
        shares = softmax(across[rows])
        loss -= float(np.log(np.maximum(shares[np.arange(len(rows)), rows], 1e-12)).mean()) / 2
        shares[np.arange(len(rows)), rows] -= 1
        slope[rows] += shares * np.float32(scale / (2 * len(rows)))
    return loss, slopes @ right, slopes.T @ left


def difference_loss(
    left: Vectors, right: Vectors, same: NDArray[np.bool_], scale: float, level: float
) -> tuple[float, Vectors, Vectors, float]:
    """Return how badly pairs that mean the same are told from pairs that do not by their cosine.

    Parameters
    ----------
    level : float
        The cosine from which pairs count as the same.

    Returns
    -------
    loss, gradient by left, gradient by right, gradient by level
        Both kinds of pairs weigh the same, however many there are of each.
    """
    cosines = np.einsum("ij,ij->i", left, right)
    signs = np.where(same, 1, -1).astype(np.float32)
    many = np.array([max(1, int((~same).sum())), max(1, int(same.sum()))])
    weights = (0.5 / many[same.astype(np.int64)]).astype(np.float32)
    margins = signs * np.float32(scale) * (cosines - np.float32(level))
    loss = float((np.logaddexp(0, -margins) * weights).sum())
    slope: Any = -signs * np.float32(scale) * weights / (1 + np.exp(margins))
    return (
        loss,
        slope[:, np.newaxis] * right,
        slope[:, np.newaxis] * left,
        float(-slope.sum()),
    )
