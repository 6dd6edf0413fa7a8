"""What was done: runs, migrations, estimates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal

from embedkit.types.records import Reject


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over n queries with its 95 % bootstrap interval."""

    mean: float
    low: float
    high: float
    n: int


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
