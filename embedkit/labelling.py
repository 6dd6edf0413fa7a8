"""The part of a collection that reads labels of its records, and labels them."""

from __future__ import annotations

import contextlib
import time
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from embedkit.errors import ColumnError, InvalidInputError
from embedkit.pairing import Pairing
from embedkit.types import ClassifierInfo, LabellingReport

if TYPE_CHECKING:
    from embedkit.classification.classifier import Classifier
    from embedkit.classification.records import Labelled
    from embedkit.ingest.stage import Progress
    from embedkit.protocols import Embedder
    from embedkit.store.columns import Column
    from embedkit.store.view import View
    from embedkit.store.writer import Writer


_SHARED = 8192
"""Vectors that are put into the cache together."""


class Labelling(Pairing):
    """Reads labels out of the records' metadata, and writes those of a classifier there."""

    @abstractmethod
    def _writer(self) -> contextlib.AbstractContextManager[Writer]:
        """Open a writing session."""

    def classify(
        self,
        classifier: str | Classifier,
        *,
        column: str = "label",
        where: str | None = None,
        abstain_below: float = 0.0,
        precision: float | None = None,
        scope_level: float = 0.0,
        force: bool = False,
        progress: Progress | None = None,
    ) -> LabellingReport:
        """Label the records, as metadata that searches can filter by.

        Columns: the label (none where the classifier abstains), ``…_probability`` and
        ``…_abstained``. They are there all at once, or not at all. Where the collection's model is
        the classifier's, nothing is embedded; of a record of several passages, the mean of their
        vectors is classified. Indexing a source again leaves the labels, but for records whose text
        has changed: they have none until this is called again.

        Parameters
        ----------
        classifier : str or Classifier
            A name in the collection's home, or one that was opened or trained.
        column : str
            Of the label; the other two begin with it.
        where : str, optional
            SQL over the records' own columns: only these records are labelled.
        abstain_below : float
            Give no label that is less probable than this.
        precision : float, optional
            Abstain as often as it takes for that share of the answers to be right; see
            :meth:`embedkit.Classifier.classify`.
        scope_level : float
            Give no label to texts less typical than this, such as 0.05.
        force : bool
            Write over a column that came with the records.
        progress : callable, optional
            Called with (what, done, total).

        Raises
        ------
        CollectionNotFoundError, ClassifierNotFoundError, FilterError, CollectionLockedError
        ModelMismatchError
            The classifier's own model cannot be had.
        InvalidInputError
            A column that came with the records.

        Examples
        --------
        >>> questions.classify("topics", column="topic")              # doctest: +SKIP
        >>> questions.search("money", where="topic = 'refund'")       # doctest: +SKIP
        """
        from embedkit.classification.asking import Asking, Wishes, opened
        from embedkit.classification.records import label_records
        from embedkit.store.derived import check_free, write_columns

        if not isinstance(column, str) or not column.strip():
            raise InvalidInputError("expected the name of a column, got nothing")
        started = time.monotonic()
        wishes = Wishes(abstain_below, precision, scope_level=scope_level)
        asking = Asking(opened(classifier, self.home), wishes)
        types = asking.column_types(column.strip())

        def work(view: View) -> Labelled:
            check_free(view.cursor, types, force=force)
            return label_records(view, asking, where, progress)

        labelled = self._read(work)
        with self._writer() as writer:
            written = write_columns(writer, types, labelled.values, force=force)
            writer.publish()
        late = len(labelled.values) - written
        notes = [*asking.notes]
        notes += [f"{late:,} records changed meanwhile: label them again"] if late else []
        return labelled.report(
            self.name, column.strip(), time.monotonic() - started, notes=tuple(notes)
        )

    def train(
        self,
        name: str,
        label: str,
        *,
        where: str | None = None,
        multi_label: bool = False,
        separator: str = ";",
        progress: Progress | None = None,
        **options: Any,
    ) -> ClassifierInfo:
        """Train a classifier on the records whose metadata holds a label.

        It is kept in the collection's home under a name, in place of the one that has it. Texts are
        embedded only where the collection has no vectors of them that will do.

        Parameters
        ----------
        label : str
            The metadata column.
        where : str, optional
            SQL over the records' own columns: learn from these only.
        multi_label : bool
            Whether a record may have several labels.
        separator : str
            What stands between them, where they are not a list.
        progress : callable, optional
            Called with (what, done, total).
        **options
            Of :class:`embedkit.TextClassifier`; ``embedder`` is by default the collection's.

        Raises
        ------
        CollectionNotFoundError, ColumnError, FilterError, InvalidInputError, StorageError
        UnknownBackendError, MissingDependencyError
        """
        from embedkit.classification.api import train_rows
        from embedkit.classification.labelled import How, read_labelled_records

        how = How(multi_label, separator)
        rows = read_labelled_records(self, label, where=where, how=how)
        options.setdefault("embedder", self.spec)
        if isinstance(options["embedder"], str):
            self.share_vectors(rows.texts, options["embedder"])
        return train_rows(rows, name, self.home, kind="collection", progress=progress, **options)

    @property
    def spec(self) -> str | Embedder:
        """What embeds texts as this collection's were, by name where it has one.

        Raises
        ------
        UnsupportedOperationError
            The collection holds vectors of the user's own.
        """
        from embedkit.store.manifest import OBJECT, OWN_VECTORS

        known = self._existing().manifest.model.spec
        return self.embedder if known in (OBJECT, OWN_VECTORS) else known

    def share_vectors(self, texts: Sequence[str], embedder: str) -> int:
        """Put vectors that the collection has into the home's cache, to classify by.

        Returns
        -------
        int
            Of how many different texts. Where another model, or one that makes other vectors of
            texts that are to be classified, is meant, none.
        """
        import numpy as np

        from embedkit.classification.embedding import open_embedder
        from embedkit.embedders.base import tells_apart
        from embedkit.store.vectors import content_key

        made: Any = open_embedder(embedder, self.home)
        view = self._existing()
        same = made.model_id == view.manifest.model.model_id
        # What an adapter makes of a model's vectors is not cached: it costs next to nothing.
        if not same or tells_apart(made, "classification") or not hasattr(made, "keep"):
            return 0
        by_key = {content_key(text): text for text in texts}
        found = self._read(lambda view: view.vectors.find(list(by_key))) if by_key else {}
        listed = list(found.items())
        for start in range(0, len(listed), _SHARED):
            some = listed[start : start + _SHARED]
            rows = np.array([row for _, row in some], np.int64)
            vectors = np.array(view.vectors.matrix[rows], np.float32)
            made.keep([by_key[key] for key, _ in some], vectors, input_type="classification")
        return len(listed)

    def column(
        self, name: str, *, where: str | None = None
    ) -> tuple[str, list[tuple[str, str, Any]]]:
        """Return the values of a metadata column.

        Parameters
        ----------
        name : str
            In whatever case.
        where : str, optional
            SQL over the records' own columns.

        Returns
        -------
        name : str
            As it is spelled in the collection.
        rows : list of (id, text, value)
            In the order in which the records came; None where a record has no value.

        Raises
        ------
        CollectionNotFoundError, FilterError
        ColumnError
            No such column; the nearest is offered.
        """

        def work(view: View) -> tuple[str, list[tuple[str, str, Any]]]:
            from embedkit.store.columns import decode

            column = self._metadata_column(view, name)
            allowed = view.condition(where)
            rows = view.query(
                f"SELECT id, text, {column.physical} FROM records{allowed} ORDER BY seq"
            )
            return column.name, [(id, text, decode(value, column.type)) for id, text, value in rows]

        return self._read(work)

    def texts(self, *, where: str | None = None) -> list[tuple[str, str]]:
        """Return id and text of the records, in the order in which they came.

        Parameters
        ----------
        where : str, optional
            SQL over the records' own columns.

        Raises
        ------
        CollectionNotFoundError, FilterError
        """

        def work(view: View) -> list[tuple[str, str]]:
            allowed = view.condition(where)
            return view.query(f"SELECT id, text FROM records{allowed} ORDER BY seq")

        return self._read(work)

    def _metadata_column(self, view: View, name: str) -> Column:
        import difflib

        for column in view.columns:
            if column.name.casefold() == name.casefold():
                return column
        known = [column.name for column in view.columns]
        near = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        listed = f"there are: {', '.join(known)}" if known else "it has none"
        raise ColumnError(
            f"expected a metadata column of collection {self.name!r}, got {name!r}",
            do=hint + listed,
        )
