"""What temperature, top-k and top-p do to the probabilities of the next token.

They are applied in this order: temperature, top-k, top-p. Transformers does so, and ``smollm`` is
told to; top-p is a share of what top-k leaves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from embedkit.errors import InvalidInputError

LEFT, BY_TEMPERATURE, BY_TOP_K, BY_TOP_P = range(4)
"""What became of a token."""
_ROUNDING = 1e-9
"""Probabilities that are sums of others are equal if they differ by less."""


@dataclass(frozen=True, slots=True)
class Cut:
    """What is left of the next tokens.

    Attributes
    ----------
    tempered : float64 array, shape (n,)
        Probabilities after the temperature, in the order of the tokens given.
    fate : int8 array, shape (n,)
        ``LEFT``, or what cut the token.
    left : float64 array, shape (n,)
        The probabilities to draw with: 0 where a token is cut, and 1 in all, ``rest_left``
        included.
    rest, rest_left : float
        ``tempered`` and ``left`` of the tokens that were not given, together.
    by_top_k, by_top_p : float
        The shares of ``tempered`` cut away, tokens that were not given included.
    decided : bool
        Whether it is sure where the cut is. False where top-p leaves all tokens that were given
        and some more, nobody knows how many.
    """

    tempered: NDArray[np.float64]
    fate: NDArray[np.int8]
    left: NDArray[np.float64]
    rest: float
    rest_left: float
    by_top_k: float
    by_top_p: float
    decided: bool = True


def cut(
    logprobs: ArrayLike,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    rest: float = 0.0,
) -> Cut:
    """Apply temperature, then top-k, then top-p.

    Parameters
    ----------
    logprobs : array-like of float, shape (n,)
        Natural logarithms of the model's probabilities, or logits: a constant added to all of them
        changes nothing. -inf is a token that cannot come.
    temperature : float
        Logarithms are divided by it. 0 leaves the likeliest token, the first of equals.
    top_k : int or None
        How many of the likeliest tokens are left; of equals, those that come first. None or 0 for
        all.
    top_p : float or None, in [0, 1]
        Of those, the fewest likeliest ones whose share is at least this; one in any case. None
        or 1 for all.
    rest : float, in [0, 1)
        The share, at this temperature, of tokens that are not given, each less likely than
        every one given.

    Returns
    -------
    Cut

    Raises
    ------
    InvalidInputError
        No token, NaN or +inf, no token that can come, or a parameter out of its bounds.

    Notes
    -----
    Top-k and top-p leave the tokens that llama.cpp's samplers leave. Transformers leaves, beyond
    top-k, also those as likely as the last of the k.

    Source
    ------
    Top-k: Fan, Lewis and Dauphin (2018), Hierarchical neural story generation, section 5.1. Top-p,
    there nucleus sampling: Holtzman, Buys, Du, Forbes and Choi (2020), The curious case of neural
    text degeneration, section 3.1, equations 2 and 3; a nucleus is there cut from the whole
    distribution, here from what top-k leaves.

    Examples
    --------
    >>> found = cut(np.log([0.5, 0.3, 0.2]), top_k=2)
    >>> found.left.round(3).tolist()
    [0.625, 0.375, 0.0]
    """
    given = _checked(logprobs, temperature, top_k, top_p, rest)
    rest = 0.0 if temperature == 0 else rest
    tempered = _tempered(given, temperature) * (1 - rest)
    pool = _Pool(tempered, np.argsort(-given, kind="stable"), rest)
    if temperature == 0:
        pool.keep(1, BY_TEMPERATURE)
    by_top_k = pool.keep(top_k, BY_TOP_K) if top_k else 0.0
    by_top_p, decided = 0.0, True
    if top_p is not None and top_p < 1:
        many = pool.nucleus(top_p)
        decided = many is not None
        by_top_p = pool.keep(many, BY_TOP_P) if many is not None else 0.0
    left = np.where(pool.fate == LEFT, tempered, 0.0)
    total = left.sum() + pool.rest
    return Cut(
        tempered, pool.fate, left / total, rest, pool.rest / total, by_top_k, by_top_p, decided
    )


class _Pool:
    """Tokens that are not cut yet, likeliest first, and what is known of the others."""

    def __init__(self, tempered: NDArray[np.float64], order: NDArray[np.intp], rest: float) -> None:
        self.tempered = tempered
        self.order = order
        self.rest = rest
        self.fate = np.full(len(tempered), LEFT, dtype=np.int8)

    def keep(self, many: int, reason: int) -> float:
        """Cut all but so many; return the share that goes."""
        out = self.order[many:]
        self.order = self.order[:many]
        self.fate[out] = reason
        gone = float(self.tempered[out].sum()) + self.rest
        self.rest = 0.0
        return gone

    def nucleus(self, share: float) -> int | None:
        """Return how many tokens have this share; None where those that are known have less."""
        reached = np.cumsum(self.tempered[self.order])
        enough = (reached[-1] + self.rest) * share - _ROUNDING
        many = int(np.searchsorted(reached, enough)) + 1
        return many if many <= len(reached) else None


def _tempered(logprobs: NDArray[np.float64], temperature: float) -> NDArray[np.float64]:
    """Return probabilities of sum 1."""
    raised = logprobs - logprobs.max()
    if temperature == 0:
        shares = np.zeros(len(logprobs))
        shares[int(np.argmax(raised))] = 1.0
        return shares
    with np.errstate(over="ignore"):  # what is that unlikely is nothing
        shares = np.exp(raised / temperature)
    whole: NDArray[np.float64] = shares / shares.sum()
    return whole


def _checked(
    logprobs: ArrayLike, temperature: float, top_k: int | None, top_p: float | None, rest: float
) -> NDArray[np.float64]:
    given = np.asarray(logprobs, dtype=np.float64)
    if given.ndim != 1 or not given.size:
        raise InvalidInputError(f"expected log-probabilities of tokens, got shape {given.shape}")
    if np.isnan(given).any() or given.max() in (math.inf, -math.inf):
        raise InvalidInputError(
            "expected log-probabilities below infinity, one of them finite, got others"
        )
    if not 0 <= temperature < math.inf:
        raise InvalidInputError(f"expected temperature to be >= 0, got {temperature!r}")
    if top_k is not None and top_k < 0:
        raise InvalidInputError(f"expected top_k to be >= 0, got {top_k!r}")
    if top_p is not None and not 0 <= top_p <= 1:
        raise InvalidInputError(f"expected top_p to be from 0 to 1, got {top_p!r}")
    if not 0 <= rest < 1:
        raise InvalidInputError(f"expected rest to be from 0 to less than 1, got {rest!r}")
    if rest and top_k is not None and top_k > len(given):
        raise InvalidInputError(
            f"expected the likeliest {top_k} tokens for top_k, got {len(given)}"
        )
    return given
