"""A backend that is read from its files only when a search would gain by it."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from embedkit import registry
from embedkit.errors import DamagedError, EmbedkitError, MissingDependencyError, StorageError
from embedkit.indexes import files, planner

if TYPE_CHECKING:
    from embedkit.protocols import IndexBackend

Unusable = MissingDependencyError | StorageError
BACKEND = "backend/"
"""The folder of the backend's own files, in that of an index."""
REBUILD = "rebuild the index: it can always be made again from the vectors"


def read_backend(folder: Path, spec: str, rows: int, dim: int) -> IndexBackend:
    """Read a backend that covers so many rows, every file of it checked wholly first.

    Raises
    ------
    DamagedError
        A file is not what was written.
    MissingDependencyError
        Its library is not installed.
    """
    backend: IndexBackend = registry.create("index", spec)
    files.check(folder, do=REBUILD, only=lambda name: name.startswith(BACKEND))
    if not rows:
        return backend
    try:
        backend.load(folder / BACKEND, rows=rows, dim=dim)
    except EmbedkitError as error:
        raise DamagedError(f"{folder} cannot be read: {error}", do=REBUILD) from error
    except Exception as error:
        # The files are the ones written: most likely another version of the library wrote them.
        raise DamagedError(f"{backend.name} cannot read {folder}: {error}", do=REBUILD) from error
    return backend


class Held:
    """A backend, or the way to get it. Shared by the generations of an index.

    Parameters
    ----------
    name : str
        Of the backend that does the work.
    backend : IndexBackend, optional
        Where it is there already.
    load : callable, optional
        Returns it, where it is yet to be read.
    size : int
        Bytes of its files.
    failed : callable, optional
        Told why it cannot be read; searches are exact from then on. Without it the error is
        raised.
    """

    def __init__(
        self,
        name: str,
        backend: IndexBackend | None = None,
        *,
        load: Callable[[], IndexBackend] | None = None,
        size: int = 0,
        failed: Callable[[Unusable], None] | None = None,
    ) -> None:
        self.name = name
        self.loaded = backend
        self.broken = False
        self._load = load
        self._failed = failed
        self._owed = planner.load_ms(name, size)
        self._setting: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def owed(self) -> float:
        """Milliseconds of reading it that searches without it have not made up for yet."""
        return 0.0 if self.loaded is not None else self._owed

    def spend(self, milliseconds: float) -> bool:
        """Return whether a search may do without it, at that price; then it counts as spent.

        Whoever searches once never waits for an index that is dearer to read than the search is
        without it; whoever goes on pays for it at most twice.
        """
        with self._lock:
            if self.loaded is not None or self._owed <= milliseconds:
                return False
            self._owed -= milliseconds
            return True

    @property
    def setting(self) -> dict[str, float]:
        """The knob of the backend and its value; of one that is yet to be read, what was set."""
        if self.loaded is None:
            return dict(self._setting)
        return dict(getattr(self.loaded, "setting", {}))

    def apart(self) -> Held:
        """Return one of the same backend with a knob of its own.

        What is read already is shared; what is not is read by each.
        """
        with self._lock:
            twin = copy.copy(self)
            twin._lock = threading.Lock()
            if self.loaded is not None and hasattr(self.loaded, "apart"):
                twin.loaded = self.loaded.apart()
        return twin

    def tune(self, setting: Mapping[str, float]) -> None:
        """Set the knob of the backend, now or when it is read."""
        with self._lock:
            if self.loaded is None:
                self._setting = dict(setting)
            else:
                self.loaded.tune(setting)  # type: ignore[attr-defined]

    def get(self) -> IndexBackend | None:
        """Return the backend, read if need be; None where it cannot be."""
        with self._lock:
            if self.loaded is None and not self.broken:
                assert self._load is not None
                try:
                    backend = self._load()
                    if self._setting:
                        backend.tune(self._setting)  # type: ignore[attr-defined]
                    self.loaded = backend
                except (StorageError, MissingDependencyError) as error:
                    if self._failed is None:
                        raise
                    self._failed(error)
                    self.broken = True
            return self.loaded
