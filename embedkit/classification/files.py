"""A classifier on disk: a folder that can be copied, and whose files run no code when read.

::

    classifier.json             what was learned, but for numbers; written last, by rename
    arrays-<digest>.safetensors   the numbers
    examples-<digest>.parquet     the texts learned from, unless they were not to be kept
    examples-<digest>.safetensors their vectors and what cross-validation said of them

``classifier.json`` names the others with their digests, so that whoever is interrupted while
replacing a classifier leaves the old one or the new one, never a mix.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.classification.fitted import Examples, Fitted
from embedkit.classification.state import State
from embedkit.errors import (
    ClassifierNotFoundError,
    CollectionLockedError,
    DamagedError,
    FormatVersionError,
)
from embedkit.indexes.files import read_signed, signed
from embedkit.integrity import FileDigest, storage_error, sync_file, sync_folder, write_durably
from embedkit.store.lock import WriterLock
from embedkit.store.manifest import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT = 1
MANIFEST = "classifier.json"
TRAIN_AGAIN = "train it again; its vectors are in the cache"
OURS = re.compile(
    r"(arrays|examples)-[0-9a-f]{16}\.(safetensors|parquet)"
    r"|\.(arrays|examples)\.(safetensors|parquet)\.[0-9]+\.tmp"
)
"""What ``_placed`` names files: a person's own in the same folder are left alone."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a folder holds, the examples left where they are."""

    fitted: Fitted
    model: Model
    has_examples: bool


def save(folder: Path, fitted: Fitted, model: Model, examples: Examples | None) -> None:
    """Write a classifier to a folder, in place of the one that is there.

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
            _write(folder, fitted, model, examples)
    except CollectionLockedError as error:
        raise CollectionLockedError(
            error.message.replace("collection", "classifier", 1), do="try again when it ends"
        ) from error


def load(folder: Path) -> Contents:
    """Read a classifier.

    Raises
    ------
    ClassifierNotFoundError, DamagedError, FormatVersionError
    """
    for _ in range(3):
        facts = _read_manifest(folder)
        try:
            with _sound(folder):
                arrays = _read_arrays(folder, facts["arrays"])
            break
        except DamagedError:
            if _read_manifest(folder) == facts:
                raise
    with _sound(folder):
        fitted = Fitted.restore(State(facts["state"], arrays))
        return Contents(fitted, Model(**facts["model"]), facts["examples"] is not None)


def load_examples(folder: Path) -> Examples | None:
    """Read the rows that a classifier learned from, None where they were not kept.

    Raises
    ------
    ClassifierNotFoundError, DamagedError, FormatVersionError
    """
    entry = _read_manifest(folder)["examples"]
    if entry is None:
        return None
    import pyarrow.parquet as pq

    with _sound(folder):
        arrays = _read_arrays(folder, entry["arrays"])
        path = _checked(folder, entry["texts"])
        # Not by read_table, which imports pandas wherever that is installed.
        with pq.ParquetFile(path) as file:
            texts = file.read().column("text").to_pylist()
        return Examples(
            texts,
            arrays["targets"],
            arrays["vectors"].astype(np.float32),
            arrays["probabilities"].astype(np.float64),
        )


def _write(folder: Path, fitted: Fitted, model: Model, examples: Examples | None) -> None:
    _sweep(folder, keep=_named(folder))
    state = fitted.state()
    facts: dict[str, Any] = {
        "format": FORMAT,
        "model": asdict(model),
        "state": state.facts,
        "arrays": _write_arrays(folder, "arrays", state.arrays),
        "examples": None,
    }
    if examples is not None:
        facts["examples"] = {
            "texts": _write_texts(folder, examples),
            "arrays": _write_arrays(
                folder,
                "examples",
                {
                    "targets": examples.targets,
                    "vectors": examples.vectors.astype(np.float16),
                    "probabilities": examples.probabilities.astype(np.float32),
                },
            ),
        }
    sync_folder(folder)
    write_durably(folder / MANIFEST, json.dumps(signed(facts), indent=1).encode())
    _sweep(folder, keep=_files_of(facts))


def _write_arrays(folder: Path, stem: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    from safetensors.numpy import save_file

    whole = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    return _placed(folder, stem, ".safetensors", lambda path: save_file(whole, path))


def _write_texts(folder: Path, examples: Examples) -> dict[str, Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"text": pa.array(list(examples.texts), pa.string())})
    return _placed(
        folder, "examples", ".parquet", lambda path: pq.write_table(table, path, compression="zstd")
    )


def _placed(folder: Path, stem: str, ending: str, write: Any) -> dict[str, Any]:
    """Write a file under the name of its digest, durably; return what names it."""
    temporary = folder / f".{stem}{ending}.{os.getpid()}.tmp"
    try:
        write(temporary)
        sync_file(temporary)
        digest = FileDigest.of(temporary)
        name = f"{stem}-{digest.sha256[:16]}{ending}"
        temporary.replace(folder / name)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise storage_error(error, folder) from error
    return {"name": name, "digest": digest.to_dict()}


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.exists():
        raise ClassifierNotFoundError(
            f"no classifier in {folder}", do="make one with: embedkit classify train"
        )
    facts = read_signed(path, do=TRAIN_AGAIN)
    if facts.get("format") != FORMAT:
        raise FormatVersionError(
            f"{path} has format {facts.get('format')!r}, this embedkit reads {FORMAT}",
            do="install the embedkit that wrote it, or train it again",
        )
    return facts


def _read_arrays(folder: Path, entry: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    from safetensors.numpy import load_file

    path = _checked(folder, entry)
    arrays: dict[str, NDArray[Any]] = load_file(path)
    return arrays


def _checked(folder: Path, entry: Mapping[str, Any]) -> Path:
    """Return the path of a file that is the one described and lies in the folder."""
    name = str(entry["name"])
    path = folder / name
    if Path(name).name != name:
        raise DamagedError(f"{folder / MANIFEST} names a file elsewhere: {name}", do=TRAIN_AGAIN)
    FileDigest.from_dict(entry["digest"]).check(path, do=TRAIN_AGAIN)
    return path


@contextlib.contextmanager
def _sound(folder: Path) -> Iterator[None]:
    """Say of facts that are not what ``save`` writes, though signed, that they are damaged."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise DamagedError(f"{folder / MANIFEST} is damaged: {error}", do=TRAIN_AGAIN) from error


def _files_of(facts: Mapping[str, Any]) -> set[str]:
    examples = facts.get("examples") or {}
    entries = [facts.get("arrays"), examples.get("texts"), examples.get("arrays")]
    return {entry["name"] for entry in entries if entry}


def _named(folder: Path) -> set[str]:
    """Return the files of the classifier that is there, none where it is no longer whole."""
    try:
        return _files_of(_read_manifest(folder))
    except (ClassifierNotFoundError, DamagedError, FormatVersionError):
        return set()


def _sweep(folder: Path, *, keep: set[str]) -> None:
    """Delete the files of classifiers that were replaced, and those of a writer that died."""
    for path in folder.iterdir():
        if OURS.fullmatch(path.name) and path.name not in keep:
            with contextlib.suppress(OSError):
                path.unlink()
