"""Learn an adapter for an embedder, and tell whether it helps."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit import catalog, registry
from embedkit.adapters.adapter import KEEP, Adapter
from embedkit.adapters.files import (
    ADAPTER,
    SavedAdapter,
    digest_of,
    refuse_taken,
    write_adapter,
)
from embedkit.adapters.held_out import Found, measure_labels, measure_pairs
from embedkit.classification.embedding import Progress, embed_for, open_embedder
from embedkit.errors import InvalidInputError
from embedkit.protocols import Embedder
from embedkit.store.manifest import OBJECT, Model
from embedkit.threads import single_threaded_products
from embedkit.types import AdapterReport, InputType

if TYPE_CHECKING:
    from embedkit.types import Mask, Vectors

FEW = 100
"""With fewer rows, what was measured is a hint at best."""


def fit_adapter(
    texts: Sequence[str] | None = None,
    labels: Sequence[Any] | None = None,
    *,
    pairs: Sequence[tuple[str, str]] | None = None,
    same: Sequence[bool] | None = None,
    name: str | None = None,
    embedder: str | Embedder = "minilm",
    home: str | Path | None = None,
    input_type: InputType | None = None,
    keep: float = KEEP,
    force: bool = False,
    seed: int = 0,
    progress: Progress | None = None,
) -> SavedAdapter:
    """Learn an adapter from labelled texts, or from pairs of texts, and measure whether it helps.

    The model of the embedder stays as it is: what is learned moves its vectors. So it works for
    managed models too, and texts whose vectors are in the home's cache are not embedded again.

    Parameters
    ----------
    texts, labels : sequences, length n
        Texts and the label of each; rows without one are left out.
    pairs : sequence of (str, str)
        In place of labels: texts that belong together.
    same : sequence of bool, optional
        Whether the two of a pair mean the same. Default: all do.
    name : str, optional
        Under which it is kept in the home, to be used as ``adapter:NAME``. Default: it is not kept.
    embedder : str or Embedder
        The model to be adapted.
    home : str or Path, optional
        Default: as everywhere.
    input_type : {"document", "query", "classification", "clustering"}, optional
        What the texts are embedded as, where the model makes a difference. Default:
        ``"classification"`` for labels, ``"document"`` for pairs.
    keep : float
        How much vectors are held where they were. More changes other searches less.
    force : bool
        Whether an adapter of that name may be replaced.
    seed : int
        Equal ones learn equal adapters.
    progress : callable, optional
        Called with (what, done, total).

    Returns
    -------
    SavedAdapter
        ``report`` says whether it helped: measured on rows held out, by adapters that had not seen
        them. The adapter itself is then learned from all rows.

    Notes
    -----
    What gains most is finding neighbours; a head on all the vectors gains little or nothing. Texts
    that are unlike all that was learned from are found as before. Where what was learned from is of
    all kinds, as general questions are, other searches can suffer: compare them, or raise ``keep``.
    ``benchmarks/adapters.py`` measures all of this.

    Raises
    ------
    InvalidInputError
        Neither labels nor pairs, fewer than two labels, or a name that is taken.
    CredentialsError, ProviderError
        Of a managed embedder.

    Examples
    --------
    >>> texts = ["my card is lost", "card stolen", "where is my parcel", "parcel late"]
    >>> labels = ["card", "card", "parcel", "parcel"]
    >>> embedkit.fit_adapter(texts, labels, embedder="hashing").report.helped
    'no'
    """
    place = catalog.resolve_home(home)
    if name is not None:
        refuse_taken(place, name, force=force)
    made = _opened(embedder, place)
    telling = progress or (lambda what, done, total: None)

    def embed(some: Sequence[str], kind: InputType) -> Vectors:
        return embed_for(made, some, place, input_type=kind, progress=telling)

    if pairs is not None:
        if texts is not None or labels is not None or not len(pairs):
            raise InvalidInputError("expected either texts with labels or pairs, and some of them")
        kind = input_type or "document"
        learned = _from_pairs(
            pairs, same, lambda some: embed(some, kind), Adapter(keep=keep), seed, telling
        )
    elif texts is not None and labels is not None:
        kind = input_type or "classification"
        learned = _from_labels(
            texts, labels, lambda some: embed(some, kind), Adapter(keep=keep), seed, telling
        )
    else:
        raise InvalidInputError("expected texts with labels, or pairs", do="give labels=…")
    adapter, report = learned
    spec = embedder if isinstance(embedder, str) else OBJECT
    model = Model(spec, made.model_id, adapter.dim)
    if name is not None:
        return write_adapter(ADAPTER.place_of(place, name), adapter, model, report)
    return SavedAdapter("", adapter, model, digest_of(model, adapter.state()), report)


def _from_labels(
    texts: Sequence[str],
    labels: Sequence[Any],
    embed: Callable[[Sequence[str]], Vectors],
    adapter: Adapter,
    seed: int,
    progress: Progress,
) -> tuple[Adapter, AdapterReport]:
    from embedkit.classification.training import usable

    rows = usable(texts, labels)
    if rows.labels.task == "multi":
        raise InvalidInputError("expected one label a text, got several for some")
    targets, count = rows.targets.astype(np.int64), len(rows.labels)
    vectors = embed(rows.texts)
    begun = process_time()
    # A step is a few small products, between which threads would but wait.
    with single_threaded_products():
        found = measure_labels(adapter.keep, vectors, targets, count, rows.texts, seed, progress)
        progress("learning", 0, 0)
        adapter.fit(vectors, targets, count, rounds=found.rounds, seed=seed)
    notes = tuple(f"{one.rows:,} rows left out: {one.reason}" for one in rows.set_aside)
    report = _report("labels", len(targets), count, adapter, found, begun)
    return adapter, dataclasses.replace(report, notes=(*report.notes, *notes))


def _from_pairs(
    pairs: Sequence[tuple[str, str]],
    same: Sequence[bool] | None,
    embed: Callable[[Sequence[str]], Vectors],
    adapter: Adapter,
    seed: int,
    progress: Progress,
) -> tuple[Adapter, AdapterReport]:
    alike: Mask = np.ones(len(pairs), bool) if same is None else np.asarray(same, bool)
    if alike.shape != (len(pairs),):
        raise InvalidInputError(
            f"expected to be told of each of {len(pairs)} pairs whether its texts mean the same, "
            f"got {alike.shape}"
        )
    numbers: dict[str, int] = {}
    sides = [[numbers.setdefault(text, len(numbers)) for text in pair] for pair in pairs]
    left, right = np.asarray(sides, np.int64).T
    vectors = embed(list(numbers))
    begun = process_time()
    with single_threaded_products():
        found = measure_pairs(adapter.keep, vectors, left, right, alike, seed, progress)
        progress("learning", 0, 0)
        adapter.fit_pairs(vectors, left, right, alike, rounds=found.rounds, seed=seed)
    return adapter, _report("pairs", len(pairs), 0, adapter, found, begun)


def _report(
    learned_from: Any, rows: int, classes: int, adapter: Adapter, found: Found, begun: float
) -> AdapterReport:
    notes = []
    if not found.measures:
        notes.append("too few rows to hold some out: whether it helps is not known")
    elif found.held_out < FEW:
        notes.append(f"measured on {found.held_out} rows only: small gains cannot be seen")
    return AdapterReport(
        learned_from,
        rows,
        classes,
        found.held_out,
        adapter.rounds,
        round(process_time() - begun, 3),
        found.measures,
        tuple(notes),
        datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _opened(embedder: str | Embedder, home: Path) -> Embedder:
    """Return the embedder with the home's cache, once it is known to be let in."""
    if isinstance(embedder, str) and registry.Spec.parse(embedder).name == "adapter":
        raise InvalidInputError(
            f"expected a model to adapt, got an adapter, {embedder!r}",
            do="name the model that it was learned on",
        )
    made = open_embedder(embedder, home)
    check: Callable[[], None] | None = getattr(made, "check_access", None)
    if check is not None:
        check()
    return made
