"""Homes and the collections in them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

import embedkit
from embedkit import catalog
from embedkit.errors import (
    CollectionLockedError,
    CollectionNotFoundError,
    InvalidInputError,
    StorageError,
)
from embedkit.store.layout import check_name, is_name
from embedkit.store.lock import WriterLock

ROWS = [{"id": "a", "text": "a first text"}, {"id": "b", "text": "a second text"}]


def test_collections_are_listed_by_name_with_what_they_hold(opened, home):
    opened("zebra").index(ROWS)
    opened("ant").index(ROWS[:1])
    (home / "not-one").mkdir()
    (home / "file.txt").write_text("x")
    found = embedkit.collections(home)
    assert [(info.name, info.records) for info in found] == [("ant", 1), ("zebra", 2)]
    assert found[0].model_id == "hashing-1 dim=384"
    assert found[0].path == str(home / "ant")


def test_a_home_that_is_not_there_holds_nothing(home):
    assert embedkit.collections(home) == []
    assert not home.exists()


def test_a_damaged_collection_is_left_out_of_the_list_but_known_by_name(opened, home):
    opened("good").index(ROWS)
    opened("bad").index(ROWS)
    (home / "bad" / "manifest.json").write_text("{}")
    assert [info.name for info in embedkit.collections(home)] == ["good"]
    assert catalog.names(home) == ["bad", "good"]


def test_what_a_killed_deletion_left_is_no_collection_and_goes_with_the_next(opened, home):
    for name in ("q", "other"):
        opened(name).index(ROWS)
    shutil.copytree(home / "q", home / ".deleted-q-77")
    assert [info.name for info in embedkit.collections(home)] == ["other", "q"]
    embedkit.delete("q", home=home)
    assert [path.name for path in home.iterdir()] == ["other"]


def test_folders_with_names_no_collection_can_have_are_left_alone(opened, home):
    opened("q").index(ROWS)
    shutil.copytree(home / "q", home / "my folder")
    assert catalog.names(home) == ["q"]
    embedkit.delete("q", home=home)
    assert (home / "my folder" / "manifest.json").exists()


def test_deleting_takes_everything_and_what_is_not_there_is_said(opened, home):
    opened("questions").index(ROWS)
    embedkit.delete("questions", home=home)
    assert list(home.iterdir()) == []
    with pytest.raises(CollectionNotFoundError, match=r"no collection 'questions'.*holds none"):
        embedkit.delete("questions", home=home)


def test_the_nearest_name_is_offered(opened, home):
    opened("questions").index(ROWS)
    with pytest.raises(CollectionNotFoundError, match="did you mean 'questions'"):
        embedkit.delete("question", home=home)


def test_a_collection_that_is_being_written_is_not_deleted(opened, home):
    opened("q").index(ROWS)
    with (
        WriterLock(home / "q" / "lock", "q"),
        pytest.raises(CollectionLockedError, match=f"process {os.getpid()} "),
    ):
        embedkit.delete("q", home=home)
    assert [hit.id for hit in opened("q").search("first", k=1)] == ["a"]


def test_after_deleting_an_open_collection_says_so_and_can_be_filled_anew(opened, home):
    collection = opened("q")
    collection.index(ROWS)
    assert len(collection) == 2
    embedkit.delete("q", home=home)
    assert len(collection) == 0
    with pytest.raises(CollectionNotFoundError):
        collection.search("first")
    collection.index(ROWS[1:])
    assert [hit.id for hit in collection.search("first")] == ["b"]


@pytest.mark.parametrize("name", ["q", "Q-1", "a.b_c", "été", "1"])
def test_names_that_are_taken(name):
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".q", "-q", "_q", "a/b", "a\\b", "q.", "a b", "a\0", "x" * 101, None, 3]
)
def test_names_that_are_refused(name, home):
    assert not is_name(name)
    with pytest.raises(InvalidInputError, match="collection's name"):
        embedkit.open(name, home=home)


def test_a_home_that_is_a_file_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(InvalidInputError, match="expected a folder as home"):
        embedkit.open("q", home=file)


def test_a_collections_folder_that_is_a_file_is_refused(home, opened):
    home.mkdir()
    (home / "q").write_text("x")
    with pytest.raises((StorageError, InvalidInputError)):
        opened("q").index(ROWS)
    assert (home / "q").read_text() == "x"


def test_the_home_comes_from_the_environment_where_none_is_given(monkeypatch, tmp_path):
    monkeypatch.setenv("EMBEDKIT_HOME", str(tmp_path / "elsewhere"))
    assert embedkit.open("q").path == tmp_path / "elsewhere" / "q"
    monkeypatch.delenv("EMBEDKIT_HOME")
    monkeypatch.chdir(tmp_path)
    assert embedkit.open("q").path.resolve() == Path(tmp_path, ".embedkit", "q").resolve()


def test_a_collection_made_anew_is_not_mistaken_for_the_one_that_is_still_open(opened, home):
    first = opened("q")
    first.index([{"id": "old", "text": "an old text"}])
    held = first.search("text")
    records = iter(first)
    embedkit.delete("q", home=home)
    second = opened("q")
    second.index([{"id": "new", "text": "a new text"}])
    assert [hit.id for hit in held] == ["old"]
    assert [hit.id for hit in second.search("text")] == ["new"]
    assert [hit.id for hit in first.search("text")] == ["new"]
    assert [record.id for record in records] == ["old"], "what was begun goes on as it was"
