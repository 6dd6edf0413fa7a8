"""How the results of a search are printed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from embedkit_cli.output import csv_line, csv_lines, emit, write
from embedkit_cli.table import Column, numeric, render
from embedkit_cli.text import count

if TYPE_CHECKING:
    import embedkit
    from embedkit.types import CollectionInfo, Hit, SearchPlan, WordShare

FIXED = ("rank", "id", "score", "text")
PLACE = ("passage.text", "passage.start", "passage.stop")
"""Columns of a CSV of hits, at its end, where texts are cut into passages."""
CARRYING = 3
"""Words of a hit that a table shows; JSON has all."""


def print_hits(form: str, hits: Sequence[Hit], collection: embedkit.Collection) -> None:
    """Print the hits of one query."""
    if form == "csv":
        info = collection.info()
        header = [*FIXED, *map(metadata_column, info.columns), *(PLACE if info.chunk else ())]
        write(csv_lines([flat(hit) for hit in hits], header))
    else:
        emit(form, [hit.to_dict() for hit in hits], lambda: hits_table(hits))


def hits_table(hits: Sequence[Hit]) -> str:
    """Return the hits as a table: rank, score under the name of its kind, id, text, metadata."""
    if not hits:
        return ""
    columns = [
        Column("#", [hit.rank for hit in hits], right=True),
        Column(
            hits[0].kind.replace("_", " "),
            [f"{round(hit.score, 4) + 0.0:.4f}" for hit in hits],
            right=True,
        ),
        *_explained(hits),
        Column("id", [hit.id for hit in hits], widest=20),
        *_parts(hits),
        Column("text", [hit.best_text for hit in hits], stretch=True),
    ]
    for name in dict.fromkeys(name for hit in hits for name in hit.metadata):
        values = [hit.metadata.get(name) for hit in hits]
        if any(value is not None and value != "" for value in values):
            columns.append(Column(name, values, right=numeric(values), optional=True, widest=16))
    return render(columns)


def _parts(hits: Sequence[Hit]) -> Iterator[Column]:
    """Yield which passage of its record each hit shows, where texts are cut into passages."""
    if any(hit.passage is not None for hit in hits):
        told = [f"{p.part}/{p.parts}" if (p := hit.passage) else "" for hit in hits]
        yield Column("part", told, right=True)


def _explained(hits: Sequence[Hit]) -> Iterator[Column]:
    """Yield what an explanation adds: confidence, the share of each list, the words that carry."""
    if any(hit.confidence is not None for hit in hits):
        told = ["" if hit.confidence is None else f"{hit.confidence:.2f}" for hit in hits]
        yield Column("confidence", told, right=True)
    whys = [hit.why for hit in hits if hit.why is not None]
    if len(whys) < len(hits):
        return
    if any(why.lexical is not None for why in whys):
        yield Column("dense", [_share(why.dense, why.dense_rank) for why in whys], right=True)
        yield Column("bm25", [_share(why.lexical, why.lexical_rank) for why in whys], right=True)
    if any(why.terms for why in whys):
        yield Column("shared", [_words(why.terms) for why in whys], widest=30)
    if any(why.words for why in whys):
        yield Column("carried by", [_words(why.words) for why in whys], widest=36)


def _share(score: float | None, rank: int | None) -> str:
    if score is None:
        return "-"
    return f"{score:.4g}" + (f" (#{rank})" if rank is not None else "")


def _words(shares: Sequence[WordShare]) -> str:
    """Return the first words, as far as they add to the score."""
    carrying = [share for share in shares[:CARRYING] if share.share > 0]
    return " ".join(f"{share.word} {share.share:+.2f}" for share in carrying)


def describe_plan(plan: SearchPlan) -> str:
    """Return how a search was carried out, in one line."""
    parts = [f"{plan.strategy}: {plan.why}"]
    if plan.asked:
        parts.append(f"{count(plan.asked, 'candidate')} asked of the index")
    if plan.scored:
        parts.append(f"{count(plan.scored, 'vector')} scored exactly")
    if plan.asked and plan.tail:
        parts.append(f"{plan.tail:,} of them newer than the index")
    if plan.fallbacks:
        parts.append(f"searched exactly for {count(plan.fallbacks, 'query', 'queries')} after all")
    steps = [f"{name} {ms:.2g} ms" for name, ms in plan.milliseconds.items()]
    return "; ".join([*parts, *([", ".join(steps)] if steps else [])])


def flat(hit: Hit) -> dict[str, Any]:
    """Return the hit on one level: metadata beside the rest, ``metadata.x`` where names clash."""
    row: dict[str, Any] = {name: getattr(hit, name) for name in FIXED}
    row |= {metadata_column(name): value for name, value in hit.metadata.items()}
    if hit.passage is None:
        return row
    place = (hit.passage.text, hit.passage.start, hit.passage.stop)
    return row | dict(zip(PLACE, place, strict=True))


def metadata_column(name: str, taken: Iterable[str] = FIXED) -> str:
    """Return what a metadata column is called beside the columns that every hit has."""
    return f"metadata.{name}" if name in taken else name


def query_csv_names(info: CollectionInfo) -> list[str]:
    """Return the columns of hits of many queries, beside the query's id."""
    metadata = [metadata_column(name, (*FIXED, "query_id")) for name in info.columns]
    return [*FIXED, *metadata, *(PLACE if info.chunk else ())]


def query_csv_lines(query_id: str, hits: Sequence[Hit], names: Sequence[str]) -> Iterator[str]:
    """Yield a line a hit, in the columns that are named."""
    for hit in hits:
        row = flat(hit)
        yield csv_line([query_id, *(row.get(name) for name in names)])
