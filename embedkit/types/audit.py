"""What an audit of labelled rows finds: tables of plain rows, and what they amount to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar

from embedkit.types.runs import Estimate


@dataclass(frozen=True, slots=True)
class LabelError:
    """A row whose label is likely to be wrong, the likeliest first.

    Attributes
    ----------
    line : int
        Where the row begins in its source.
    id : str
        Empty where the source has no ids.
    label : str
        As given.
    suggested : str
        The most probable other label.
    score : float
        Probability that the label is wrong.
    p_label, p_suggested : float
        Probabilities of the two by a classifier that had not seen the row, as they would be if no
        label were wrong.
    neighbours : str
        Labels of the nearest other rows, with their counts: ``ham 7, spam 3``.
    agree : int
        How many of those have the suggested label.
    why : str
    """

    line: int
    id: str
    text: str
    label: str
    suggested: str
    score: float
    p_label: float
    p_suggested: float
    neighbours: str
    agree: int
    why: str


@dataclass(frozen=True, slots=True)
class Repeat:
    """Two rows of equal or much the same text.

    Attributes
    ----------
    kind : {"equal", "near"}
        Equal but for case, blanks and punctuation, or a cosine above the threshold.
    cosine : float
        Of their vectors; 1 for equal texts.
    """

    kind: str
    cosine: float
    line: int
    text: str
    label: str
    other_line: int
    other_text: str
    other_label: str


@dataclass(frozen=True, slots=True)
class Leak:
    """A test row that the training rows hold as well, with the nearest of them.

    Attributes
    ----------
    kind : {"equal", "near"}
    test_label : str
        Empty where the test rows have no labels.
    """

    kind: str
    cosine: float
    test_line: int
    test_text: str
    test_label: str
    train_line: int
    train_text: str
    train_label: str


@dataclass(frozen=True, slots=True)
class ClassFacts:
    """A label, the rarest first.

    Attributes
    ----------
    share : float
        Of all labelled rows.
    recall, precision : float or None
        Of a classifier on rows that it had not seen; None for a label that it never gave, or of
        one row.
    errors : int
        Rows of the label that are likely to have another.
    rare : bool
        Fewer than ten rows, or less than a tenth of an even share.
    """

    label: str
    rows: int
    share: float
    recall: float | None
    precision: float | None
    errors: int
    rare: bool


@dataclass(frozen=True, slots=True)
class Confusion:
    """Two labels that are often taken for each other, the most often first.

    Attributes
    ----------
    share : float
        Of the rows of both, how many a classifier gave the other of the two.
    first_as_second, second_as_first : int
        Rows.
    cosine : float
        Of the mean vectors of the two.
    """

    first: str
    second: str
    share: float
    first_as_second: int
    second_as_first: int
    first_rows: int
    second_rows: int
    cosine: float


@dataclass(frozen=True, slots=True)
class Spelling:
    """Two labels that may be one, written in two ways.

    Attributes
    ----------
    differ : {"case, blanks or punctuation", "one letter"}
    """

    label: str
    rows: int
    other: str
    other_rows: int
    differ: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A row to label next, the most useful first.

    Attributes
    ----------
    likely, second : str
        The two most probable labels.
    probability : float
        Of ``likely``.
    margin : float
        By how much ``likely`` is more probable than ``second``.
    nearest : float
        Cosine with the nearest labelled row.
    stands_for : int
        How many unlabelled rows are nearer to it than to any labelled or suggested one, itself
        included.
    why : {"out of scope", "uncertain", "typical"}
        Unlike all labelled rows; between two labels; or much like many that are not labelled yet.
    """

    rank: int
    line: int
    id: str
    text: str
    likely: str
    probability: float
    second: str
    margin: float
    nearest: float
    stands_for: int
    why: str


@dataclass(frozen=True, slots=True)
class LeakEffect:
    """What leakage does to accuracy on the test rows.

    Attributes
    ----------
    with_leaks : Estimate
        Accuracy on all test rows.
    without : Estimate or None
        On those that do not leak; None where all do.
    leaked : Estimate or None
        On those that do.
    """

    with_leaks: Estimate
    without: Estimate | None
    leaked: Estimate | None


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit found.

    Attributes
    ----------
    source : str
    rows : int
        Labelled rows that were looked at.
    embedder, head : str
        Of the classifier behind it.
    accuracy : Estimate
        How often it gives a row that it had not seen the label that the row has.
    noise : float
        Share of labels that are estimated to be wrong.
    errors : tuple of LabelError
        So many that recall and precision are in balance.
    expected_precision : float or None
        Share of ``errors`` that are estimated to be errors indeed; None where there are none.
    conflicts, duplicates : tuple of Repeat
        Rows of equal or much the same text with different labels, and with one and the same.
    leaks : tuple of Leak
    leak_effect : LeakEffect or None
        None where no labelled test rows were given.
    classes : tuple of ClassFacts
    confusions : tuple of Confusion
    spellings : tuple of Spelling
    suggestions : tuple of Suggestion
    notes : tuple of str
        What was set aside, sampled or cut off.
    seconds : float
    """

    TABLES: ClassVar[Mapping[str, type]] = {
        "errors": LabelError,
        "conflicts": Repeat,
        "duplicates": Repeat,
        "leaks": Leak,
        "classes": ClassFacts,
        "confusions": Confusion,
        "spellings": Spelling,
        "suggestions": Suggestion,
    }

    source: str
    rows: int
    embedder: str
    head: str
    accuracy: Estimate
    noise: float
    expected_precision: float | None
    errors: tuple[LabelError, ...] = ()
    conflicts: tuple[Repeat, ...] = ()
    duplicates: tuple[Repeat, ...] = ()
    leaks: tuple[Leak, ...] = ()
    leak_effect: LeakEffect | None = None
    classes: tuple[ClassFacts, ...] = ()
    confusions: tuple[Confusion, ...] = ()
    spellings: tuple[Spelling, ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    notes: tuple[str, ...] = field(default=())
    seconds: float = 0.0

    def table(self, name: str) -> list[dict[str, Any]]:
        """Return the rows of a table as plain values.

        Parameters
        ----------
        name : str
            A key of ``TABLES``.

        Raises
        ------
        InvalidInputError
            No such table; the nearest is offered.
        """
        if name not in self.TABLES:
            raise _no_table(name, list(self.TABLES))
        found: Sequence[Any] = getattr(self, name)
        return [asdict(row) for row in found]

    @classmethod
    def columns(cls, name: str) -> list[str]:
        """Return the columns of a table, also of one without rows."""
        return [column.name for column in fields(cls.TABLES[name])]

    def to_dict(self) -> dict[str, Any]:
        """Return the audit as plain values, in the order of its fields."""
        return asdict(self) | {name: self.table(name) for name in self.TABLES}

    def write(self, folder: str | Path, *, force: bool = False) -> list[Path]:
        """Write each table to a CSV file that a spreadsheet opens, ``errors.csv`` and so on.

        Parameters
        ----------
        force : bool
            Write over files that are there.

        Returns
        -------
        list of Path
            The files; a table that was not asked for (``leaks``, ``suggestions``) without rows has
            none.

        Raises
        ------
        InvalidInputError
            A file is there already.
        StorageError
        """
        from embedkit.classification.audit.sheets import write_sheets

        return write_sheets(self, Path(folder), force=force)


def _no_table(name: str, known: list[str]) -> Exception:
    import difflib

    from embedkit.errors import InvalidInputError

    near = difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return InvalidInputError(
        f"expected a table of the audit, got {name!r}", do=f"{hint}there are: {', '.join(known)}"
    )
