"""What authors of index backends inherit.

A backend is frozen once built and only proposes candidates. It sees unit vectors only, of float32,
C-contiguous and checked; it may assume at least one of them. Its options are the keyword-only
parameters of its constructor, which stores them and does nothing else.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from embedkit.errors import InvalidInputError

if TYPE_CHECKING:
    from embedkit.types import Keys, Mask, Vectors


class BaseBackend:
    """Defaults of an index backend; a subclass names itself and overrides the four methods.

    Attributes
    ----------
    name : str
        The name in the registry.
    takes_mask : bool
        Whether ``candidates`` can be restricted to some of the rows.
    deepest : int or None
        Candidates beyond which it is not to be asked; None where there is no such number.
    tail_share : float
        Share of new rows past which a rebuild pays. Cheap builds want a small one.
    reads_blocks : bool
        Whether ``build`` only takes slices and rows of the vectors, so that coded ones need not be
        decoded all at once (:class:`embedkit.quantized.CodedMatrix`).
    knob : str
        The option that may change after the build, to find more or answer sooner; "" for none. It
        is an attribute of the same name, read at each search and never kept in the library's
        object, which several backends may share (``apart``).
    steps : tuple of float
        Values of the knob that are worth trying, from quick to thorough.
    denser : tuple of dict
        Options that build an index that finds more, in the order in which they are tried where no
        step of the knob is enough.
    """

    name: ClassVar[str]
    takes_mask: bool = False
    deepest: int | None = None
    tail_share: float = 0.1
    reads_blocks: bool = False
    knob: str = ""
    steps: tuple[float, ...] = ()
    denser: tuple[Mapping[str, Any], ...] = ()

    @property
    def exact(self) -> bool:
        """True where there is nothing to propose: the caller scans all rows."""
        return False

    @property
    def resolved(self) -> str:
        """Name of the backend that does the work."""
        return self.name

    @property
    def setting(self) -> dict[str, float]:
        """The knob and its present value; empty where there is none, or it sets itself."""
        value = getattr(self, self.knob) if self.knob else None
        return {} if value is None else {self.knob: value}

    def tune(self, setting: Mapping[str, float]) -> None:
        """Set the knob, to what ``setting`` returned at another time."""
        for name, value in setting.items():
            if name != self.knob:
                raise InvalidInputError(f"{self.name} cannot change {name!r} once it is built")
            setattr(self, name, value)

    def apart(self) -> Self:
        """Return one over the same built index, which can be tuned without this one changing."""
        return copy.copy(self)

    def outgrown(self, rows: int) -> bool:
        """Return whether a build on that many rows would choose another way to search."""
        return False

    def build(self, vectors: Any) -> None:
        """Build on unit vectors, shape (n, dim), n >= 1."""
        raise NotImplementedError

    def candidates(self, queries: Vectors, n: int, mask: Mask | None = None) -> Keys:
        """Propose positions for the n nearest of each query; see the protocol."""
        raise NotImplementedError

    def propose(
        self, queries: Vectors, n: int, mask: Mask | None = None
    ) -> tuple[Keys, Vectors | None]:
        """Propose candidates, and say up to which score they can be trusted.

        Returns
        -------
        positions : int64 array, shape (n_queries, any)
            What ``candidates`` returns.
        limits : float32 array, shape (n_queries,), or None
            Similarity that hardly any row reaches that was not proposed. A query whose n-th
            candidate turns out to be below it is searched again. None where nothing is known.
        """
        return self.candidates(queries, n, mask), None

    def save(self, folder: Path) -> None:
        """Write everything that ``load`` needs into an existing folder."""
        raise NotImplementedError

    def load(self, folder: Path, *, rows: int, dim: int) -> None:
        """Read what ``save`` wrote."""
        raise NotImplementedError

    def _check_at_least(self, option: str, value: float, least: float) -> None:
        """Refuse an option below its least value."""
        if not value >= least:
            raise InvalidInputError(f"{self.name}: expected {option} >= {least}, got {value}")
