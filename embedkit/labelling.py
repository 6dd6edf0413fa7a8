"""The part of a collection that reads and writes columns of labels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embedkit.errors import ColumnError
from embedkit.pairing import Pairing

if TYPE_CHECKING:
    from embedkit.store.columns import Column
    from embedkit.store.view import View


class Labelling(Pairing):
    """Reads labels out of the records' metadata."""

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
