"""The index of words of a generation: made with it, opened with it, never older than it.

The index on disk need not cover every row: what is newer is read from the records and searched
beside it, so a publication seldom writes anything here, and a search misses nothing.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.errors import DamagedError, EmbedkitError
from embedkit.integrity import FileDigest
from embedkit.lexical.base import About, Base, LibraryError, Texts, write
from embedkit.lexical.index import LexicalIndex
from embedkit.store.manifest import OWN_VECTORS, IndexEntry, Manifest
from embedkit.store.passages import texts_of_rows
from embedkit.store.sets import has_own_vectors

if TYPE_CHECKING:
    from embedkit.store.database import Connection
    from embedkit.store.layout import Layout
    from embedkit.store.publisher import Publisher
    from embedkit.types import Keys, Mask

_log = logging.getLogger("embedkit")
SPEC = "bm25"
WITH_DIGESTS = "bm25 with digests"
"""What the index resolves to where a row's text may change."""
LEAST_TAIL = 512
"""Rows that are read from memory rather than from disk: as many are there in a few milliseconds."""
REMOVED_SHARE = 0.25
"""Share of deleted rows in the index past which it is built anew: they blur its statistics."""
_BATCH = 5000


# -- texts --------------------------------------------------------------------------------------


def row_texts(
    connection: Connection, rows: Keys, n: int, *, own: bool
) -> Iterator[tuple[Keys, list[str]]]:
    """Yield the text of each of some vector rows, in batches.

    Parameters
    ----------
    rows : int64 array
        In use by some record.
    n : int
        Vector rows that there are.
    own : bool
        Some vectors are the user's, so that records of one row may have different texts; all of
        them are its text.
    """
    if not len(rows):
        return
    wanted = np.zeros(n, np.bool_)
    wanted[rows] = True
    few, some = len(rows) <= LEAST_TAIL, len(rows) <= n // 8
    query = f"SELECT row, text FROM {texts_of_rows(connection)}"
    if few or some:
        query += " WHERE row IN (SELECT unnest(?::BIGINT[]))"
    if own or few:
        query = (
            "SELECT row, string_agg(DISTINCT text, '\n' ORDER BY text)"
            f" FROM ({query}) AS t(row, text) GROUP BY row"
        )
    # No cursor of its own: it would not know which database is in use.
    connection.execute(query, [rows.tolist()] if few or some else [])
    while batch := connection.fetchmany(_BATCH):
        taken: dict[int, str] = {}
        for row, text in batch:
            if wanted[row]:
                wanted[row] = False  # records of one text share a row
                taken[row] = text
        yield np.fromiter(taken, np.int64, len(taken)), list(taken.values())


def _digests(connection: Connection, n: int, *, own: bool) -> Any:
    """Return a digest of each row's text where that may change, shape (n,), else None."""
    if not own:
        return None
    found = connection.execute(
        "SELECT row, (sum(d::HUGEINT) % 18446744073709551557)::UBIGINT AS d"
        " FROM (SELECT DISTINCT row, md5_number_lower(text) AS d"
        f" FROM {texts_of_rows(connection)}) GROUP BY row"
    ).fetchnumpy()
    digests = np.zeros(n, np.uint64)
    digests[np.asarray(found["row"], np.int64)] = np.asarray(found["d"], np.uint64)
    return digests


def _difference(about: About, live: Mask, digests: Any) -> tuple[Keys, Keys]:
    """Return the rows whose text an index does not have, and those of which it has a wrong one."""
    covered = np.zeros(max(len(live), len(about.rows)), np.bool_)
    covered[: len(about.rows)] = about.rows
    wanted = np.zeros_like(covered)
    wanted[: len(live)] = live
    right = covered & wanted
    if digests is not None:
        n = min(len(digests), len(about.rows))
        same = np.zeros_like(covered)
        if about.digests is not None:
            same[:n] = digests[:n] == about.digests[:n]
        right &= same
    return np.flatnonzero(wanted & ~right), np.flatnonzero(covered & ~right)


def _blurred(about: About, stale: Keys) -> bool:
    """Whether so many rows are to be taken out of an index that it is built anew."""
    return len(stale) > max(LEAST_TAIL, REMOVED_SHARE * np.count_nonzero(about.rows))


@dataclass(frozen=True, slots=True)
class Slack:
    """How many rows may change until an index must be compared with the records again."""

    entry: IndexEntry
    rows: int

    def covers(self, entry: IndexEntry) -> bool:
        """Whether that index need not be looked at."""
        return self.entry == entry and self.rows >= 0

    def less(self, changed: int) -> Slack:
        """Return what is left after some changes."""
        return Slack(self.entry, self.rows - changed)


# -- writing ------------------------------------------------------------------------------------


def update_lexical(
    writer: Publisher, generation: int, live: Mask, *, build: bool, rebuild: bool
) -> IndexEntry | None:
    """Return the index of words for a generation that is about to be published.

    Parameters
    ----------
    build : bool
        Make or extend it where that pays; otherwise new texts are searched beside it meanwhile.
    rebuild : bool
        Make it anew in any case.
    """
    manifest, layout, connection = writer.manifest, writer.layout, writer.connection
    entry = manifest.lexical if manifest else None
    if manifest and manifest.vector_set != writer.vector_set:
        entry = None  # its rows are others
    if not build and not rebuild:
        return entry
    own = writer.settings.model.spec == OWN_VECTORS or has_own_vectors(connection)
    resolved = WITH_DIGESTS if own else SPEC
    slack = writer.lexical_slack
    fits = entry is not None and not rebuild and entry.resolved == resolved
    if entry is not None and fits and slack is not None and slack.covers(entry):
        return entry
    digests = _digests(connection, len(live), own=own)
    start = _Start(None, np.flatnonzero(live))
    if entry is not None and not rebuild:
        start = _start(layout, entry, live, digests)
        if start.serves:
            writer.lexical_slack = Slack(entry, LEAST_TAIL - len(start.missing))
            return entry
    if start.base is None and len(start.missing) <= LEAST_TAIL:
        return None
    folder = layout.lexical(generation)
    shutil.rmtree(folder, ignore_errors=True)
    texts = row_texts(connection, start.missing, len(live), own=own)
    try:
        write(folder, texts, live, digests=digests, base=start.base, remove=start.stale)
    except LibraryError as error:
        # The library's failure must not cost the records.
        if rebuild:
            raise
        _log.warning("the index of words could not be made: %s", error.message)
        shutil.rmtree(folder, ignore_errors=True)
        return None
    return IndexEntry(folder.name, SPEC, resolved, FileDigest.of(folder / "files.json"))


@dataclass(frozen=True, slots=True)
class _Start:
    """What an index is made from: a base or none, the rows to add and the rows to take out."""

    base: Path | None
    missing: Keys
    stale: Keys | None = None
    serves: bool = False
    """Whether the base will do as it is."""


def _start(layout: Layout, entry: IndexEntry, live: Mask, digests: Any) -> _Start:
    """Return whether an index still serves, is to be extended or to be built anew."""
    try:
        about = About.load(_checked(layout, entry))
    except EmbedkitError as error:
        _log.warning("the index of words is made anew: %s", error)
        return _Start(None, np.flatnonzero(live))
    missing, stale = _difference(about, live, digests)
    if _blurred(about, stale):
        return _Start(None, np.flatnonzero(live))
    return _Start(layout.root / entry.folder, missing, stale, len(missing) <= LEAST_TAIL)


def _checked(layout: Layout, entry: IndexEntry) -> Path:
    folder = layout.root / entry.folder
    entry.files.check(folder / "files.json")
    return folder


# -- reading ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class HeldLexical:
    """The index of words that a view has open, with what it was opened from."""

    entry: IndexEntry | None
    base: Base | None
    index: LexicalIndex
    made: Any = None
    """The folder of a base that was made for this process alone."""


def open_base(layout: Layout, manifest: Manifest, earlier: HeldLexical | None) -> Base | None:
    """Open the index of words of a generation, every file checked first; None where it has none.

    Raises
    ------
    DamagedError
    """
    entry = manifest.lexical
    if entry is None:
        return None
    if earlier is not None and earlier.entry == entry:
        return earlier.base
    try:
        return Base(_checked(layout, entry))
    except EmbedkitError as error:
        name = layout.root.name
        raise DamagedError(
            f"the index of words of {name!r} cannot be used ({error.message})",
            do=f"one is made in memory meanwhile; mend it with: embedkit rebuild {name}",
        ) from error


def hold_lexical(
    manifest: Manifest,
    connection: Connection,
    live: Mask,
    base: Base | None,
    earlier: HeldLexical | None,
) -> HeldLexical:
    """Return the index of words over the live rows of a generation.

    Without a base, and with more texts than a search should read, one is made for this process; it
    serves later generations too, as long as few texts differ.
    """
    own = manifest.model.spec == OWN_VECTORS or has_own_vectors(connection)
    made, missing = None, np.flatnonzero(live)
    many = len(missing) > LEAST_TAIL
    if earlier is not None and earlier.made is not None and base in (None, earlier.base):
        base, made = earlier.base, earlier.made
    # An index on disk has none where its rows keep their texts. One made here always has: it may
    # be of a collection that was deleted since, or of the rows of another model.
    told = many if base is None else base.about.digests is not None
    digests = _digests(connection, len(live), own=told)
    if base is not None:
        differ, stale = _difference(base.about, live, digests)
        if made is not None and (len(differ) > LEAST_TAIL or _blurred(base.about, stale)):
            base, made = None, None
        else:
            missing = differ
    if base is None and many:
        base, made = _made(row_texts(connection, missing, len(live), own=own), live, digests)
        missing = missing[:0]
    texts = row_texts(connection, missing, len(live), own=own)
    index = LexicalIndex.of(live, base, texts, earlier.index if earlier is not None else None)
    return HeldLexical(manifest.lexical, base, index, made)


def _made(texts: Texts, live: Mask, digests: Any) -> tuple[Base, Any]:
    """Return an index of words in a folder that is deleted when nobody holds it any more."""
    made = tempfile.TemporaryDirectory(prefix="embedkit-", ignore_cleanup_errors=True)
    folder = Path(made.name) / "lexical"
    write(folder, texts, live, digests=digests)
    return Base(folder), made
