"""The words of embedkit as types: records, hits, neighbours and reports.

Nothing here imports a library, so that everything may import this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Vectors: TypeAlias = NDArray[np.float32]
    """Shape (n, dim), float32, C-contiguous, rows in input order."""
    Keys: TypeAlias = NDArray[np.int64]
    """Integer names of vectors, shape (n,) or (n_queries, k); -1 marks an empty cell."""
    Mask: TypeAlias = NDArray[np.bool_]
    """One flag a row, shape (n,)."""
    Codes: TypeAlias = NDArray[np.int8] | NDArray[np.uint8]
    """Vectors as a service quantised them, shape (n, dim) int8 or (n, dim / 8) packed bits."""
    Scores: TypeAlias = NDArray[np.float32]
    """One relevance a text, shape (n,), larger is better."""

InputType = Literal["document", "query", "classification", "clustering"]
Metric = Literal["cosine", "inner_product"]
Mode = Literal["dense", "lexical", "hybrid"]
"""How candidates are found: by meaning, by words, or by both."""
Strategy = Literal["none", "gather", "scan", "index", "allow-list", "widen"]
"""How the nearest vectors are found; see :class:`SearchPlan`."""
Precision = Literal["float32", "int8", "binary"]
"""How the numbers of a vector are kept: 4 bytes, 1 byte or 1 bit each."""
Value: TypeAlias = bool | int | float | str | date | datetime | list[Any] | dict[str, Any] | None
"""A metadata value: what a typed column can hold."""

INPUT_TYPES: tuple[InputType, ...] = ("document", "query", "classification", "clustering")
METRICS: tuple[Metric, ...] = ("cosine", "inner_product")
MODES: tuple[Mode, ...] = ("dense", "lexical", "hybrid")
PRECISIONS: tuple[Precision, ...] = ("float32", "int8", "binary")


@dataclass(frozen=True, slots=True)
class Record:
    """One row of a collection: an id, the text that is embedded, and typed metadata."""

    id: str
    text: str
    metadata: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WordShare:
    """What a word contributes to a score.

    To a similarity: how far it falls when the text is embedded without the word; negative where the
    text would be nearer without it.
    """

    word: str
    share: float


@dataclass(frozen=True, slots=True)
class Why:
    """Why a record is a hit.

    Attributes
    ----------
    dense : float or None
        Similarity of its vector with the query's; None where it was not asked for.
    dense_rank, lexical_rank : int or None
        Its place in each list, from 1; None where it is not in it.
    lexical : float or None
        BM25 of its words with the query's; None where none of them is in it.
    terms : tuple of WordShare
        The terms of the query that it holds, and what each adds to that, those of most first.
    words : tuple of WordShare
        The words of its text that carry the similarity, those that carry most first.
    """

    dense: float | None = None
    dense_rank: int | None = None
    lexical: float | None = None
    lexical_rank: int | None = None
    terms: tuple[WordShare, ...] = ()
    words: tuple[WordShare, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """One of the parts that a long text is cut into.

    Attributes
    ----------
    part, parts : int
        Which of how many it is, from 1.
    start, stop : int
        Where it is in the text of its record, in characters: ``text[start:stop]``.
    text : str
    continuation : str
        What follows it, up to the end of the following passage; empty after the last one.
    """

    part: int
    parts: int
    start: int
    stop: int
    text: str
    continuation: str = ""


@dataclass(frozen=True, slots=True)
class Hit:
    """One search result. Ranks start at 1; a larger score is better."""

    rank: int
    id: str
    score: float
    text: str
    metadata: Mapping[str, Value] = field(default_factory=dict)
    kind: str = "cosine"
    """What the score is: the metric of the collection, ``bm25``, ``fused`` or ``reranked``."""
    confidence: float | None = None
    """Probability that it is relevant; None where that was not asked for."""
    why: Why | None = None
    """None where no explanation was asked for."""
    passage: Passage | None = None
    """The part of the text that answers best; None where the text is not cut into passages."""

    @property
    def best_text(self) -> str:
        """What of the text answers best: the passage, or all of it where it is not cut."""
        return self.text if self.passage is None else self.passage.text

    def to_dict(self) -> dict[str, Any]:
        """Return the hit as plain values, in the order of its fields, without what is None."""
        optional = ("confidence", "why", "passage")
        return {k: v for k, v in asdict(self).items() if k not in optional or v is not None}


class Hits(list[Hit]):
    """The hits of one query, best first.

    Attributes
    ----------
    plan : SearchPlan or None
        How they were found.
    """

    def __init__(self, hits: Iterable[Hit] = (), plan: SearchPlan | None = None) -> None:
        super().__init__(hits)
        self.plan = plan


@dataclass(frozen=True, slots=True)
class SearchPlan:
    """How a search was carried out.

    Attributes
    ----------
    strategy : str
        ``gather``: the matching rows were picked out and scored exactly. ``scan``: all rows were
        read and scored, with a mask where some do not count. ``index``: the index proposed
        candidates. ``allow-list``: among the matching rows only. ``widen``: so many of them that
        enough match. ``none``: no row matches.
    why : str
        The reason, in one sentence.
    rows : int
        Vectors that are not deleted.
    matches : int
        Of those, the ones that the filter lets through.
    asked : int
        Candidates asked of the index for a query, at most; 0 where it was not asked.
    scored : int
        Vectors scored exactly for a query, at most.
    tail : int
        Of those, matching ones that are newer than the index, searched beside it.
    fallbacks : int
        Queries for which the index proposed too little, so that the exact search answered.
    milliseconds : mapping of str to float
        What each step took, for all queries of the search together.
    """

    strategy: Strategy
    why: str
    rows: int
    matches: int
    asked: int = 0
    scored: int = 0
    tail: int = 0
    fallbacks: int = 0
    milliseconds: Mapping[str, float] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Matching rows among the live ones, from 0 to 1."""
        return self.matches / self.rows if self.rows else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain values, in the order of its fields."""
        return asdict(self) | {"share": self.share, "milliseconds": dict(self.milliseconds)}


@dataclass(frozen=True, slots=True)
class Neighbors:
    """The nearest vectors of each query, best first.

    Attributes
    ----------
    keys : int64 array, shape (n_queries, k)
        -1 marks an empty cell, at the end of a row that has fewer than k neighbours.
    scores : float32 array, shape (n_queries, k)
        Similarities, larger is better; ``-inf`` in empty cells. Equal scores are ordered by key.
    """

    keys: Keys
    scores: Vectors
    plan: SearchPlan | None = None
    """How they were found; None where nobody kept account."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two records of much the same text, in the order in which they came.

    Attributes
    ----------
    score : float
        Cosine of their vectors.
    exact : bool
        Whether their texts are equal to the letter.
    probability : float or None
        That they are duplicates, as labelled pairs have it; None without such.
    """

    id1: str
    id2: str
    text1: str
    text2: str
    score: float
    exact: bool = False
    probability: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the pair as plain values, in the order of its fields, without what is None."""
        return {name: value for name, value in asdict(self).items() if value is not None}


@dataclass(frozen=True, slots=True)
class Member:
    """A record of a cluster of near-duplicates.

    Attributes
    ----------
    cluster : int
        Which, from 1: the largest first.
    size : int
        How many records it has.
    score : float
        Cosine of its vector with that of the first.
    exact : bool
        Whether its text equals that of the first to the letter.
    first : bool
        Whether it is the first itself: the one to keep.
    """

    cluster: int
    size: int
    id: str
    text: str
    score: float
    exact: bool
    first: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the member as plain values, in the order of its fields."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class DedupeReport:
    """What ``dedupe`` kept and dropped.

    Of the ``rows`` that could be read, ``kept`` + ``equal`` + ``near`` are all: ``equal`` were
    dropped for a row of equal text, ``near`` for a row of much the same text. ``blank`` rows, kept,
    have no text to compare; ``failed`` ones could not be read and are not in ``out``.
    """

    source: str
    out: str
    rows: int
    kept: int
    equal: int
    near: int
    blank: int
    failed: int
    threshold: float | None
    """None where only equal texts were looked for."""
    seconds: float
    rejects: tuple[Reject, ...] = ()
    """The first of the rows that could not be read."""
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, in the order of its fields."""
        lists = {"rejects": [asdict(row) for row in self.rejects], "notes": list(self.notes)}
        return asdict(self) | lists


@dataclass(frozen=True, slots=True)
class Embeddings:
    """What an embedder returns for a batch of texts.

    Attributes
    ----------
    vectors : float32 array, shape (n, dim)
        L2-normalised, rows in the order of the texts.
    tokens : int64 array, shape (n,), or None
        Tokens of each text before anything was cut; None where the model does not tell.
    max_tokens : int or None
        What the model reads of one text, in tokens; the rest of a longer text was cut.
    codes : int8 array, shape (n, dim), or uint8 array, shape (n, dim / 8), or None
        What was delivered, where the embedder's ``precision`` is not float32; ``vectors`` are
        decoded from them, and a store keeps them in place of the vectors. Packed bits have the
        first component in the highest bit; 1 stands for +1, 0 for -1.
    """

    vectors: Vectors
    tokens: Keys | None = None
    max_tokens: int | None = None
    codes: Codes | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """What came of some of the texts given to :meth:`StreamingEmbedder.embed_stream`.

    Either ``embeddings`` hold a vector for each of the places, or ``failure`` says why the text at
    the places, one and the same, has none.

    Attributes
    ----------
    places : sequence of int
        Which texts, by their position in what was given; ``embeddings`` are in this order.
    sent : int
        How many texts went to the model for it; 0 where all came from a cache.
    billed_tokens : int or None
        What the service says it bills; None where it does not say, or nothing was sent.
    final : bool
        Of a failure: whether the same text would fail again.
    """

    places: Sequence[int]
    embeddings: Embeddings | None = None
    failure: str | None = None
    sent: int = 0
    billed_tokens: int | None = None
    final: bool = True


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation with a generator."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True)
class Token:
    """A generated token and its natural log-probability."""

    text: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Candidate:
    """One generation for a prompt.

    Attributes
    ----------
    finish_reason : str
        ``stop`` (it ended by itself or met a stop sequence), ``length`` (cut at ``max_tokens``),
        or what else the backend says.
    prompt_tokens, completion_tokens : int or None
        As the backend counts them; None where it does not tell.
    tokens : tuple of Token or None
        The generated tokens with log-probabilities; None where there are none.
    """

    text: str
    finish_reason: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    tokens: tuple[Token, ...] | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that could not be taken, and why. Lines count from 1, the header included."""

    line: int
    reason: str
    excerpt: str = ""
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What one execution of ``index`` did, or would do when ``dry_run`` is set.

    ``records`` are the rows of the source: new + changed + unchanged + failed. Of the new and the
    changed, ``embedded`` counts the texts that were sent to the embedder and ``reused`` the rows
    that found their vector already there; ``cached`` texts had it in the cache of the home. Where
    texts are cut, all three count passages.
    ``gone`` counts the records that an earlier version of this source held and this one does not;
    ``removed`` those of them that were deleted. A run that was told to stop (``max_cost``,
    ``max_texts``) has the status ``stopped``.
    """

    collection: str
    source: str
    records: int
    new: int
    changed: int
    unchanged: int
    removed: int
    gone: int
    failed: int
    embedded: int
    reused: int
    seconds: float
    run: int | None = None
    status: Literal["planned", "done", "stopped", "interrupted", "failed"] = "done"
    cached: int = 0
    estimated_tokens: int | None = None
    """Tokens of the texts for a managed embedder, counted here, without its tokenizer."""
    billed_tokens: int | None = None
    """What the service says it bills for them."""
    cost: float | None = None
    """US dollars: of the billed tokens, or of the estimated ones in a plan; None where no price is
    known, or nothing costs."""
    rate_limit_seconds: float | None = None
    """Of a plan: how long its texts take at the service's rate limits."""
    passages: int | None = None
    """Passages that the new and the changed are cut into; None where texts are not cut."""
    truncated: int = 0
    """Texts longer than the model's limit."""
    tokens_cut: int = 0
    """Tokens of those texts that the model did not see."""
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, in the order of its fields."""
        return asdict(self) | {"notes": list(self.notes)}


@dataclass(frozen=True, slots=True)
class RunInfo:
    """One line of the ledger of runs. Times are UTC."""

    run: int
    started: datetime
    finished: datetime | None
    status: str
    source: str
    counts: Mapping[str, int]
    notes: tuple[str, ...] = ()
    failures: tuple[Reject, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the run as plain values."""
        return asdict(self) | {"notes": list(self.notes), "counts": dict(self.counts)}


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over n queries with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What a change of models did, or would do.

    ``texts`` are the different texts of the records. Of those, ``reused`` had a vector of the new
    model before, ``embedded`` were sent to it now (in a dry run: would be), ``failed`` it could not
    take, and ``missing`` are still without a vector, the failed ones included.
    """

    collection: str
    old: str
    """Spec of the model that the records used until now."""
    new: str
    old_model_id: str
    new_model_id: str
    texts: int
    reused: int
    embedded: int
    failed: int
    missing: int
    seconds: float
    cached: int = 0
    """Of the texts without a vector, those that had it in the cache of the home."""
    estimated_tokens: int | None = None
    billed_tokens: int | None = None
    cost: float | None = None
    rate_limit_seconds: float | None = None
    """These four as in :class:`Report`."""
    run: int | None = None
    status: Literal["planned", "done", "stopped", "interrupted", "failed"] = "done"
    """``stopped``: at a limit that was given; ``failed``: texts failed, so nothing was switched."""
    switched: bool = False
    overlap_at_10: Estimate | None = None
    """Share of the ten nearest that both models have in common; None where nothing was compared."""
    compared: Literal["records", "queries", ""] = ""
    """What asked for the ten nearest: vectors of records themselves, or queries that were given."""
    ndcg_at_10_old: Estimate | None = None
    """Relevance of the old model's ten nearest, where there were judgements."""
    ndcg_at_10_new: Estimate | None = None
    failures: tuple[Reject, ...] = ()
    """The first twenty of the texts that failed, each by its first record; a run has all."""
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, in the order of its fields."""
        lists = {"notes": list(self.notes), "failures": [asdict(row) for row in self.failures]}
        return asdict(self) | lists


@dataclass(frozen=True, slots=True)
class KeptVectors:
    """Vectors of a model that a collection does not use, and what they take."""

    embedder: str
    model_id: str
    dim: int
    precision: Precision
    vectors: int
    bytes: int
    retired: datetime | None
    """When the records used them last; None where they are still being made."""


@dataclass(frozen=True, slots=True)
class IndexTrial:
    """An index that was considered to keep a contract on recall, and what came of it."""

    spec: str
    outcome: str
    """``chosen``, ``slower``, or why it cannot serve."""
    recall: float | None = None
    """None where it was not measured; nor were the others then."""
    low: float | None = None
    p50: float | None = None
    build_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class IndexMeasurement:
    """What was measured of an index against exact search, and what was promised.

    Attributes
    ----------
    target : float
        The recall that was promised, in (0, 1].
    met : bool
        Whether it is kept, for sure: ``low`` reaches it, or search is exact.
    recall, low, high : float
        Mean share of the k nearest that were found. It is above ``low`` with a confidence of at
        least 95 %, and below ``high`` with one of 97.5 %; all are 1 where search is exact.
    k, queries : int
        How many neighbours of how many queries were compared.
    p50, p95 : float
        Milliseconds that a single query takes: the median, and what 95 % stay below.
    rows, changed : int
        Vectors that counted then, and how many of them had come or gone since the index was built.
    setting : mapping
        What the index was tuned to: an option of its spec and the value.
    how : str
        How it was measured, in words.
    note : str
        What a person should know: that the contract cannot be kept, and what is done instead.
    """

    target: float
    met: bool
    recall: float
    low: float
    high: float
    k: int
    queries: int
    p50: float
    p95: float
    rows: int
    changed: int
    how: str
    measured: datetime
    setting: Mapping[str, float] = field(default_factory=dict)
    note: str = ""
    tried: tuple[IndexTrial, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the measurement as plain values, in the order of its fields."""
        lists = {"tried": [asdict(trial) for trial in self.tried], "setting": dict(self.setting)}
        return asdict(self) | lists | {"measured": self.measured.isoformat(timespec="seconds")}

    @classmethod
    def from_dict(cls, body: Mapping[str, Any]) -> IndexMeasurement:
        """Read what ``to_dict`` wrote."""
        measured = datetime.fromisoformat(body["measured"])
        tried = tuple(IndexTrial(**trial) for trial in body["tried"])
        return cls(**{**body, "measured": measured, "tried": tried})


@dataclass(frozen=True, slots=True)
class CollectionInfo:
    """What ``embedkit collections show`` tells of a collection."""

    name: str
    path: str
    records: int
    embedder: str
    model_id: str
    dim: int
    metric: str
    index: str
    """The spec of the index, and what it resolved to where that differs: ``auto (flat)``."""
    generation: int
    bytes: int
    """Size on disk."""
    columns: Mapping[str, str]
    """Metadata columns and their SQL types."""
    updated: datetime | None
    last_run: RunInfo | None = None
    precision: Precision = "float32"
    kept: tuple[KeptVectors, ...] = ()
    """Vectors of other models: earlier ones, or one that a migration is to change to."""
    recall: float = 0.99
    """The contract: how much of the nearest its index is to find, at least."""
    measurement: IndexMeasurement | None = None
    """What was measured of the index; None where it was built by an embedkit of before."""
    chunk: str | None = None
    """How texts are cut into passages; None where they are not."""
    passages: int | None = None
    """Passages of all records, those that are not cut included; None where no text is cut."""

    def to_dict(self) -> dict[str, Any]:
        """Return the description as plain values."""
        out = asdict(self)
        out["measurement"] = self.measurement.to_dict() if self.measurement else None
        out["columns"] = dict(self.columns)
        out["kept"] = [asdict(kept) for kept in self.kept]
        out["last_run"] = self.last_run.to_dict() if self.last_run else None
        return out


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check of a collection found: which part, whether it is sound, and what to do."""

    part: str
    ok: bool
    detail: str
    remedy: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the finding as plain values."""
        return asdict(self)
