"""A classifier on disk: a folder such as :mod:`embedkit.learned` describes.

::

    classifier.json             what was learned, but for numbers
    arrays-<digest>.safetensors   the numbers
    examples-<digest>.parquet     the texts learned from, unless they were not to be kept
    examples-<digest>.safetensors their vectors and what cross-validation said of them
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embedkit.classification.fitted import Examples, Fitted
from embedkit.classification.library import CLASSIFIER
from embedkit.classification.state import State
from embedkit.learned import Entry, place, place_arrays
from embedkit.store.manifest import Model


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
    InvalidInputError
        The folder holds an adapter.
    """
    state = fitted.state()
    with CLASSIFIER.writing(folder):
        files = {"arrays": place_arrays(folder, "arrays", state.arrays)}
        if examples is not None:
            files["texts"] = _place_texts(folder, examples)
            files["examples"] = place_arrays(
                folder,
                "examples",
                {
                    "targets": examples.targets,
                    "vectors": examples.vectors.astype(np.float16),
                    "probabilities": examples.probabilities.astype(np.float32),
                },
            )
        CLASSIFIER.publish(folder, {"model": asdict(model), "state": state.facts}, files)


def load(folder: Path) -> Contents:
    """Read a classifier.

    Raises
    ------
    ClassifierNotFoundError, DamagedError, FormatVersionError
    """

    def read(facts: dict[str, Any]) -> Contents:
        files = facts["files"]
        state = State(facts["state"], CLASSIFIER.arrays(folder, files["arrays"]))
        return Contents(Fitted.restore(state), Model(**facts["model"]), "examples" in files)

    return CLASSIFIER.read(folder, read)


def load_examples(folder: Path) -> Examples | None:
    """Read the rows that a classifier learned from, None where they were not kept.

    Raises
    ------
    ClassifierNotFoundError, DamagedError, FormatVersionError
    """

    def read(facts: dict[str, Any]) -> Examples | None:
        files = facts["files"]
        if "examples" not in files:
            return None
        import pyarrow.parquet as pq

        arrays = CLASSIFIER.arrays(folder, files["examples"])
        # Not by read_table, which imports pandas wherever that is installed.
        with pq.ParquetFile(CLASSIFIER.path(folder, files["texts"])) as file:
            texts = file.read().column("text").to_pylist()
        return Examples(
            texts,
            arrays["targets"],
            arrays["vectors"].astype(np.float32),
            arrays["probabilities"].astype(np.float64),
        )

    return CLASSIFIER.read(folder, read)


def _place_texts(folder: Path, examples: Examples) -> Entry:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"text": pa.array(list(examples.texts), pa.string())})
    return place(
        folder, "examples", ".parquet", lambda path: pq.write_table(table, path, compression="zstd")
    )
