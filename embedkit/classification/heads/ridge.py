"""Kernel ridge regression, and what it would say of rows left out, from one factorisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embedkit.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Keys

    Matrix = NDArray[np.float32]


class Factor:
    """The Cholesky factor of a kernel matrix with a ridge on its diagonal.

    Parameters
    ----------
    gram : float32 array, shape (n, n), Fortran order
        The kernel; it is overwritten.
    ridge : float32 array, shape (n,)
        Added to the diagonal.

    Raises
    ------
    InvalidInputError
        The matrix is not positive definite: the vectors are not finite, or the ridge too small.
    """

    def __init__(self, gram: Matrix, ridge: NDArray[np.float32]) -> None:
        from scipy.linalg import lapack

        gram.flat[:: len(gram) + 1] += ridge
        self._lower, failed = lapack.spotrf(gram, lower=1, overwrite_a=1, clean=1)
        if failed:
            raise InvalidInputError(
                "the kernel of these rows cannot be solved", do="raise the option ridge of the head"
            )

    def solve(self, targets: Matrix) -> Matrix:
        """Return the coefficients, shape (n, k), of targets, shape (n, k)."""
        from scipy.linalg import lapack

        alpha, _ = lapack.spotrs(self._lower, targets, lower=1)
        return np.ascontiguousarray(alpha, dtype=np.float32)

    def left_out(self, targets: Matrix, alpha: Matrix, ends: Keys) -> NDArray[np.float64]:
        """Return what each row would be predicted without its block; the factor is used up.

        With G the inverse of the kernel with its ridge, and f the rows of a block, the errors of a
        fit without f are exactly ``inv(G[f, f]) @ alpha[f]``: no fit is done again.

        Parameters
        ----------
        targets, alpha : float32 arrays, shape (n, k)
        ends : int64 array, shape (n_blocks + 1,)
            Block b is the rows from ``ends[b]`` up to ``ends[b + 1]``.

        Source
        ------
        Pahikkala, Boberg and Salakoski, "Fast n-fold cross-validation for regularized least
        squares", SCAI 2006; the case of single rows is in Rifkin and Lippert, "Notes on regularized
        least squares", 2007.
        """
        from scipy.linalg import cho_factor, cho_solve, lapack

        inverse, failed = lapack.strtri(self._lower, lower=1, overwrite_c=1)
        if failed:
            raise InvalidInputError("the kernel of these rows is singular")
        out = np.empty(targets.shape)
        for start, end in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
            columns = inverse[start:, start:end]  # above, the factor is zero
            own = (columns.T @ columns).astype(np.float64)
            errors = cho_solve(cho_factor(own, lower=True, overwrite_a=True), alpha[start:end])
            out[start:end] = targets[start:end] - errors
        return out
