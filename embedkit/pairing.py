"""Near-duplicates of a collection: pairs and clusters of records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from embedkit.answering import Answering
from embedkit.types import Member, Pair

if TYPE_CHECKING:
    from embedkit.ingest.stage import Progress
    from embedkit.pairs.calibrate import Calibration
    from embedkit.pairs.clusters import Linkage
    from embedkit.store.view import View
    from embedkit.types import Vectors


class Pairing(Answering):
    """What a collection tells of records that are much alike."""

    def pairs(
        self,
        threshold: float | Calibration = 0.9,
        *,
        where: str | None = None,
        limit: int | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Pair]:
        """Return the pairs of near-duplicates, best first, as an iterator; embeds nothing.

        Exact: every pair of records is as good as compared. Records of equal text form a group:
        each is paired with the first of its group, and only that one with other records, so that n
        copies of a text give n - 1 pairs. Pairs are read as they are asked for, so that a million
        of them do not stay in memory.

        Parameters
        ----------
        threshold : float or Calibration
            Least cosine of a pair, above 0 and at most 1; or what :meth:`calibrate_pairs` made of
            labelled pairs, which also gives each pair its probability.
        where : str, optional
            SQL over the records' own columns; both records of a pair fulfil it.
        limit : int, optional
            How many to return at most, the best of them.
        progress : callable, optional
            Called with (what, done, total).

        Raises
        ------
        CollectionNotFoundError, FilterError, InvalidInputError, DamagedError
        """
        from embedkit.pairs.join import check_threshold
        from embedkit.pairs.records import record_pairs
        from embedkit.validate import check_k

        known = _calibration(threshold)
        least = check_threshold(known.threshold if known else threshold)  # type: ignore[arg-type]
        most = None if limit is None else check_k(limit, "limit")
        found = self._read(
            lambda view: record_pairs(
                view, threshold=least, where=where, limit=most, progress=progress
            )
        )
        if known is None:
            return found
        return (replace(pair, probability=known.probability(pair.score)) for pair in found)

    def clusters(
        self,
        threshold: float | Calibration = 0.9,
        *,
        linkage: Linkage = "single",
        where: str | None = None,
        limit: int | None = None,
        progress: Progress | None = None,
    ) -> Iterator[Member]:
        """Return the records that have near-duplicates, cluster by cluster, the largest first.

        Parameters
        ----------
        threshold, where, progress
            As for :meth:`pairs`.
        linkage : {"single", "leader"}
            ``single``: two records are in one cluster wherever a chain of pairs leads from one to
            the other, so its ends may have little in common. ``leader``: every member reaches the
            threshold with the first of its cluster.
        limit : int, optional
            How many clusters to return at most.

        Raises
        ------
        CollectionNotFoundError, FilterError, InvalidInputError, DamagedError
        """
        from embedkit.pairs.clusters import check_linkage
        from embedkit.pairs.join import check_threshold
        from embedkit.pairs.records import cluster_members
        from embedkit.validate import check_k

        known = _calibration(threshold)
        least = check_threshold(known.threshold if known else threshold)  # type: ignore[arg-type]
        kind = check_linkage(linkage)
        most = None if limit is None else check_k(limit, "limit")
        return self._read(
            lambda view: cluster_members(
                view, threshold=least, linkage=kind, where=where, limit=most, progress=progress
            )
        )

    def calibrate_pairs(self, labels: Any, *, precision: float = 0.95) -> Calibration:
        """Learn from labelled pairs which cosine tells duplicates, for :meth:`pairs`.

        Parameters
        ----------
        labels
            A file, or what else :meth:`index` takes, with the columns ``text1``, ``text2`` and
            ``label``, or ``id1``, ``id2`` and ``label``, which is 1 for duplicates and 0 for
            others. They should be pairs as :meth:`pairs` finds them: what it prints, with a label
            added, will do.
        precision : float
            Wished share of true duplicates among the pairs above the threshold.

        Returns
        -------
        Calibration
            The threshold, and precision, recall and F1 as measured by cross-validation.

        Raises
        ------
        SourceError, ColumnError, RecordNotFoundError
        InvalidInputError
            Too few pairs, or no threshold that is sure of that precision.
        """
        from embedkit.pairs.calibrate import calibrate
        from embedkit.pairs.labels import cosines, read_labels
        from embedkit_connectors import open_source

        self._existing()
        found = read_labels(open_source(labels))
        scores = cosines(found, self._vectors_of if found.kind == "id" else self._embedded)
        return calibrate(scores, found.flags(), precision=precision)

    def _vectors_of(self, ids: Sequence[str]) -> Vectors:
        import numpy as np

        from embedkit.validate import is_unicode

        def work(view: View) -> Vectors:
            if view.passages is not None:
                found = [view.vector(self._found(view, id)[1].id) for id in ids]
                return np.stack([vector for vector in found if vector is not None])
            known = dict(
                view.query(
                    "SELECT id, row FROM records WHERE id IN (SELECT unnest(?::VARCHAR[]))",
                    [[id for id in dict.fromkeys(ids) if is_unicode(id)]],
                )
            )
            rows = [known[id] if id in known else self._found(view, id)[0] for id in ids]
            vectors: Vectors = view.vectors.matrix[np.array(rows, np.int64)]
            return vectors

        return self._read(work)

    def _embedded(self, texts: Sequence[str]) -> Vectors:
        return self.embedder.embed(texts, input_type="document")


def _calibration(given: Any) -> Calibration | None:
    """Return a calibration that was given, None for whatever else."""
    if isinstance(given, (int, float)):
        return None
    from embedkit.pairs.calibrate import Calibration

    return given if isinstance(given, Calibration) else None
