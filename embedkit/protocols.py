"""The seams: what each family of backends must offer.

Callers type against these; authors of backends inherit from the base class beside them
(:mod:`embedkit.embedders.base`, :mod:`embedkit.indexes.base`) and write less.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from embedkit.types import (
    Candidate,
    Delivery,
    Embeddings,
    InputType,
    Message,
    Metric,
    Neighbors,
    Reject,
)

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from embedkit.classification.inputs import Inputs
    from embedkit.classification.state import State
    from embedkit.managed.budget import Meter
    from embedkit.ranking.pool import Pool
    from embedkit.types import Keys, Mask, Scores, Vectors
    from embedkit.types.decoding import Decoding


@runtime_checkable
class Embedder(Protocol):
    """Turns texts into vectors."""

    @property
    def model_id(self) -> str:
        """Name the model so exactly that equal names mean equal vectors; stored beside them."""

    @property
    def dim(self) -> int:
        """Width of the vectors."""

    # ``precision`` ("int8" or "binary"; absent means "float32") may be a property too: such an
    # embedder returns the codes of documents beside their vectors (``Embeddings.codes``). And one
    # whose texts are to be cut into passages by its own tokens, rather than by an estimate, has
    # ``token_offsets(texts)``, which returns where each token of each text begins, the number of
    # ``special_tokens`` that stand around every text, and ``max_tokens`` that it reads of one.

    def embed(self, texts: Sequence[str], *, input_type: InputType = "document") -> Vectors:
        """Return L2-normalised vectors, shape (n, dim), float32, in the order of the texts."""

    def embed_batch(
        self, texts: Sequence[str], *, input_type: InputType = "document"
    ) -> Embeddings:
        """Return the vectors and what became of each text (its tokens, the model's limit)."""


@runtime_checkable
class StreamingEmbedder(Embedder, Protocol):
    """An embedder that hands over what it has as it arrives, so that nothing of it is lost."""

    def embed_stream(
        self,
        texts: Sequence[str],
        *,
        input_type: InputType = "document",
        meter: Meter | None = None,
    ) -> Iterator[Delivery]:
        """Yield what became of the texts, in any order, each text exactly once.

        Parameters
        ----------
        meter : Meter or None
            What may be spent; where it is reached, BudgetReached is raised.

        Raises
        ------
        ProviderError
            What no other text could do better. Everything that had arrived was yielded before.
        """


@runtime_checkable
class Reranker(Protocol):
    """Judges how relevant texts are to a query, reading both together."""

    @property
    def model_id(self) -> str:
        """Name the model."""

    def rerank(self, query: str, texts: Sequence[str]) -> Scores:
        """Return a relevance for each text, shape (n,), float32, larger is better."""


@runtime_checkable
class Generator(Protocol):
    """Writes text that goes on from a prompt."""

    @property
    def model_id(self) -> str:
        """Name the model."""

    supports: ClassVar[frozenset[str]]
    """Which of the sampling parameters it honours; the others are refused."""

    @property
    def completes(self) -> bool:
        """Whether a prompt that is a text is gone on from as it stands.

        Else the text is taken as what a user says.
        """

    # One that knows its own limits has ``context``, the tokens that a prompt and what is written
    # after it take together at most, and ``count_tokens(prompt)``, which counts those of a prompt.
    # Those who fit sources into a prompt ask for both with ``getattr``.

    def generate(
        self,
        prompt: str | Sequence[Message],
        *,
        n: int = 1,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        seed: int | None = None,
        logprobs: bool = False,
    ) -> list[Candidate]:
        """Return n candidates. None leaves a parameter to the model's own default."""


@runtime_checkable
class DecodingGenerator(Generator, Protocol):
    """A generator that can show what it chose each token from."""

    def decode(
        self,
        prompt: str | Sequence[Message],
        *,
        temperature: float | None = None,
        top_k: int | None = None,
        top_p: float | None = None,
        max_tokens: int | None = None,
        stop: Sequence[str] = (),
        seed: int | None = None,
        shown: int = 20,
    ) -> Decoding:
        """Return one candidate, with ``shown`` of the likeliest tokens of each step."""


@runtime_checkable
class SourceGenerator(Generator, Protocol):
    """A generator that reads sources as they are, and no prompt: it takes its words from them."""

    def from_sources(
        self,
        sources: Sequence[str],
        *,
        question: str = "",
        n: int = 1,
        most_words: int | None = None,
        seed: int | None = None,
        progress: Callable[[str, int, int], None] | None = None,
    ) -> list[Candidate]:
        """Return at most n candidates, distinct, that summarize the sources or answer from them.

        Where there is a question they answer it, best first; ``most_words`` is the length of one;
        ``progress`` is called with (what, done, total).
        """


@runtime_checkable
class Ranker(Protocol):
    """Gives every candidate a score."""

    name: ClassVar[str]
    question: ClassVar[bool]
    """Whether it is for answers only, and says nothing where no question was asked."""

    def score(self, pool: Pool) -> NDArray[np.float64]:
        """Return shape (n,), larger is better; NaN where it says nothing about a candidate."""


@runtime_checkable
class Filter(Protocol):
    """Says what is wrong with candidates."""

    name: ClassVar[str]

    def reject(self, pool: Pool) -> list[str | None]:
        """Return, for each candidate, why it is not to be shown; None where nothing is wrong."""


@runtime_checkable
class Head(Protocol):
    """Decides between classes, given the features of texts."""

    reads: ClassVar[frozenset[str]]
    """What it reads of a text: ``"vectors"``, ``"texts"`` or both; while it is fitted it may also
    read ``"references"``, the vectors of general sentences."""

    # A head that takes in single rows has ``add(inputs, targets)``. One that can tell what it
    # would score a row had it not seen it, without being fitted again, has ``out_of_fold(inputs,
    # targets, n_classes, folds, weights=None, seed=0)``, which returns scores as ``scores`` does;
    # where that leaves it fitted on all rows, ``fits_on_the_way`` is true.
    # Where every fold costs it about as much as a fit, ``folds_cost`` is true.

    def fit(
        self,
        inputs: Inputs,
        targets: Keys,
        n_classes: int,
        *,
        weights: NDArray[np.float64] | None = None,
        seed: int = 0,
    ) -> None:
        """Learn from inputs, length n, and their classes, shape (n,), in [0, n_classes)."""

    def scores(self, inputs: Inputs) -> NDArray[np.float64]:
        """Return shape (n, n_classes): larger is more like the class, on a scale of log-odds."""

    def state(self) -> State:
        """Return what was learned."""

    def restore(self, state: State) -> None:
        """Take what ``state`` returned; the same scores follow from it."""


@runtime_checkable
class IndexBackend(Protocol):
    """Proposes candidates among the unit vectors it was built on.

    A backend is frozen once built and only proposes: adding, deleting, filtering and the exact
    score of every answer live above all backends, in :class:`embedkit.indexes.rows.RowIndex`.
    """

    name: ClassVar[str]

    @property
    def takes_mask(self) -> bool:
        """Whether ``candidates`` can be restricted to some of the rows by itself."""

    @property
    def tail_share(self) -> float:
        """Share of new rows, searched exactly beside the base, past which a rebuild pays."""

    @property
    def exact(self) -> bool:
        """True where there is nothing to propose: the caller scans all rows."""

    def build(self, vectors: Vectors) -> None:
        """Build on unit vectors, shape (n, dim), n >= 1; positions are their row numbers."""

    def candidates(self, queries: Vectors, n: int, mask: Mask | None = None) -> Keys:
        """Propose positions that hold the n nearest of each unit query, -1 for none.

        Shape (n_queries, any): a backend whose own scores are rough proposes more than n, and
        knows itself how many more.
        """

    def save(self, folder: Path) -> None:
        """Write everything that ``load`` needs into an existing folder."""

    def load(self, folder: Path, *, rows: int, dim: int) -> None:
        """Read what ``save`` wrote. The files were checked before; they are the ones written."""


@runtime_checkable
class Index(Protocol):
    """Finds the nearest of a set of vectors under integer keys."""

    dim: int
    metric: Metric

    def add(self, keys: Keys, vectors: Vectors) -> None:
        """Add vectors, shape (n, dim), under keys, shape (n,); a known key is an error."""

    def remove(self, keys: Keys) -> None:
        """Remove vectors by key; an unknown key is an error."""

    def search(self, queries: Vectors, k: int, *, allow: Keys | None = None) -> Neighbors:
        """Return the k nearest of each query, among the allowed keys where they are given."""

    def save(self, path: str | Path) -> None:
        """Write the index to a folder."""

    def __len__(self) -> int: ...


class SourceBatch(Protocol):
    """Some rows of a source."""

    @property
    def table(self) -> pa.RecordBatch:
        """The rows, in columns of plain types.

        Those are bool, int64, float64, string, date32,
        timestamp[us], and string with the field metadata ``{"embedkit.type": "json"}`` for nested
        values. Batches may differ in their columns and types; the store unites them.
        """

    @property
    def lines(self) -> Keys:
        """Where each row begins, shape (n,): a line of the file, or a row number, from 1."""

    @property
    def rejects(self) -> Sequence[Reject]:
        """Rows that could not be read."""


@runtime_checkable
class Source(Protocol):
    """Where records come from, read once, in batches, in bounded memory."""

    @property
    def name(self) -> str:
        """Name the source so that the next run recognises it: for a file, its absolute path."""

    @property
    def label(self) -> str:
        """What a report calls the source: for a file, the path as it was given."""

    @property
    def stem(self) -> str:
        """Name a collection after the source: ``questions`` for ``questions.csv``."""

    @property
    def typed(self) -> bool:
        """False where every column is text whose type must be found out (CSV)."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed while reading that a person should know, such as the encoding."""

    def batches(self) -> Iterator[SourceBatch]:
        """Yield at least one batch, empty where the source has columns but no rows."""
