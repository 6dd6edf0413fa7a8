"""The part of a collection that reads labels of its records, and labels them."""

from __future__ import annotations

import contextlib
import time
from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from embedkit.errors import ColumnError, InvalidInputError
from embedkit.pairing import Pairing
from embedkit.types import LabellingReport

if TYPE_CHECKING:
    from embedkit.classification.classifier import Classifier
    from embedkit.classification.records import Labelled
    from embedkit.ingest.stage import Progress
    from embedkit.store.columns import Column
    from embedkit.store.view import View
    from embedkit.store.writer import Writer


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
