"""The manifest: what a published generation consists of, written last and by rename.

Whatever the manifest names was complete and durable before the manifest was written, so a reader
that follows it never sees half of anything. It ends with a digest of its own content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from embedkit.errors import DamagedError, FormatVersionError, ModelMismatchError
from embedkit.indexes.promise import RECALL
from embedkit.integrity import FileDigest, storage_error, write_durably
from embedkit.protocols import Embedder
from embedkit.quantized import precision_of, row_width
from embedkit.store.deltas import Delta
from embedkit.types import IndexMeasurement, Metric, Precision
from embedkit.validate import check_metric

FORMAT = 3
"""The newest format that is read: since contracts on recall, and texts in passages."""
QUANTIZED = 2
"""The format since quantised vectors and sets of them."""
PLAIN = 1
"""The format of a collection that an embedkit of before quantised vectors can read too."""
OBJECT = "object"
"""The spec of an embedder that was passed as an object and that no name can make again."""
OWN_VECTORS = "own"
"""The embedder's spec in a collection that was filled with vectors of the user's own."""


@dataclass(frozen=True, slots=True)
class Model:
    """What made the vectors: the spec that names it, its identity, the width in numbers.

    ``precision`` is how the numbers are kept: as the model delivers them.
    """

    spec: str
    model_id: str
    dim: int
    precision: Precision = "float32"

    @classmethod
    def of(cls, embedder: Embedder, spec: str) -> Model:
        """Describe an embedder that a spec names."""
        precision = precision_of(embedder)
        row_width(precision, embedder.dim)
        return cls(spec, embedder.model_id, embedder.dim, precision)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON; the precision only where it is not the usual one."""
        body = asdict(self)
        if self.precision == "float32":
            del body["precision"]
        return body

    @property
    def _advice(self) -> str:
        if self.spec == OWN_VECTORS:
            return "no embedder and bring your own vectors"
        return "that embedder" if self.spec == OBJECT else f"embedder {self.spec!r}"

    def expect(self, model_id: str, collection: str) -> None:
        """Raise ModelMismatchError unless it is this model that is about to be used."""
        if model_id != self.model_id:
            raise ModelMismatchError(
                f"collection {collection!r} was filled by {self.model_id}, not by {model_id}",
                do=f"open it with {self._advice}, or make another collection",
            )


@dataclass(frozen=True, slots=True)
class VectorSet:
    """The vectors that one model made of the texts: which files, and how many rows of them count.

    ``number`` names the files. Of a set that the records do not use, ``retired`` is when they last
    did; None where they never have, since it is still being filled.
    """

    number: int
    model: Model
    rows: int
    retired: datetime | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON."""
        retired = self.retired and self.retired.isoformat()
        model = self.model.to_dict()
        return {"number": self.number, "model": model, "rows": self.rows, "retired": retired}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> VectorSet:
        """Read what ``to_dict`` wrote."""
        retired = body["retired"] and datetime.fromisoformat(body["retired"])
        return cls(body["number"], Model(**body["model"]), body["rows"], retired)


@dataclass(frozen=True, slots=True)
class IndexEntry:
    """The folder of an index and the digest of its list of files."""

    folder: str
    spec: str
    resolved: str
    files: FileDigest
    measurement: IndexMeasurement | None = None
    """What was measured of it, and the setting that it is used with."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, for JSON, without the measurement.

        That stands beside it, where an embedkit of before overlooks it: it searches as well
        without, though as the index was set at first.
        """
        return {
            "folder": self.folder,
            "spec": self.spec,
            "resolved": self.resolved,
            "files": self.files.to_dict(),
        }

    @classmethod
    def from_dict(
        cls, body: Mapping[str, Any], measurement: Mapping[str, Any] | None = None
    ) -> IndexEntry:
        """Read what ``to_dict`` wrote."""
        files = FileDigest.from_dict(body["files"])
        measured = IndexMeasurement.from_dict(measurement) if measurement else None
        return cls(body["folder"], body["spec"], body["resolved"], files, measured)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One published generation of a collection."""

    model: Model
    metric: Metric
    index_spec: str
    generation: int
    records: int
    vector_rows: int
    commits: int
    database: FileDigest
    index: IndexEntry | None = None
    vector_set: int = 0
    sets: tuple[VectorSet, ...] = ()
    """Vectors that the records do not use: of earlier models, or of one to come."""
    recall: float = RECALL
    """What the index is to find of the nearest, at least."""
    lexical: IndexEntry | None = None
    """The index of words; None where there are few texts, or an embedkit of before wrote them.
    It can be made again, so an embedkit that does not know of it may read the rest."""
    chunk: str | None = None
    """How texts are cut into passages; None where they are not."""
    delta: Delta | None = None
    """What was changed since the snapshot that ``database`` describes; None where nothing was."""
    format: int = PLAIN
    updated: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    @property
    def vectors(self) -> VectorSet:
        """The vectors that the records use."""
        return VectorSet(self.vector_set, self.model, self.vector_rows)

    @property
    def snapshot(self) -> int:
        """The generation whose snapshot the records are in, but for what the delta changed."""
        return self.delta.snapshot if self.delta else self.generation

    @property
    def _least_format(self) -> int:
        """The oldest format that says it all, so that an embedkit that knows less refuses."""
        if self.chunk is not None:
            return FORMAT
        plain = self.model.precision == "float32" and not self.vector_set and not self.sets
        if self.recall != RECALL or self.delta is not None:
            return FORMAT
        return PLAIN if plain else QUANTIZED

    def to_bytes(self) -> bytes:
        """Return the manifest as JSON with its digest as the last member."""
        body: dict[str, Any] = {
            "format": max(self.format, self._least_format),
            "generation": self.generation,
            "updated": self.updated.isoformat(timespec="seconds"),
            "model": self.model.to_dict(),
            "metric": self.metric,
            "index_spec": self.index_spec,
            "records": self.records,
            "vector_rows": self.vector_rows,
            "commits": self.commits,
            "database": self.database.to_dict(),
            "index": self.index and self.index.to_dict(),
        }
        if body["format"] > PLAIN:
            body["vector_set"] = self.vector_set
            body["sets"] = [vectors.to_dict() for vectors in self.sets]
        if self.recall != RECALL:
            body["recall"] = self.recall
        if self.index is not None and self.index.measurement is not None:
            body["measurement"] = self.index.measurement.to_dict()
        if self.lexical is not None:
            body["lexical"] = self.lexical.to_dict()
        if self.chunk is not None:
            body["chunk"] = self.chunk
        if self.delta is not None:
            body["delta"] = asdict(self.delta)
        body["sha256"] = _digest(body)
        # A line for each member: people read it, and indenting them all takes a millisecond more.
        lines = ",\n".join(f"  {json.dumps(key)}: {json.dumps(body[key])}" for key in body)
        return f"{{\n{lines}\n}}\n".encode()

    def write(self, path: Path) -> None:
        """Replace the manifest of the folder, durably."""
        write_durably(path, self.to_bytes())

    @classmethod
    def read(cls, path: Path) -> Manifest:
        """Read and check a manifest.

        Raises
        ------
        FileNotFoundError
            There is none.
        DamagedError
            It is not what was written.
        StorageError
            The operating system refuses to read it.
        FormatVersionError
            It was written by a newer embedkit.
        """
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise
        except OSError as error:
            raise storage_error(error, path, doing="read") from error
        try:
            body = json.loads(data)
            written = body.pop("sha256")
        except (ValueError, KeyError, AttributeError, TypeError):
            raise _damaged(path) from None
        if not isinstance(body, dict) or _digest(body) != written:
            raise _damaged(path)
        if body["format"] > FORMAT:
            raise FormatVersionError(
                f"{path.parent} has format {body['format']}, this embedkit reads up to {FORMAT}",
                do="upgrade embedkit: pip install -U embedkit",
            )
        return cls._from_dict(body)

    @classmethod
    def _from_dict(cls, body: Mapping[str, Any]) -> Manifest:
        index, lexical = body["index"], body.get("lexical")
        return cls(
            model=Model(**body["model"]),
            metric=check_metric(body["metric"]),
            index_spec=body["index_spec"],
            generation=body["generation"],
            records=body["records"],
            vector_rows=body["vector_rows"],
            commits=body["commits"],
            database=FileDigest.from_dict(body["database"]),
            index=index and IndexEntry.from_dict(index, body.get("measurement")),
            vector_set=body.get("vector_set", 0),
            sets=tuple(map(VectorSet.from_dict, body.get("sets", ()))),
            recall=body.get("recall", RECALL),
            lexical=lexical and IndexEntry.from_dict(lexical, None),
            chunk=body.get("chunk"),
            delta=Delta(**body["delta"]) if body.get("delta") else None,
            format=body["format"],
            updated=datetime.fromisoformat(body["updated"]),
        )


def _digest(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def _damaged(path: Path) -> DamagedError:
    return DamagedError(
        f"{path} is damaged", do=f"run: embedkit doctor {path.parent.name} --repair"
    )
