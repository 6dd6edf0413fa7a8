"""Mend a collection from what is sound in it.

The truth is kept more than once: the records in the writer's database and in one or two published
copies of it, the reason for each vector in the text of its record. So a damaged database is
replaced by the best sound copy, a damaged vector is embedded again in its place, the index is
built anew, and the result is published as a new generation.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from embedkit import registry
from embedkit.embedders.caches import with_cache
from embedkit.errors import DamagedError, StorageError
from embedkit.integrity import copy_durably
from embedkit.managed.addresses import refuse_foreign
from embedkit.protocols import Embedder
from embedkit.quantized import row_bytes
from embedkit.store.check import check, check_calibration, check_records, check_work_locked
from embedkit.store.database import (
    Connection,
    connect_writer,
    expected_commits,
    remove_database,
    transaction,
)
from embedkit.store.layout import Layout
from embedkit.store.lock import WriterLock
from embedkit.store.manifest import OWN_VECTORS, Manifest, VectorSet
from embedkit.store.passages import largest_row, texts_of_rows
from embedkit.store.published import open_vectors
from embedkit.store.publisher import Settings
from embedkit.store.restore import restore
from embedkit.store.sets import current_set, other_sets, write_set
from embedkit.store.vectors import ENTRY, VectorFile, content_key
from embedkit.store.writer import Writer
from embedkit.types import Finding

if TYPE_CHECKING:
    from embedkit.types import Keys

_BATCH = 256


def repair(layout: Layout, embedder: Embedder | None = None) -> list[Finding]:
    """Mend what is damaged and return what was done.

    Parameters
    ----------
    embedder : Embedder or None
        For vectors that must be made again; None makes it from the collection's spec.

    Raises
    ------
    DamagedError
        No manifest is sound: index the source again.
    CollectionLockedError
    """
    damaged = [finding for finding in check(layout) if not finding.ok]
    if not damaged:
        return [Finding("collection", True, "nothing was damaged")]
    done: list[Finding] = []
    with WriterLock(layout.lock, layout.root.name):
        manifest = _mend_database(layout, _sound_manifest(layout, done), done)
        _mend_vectors(layout, manifest, embedder, done)
        _mend_kept(layout, done)
        _mend_calibration(layout, done)
    with Writer(layout, Settings.of(manifest)) as writer:
        published = writer.publish(rebuild=True)
    done.append(Finding("index", True, "built again"))
    done.append(Finding("collection", True, f"published as generation {published.generation}"))
    return done


def _mend_calibration(layout: Layout, done: list[Finding]) -> None:
    """Forget what judgements told where it is damaged: only the judgements can tell it again."""
    try:
        check_calibration(layout)
    except StorageError:
        layout.calibration.unlink()
        done.append(Finding("calibration", True, "forgotten: calibrate again with the judgements"))


def _sound_manifest(layout: Layout, done: list[Finding]) -> Manifest:
    try:
        return Manifest.read(layout.manifest)
    except (FileNotFoundError, DamagedError):
        pass
    try:
        manifest = Manifest.read(layout.previous)
    except (FileNotFoundError, DamagedError):
        raise DamagedError(
            f"{layout.root} has no sound manifest left",
            do=f"delete it (embedkit collections delete {layout.root.name} --yes) and index again",
        ) from None
    copy_durably(layout.previous, layout.manifest)
    done.append(Finding("manifest", True, f"went back to that of generation {manifest.generation}"))
    return manifest


def _mend_database(layout: Layout, manifest: Manifest, done: list[Finding]) -> Manifest:
    """Mend the writer's database and return the manifest that belongs to it."""
    try:
        check_work_locked(layout, manifest)
        if _uses_published_set(layout, manifest):
            return manifest
    except StorageError:
        pass
    if expected_commits(layout) is None:
        layout.commits.unlink()
        done.append(Finding("work", True, "the count of its commits is taken anew"))
        return _mend_database(layout, manifest, done)
    sound = _sound_copy(layout, manifest)
    remove_database(layout.work)
    layout.commits.unlink(missing_ok=True)
    if sound is not None:
        source = restore(layout, sound)
        done.append(Finding("work", True, f"restored from {source.name}"))
    else:
        # The writer must find as few commits as the manifest says there are.
        sound = dataclasses.replace(manifest, records=0, commits=0, delta=None)
        sound.write(layout.manifest)
        detail = "no sound copy of the records was left: there are none now"
        done.append(Finding("work", False, detail, "index the source again: its vectors are kept"))
    _remember_sets(layout, sound, manifest)
    return sound


def _remember_sets(layout: Layout, sound: Manifest, newest: Manifest) -> None:
    """Enter into a restored database the sets of vectors that it does not know of."""
    connection = connect_writer(layout)
    try:
        with transaction(connection):
            connection.execute(
                "UPDATE meta SET value = ? WHERE key = 'vector_set'", [sound.vector_set]
            )
            known = {sound.vector_set, *(vectors.number for vectors in other_sets(connection))}
            for vectors in (*newest.sets, newest.vectors):
                if vectors.number not in known:
                    write_set(connection, vectors)
    finally:
        connection.close()


def _uses_published_set(layout: Layout, manifest: Manifest) -> bool:
    """Whether the database's records are in the set of vectors that the manifest names."""
    connection = connect_writer(layout)
    try:
        return current_set(connection) == manifest.vector_set
    finally:
        connection.close()


def _sound_copy(layout: Layout, manifest: Manifest) -> Manifest | None:
    """Return the newest manifest whose records are sound, once it is the one in force."""
    for candidate in _generations(layout, manifest):
        try:
            check_records(layout, candidate, thorough=True)
        except (StorageError, FileNotFoundError):
            continue
        if candidate.generation != manifest.generation:
            candidate.write(layout.manifest)
        return candidate
    return None


def _generations(layout: Layout, manifest: Manifest) -> Iterator[Manifest]:
    yield manifest
    try:
        yield Manifest.read(layout.previous)
    except (FileNotFoundError, DamagedError):
        return


def _mend_vectors(
    layout: Layout, manifest: Manifest, embedder: Embedder | None, done: list[Finding]
) -> None:
    """Embed again the vectors that are damaged, each in its own row."""
    connection = connect_writer(layout)
    try:
        rows = max(largest_row(connection) + 1, manifest.vector_rows)
        file = _lengthened(layout, dataclasses.replace(manifest.vectors, rows=rows))
        bad = file.damaged()
        if not len(bad):
            return
        texts = _texts(connection, bad)
    finally:
        connection.close()
    found = [
        (row, listed[0])
        for row, listed in sorted(texts.items())
        if _made(file, row, listed, manifest)
    ]
    _embed_again(file, manifest, embedder, found)
    lost = sorted(set(bad.tolist()) - {row for row, _ in found})
    _blank(file, lost)
    done.append(Finding("vectors", True, f"{len(found):,} embedded again"))
    own = sum(len(texts[row]) for row in lost if row in texts)
    if own:
        detail = f"{own:,} records have lost the vectors that you had brought for them"
        done.append(Finding("vectors", False, detail, "bring them again with upsert"))


def _mend_kept(layout: Layout, done: list[Finding]) -> None:
    """Leave the damaged rows of the sets not in use out: who uses the set makes them again."""
    connection = connect_writer(layout)
    try:
        kept = other_sets(connection)
    finally:
        connection.close()
    for vectors in kept:
        file = _lengthened(layout, vectors)
        bad = file.damaged().tolist()
        if bad:
            _blank(file, bad)
            detail = (
                f"{len(bad):,} by {vectors.model.model_id} left out: migrating to it makes them"
            )
            done.append(Finding("kept vectors", True, detail))


def _texts(connection: Connection, rows: Keys) -> dict[int, list[str]]:
    """Return the texts of the records or passages that use each of the vector rows."""
    found = connection.execute(
        f"SELECT row, list(text ORDER BY seq, part) FROM {texts_of_rows(connection)}"
        " WHERE row IN (SELECT unnest(?::BIGINT[])) GROUP BY row",
        [rows.tolist()],
    ).fetchall()
    return {int(row): texts for row, texts in found}


def _made(file: VectorFile, row: int, texts: list[str], manifest: Manifest) -> bool:
    """Whether the model made a row's vector, of the one text its records then have."""
    if manifest.model.spec == OWN_VECTORS or len(set(texts)) > 1:
        return False
    entry_is_sound = file.entry_is_sound(row)
    return not entry_is_sound or file.content(row) == content_key(texts[0])


def _embed_again(
    file: VectorFile,
    manifest: Manifest,
    embedder: Embedder | None,
    found: list[tuple[int, str]],
) -> None:
    if not found:
        return
    folder = file.paths[0].parent
    if embedder is None:
        refuse_foreign(manifest.model.spec, folder.name)
    made = with_cache(embedder or registry.create("embedder", manifest.model.spec), folder.parent)
    if made.model_id != manifest.model.model_id:
        raise DamagedError(
            f"{len(found):,} vectors are damaged and {manifest.model.model_id}, which made them, "
            f"is not here ({made.model_id} is)",
            do="install that model and repair again",
        )
    for start in range(0, len(found), _BATCH):
        part = found[start : start + _BATCH]
        result = made.embed_batch([text for _, text in part], input_type="document")
        keys = [content_key(text) for _, text in part]
        file.replace([row for row, _ in part], keys, result.vectors, result.codes)


def _blank(file: VectorFile, rows: list[int]) -> None:
    """Overwrite damaged rows that no record uses, with content that no text has."""
    nothing = np.zeros((len(rows), file.dim), np.float32)
    file.replace(rows, [b"\0" * 16] * len(rows), nothing)


def _lengthened(layout: Layout, vectors: VectorSet) -> VectorFile:
    """Open a set of vectors, its files filled up to the rows that there should be."""
    model = vectors.model
    sizes = (row_bytes(model.precision, model.dim), ENTRY.itemsize)
    for path, size in zip(layout.vectors(vectors.number, model.precision), sizes, strict=True):
        path.touch()
        if path.stat().st_size < vectors.rows * size:
            os.truncate(path, vectors.rows * size)
    return open_vectors(layout, vectors)
