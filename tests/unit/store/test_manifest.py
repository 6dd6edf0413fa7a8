"""The manifest: what it holds, and that damage and newer formats are told apart."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from embedkit.errors import DamagedError, FormatVersionError, StorageError
from embedkit.integrity import FileDigest
from embedkit.store.manifest import FORMAT, IndexEntry, Manifest, Model, VectorSet

DIGEST = FileDigest(3, "a" * 64, "b" * 64)
WHOLE = Manifest(
    model=Model("hashing", "hashing-1", 8),
    metric="cosine",
    index_spec="auto",
    generation=7,
    records=5,
    vector_rows=6,
    commits=9,
    database=DIGEST,
    index=IndexEntry("index-7", "auto", "flat", DIGEST),
)


@pytest.fixture
def path(tmp_path):
    WHOLE.write(tmp_path / "manifest.json")
    return tmp_path / "manifest.json"


KEPT = (
    VectorSet(0, Model("old", "old-1", 16, "binary"), 9, datetime(2026, 1, 2, 3, 4, tzinfo=UTC)),
    VectorSet(3, Model("new", "new-1", 4), 2),
)
SEVERAL = replace(WHOLE, vector_set=2, sets=KEPT, format=2)


@pytest.mark.parametrize(
    "manifest",
    [WHOLE, replace(WHOLE, index=None), SEVERAL],
    ids=["whole", "no index", "several sets"],
)
def test_it_is_read_as_it_was_written(tmp_path, manifest):
    path = tmp_path / "m.json"
    manifest.write(path)
    read = Manifest.read(path)
    assert replace(read, updated=manifest.updated) == manifest
    assert abs((read.updated - manifest.updated).total_seconds()) < 1.1


def test_any_changed_character_is_damage(path):
    text = path.read_text()
    for place in range(0, len(text) - 1, 7):
        if text[place].isspace():
            continue
        path.write_text(text[:place] + ("0" if text[place] != "0" else "1") + text[place + 1 :])
        with pytest.raises(DamagedError, match=r"is damaged; run: embedkit doctor .* --repair"):
            Manifest.read(path)


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b"null", b"3", b"\xff\xfe", b'{"sha256": 1}', b"[1" * 5000],
    ids=repr,
)
def test_what_is_no_manifest_is_damage(path, data):
    path.write_bytes(data)
    with pytest.raises(DamagedError):
        Manifest.read(path)


def test_a_newer_format_is_no_damage(path):
    replace(WHOLE, format=FORMAT + 1).write(path)
    said = f"has format {FORMAT + 1}, this embedkit reads up to {FORMAT}; upgrade"
    with pytest.raises(FormatVersionError, match=said):
        Manifest.read(path)


def test_none_is_said_plainly_and_a_folder_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError):
        Manifest.read(tmp_path / "nowhere.json")
    with pytest.raises(StorageError, match="cannot read"):
        Manifest.read(tmp_path)


def test_only_what_an_older_embedkit_would_misread_has_a_newer_format(path):
    assert json.loads(path.read_text())["format"] == 1
    small = replace(WHOLE, model=replace(WHOLE.model, precision="int8"))
    small.write(path)
    body = json.loads(path.read_text())
    assert body["format"] == 2
    assert body["model"]["precision"] == "int8"
    assert Manifest.read(path).model == small.model
    for several in (replace(WHOLE, vector_set=2), replace(WHOLE, sets=KEPT[1:])):
        several.write(path)
        assert Manifest.read(path).format == 2
    assert Manifest.read(path).vectors == VectorSet(0, WHOLE.model, 6)


def test_it_is_json_that_a_person_can_read(path):
    body = json.loads(path.read_text())
    assert body["model"] == {"spec": "hashing", "model_id": "hashing-1", "dim": 8}
    assert (body["format"], body["generation"], body["records"]) == (1, 7, 5)
