"""Classifiers by name."""

from __future__ import annotations

import multiprocessing
import os
import threading
from pathlib import Path

import pytest

from embedkit.classification import library
from embedkit.errors import ClassifierNotFoundError, InvalidInputError, StorageError


def write(folder: Path, content: str = "x") -> None:
    folder.mkdir(exist_ok=True)
    (folder / library.CLASSIFIER.manifest).write_text(content)


def test_what_is_stored_is_found_and_listed(home: Path) -> None:
    assert library.names(home) == []
    place = library.store(home, "topics", write)
    library.store(home, "a.b-c", write)
    assert library.find(home, "topics") == place == home / ".classifiers" / "topics"
    assert library.names(home) == ["a.b-c", "topics"]
    assert library.size(place) == 1


def test_one_that_is_not_there_offers_the_nearest(home: Path) -> None:
    with pytest.raises(ClassifierNotFoundError, match="which holds none; make it with"):
        library.find(home, "topics")
    library.store(home, "topics", write)
    with pytest.raises(ClassifierNotFoundError, match=r"did you mean 'topics'\? there are: topics"):
        library.find(home, "topic")
    with pytest.raises(InvalidInputError, match="letters"):
        library.find(home, "../x")


def test_deleting(home: Path) -> None:
    place = library.store(home, "topics", write)
    library.delete(home, "topics")
    assert not place.exists()
    assert library.names(home) == []
    assert [path.name for path in place.parent.iterdir()] == [".topics.lock"]
    with pytest.raises(ClassifierNotFoundError):
        library.delete(home, "topics")


def test_what_a_process_left_half_deleted_goes_with_the_next(home: Path) -> None:
    place = library.store(home, "topics", write)
    left = place.with_name(".deleted-topics-1")
    write(left)
    assert library.names(home) == ["topics"]
    library.delete(home, "topics")
    assert not left.exists()


def test_writers_of_a_name_come_one_after_the_other(home: Path) -> None:
    inside, most = 0, 0
    lock = threading.Lock()

    def save(folder: Path) -> None:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        write(folder)
        with lock:
            inside -= 1

    threads = [threading.Thread(target=library.store, args=(home, "q", save)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert library.names(home) == ["q"]


def _die(home: Path) -> None:
    def save(folder: Path) -> None:
        os._exit(9)

    library.store(home, "q", save)


def test_a_writer_that_dies_lets_go(home: Path) -> None:
    library.store(home, "q", write)
    process = multiprocessing.get_context("spawn").Process(target=_die, args=(home,))
    process.start()
    process.join(60)
    assert process.exitcode == 9
    library.store(home, "q", lambda folder: write(folder, "new"))
    assert (library.find(home, "q") / library.CLASSIFIER.manifest).read_text() == "new"


def test_a_home_that_is_a_file(home: Path) -> None:
    home.write_text("")
    assert library.names(home) == []
    with pytest.raises(StorageError, match="--home"):
        library.store(home, "q", write)
