"""Fine-tuned models by name: folders in ``HOME/.models``, each there as a whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.embedders.minilm_tuned import NOTE
from embedkit.errors import EmbedkitError, InvalidInputError
from embedkit.indexes.files import seal
from embedkit.integrity import storage_error, sync_folder
from embedkit.registry import Spec
from embedkit.store.layout import is_name

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.types import Mask

FOLDER = ".models"
SEEN = "seen.npy"
"""Fingerprints of the texts that the weights were learned from."""


def place_of(home: Path, name: str) -> Path:
    """Return the folder of a model of this name, there or not.

    Raises
    ------
    InvalidInputError
        It could not be a folder's name.
    """
    if not is_name(name):
        raise InvalidInputError(
            f"expected a model's name of letters, digits, '-', '_' and '.', got {name!r}"
        )
    return home / FOLDER / name


def check_place(place: Path, *, force: bool) -> None:
    """Refuse, before anything is computed, what could not be saved in the end.

    Raises
    ------
    InvalidInputError
        Something has that name, and it is not to be replaced.
    StorageError
        No permission.
    """
    if place.exists() and not force:
        raise InvalidInputError(
            f"{place} is already there", do="choose another name, or replace it with force"
        )
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        probe = place.with_name(f".{place.name}.{os.getpid()}.new")
        probe.mkdir()
        probe.rmdir()
    except OSError as error:
        raise storage_error(error, place) from error


def store(
    place: Path,
    save: Callable[[str], object],
    note: dict[str, Any],
    seen: NDArray[np.uint64],
) -> None:
    """Write a model beside its place, and let it take the place when all of it is there.

    Parameters
    ----------
    save : callable
        Writes the model into a folder of that name.
    note : dict
        JSON values.
    seen : uint64 array, shape (n,)

    Raises
    ------
    StorageError
        The disk refused; what was there is as before.
    """
    fresh = place.with_name(f".{place.name}.{os.getpid()}.new")
    old = place.with_name(f".{place.name}.{os.getpid()}.old")
    try:
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        save(str(fresh))
        np.save(fresh / SEEN, np.unique(seen))
        (fresh / NOTE).write_text(json.dumps(note, indent=1, ensure_ascii=False) + "\n")
        seal(fresh)
        if place.exists():
            place.rename(old)
        fresh.rename(place)
        sync_folder(place.parent)
    except EmbedkitError:
        raise
    except OSError as error:
        raise storage_error(error, place) from error
    except Exception as error:  # safetensors has errors of its own where a disk is full
        if "No space" not in str(error):
            raise
        raise storage_error(OSError(28, "No space left on device"), place) from error
    finally:
        if old.exists() and not place.exists():
            old.rename(place)
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def read_note(folder: str | Path) -> dict[str, Any] | None:
    """Return what is known of a fine-tuned model; None of a folder that is none."""
    try:
        found = json.loads((Path(folder).expanduser() / NOTE).read_text())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def folder_of(spec: str) -> Path | None:
    """Return the folder of a fine-tuned model that an embedder's spec names; None for others."""
    parsed = Spec.parse(spec)
    named = {
        "minilm": parsed.options.get("weights"),
        "sentence-transformers": parsed.argument,
    }.get(parsed.name)
    folder = None if named is None else Path(named).expanduser()
    return folder if folder is not None and (folder / SEEN).is_file() else None


def unseen_by(embedder: object, texts: list[str]) -> Mask | None:
    """Return which texts an embedder was not fine-tuned on; None where it was on none.

    Parameters
    ----------
    embedder : str or object
        A spec; of any other object nothing is known.
    """
    folder = folder_of(embedder) if isinstance(embedder, str) else None
    seen = None if folder is None else was_seen(folder, texts)
    return None if seen is None else ~seen


def was_seen(folder: str | Path, texts: list[str]) -> Mask | None:
    """Say which texts a model's weights were learned from.

    What is measured on them, or calibrated by them, is too good to be true.

    Returns
    -------
    bool array, shape (n,)
        None where the folder holds no fine-tuned model.
    """
    from embedkit.finetuning.data import fingerprints

    try:
        known = np.load(Path(folder).expanduser() / SEEN, allow_pickle=False)
    except (OSError, ValueError):
        return None
    return np.isin(fingerprints(texts), known)
