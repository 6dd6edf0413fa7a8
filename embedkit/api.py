"""The functions of ``import embedkit``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedkit import catalog, registry
from embedkit.collection import Collection
from embedkit.protocols import Embedder, Generator, Index, Reranker
from embedkit.types import CollectionInfo, DedupeReport, Metric

if TYPE_CHECKING:
    from embedkit.caching import VectorCache
    from embedkit.finetuning.recipe import Recipe
    from embedkit.finetuning.report import FineTuned
    from embedkit.indexes.dynamic import VectorIndex
    from embedkit.ingest.stage import Progress
    from embedkit.pairs.judge import Keep

GENERATOR = "smollm"
"""Who writes where neither a spec nor a setting says it."""


def open(
    name: str,
    *,
    home: str | Path | None = None,
    embedder: str | Embedder | None = None,
    index: str | None = None,
    recall: float | None = None,
    chunk: str | None = None,
) -> Collection:
    """Open a collection, or one that the first write will make.

    Parameters
    ----------
    name : str
        Letters, digits, ``-``, ``_`` and ``.``.
    home : str or Path, optional
        The folder that holds collections. Default: ``EMBEDKIT_HOME``, a setting, ``./.embedkit``.
    embedder : str or Embedder, optional
        A spec such as ``"minilm:int8"`` or an embedder of your own. Default: what filled the
        collection; for a new one, ``"minilm"``.
    index : str, optional
        A spec such as ``"annoy?n_trees=100"``; a collection with another one changes to it at the
        next write. Default: what the collection has; for a new one, ``"auto"``.
    recall : float, optional
        The contract: how much of the ten nearest a search is to find on average, in (0, 1]. The
        index is tuned until that is sure, and where it cannot be, search is exact. A collection
        with another one changes to it at the next write. Default: what the collection has; for a
        new one, 0.99.
    chunk : str, optional
        How a new collection cuts long texts into passages, such as ``"tokens=200,overlap=40"``: at
        most so many of the embedder's own tokens each, of which the next passage repeats at most so
        many. Fixed once the collection is there. Default: texts are embedded whole, and what a
        model does not read of them is not found.

    Raises
    ------
    ModelMismatchError
        The collection was filled by another model; both are named.
    InvalidInputError, UnknownBackendError
        A name or a spec that cannot be meant.

    Examples
    --------
    >>> questions = embedkit.open("questions")                     # doctest: +SKIP
    >>> questions.index("questions.csv", text="question", id="id")  # doctest: +SKIP
    >>> questions.search("how do I get my money back?", k=5)        # doctest: +SKIP
    """
    return Collection(
        name,
        catalog.resolve_home(home),
        embedder=embedder,
        index=index,
        recall=recall,
        chunk=chunk,
    )


def collections(home: str | Path | None = None) -> list[CollectionInfo]:
    """Return what there is in a home, sorted by name.

    One that is damaged, or that its first run is still filling, is left out.
    """
    from embedkit.errors import CollectionNotFoundError, StorageError

    folder = catalog.resolve_home(home)
    found = []
    for name in catalog.names(folder):
        try:
            found.append(Collection(name, folder).info())
        except (StorageError, CollectionNotFoundError):
            continue
    return found


def delete(name: str, *, home: str | Path | None = None) -> None:
    """Delete a collection with everything in it.

    Raises
    ------
    CollectionNotFoundError
    CollectionLockedError
        A process is writing to it.
    """
    catalog.delete(catalog.resolve_home(home), name)


def cache(home: str | Path | None = None) -> VectorCache:
    """Return the vectors that were paid for in a home, to look at them or to clear them.

    The setting ``cache_size`` bounds it.

    Raises
    ------
    SettingsError
        A ``cache_size`` that is no size.

    Examples
    --------
    >>> embedkit.cache().info().entries                             # doctest: +SKIP
    >>> embedkit.cache().clear(older_than=timedelta(days=30))       # doctest: +SKIP
    """
    from embedkit.caching import VectorCache

    return VectorCache(catalog.resolve_home(home))


def dedupe(
    source: Any,
    out: str | Path,
    *,
    text: str | Sequence[str] | None = None,
    threshold: float | None = 0.9,
    keep: Keep = "first",
    normalize: bool = False,
    embedder: str | Embedder = "minilm",
    report: str | Path | None = None,
    format: str | None = None,
    force: bool = False,
    home: str | Path | None = None,
    progress: Progress | None = None,
) -> DedupeReport:
    """Copy a source without its duplicates and near-duplicates.

    Every row that is dropped has at least the threshold's cosine with the row that is kept for it,
    and no two rows that are kept have it with each other. Rows without a text are kept.

    Parameters
    ----------
    source
        What :meth:`Collection.index` takes.
    out : str or Path
        CSV, TSV, JSON Lines, Parquet or text by its suffix, also ``.gz``; ``"-"`` is standard
        output. The file appears when all is done.
    text : str or sequence of str, optional
        The column that is compared; several are joined by newlines. Found by itself where that is
        safe.
    threshold : float or None
        Least cosine of near-duplicates. With None only equal texts are found, and no model is
        asked.
    keep : {"first", "last", "longest"}
        Which row of a group is kept.
    normalize : bool
        Whether texts are equal that differ only in case, white space or the form of characters.
    embedder : str or Embedder
        What embeds the texts; a managed one has the home's cache before it.
    report : str or Path, optional
        A file that says of each dropped row which was kept for it, and with which cosine.
    format : {"csv", "tsv", "jsonl", "parquet", "text"}, optional
        The format of ``out``, where its name does not say it.
    force : bool
        Write over files that are there.
    progress : callable, optional
        Called with (what, done, total).

    Raises
    ------
    SourceError, ColumnError, InvalidInputError, StorageError
    CredentialsError
        The key of a managed embedder is missing or refused; nothing was read yet.

    Examples
    --------
    >>> embedkit.dedupe("questions.csv", "unique.csv", text="question")  # doctest: +SKIP
    """
    from embedkit.embedders.caches import with_cache
    from embedkit.ingest.choose import split_columns
    from embedkit.pairs.dedupe import check_format, check_places, dedupe
    from embedkit.pairs.judge import check_wishes
    from embedkit_connectors import open_source

    wishes = check_wishes(threshold, keep, normalize)
    columns = split_columns(text)
    place, told = str(out), None if report is None else str(report)

    made: Embedder | None = None
    if wishes.threshold is not None:
        made = registry.create("embedder", embedder) if isinstance(embedder, str) else embedder
        made = with_cache(made, catalog.resolve_home(home))
        check = getattr(made, "check_access", None)
        if check is not None:
            check()
    opened = open_source(source)
    form = check_format(opened, place, format, told)
    check_places(opened, place, told, force=force)
    return dedupe(
        opened,
        place,
        form=form,
        text=columns,
        wishes=wishes,
        embedder=made,
        report=told,
        progress=progress,
    )


def finetune(
    texts: Sequence[str],
    labels: Sequence[Any],
    name: str,
    *,
    model: str = "minilm",
    minutes: float = 10.0,
    device: str | None = None,
    recipe: Recipe | None = None,
    home: str | Path | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> FineTuned:
    """Fine-tune a sentence-transformers model on labelled texts: full, contrastive.

    Texts of one label are drawn together, away from the hard negatives that an index finds for
    them. Part of the texts is held out: some say when to stop, some judge whether the new vectors
    are better than the old ones. Where the time allows, training is done again with the former, and
    the weights of several trainings are averaged. Ctrl-C ends it early with the best weights so
    far.

    Parameters
    ----------
    texts : sequence of str, length n
    labels : sequence, length n
        One label each. Rows without a text or a label are left out and counted.
    name : str
        The model goes to ``HOME/.models/NAME``, as a folder of sentence-transformers.
    model : str
        What to begin with: ``"minilm"``, a name on the hub, or the path of a folder.
    minutes : float
        Wall-clock time that all of it may take.
    device : str, optional
        Such as ``"cuda:1"`` or ``"cpu"``. Default: the first of CUDA, MPS and CPU.
    recipe : Recipe, optional
        Everything else that can be chosen; its ``minutes`` give way to ``minutes``.
    force : bool
        Replace a model of that name.
    progress : callable, optional
        Called with (what, done, total).

    Returns
    -------
    FineTuned
        Its ``embedder`` is the spec to use it by; its ``verdict`` says whether it helped.

    Raises
    ------
    InvalidInputError
        One label only, too few texts, cells that are not text, a name that is taken.
    MissingDependencyError
        The extra ``local`` is not installed.
    WeightsError
        The model is not there, or is none that can be tuned.
    StorageError
        The disk refused; what was there is as before.
    KeyboardInterrupt
        It came before there was anything to keep; nothing was written.

    Notes
    -----
    Equal texts, labels, recipe and seed give equal weights on the same machine with as many
    threads, as long as the time does not end the training.

    Examples
    --------
    >>> tuned = embedkit.finetune(texts, labels, "trec")             # doctest: +SKIP
    >>> tuned.verdict, tuned.difference.difference                   # doctest: +SKIP
    >>> embedkit.TextClassifier(tuned.embedder).fit(texts, labels)   # doctest: +SKIP
    """
    from dataclasses import replace

    from embedkit.finetuning.recipe import Recipe
    from embedkit.finetuning.run import finetune
    from embedkit.finetuning.shelf import place_of

    return finetune(
        texts,
        labels,
        place_of(catalog.resolve_home(home).absolute(), name),
        model=model,
        recipe=replace(recipe or Recipe(), minutes=minutes),
        device=device,
        force=force,
        progress=progress,
    )


def embedder(spec: str = "minilm") -> Embedder:
    """Return the embedder that a spec names, to be used alone.

    Raises
    ------
    UnknownBackendError, InvalidInputError, MissingDependencyError

    Examples
    --------
    >>> embedkit.embedder("hashing?dim=256").embed(["one text", "another"]).shape
    (2, 256)
    """
    created: Embedder = registry.create("embedder", spec)
    return created


def reranker(spec: str = "lexical") -> Reranker:
    """Return the reranker that a spec names, to be used alone.

    Raises
    ------
    UnknownBackendError, InvalidInputError, MissingDependencyError

    Examples
    --------
    >>> judge = embedkit.reranker("lexical")
    >>> judge.rerank("money back", ["a cake", "your money back"]).argmax()
    1
    """
    created: Reranker = registry.create("reranker", spec)
    return created


def generator(spec: str | None = None) -> Generator:
    """Return the generator that a spec names.

    Parameters
    ----------
    spec : str or None
        Such as ``"smollm"``, ``"llama:PATH.gguf"``, ``"cohere:command-a-03-2025"`` or
        ``"openai:MODEL?base_url=http://…/v1"``; ``echo`` needs no model and says again what it is
        told. None is the setting ``generator``, else ``smollm``.

    Raises
    ------
    UnknownBackendError, InvalidInputError, MissingDependencyError

    Examples
    --------
    >>> embedkit.generator("echo").generate("one two three", max_tokens=2)[0].text
    'one two'
    """
    if spec is None:
        from embedkit.settings import load

        spec = load().generator or GENERATOR
    created: Generator = registry.create("generator", spec)
    return created


def index(
    spec: str = "auto", *, dim: int, metric: Metric = "cosine", recall: float | None = None
) -> VectorIndex:
    """Return an empty index that a spec names, to be used alone.

    Parameters
    ----------
    spec : str
        Such as ``"flat"`` or ``"turbovec?bits=4"``.
    dim : int
        Width of the vectors.
    metric : {"cosine", "inner_product"}
    recall : float, optional
        A contract, in (0, 1]: how much of the ten nearest a search is to find on average. The
        index is tuned until that is sure; ``measurement`` says what was measured.

    Raises
    ------
    UnknownBackendError, InvalidInputError, MissingDependencyError
    """
    from embedkit.indexes.dynamic import VectorIndex

    made: VectorIndex = VectorIndex(spec, dim=dim, metric=metric, recall=recall)
    _: Index = made
    return made
