"""An adapter on disk: a folder that can be copied, and whose files run no code when read.

::

    adapter.json                  what it was learned on, and whether it helped; written last
    arrays-<digest>.safetensors   its numbers

``adapter.json`` names the numbers with their digest, so that whoever is interrupted while replacing
an adapter leaves the old one or the new one, never a mix.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.adapters.adapter import Adapter
from embedkit.classification.state import State
from embedkit.errors import (
    AdapterNotFoundError,
    CollectionLockedError,
    DamagedError,
    FormatVersionError,
    InvalidInputError,
)
from embedkit.indexes.files import read_signed, signed
from embedkit.integrity import FileDigest, storage_error, sync_file, sync_folder, write_durably
from embedkit.store.layout import is_name
from embedkit.store.lock import WriterLock
from embedkit.store.manifest import Model
from embedkit.types import AdapterReport

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.protocols import Embedder

FOLDER = ".adapters"
FORMAT = 1
MANIFEST = "adapter.json"
LEARN_AGAIN = "learn it again: embedkit classify adapt; its vectors are in the cache"


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


def check_name(name: str) -> str:
    """Return the name of an adapter, or refuse one that could not be a folder's.

    Raises
    ------
    InvalidInputError
    """
    if not is_name(name):
        raise InvalidInputError(
            f"expected an adapter's name of letters, digits, '-', '_' and '.', got {name!r}"
        )
    return name


def place_of(home: Path, name: str) -> Path:
    """Return the folder that an adapter of this name has, there or not."""
    return home / FOLDER / check_name(name)


def refuse_taken(home: Path, name: str, *, force: bool = False) -> None:
    """Refuse a name that an adapter has, unless it may be replaced.

    Raises
    ------
    InvalidInputError
    """
    if (place_of(home, name) / MANIFEST).exists() and not force:
        raise InvalidInputError(
            f"there is an adapter {name!r} in {home} already",
            do="choose another --name, or replace it with --force: what was embedded by the old "
            "one must then be embedded again",
        )


def names(home: Path) -> list[str]:
    """Return the names of the adapters in a home, sorted."""
    folder = home / FOLDER
    try:
        entries = [path.name for path in folder.iterdir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise storage_error(error, folder, doing="read") from error
    return sorted(name for name in entries if is_name(name) and (folder / name / MANIFEST).exists())


def locate(home: Path, name: str) -> Path:
    """Return the folder of an adapter: of that name in a home, or at that path.

    Raises
    ------
    AdapterNotFoundError
        The nearest name is offered.
    """
    if is_name(name) and (home / FOLDER / name / MANIFEST).exists():
        return home / FOLDER / name
    path = Path(name).expanduser()
    if (path / MANIFEST).exists():
        return path.absolute()
    known = names(home)
    if not known:
        raise AdapterNotFoundError(
            f"no adapter {name!r} in {home}, which holds none",
            do="learn one with: embedkit classify adapt FILE --label COLUMN --name NAME",
        )
    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise AdapterNotFoundError(
        f"no adapter {name!r} in {home}", do=f"{hint}there are: {', '.join(known)}"
    )


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
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(error, folder) from error
    try:
        with WriterLock(folder / "lock", folder.name):
            return _write(folder, adapter, model, report)
    except CollectionLockedError as error:
        raise CollectionLockedError(
            error.message.replace("collection", "adapter", 1), do="try again when it ends"
        ) from error


def _write(folder: Path, adapter: Adapter, model: Model, report: AdapterReport) -> SavedAdapter:
    from safetensors.numpy import save_file

    state = adapter.state()
    arrays = {name: np.ascontiguousarray(values) for name, values in state.arrays.items()}
    temporary = folder / f".arrays.{os.getpid()}.tmp"
    try:
        save_file(arrays, temporary)
        sync_file(temporary)
        described = FileDigest.of(temporary)
        name = f"arrays-{described.sha256[:16]}.safetensors"
        temporary.replace(folder / name)
        sync_folder(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise storage_error(error, folder) from error
    facts = {
        "format": FORMAT,
        "model": asdict(model),
        "state": state.facts,
        "arrays": {"name": name, "digest": described.to_dict()},
        "report": report.to_dict(),
    }
    write_durably(folder / MANIFEST, json.dumps(signed(facts), indent=1).encode())
    for path in folder.glob("arrays-*.safetensors"):  # of the adapter that this one replaced
        if path.name != name:
            with contextlib.suppress(OSError):
                path.unlink()
    return SavedAdapter(folder.name, adapter, model, digest_of(model, state), report)


def read_adapter(folder: Path) -> SavedAdapter:
    """Read an adapter.

    Raises
    ------
    AdapterNotFoundError, DamagedError, FormatVersionError
    """
    for _ in range(3):
        facts = _read_manifest(folder)
        try:
            with _sound(folder):
                arrays = _read_arrays(folder, facts)
            break
        except DamagedError:
            if _read_manifest(folder) == facts:  # else another took its place meanwhile
                raise
    with _sound(folder):
        state = State(facts["state"], arrays)
        adapter = Adapter()
        adapter.restore(state)
        model = Model(**facts["model"])
        report = AdapterReport.from_dict(facts["report"])
    return SavedAdapter(folder.name, adapter, model, digest_of(model, state), report)


def digest_of(model: Model, state: State) -> str:
    """Return a SHA-256 of all that an adapter's answers depend on."""
    digest = hashlib.sha256(json.dumps([model.model_id, state.facts], sort_keys=True).encode())
    for name in sorted(state.arrays):
        values = np.ascontiguousarray(state.arrays[name])
        digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


@contextlib.contextmanager
def _sound(folder: Path) -> Iterator[None]:
    """Say of facts that are not what ``write_adapter`` writes, though signed, that it is damage."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise DamagedError(f"{folder / MANIFEST} is damaged: {error}", do=LEARN_AGAIN) from error


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.exists():
        raise AdapterNotFoundError(
            f"no adapter in {folder}", do="learn one with: embedkit classify adapt"
        )
    facts = read_signed(path, do=LEARN_AGAIN)
    if facts.get("format") != FORMAT:
        raise FormatVersionError(
            f"{path} has format {facts.get('format')!r}, this embedkit reads {FORMAT}",
            do="install the embedkit that wrote it, or learn it again",
        )
    return facts


def _read_arrays(folder: Path, facts: dict[str, Any]) -> dict[str, NDArray[Any]]:
    from safetensors.numpy import load_file

    name = str(facts["arrays"]["name"])
    if Path(name).name != name:
        raise DamagedError(f"{folder / MANIFEST} names a file elsewhere: {name}", do=LEARN_AGAIN)
    FileDigest.from_dict(facts["arrays"]["digest"]).check(folder / name, do=LEARN_AGAIN)
    arrays: dict[str, NDArray[Any]] = load_file(folder / name)
    return arrays
