"""An adapter on disk: a folder such as :mod:`embedkit.learned` describes.

::

    adapter.json                  what it was learned on, and whether it helped
    arrays-<digest>.safetensors   its numbers
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.adapters.adapter import Adapter
from embedkit.classification.state import State
from embedkit.errors import AdapterNotFoundError, InvalidInputError
from embedkit.learned import Kind, place_arrays
from embedkit.store.layout import is_name
from embedkit.store.manifest import Model
from embedkit.types import AdapterReport

if TYPE_CHECKING:
    from embedkit.protocols import Embedder

ADAPTER = Kind(
    what="adapter",
    shelf=".adapters",
    manifest="adapter.json",
    format=1,
    again="learn it again: embedkit classify adapt; its vectors are in the cache",
    make="embedkit classify adapt FILE --label COLUMN",
    missing=AdapterNotFoundError,
)


@dataclass(frozen=True, slots=True)
class SavedAdapter:
    """An adapter that lies on disk.

    Attributes
    ----------
    name : str
        Of its folder.
    adapter : Adapter
    model : Model
        What made the vectors that it was learned on.
    digest : str
        SHA-256 of all that its answers depend on, in hexadecimal.
    report : AdapterReport
        What it was learned from, and whether it helped.
    """

    name: str
    adapter: Adapter
    model: Model
    digest: str
    report: AdapterReport

    def embedder(self, base: Embedder | None = None) -> Embedder:
        """Return an embedder with this adapter behind it.

        Parameters
        ----------
        base : Embedder, optional
            The model that it was learned on. Default: made by its spec; needed where that was an
            embedder of your own.

        Raises
        ------
        ModelMismatchError
            Another model.
        InvalidInputError
            An embedder of your own that is not given.
        """
        from embedkit.embedders.adapter import adapted, make_base

        return adapted(base or make_base(self), self)


def refuse_taken(home: Path, name: str, *, force: bool = False) -> None:
    """Refuse a name that an adapter has, unless it may be replaced.

    Raises
    ------
    InvalidInputError
    """
    if ADAPTER.is_at(ADAPTER.place_of(home, name)) and not force:
        raise InvalidInputError(
            f"there is an adapter {name!r} in {home} already",
            do="choose another --name, or replace it with --force: what was embedded by the old "
            "one must then be embedded again",
        )


def locate(home: Path, name: str) -> Path:
    """Return the folder of an adapter: of that name in a home, or at that path.

    Raises
    ------
    AdapterNotFoundError
        The nearest name is offered.
    """
    if is_name(name) and ADAPTER.is_at(ADAPTER.place_of(home, name)):
        return ADAPTER.place_of(home, name)
    path = Path(name).expanduser()
    if ADAPTER.is_at(path):
        return path.absolute()
    raise ADAPTER.not_found(home, name)


def write_adapter(
    folder: Path, adapter: Adapter, model: Model, report: AdapterReport
) -> SavedAdapter:
    """Write an adapter to a folder, in place of the one that is there.

    Raises
    ------
    StorageError
        The disk refuses; what was there is still there.
    CollectionLockedError
        Another process is writing the same one.
    InvalidInputError
        The folder holds a classifier.
    """
    state = adapter.state()
    with ADAPTER.writing(folder):
        files = {"arrays": place_arrays(folder, "arrays", state.arrays)}
        facts = {"model": asdict(model), "state": state.facts, "report": report.to_dict()}
        ADAPTER.publish(folder, facts, files)
    return SavedAdapter(folder.name, adapter, model, digest_of(model, state), report)


def read_adapter(folder: Path) -> SavedAdapter:
    """Read an adapter.

    Raises
    ------
    AdapterNotFoundError, DamagedError, FormatVersionError
    """

    def read(facts: dict[str, Any]) -> SavedAdapter:
        state = State(facts["state"], ADAPTER.arrays(folder, facts["files"]["arrays"]))
        adapter = Adapter()
        adapter.restore(state)
        model = Model(**facts["model"])
        report = AdapterReport.from_dict(facts["report"])
        return SavedAdapter(folder.name, adapter, model, digest_of(model, state), report)

    return ADAPTER.read(folder, read)


def digest_of(model: Model, state: State) -> str:
    """Return a SHA-256 of all that an adapter's answers depend on."""
    digest = hashlib.sha256(json.dumps([model.model_id, state.facts], sort_keys=True).encode())
    for name in sorted(state.arrays):
        values = np.ascontiguousarray(state.arrays[name])
        digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
