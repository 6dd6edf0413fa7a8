"""Which calibration a collection has: one that was made of judgements, or what its corpus says."""

from __future__ import annotations

import hashlib
import json
import logging
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedkit.errors import DamagedError, StorageError
from embedkit.integrity import storage_error, write_durably
from embedkit.retrieval.calibration import Calibration, fit_corpus
from embedkit.store.layout import Layout

if TYPE_CHECKING:
    from embedkit.store.view import View

_log = logging.getLogger("embedkit")


def save(calibration: Calibration, folder: Path) -> None:
    """Keep a calibration in the folder of a collection, with a digest, durably."""
    body = {"format": 1, **calibration.to_dict()}
    text = json.dumps(body | {"sha256": _digest(body)}, indent=2)
    write_durably(Layout(folder).calibration, f"{text}\n".encode())


def load(folder: Path) -> Calibration | None:
    """Return the calibration that is kept in the folder of a collection, None where none is.

    Raises
    ------
    DamagedError
        The file is not what was written.
    """
    path = Layout(folder).calibration
    try:
        body = json.loads(path.read_bytes())
        written = body.pop("sha256")
        if body.pop("format") != 1 or written != _digest({"format": 1, **body}):
            raise ValueError
        return Calibration(**body)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise storage_error(error, path, doing="read") from error
    except (ValueError, KeyError, AttributeError, TypeError):
        raise DamagedError(
            f"{path} is damaged",
            do=f"calibrate again, or run: embedkit calibrate -c {folder.name} --forget",
        ) from None


def forget(folder: Path) -> bool:
    """Delete the calibration of a collection; return whether there was one."""
    try:
        (Layout(folder).calibration).unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise storage_error(error, Layout(folder).calibration, doing="delete") from error
    return True


def calibration_of(view: View) -> Calibration:
    """Return the calibration of what a reader sees: from labels where they fit, else the corpus.

    One that was made for another model, or that is damaged, is passed over with a warning. What the
    corpus says is worked out once for each generation, in some hundredths of a second.

    Raises
    ------
    InvalidInputError
        There are no labels, and too few records.
    """
    model_id = view.manifest.model.model_id
    kept = _kept(view.layout.root, model_id)
    if kept is not None:
        return kept
    with _lock:
        found = _corpora.get(view)
        if found is None:
            live = view.live
            if view.passages is not None:
                # Passages of one record overlap, which says nothing of what is related.
                live = view.passages.one_each(live)
            found = fit_corpus(view.vectors.matrix, live, model_id=model_id)
            _corpora[view] = found
    return found


_lock = threading.Lock()
_corpora: weakref.WeakKeyDictionary[View, Calibration] = weakref.WeakKeyDictionary()


def _kept(folder: Path, model_id: str) -> Calibration | None:
    try:
        kept = load(folder)
    except StorageError as error:
        _log.warning("%s", error)
        return None
    if kept is not None and kept.model_id != model_id:
        _log.warning(
            "the calibration of %s was made for %s, not for %s; it is not used: calibrate again",
            folder.name,
            kept.model_id,
            model_id,
        )
        return None
    return kept


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
