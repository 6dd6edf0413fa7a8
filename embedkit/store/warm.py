"""What a process keeps between two writing sessions, so that the second costs what it changes.

Nothing of it is the truth: each part is used only where the files are still the ones that this
process wrote or checked itself, and without it a session opens and checks everything anew. No file
stays open, so that another process can write meanwhile.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from embedkit.integrity import Stamp, stamp
from embedkit.store.database import Connection, attach_work, connect_host, detach_work, translated
from embedkit.store.deltas import DeltaFile
from embedkit.store.layout import Layout
from embedkit.store.lexical import Slack
from embedkit.store.manifest import Manifest
from embedkit.store.published import Opened
from embedkit.store.vectors import VectorWriter

if TYPE_CHECKING:
    from embedkit.types import Mask


@dataclass(frozen=True, slots=True)
class Kept:
    """What a session left behind.

    Attributes
    ----------
    manifest : Manifest
        The generation that it published last, after which it committed nothing.
    vectors : VectorWriter
    stamp : Stamp
        Of the vectors' files.
    live : bool array, shape (rows,)
        Which vector rows some record uses.
    delta : DeltaFile
    lexical : Slack or None
        What is known of the index of words.
    """

    manifest: Manifest
    vectors: VectorWriter
    stamp: Stamp
    live: Mask
    delta: DeltaFile
    lexical: Slack | None

    @classmethod
    def of(
        cls,
        manifest: Manifest,
        vectors: VectorWriter,
        live: Mask,
        delta: DeltaFile,
        lexical: Slack | None,
    ) -> Kept:
        """Keep this, with what the files are now."""
        return cls(manifest, vectors, stamp(vectors.paths), live, delta, lexical)


class Warm:
    """Kept by whoever opens one writing session after the other. One session at a time."""

    def __init__(self) -> None:
        self.opened = Opened()
        self._kept: Kept | None = None
        self._host: Connection | None = None
        self._process = os.getpid()

    def connect(self, layout: Layout) -> Connection:
        """Open the writer's database, which ``release`` closes. The lock must be held."""
        if self._process != os.getpid():
            # DuckDB's threads did not come along into this process.
            self._host, self._kept, self._process = None, None, os.getpid()
        with translated(layout.work):
            if self._host is None:
                # Making a database in memory takes 10 ms, attaching a file to one less than 1 ms.
                self._host = connect_host(layout)
            return attach_work(self._host, layout)

    def release(self, connection: Connection, layout: Layout) -> None:
        """Close the writer's database."""
        with contextlib.suppress(Exception):
            detach_work(connection)
            if not layout.temporary.exists():
                return
        # What was spilled to disk is deleted, and what failed leaves no one knows what.
        self._kept = None
        self.close()

    def take(self, manifest: Manifest | None) -> Kept | None:
        """Return what was kept where it is of this generation, once."""
        kept, self._kept = self._kept, None
        if kept is None or manifest is None:
            return None
        if replace(kept.manifest, format=manifest.format) != manifest:
            return None
        return kept if stamp(kept.vectors.paths) == kept.stamp else None

    def keep(self, kept: Kept) -> None:
        """Keep what a session leaves behind that ends as it should."""
        self._kept = kept

    def close(self) -> None:
        """Let go of everything."""
        self._kept = None
        host, self._host = self._host, None
        if host is not None and self._process == os.getpid():
            with contextlib.suppress(Exception):
                host.close()
