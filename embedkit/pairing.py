"""Near-duplicates of a collection: pairs and clusters of records."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from embedkit.reader import Reader
from embedkit.types import Member, Pair

if TYPE_CHECKING:
    from embedkit.ingest.stage import Progress
    from embedkit.pairs.clusters import Linkage


class Pairing(Reader):
    """What a collection tells of records that are much alike."""

    def pairs(
        self,
        threshold: float = 0.9,
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
        threshold : float
            Least cosine of a pair, above 0 and at most 1.
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

        least = check_threshold(threshold)
        most = None if limit is None else check_k(limit, "limit")
        return self._read(
            lambda view: record_pairs(
                view, threshold=least, where=where, limit=most, progress=progress
            )
        )

    def clusters(
        self,
        threshold: float = 0.9,
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

        least, kind = check_threshold(threshold), check_linkage(linkage)
        most = None if limit is None else check_k(limit, "limit")
        return self._read(
            lambda view: cluster_members(
                view, threshold=least, linkage=kind, where=where, limit=most, progress=progress
            )
        )
