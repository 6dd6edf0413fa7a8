"""The part of a collection that changes its model."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from embedkit import registry
from embedkit.embedders.caches import with_cache
from embedkit.errors import InvalidInputError, UnsupportedOperationError
from embedkit.ingest.limits import check_limit
from embedkit.labelling import Labelling
from embedkit.managed.addresses import refuse_foreign
from embedkit.protocols import Embedder
from embedkit.store.manifest import OBJECT, OWN_VECTORS, Manifest, Model
from embedkit.types import KeptVectors, MigrationReport

if TYPE_CHECKING:
    from embedkit.ingest.stage import Progress
    from embedkit.migration import Request


class Migrating(Labelling):
    """Changes the model behind a collection while it goes on being searched."""

    def migrate(
        self,
        to: str | Embedder,
        *,
        queries: Sequence[str] | Mapping[str, str] | None = None,
        qrels: Mapping[str, Mapping[str, float]] | None = None,
        dry_run: bool = False,
        compare_only: bool = False,
        max_texts: int | None = None,
        max_cost: float | None = None,
        progress: Progress | None = None,
    ) -> MigrationReport:
        """Change to another model: embed every text with it, compare, switch, keep the old vectors.

        Searching goes on with the old model until all is there. Stopped at any moment, the same
        call goes on where it stopped and embeds nothing twice.

        Parameters
        ----------
        to : str or Embedder
            A spec such as ``"minilm:int8"``, or an embedder of your own.
        queries : sequence of str, or mapping of id to text, optional
            What people ask: the two models are compared by what they find for it. Default: 200
            records, each asking for its neighbours.
        qrels : mapping of query id to mapping of record id to relevance, optional
            Judgements of the queries; with them the report has the nDCG@10 of both models. See
            :func:`embedkit.evaluation.judgements.read_qrels`.
        dry_run : bool
            Only tell what there would be to embed; nothing is written.
        compare_only : bool
            Embed and compare, but go on with the old model.
        max_texts : int, optional
            Embed at most so many texts now.
        max_cost : float, optional
            Spend at most so many US dollars now.
        progress : callable, optional
            Called with (what, done, total).

        Returns
        -------
        MigrationReport
            ``switched`` says whether the collection uses the new model. It does not where a text
            could not be embedded, which ``failures`` list: every record keeps a vector.

        Raises
        ------
        UnsupportedOperationError
            The collection, or a record of it, has vectors of the user's own.
        InvalidInputError, UnknownBackendError
            What was given cannot be meant.
        CollectionNotFoundError, CollectionLockedError, StorageError
        CredentialsError
            The key of a managed model is missing or refused; nothing was done yet.
        """
        manifest = self._migratable()
        made = self._made(registry.create("embedder", to) if isinstance(to, str) else to)
        model = Model.of(made, to if isinstance(to, str) else OBJECT)
        limits = (max_texts, max_cost)
        request = self._request(made, model, queries, qrels, compare_only, limits, progress)
        return self._change(manifest, request, to, dry_run)

    def migrate_back(
        self,
        *,
        embedder: Embedder | None = None,
        queries: Sequence[str] | Mapping[str, str] | None = None,
        qrels: Mapping[str, Mapping[str, float]] | None = None,
        dry_run: bool = False,
        compare_only: bool = False,
        max_texts: int | None = None,
        max_cost: float | None = None,
        progress: Progress | None = None,
    ) -> MigrationReport:
        """Change back to the model that was used before, whose vectors were kept.

        As :meth:`migrate`; only records that came since are embedded. Once more, it changes forth.

        Parameters
        ----------
        embedder : Embedder, optional
            That model, where it was an embedder of your own.

        Raises
        ------
        InvalidInputError
            There is no earlier model, or it is not the one that was given.
        """
        from dataclasses import replace

        from embedkit.migration import previous_set

        manifest = self._migratable()
        previous = previous_set(manifest.sets)
        if previous is None:
            raise InvalidInputError(
                f"collection {self.name!r} has no vectors of an earlier model to go back to",
                do=f"name a model: embedkit migrate {self.name} --to SPEC",
            )
        spec = previous.model.spec
        if embedder is None and spec == OBJECT:
            raise InvalidInputError(
                f"the earlier model of collection {self.name!r} is an embedder of your own, "
                f"{previous.model.model_id}",
                do="pass it: migrate_back(embedder=…)",
            )
        if embedder is None:
            refuse_foreign(spec, self.name)
        made = self._made(embedder or registry.create("embedder", spec))
        if made.model_id != previous.model.model_id:
            raise InvalidInputError(
                f"the earlier model of collection {self.name!r} is {previous.model.model_id}, got "
                f"{made.model_id}",
                do=f"name a model: embedkit migrate {self.name} --to SPEC",
            )
        model = Model.of(made, OBJECT if embedder is not None else spec)
        limits = (max_texts, max_cost)
        request = self._request(made, model, queries, qrels, compare_only, limits, progress)
        return self._change(manifest, replace(request, back=True), embedder or spec, dry_run)

    def drop_old(self) -> tuple[KeptVectors, ...]:
        """Delete the vectors of every model but the one in use, and say what they were.

        Raises
        ------
        CollectionNotFoundError, CollectionLockedError, StorageError
        """
        from embedkit.migration import drop_sets
        from embedkit.store.sets import describe

        self._existing()
        with self._writer() as writer:
            sets = writer.manifest.sets if writer.manifest else ()
            kept = {vectors.number: describe(self._layout, vectors) for vectors in sets}
            dropped = drop_sets(writer)
        return tuple(kept[vectors.number] for vectors in dropped if vectors.number in kept)

    def _made(self, embedder: Embedder) -> Embedder:
        """Return an embedder with the home's cache before it, once it is known to be let in."""
        made = with_cache(embedder, self.home)
        check = getattr(made, "check_access", None)
        if check is not None:
            check()
        return made

    def _migratable(self) -> Manifest:
        manifest = self._existing().manifest
        if manifest.model.spec == OWN_VECTORS:
            raise UnsupportedOperationError(
                f"collection {self.name!r} holds vectors of your own, which no model made",
                do="index its texts into another collection, with the model that you want",
            )
        return manifest

    def _request(
        self,
        made: Embedder,
        model: Model,
        queries: Sequence[str] | Mapping[str, str] | None,
        qrels: Mapping[str, Mapping[str, float]] | None,
        compare_only: bool,
        limits: tuple[int | None, float | None],
        progress: Progress | None,
    ) -> Request:
        from embedkit.migration import Request

        asked = _named(queries)
        if qrels and not isinstance(queries, Mapping):
            raise InvalidInputError(
                "expected queries with ids, as a mapping of id to text, beside the judgements"
            )
        return Request(
            model=model,
            embedder=made,
            old=self.embedder if asked else None,
            queries=asked,
            qrels=qrels or {},
            compare_only=compare_only,
            max_texts=check_limit("max_texts", limits[0], whole=True),
            max_cost=check_limit("max_cost", limits[1]),
            progress=progress,
        )

    def _change(
        self, manifest: Manifest, request: Request, to: str | Embedder, dry_run: bool
    ) -> MigrationReport:
        from embedkit.chunking.chunker import Chunker
        from embedkit.chunking.spec import ChunkSpec
        from embedkit.migration import Migration, nothing_to_do

        if request.model.model_id == manifest.model.model_id:
            return nothing_to_do(self.name, manifest.model)
        if manifest.chunk is not None:
            Chunker(ChunkSpec.parse(manifest.chunk), request.embedder)  # refuses a smaller model
        if dry_run:
            return self._planned(request)
        with self._writer() as writer:
            if writer.settings.model.model_id == request.model.model_id:
                # Another process has just done it.
                return nothing_to_do(self.name, writer.settings.model)
            report = Migration(writer, request).execute()
        if report.switched:
            self._model.follow(to)
        return report

    def _planned(self, request: Request) -> MigrationReport:
        from embedkit.ingest.fill import find_gap
        from embedkit.migration import find_set, planned, refuse_own_vectors
        from embedkit.store.database import database_errors
        from embedkit.store.ledger import billing_ratio
        from embedkit.store.published import open_vectors
        from embedkit.store.restore import connect_to_plan

        began = time.monotonic()
        view = self._existing()
        found = find_set(view.manifest.sets, request.model)
        connection = connect_to_plan(self._layout, view.manifest)
        try:
            with database_errors(self._layout.root):
                refuse_own_vectors(connection, view.vectors, self.name)
                vectors = open_vectors(self._layout, found) if found else None
                gap = find_gap(connection, vectors, request.embedder)
                ratio = billing_ratio(connection)
        finally:
            connection.close()
        seconds = time.monotonic() - began
        return planned(self.name, view.manifest, request, gap, ratio, seconds)


def _named(queries: Sequence[str] | Mapping[str, str] | None) -> Mapping[str, str]:
    from embedkit.validate import check_texts

    if isinstance(queries, Mapping):
        check_texts(list(queries.values()))
        return queries
    listed = check_texts(queries if queries is not None else ())
    return {str(number): text for number, text in enumerate(listed, start=1)}
