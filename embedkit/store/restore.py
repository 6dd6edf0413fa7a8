"""Published records as one database: put in the place of the writer's, or to plan with."""

from __future__ import annotations

from pathlib import Path

from embedkit.integrity import copy_durably
from embedkit.store.database import (
    Connection,
    connect_planner,
    connect_writer,
    transaction,
    translated,
)
from embedkit.store.deltas import DeltaFile, Frame, replay
from embedkit.store.layout import Layout
from embedkit.store.manifest import Manifest
from embedkit.store.snapshot import Overlay


def published_frames(layout: Layout, manifest: Manifest) -> list[Frame]:
    """Return what a generation changed in its snapshot, checked.

    Raises
    ------
    DamagedError
    """
    if manifest.delta is None:
        return []
    return DeltaFile(layout.delta(manifest.snapshot)).advance(manifest.delta)


def restore(layout: Layout, manifest: Manifest) -> Path:
    """Put published records in the place of the writer's database, which must be closed.

    Whoever dies on the way leaves a database with fewer commits than the manifest says, or with a
    log that is done with when it is next opened.

    Returns
    -------
    Path
        The snapshot that was copied.
    """
    snapshot, frames = layout.records(manifest.snapshot), published_frames(layout, manifest)
    copy_durably(snapshot, layout.work)
    if frames:
        connection = connect_writer(layout)
        try:
            with translated(layout.work), transaction(connection):
                replay(connection, frames)
                connection.execute(
                    "UPDATE meta SET value = ? WHERE key = 'commits'", [manifest.commits]
                )
        finally:
            connection.close()
    return snapshot


def connect_to_plan(layout: Layout, manifest: Manifest | None) -> Connection:
    """Open the published records to plan without writing."""
    if manifest is None:
        return connect_planner(layout, None)
    frames = published_frames(layout, manifest)
    connection = connect_planner(layout, layout.records(manifest.snapshot))
    if frames:
        try:
            overlay = Overlay(connection.cursor())
            overlay.load(frames)
            connection.execute("CREATE SCHEMA memory.planned")
            overlay.define("memory.planned", manifest.generation)
            connection.execute("SET search_path = 'memory.planned,published.main'")
        except BaseException:
            connection.close()
            raise
    return connection
