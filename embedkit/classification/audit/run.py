"""The audit as a whole: what :func:`embedkit.audit_labels` does."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedkit.classification.audit.classes import class_facts, confusions, spellings
from embedkit.classification.audit.evidence import AUTO, LARGE, Evidence, chosen, fit_all, gather
from embedkit.classification.audit.leakage import effect, leaks, share
from embedkit.classification.audit.mislabelled import label_errors
from embedkit.classification.audit.repeats import repeats
from embedkit.classification.audit.rows import PlainRows, as_test, of_collection, read_plain
from embedkit.classification.audit.suggest import candidates, suggest
from embedkit.classification.fitted import make_head
from embedkit.classification.labelled import LabelledRows
from embedkit.protocols import Head
from embedkit.types.audit import Audit, Leak, LeakEffect, Suggestion

if TYPE_CHECKING:
    from embedkit.types import Vectors

Progress = Callable[[str, int, int], None]
Embed = Callable[[Sequence[str]], "Vectors"]


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a person may choose of an audit.

    Attributes
    ----------
    head : str
        Spec of the head that is cross-validated.
    folds : int
    near : float
        Least cosine of near texts.
    next : int
        How many rows to suggest for labelling.
    errors : int or None
        How many rows to tell that may have a wrong label; None for as many as are likely to.
    seed : int
    """

    head: str = AUTO
    folds: int = 10
    near: float = 0.95
    next: int = 20
    errors: int | None = None
    seed: int = 0


def audit(
    rows: LabelledRows,
    embed: Embed,
    model: str,
    wishes: Wishes,
    *,
    test: PlainRows | None = None,
    unlabelled: PlainRows | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Ask everything of labelled rows.

    Parameters
    ----------
    embed : callable
        Gives the unit vectors of texts, shape (n, dim).
    model : str
        What embeds, for the report.
    test, unlabelled : PlainRows, optional

    Raises
    ------
    InvalidInputError
        Rows of one label only.
    """
    started = time.monotonic()
    show = progress or (lambda _stage, _done, _total: None)
    vectors = embed(rows.texts)
    show("cross-validating", 0, 0)
    evidence = gather(
        rows.texts,
        [str(label) for label in rows.labels],
        rows.lines,
        rows.ids,
        vectors,
        head=wishes.head,
        folds=wishes.folds,
        seed=wishes.seed,
    )
    errors, precision = label_errors(evidence, wishes.errors)
    show("comparing", 0, 0)
    conflicts, duplicates, cut_off = repeats(evidence, wishes.near)
    notes = [*rows.notes, *rows.set_aside(), *cut_off]
    if len(rows) > LARGE:
        notes.append(f"heads learned from random {LARGE:,} rows, in three folds")
    fitted = lru_cache(lambda: fit_all(evidence, seed=wishes.seed))
    leaked, changed = _leakage(evidence, test, embed, fitted, wishes.near, notes)
    right = evidence.probabilities.argmax(axis=1) == evidence.targets
    return Audit(
        source=rows.source,
        rows=len(rows),
        embedder=model,
        head=evidence.head,
        accuracy=share(right),
        noise=round(evidence.noise.rate, 4),
        expected_precision=None if precision is None else round(precision, 4),
        errors=tuple(errors),
        conflicts=tuple(conflicts),
        duplicates=tuple(duplicates),
        leaks=tuple(leaked),
        leak_effect=changed,
        classes=tuple(class_facts(evidence)),
        confusions=tuple(confusions(evidence)),
        spellings=tuple(spellings(dict(rows.counts()))),
        suggestions=tuple(_suggestions(evidence, unlabelled, embed, fitted, wishes, notes)),
        notes=tuple(notes),
        seconds=round(time.monotonic() - started, 3),
    )


def _leakage(
    evidence: Evidence,
    test: PlainRows | None,
    embed: Embed,
    fitted: Callable[[], Head],
    near: float,
    notes: list[str],
) -> tuple[list[Leak], LeakEffect | None]:
    if test is None:
        return [], None
    notes += test.notes()
    held = as_test(test, embed(test.texts))
    told, leaked = leaks(evidence, held, near)
    return told, effect(evidence, held, leaked, fitted)


def _suggestions(
    evidence: Evidence,
    rows: PlainRows | None,
    embed: Embed,
    fitted: Callable[[], Head],
    wishes: Wishes,
    notes: list[str],
) -> list[Suggestion]:
    if rows is None:
        return []
    free = candidates(rows, evidence, notes, seed=wishes.seed)
    if not free.texts:
        return []
    vectors = embed(free.texts)
    return suggest(evidence, fitted(), free, vectors, wishes.next, seed=wishes.seed)


def audit_labels(
    source: Any,
    *,
    text: str | Sequence[str] | None = None,
    label: str | None = None,
    id: str | None = None,
    test: Any = None,
    unlabelled: Any = None,
    embedder: Any = "minilm",
    head: str = AUTO,
    folds: int = 10,
    near: float = 0.95,
    next: int = 20,
    errors: int | None = None,
    home: str | Path | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Look for what is wrong with labelled rows: wrong labels, repeats, leaks, rare classes.

    Nothing is changed: the audit says what a person should look at. It embeds each text once, and
    running it again embeds nothing.

    Parameters
    ----------
    source
        What :meth:`Collection.index` takes: a file, a frame, rows. Rows without a label or a text
        are set aside and counted in the notes. A :class:`Collection` is taken, too; its label is
        then a metadata column.
    text, label, id : str, optional
        The columns. Found by themselves where that is safe.
    test, optional
        Test rows, with the same columns: which of them are in ``source``, too?
    unlabelled, optional
        Rows without a label, of which the most useful are suggested for labelling. Rows that have
        one are passed over, so ``source`` itself may be given.
    embedder : str or Embedder
        Not one that was tuned on the same labels: it would confirm the wrong ones.
    head : str
        Spec of the head that is cross-validated. ``"auto"``: ``kernel`` up to 12,000 rows,
        ``joined`` beyond.
    folds : int
        Of cross-validation, at least 2; the head ``kernel`` leaves out one text after the other,
        which costs it less. Beyond 20,000 rows there are three, and each learns from a
        random 20,000; the notes say so.
    near : float
        Least cosine of texts that are called near, above 0 and at most 1.
    next : int
        How many rows to suggest.
    errors : int, optional
        How many rows to tell that may have a wrong label, the likeliest first. Default: as many as
        balance recall and precision, none where no label is likely to be wrong.
    home : str or Path, optional
        Whose vector cache is used.
    progress : callable, optional
        Called with (what, done, total).

    Raises
    ------
    SourceError, ColumnError, InvalidInputError
    UnknownBackendError, MissingDependencyError, CredentialsError

    Examples
    --------
    >>> found = embedkit.audit_labels("questions.csv", label="topic")    # doctest: +SKIP
    >>> found.errors[0].text, found.errors[0].suggested                  # doctest: +SKIP
    >>> found.write("audit")                                             # doctest: +SKIP
    """
    from embedkit import catalog
    from embedkit.classification.embedding import embed_for, open_embedder
    from embedkit.pairs.join import check_threshold
    from embedkit.validate import check_k

    wishes = Wishes(
        head,
        check_folds(folds),
        check_threshold(near),
        check_k(next, "next"),
        None if errors is None else check_k(errors, "errors"),
    )
    make_head(
        chosen(head, 0), "single"
    )  # a spec that cannot be meant is refused before anything is read
    place = catalog.resolve_home(home)
    opened = open_embedder(embedder, place)
    rows = _read(source, text, label, id, progress)
    if isinstance(embedder, str) and embedder.startswith("adapter:"):
        rows.notes.append(f"if {embedder} learned from these labels, it confirms the wrong ones")
    given = [None if other is None else _plain(other, rows) for other in (test, unlabelled)]
    return audit(
        rows,
        lambda texts: embed_for(opened, texts, place, progress=progress),
        opened.model_id,
        wishes,
        test=given[0],
        unlabelled=given[1],
        progress=progress,
    )


def check_folds(folds: Any) -> int:
    """Return the folds, a whole number of at least 2.

    Raises
    ------
    InvalidInputError
    """
    from embedkit.errors import InvalidInputError
    from embedkit.validate import check_k

    if check_k(folds, "folds") < 2:
        raise InvalidInputError("expected at least 2 folds, got 1", do="10 are usual")
    return int(folds)


def _read(
    source: Any,
    text: str | Sequence[str] | None,
    label: str | None,
    id: str | None,
    progress: Progress | None,
) -> LabelledRows:
    from embedkit.classification.labelled import read_labelled, read_labelled_records
    from embedkit.collection import Collection
    from embedkit.errors import InvalidInputError

    if not isinstance(source, Collection):
        return read_labelled(source, text=text, label=label, id=id, progress=progress)
    if label is None:
        raise InvalidInputError(
            "expected the metadata column that holds the label, got none", do="pass label="
        )
    return read_labelled_records(source, label)


def _plain(source: Any, like: LabelledRows) -> PlainRows:
    from embedkit.collection import Collection

    if isinstance(source, Collection):
        return of_collection(source, like)
    return read_plain(source, like)
