"""An index of words on disk, made by tantivy; immutable once it is sealed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.errors import DamagedError, FormatVersionError
from embedkit.indexes import files
from embedkit.integrity import storage_error
from embedkit.lexical import words
from embedkit.lexical.words import Asked

if TYPE_CHECKING:
    import tantivy

    from embedkit.types import Keys, Mask, Scores

Texts = Iterable[tuple["Keys", Sequence[str]]]
"""Batches of texts, each with its row."""
FORMAT = 1
HEAP = 64_000_000
"""Bytes that tantivy gathers before it writes a segment."""
SMALL_HEAP = 15_000_000
FEW = 256
"""Allowed rows up to which tantivy is given them; of more, what it finds is filtered."""
TIES = 64
"""Hits looked at beyond those asked for, lest equal ones be cut in the order of the disk."""
FIELD, ROW = "text", "row"
REBUILD = "rebuild the index: it can always be made again from the texts"


class LibraryError(DamagedError):
    """Tantivy failed on files that are the ones written."""


@contextlib.contextmanager
def guarded(folder: Path | str, doing: str) -> Iterator[None]:
    """Turn what tantivy raises, its panics too, into our errors."""
    try:
        yield
    except (DamagedError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except OSError as error:
        raise storage_error(error, folder, doing=doing) from error
    except BaseException as error:
        ours = isinstance(error, (ValueError, RuntimeError)) or "Panic" in type(error).__name__
        if not ours:
            raise
        raise LibraryError(f"tantivy cannot {doing} {folder}: {error}", do=REBUILD) from error


def _schema() -> tantivy.Schema:
    import tantivy

    builder = tantivy.SchemaBuilder()
    builder.add_text_field(FIELD, tokenizer_name="words", index_option="position")
    builder.add_integer_field(ROW, indexed=True, fast=True)
    return builder.build()


@dataclass(frozen=True, slots=True)
class About:
    """What an index of words holds.

    Attributes
    ----------
    rows : bool array, shape (n,)
        Which rows it covers.
    digests : uint64 array, shape (n,), or None
        Of the text of each row, where a row may come to have another text.
    length : int
        Terms of all its texts together.
    """

    rows: Mask
    digests: Any
    length: int

    def save(self, folder: Path) -> None:
        """Write it beside the index, and seal the folder."""
        head = {"format": FORMAT, "analysis": words.ANALYSIS, "n": len(self.rows)}
        head |= {"length": self.length, "digests": self.digests is not None}
        (folder / "words.json").write_text(json.dumps(files.signed(head)), encoding="utf-8")
        np.save(folder / "rows.npy", np.packbits(self.rows), allow_pickle=False)
        if self.digests is not None:
            np.save(folder / "digests.npy", self.digests, allow_pickle=False)
        files.seal(folder)

    @classmethod
    def load(cls, folder: Path) -> About:
        """Read what ``save`` wrote, checked first."""
        wanted = ("words.json", "rows.npy", "digests.npy")
        files.check(folder, do=REBUILD, only=wanted.__contains__)
        head = files.read_signed(folder / "words.json", do=REBUILD)
        if (head["format"], head["analysis"]) != (FORMAT, words.ANALYSIS):
            raise FormatVersionError(f"{folder} was made by another embedkit", do=REBUILD)
        n = int(head["n"])
        rows = np.unpackbits(np.load(folder / "rows.npy"), count=n).astype(np.bool_)
        digests = np.load(folder / "digests.npy") if head["digests"] else None
        return cls(rows, digests, int(head["length"]))


def write(
    folder: Path,
    texts: Texts,
    rows: Mask,
    *,
    digests: Any = None,
    base: Path | None = None,
    remove: Keys | None = None,
) -> None:
    """Make an index of words in a folder, which is created, durable and sealed.

    Parameters
    ----------
    folder : Path
    texts : iterable of (rows, texts)
        What is added.
    rows : bool array, shape (n,)
        Which rows it then covers.
    digests : uint64 array, shape (n,), optional
    base : Path, optional
        An index to start from, checked before. Its files are shared, not copied, where the file
        system can: tantivy never changes one.
    remove : int64 array, optional
        Rows of the base that go.
    """
    import tantivy

    with guarded(folder, "write"):
        inner = folder / "tantivy"
        inner.mkdir(parents=True)
        length = 0
        if base is not None:
            length = About.load(base).length
            _share(base / "tantivy", inner)
        index = tantivy.Index(_schema(), path=str(inner))
        analyzer = words.analyzer()
        index.register_tokenizer("words", analyzer)
        writer = index.writer(heap_size=SMALL_HEAP if base else HEAP, num_threads=1)
        for row in () if remove is None else remove.tolist():
            writer.delete_documents_by_term(ROW, row)
        for some, listed in texts:
            for row, text in zip(some.tolist(), map(words.cut, listed), strict=True):
                length += len(text.split())
                writer.add_document(tantivy.Document(row=row, text=text))
        writer.commit()
        writer.wait_merging_threads()
        for lock in inner.glob(".tantivy-*.lock"):
            lock.unlink()
        About(rows, digests, length).save(folder)


def _share(source: Path, target: Path) -> None:
    for path in source.iterdir():
        if path.suffix == ".lock":
            continue
        if path.suffix != ".json":
            with contextlib.suppress(OSError):
                os.link(path, target / path.name)
                continue
        shutil.copyfile(path, target / path.name)


class Base:
    """An index of words, opened. Several threads may search it at once.

    Parameters
    ----------
    folder : Path
        Checked wholly before tantivy sees it.

    Raises
    ------
    DamagedError
    FormatVersionError
    """

    def __init__(self, folder: Path) -> None:
        import tantivy

        files.check(folder, do=REBUILD)
        self.about = About.load(folder)
        with guarded(folder, "read"), _readable(folder / "tantivy") as path:
            index = tantivy.Index.open(path)
            index.register_tokenizer("words", words.analyzer())
            index.config_reader("manual")
            index.reload()
            self._searcher = index.searcher()
        self._schema = index.schema
        self._lock = threading.Lock()
        self._frequencies: dict[str, int] = {}
        self.texts = int(self._searcher.num_docs)
        self.mean = self.about.length / max(1, int(np.count_nonzero(self.about.rows)))

    def holding(self, term: str) -> int:
        """Return how many texts hold a term."""
        return int(self._searcher.doc_freq(FIELD, term))

    def vocabulary(self, prefix: str) -> list[tuple[str, int]]:
        """Return the terms that begin so, and how many texts hold each."""
        return list(self._searcher.terms_with_prefix(FIELD, prefix, limit=100_000))

    def search(self, asked: Asked, n: int, allow: Mask | None) -> tuple[Keys, Scores]:
        """Return the n best rows and their BM25, best first, equal ones by their number.

        Parameters
        ----------
        allow : bool array, shape (rows of the base,), or None
            Only these rows count.
        """
        query = self._query(asked)
        if query is None or not self.texts:
            return np.empty(0, np.int64), np.empty(0, np.float32)
        with guarded("the index of words", "search"):
            if allow is not None:
                allowed = np.flatnonzero(allow)
                if len(allowed) <= FEW:
                    return self._few(query, n, allowed)
            return self._widened(query, n, allow)

    def _few(self, query: tantivy.Query, n: int, allowed: Keys) -> tuple[Keys, Scores]:
        import tantivy

        kinds, must = tantivy.Query, tantivy.Occur.Must
        if not len(allowed):
            return np.empty(0, np.int64), np.empty(0, np.float32)
        among = kinds.const_score_query(
            kinds.term_set_query(self._schema, ROW, allowed.tolist()), 0.0
        )
        both = kinds.boolean_query([(must, query), (must, among)])
        rows, scores = self._hits(both, len(allowed))
        return rows[:n], scores[:n]

    def _widened(self, query: tantivy.Query, n: int, allow: Mask | None) -> tuple[Keys, Scores]:
        share = 1.0 if allow is None else max(np.count_nonzero(allow) / len(allow), 1e-9)
        depth = min(self.texts, int(1.5 * n / share) + TIES)
        while True:
            rows, scores = self._hits(query, depth)
            last = scores[-1] if len(scores) else 0.0
            whole = len(rows) < depth or depth >= self.texts
            if allow is not None:
                kept = allow[rows]
                rows, scores = rows[kept], scores[kept]
            if whole or (len(rows) > n and scores[n - 1] > last):
                return rows[:n], scores[:n]
            if len(rows) > n and depth > 16 * n + 16 * TIES:
                return rows[:n], scores[:n]  # so many equal ones that any of them will do
            depth = min(self.texts, depth * 4)

    def _hits(self, query: tantivy.Query, depth: int) -> tuple[Keys, Scores]:
        hits = self._searcher.search(query, limit=depth, count=False).hits
        scores = np.fromiter((score for score, _ in hits), np.float32, len(hits))
        found = self._searcher.fast_field_values(ROW, [address for _, address in hits])
        rows = np.array(found, np.int64)
        order = np.lexsort((rows, -scores))
        return rows[order], scores[order]

    def _query(self, asked: Asked) -> tantivy.Query | None:
        import tantivy

        kinds, should = tantivy.Query, tantivy.Occur.Should
        parts = []
        for term, times in asked.terms.items():
            part = kinds.term_query(self._schema, FIELD, term, "freq")
            parts.append(part if times == 1 else kinds.boost_query(part, times))
        for terms in asked.alike.values():
            alike = [kinds.term_query(self._schema, FIELD, term, "freq") for term in terms]
            parts.append(kinds.boost_query(kinds.disjunction_max_query(alike), asked.ALIKE))
        for phrase in asked.phrases:
            whole = kinds.phrase_query(self._schema, FIELD, list(phrase))
            parts.append(kinds.boost_query(whole, asked.PHRASE))
        return kinds.boolean_query([(should, part) for part in parts]) if parts else None


@contextlib.contextmanager
def _readable(folder: Path) -> Iterator[str]:
    """Yield a folder in which tantivy can make its lock: this one, or one that points into it."""
    if os.access(folder, os.W_OK):
        yield str(folder)
        return
    with tempfile.TemporaryDirectory(prefix="embedkit-") as other:
        for path in folder.iterdir():
            if path.name.startswith(".tantivy"):
                continue  # a lock, which is to be made here
            with contextlib.suppress(FileExistsError):
                (Path(other) / path.name).symlink_to(path.resolve())
        yield other
