"""The index of words against a plain reading of BM25, however it is spread over disk and memory."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedkit.errors import DamagedError, FormatVersionError, InvalidInputError
from embedkit.lexical import base as module
from embedkit.lexical import words
from embedkit.lexical.base import About, Base, write
from embedkit.lexical.index import LexicalIndex

WORDS = ["apple", "bridge", "cloud", "desk", "engine", "AB-1234", "東京", "C++"]
ANALYZER = words.analyzer()


def plain(texts: list[str], query: str, k1: float = 1.2, b: float = 0.75) -> np.ndarray:
    """BM25 of the terms of a query over some texts, as its formula reads."""
    listed = [ANALYZER.analyze(words.cut(text)) for text in texts]
    mean = sum(map(len, listed)) / max(1, len(listed))
    out = np.zeros(len(texts))
    for term, times in Counter(ANALYZER.analyze(words.cut(query))).items():
        held = sum(term in text for text in listed)
        idf = math.log(1 + (len(texts) - held + 0.5) / (held + 0.5))
        for i, text in enumerate(listed):
            tf = text.count(term)
            out[i] += times * idf * tf * (k1 + 1) / (tf + k1 * (1 - b + b * len(text) / mean))
    return out


def corpus(n: int, seed: int = 0) -> list[str]:
    generator = np.random.default_rng(seed)
    return [" ".join(generator.choice(WORDS, generator.integers(1, 9))) for _ in range(n)]


def batches(texts: list[str], rows: range) -> list[tuple[np.ndarray, list[str]]]:
    return [(np.array([row]), [texts[row]]) for row in rows]


def on_disk(folder: Path, texts: list[str], live: np.ndarray | None = None) -> LexicalIndex:
    live = np.ones(len(texts), np.bool_) if live is None else live
    write(folder, batches(texts, range(len(texts))), np.ones(len(texts), np.bool_))
    return LexicalIndex.of(live, Base(folder), [])


def in_memory(texts: list[str]) -> LexicalIndex:
    return LexicalIndex.of(np.ones(len(texts), np.bool_), None, batches(texts, range(len(texts))))


def expected(scores: np.ndarray, n: int, allow: np.ndarray | None = None) -> list[int]:
    rows = [i for i in range(len(scores)) if scores[i] > 0 and (allow is None or allow[i])]
    return sorted(rows, key=lambda i: (-np.float32(scores[i]), i))[:n]


@pytest.fixture(scope="module")
def texts() -> list[str]:
    return corpus(300)


@pytest.fixture(scope="module")
def disk(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> LexicalIndex:
    return on_disk(tmp_path_factory.mktemp("words") / "index", texts)


@pytest.mark.parametrize("query", ["apple", "apple apple bridge", "ab-1234 c++", "東京 desk", "京"])
def test_scores_are_those_of_the_formula(texts: list[str], disk: LexicalIndex, query: str) -> None:
    wanted = plain(texts, query)
    for index in (disk, in_memory(texts)):
        found = index.search([query], 20)
        kept = found.keys[0][found.keys[0] >= 0]
        assert len(kept) == min(20, np.count_nonzero(wanted))
        np.testing.assert_allclose(found.scores[0][: len(kept)], wanted[kept], rtol=1e-5)
        np.testing.assert_allclose(
            found.scores[0][: len(kept)], np.sort(wanted)[::-1][: len(kept)], rtol=1e-5
        )


def test_disk_and_memory_agree_to_the_row(texts: list[str], disk: LexicalIndex) -> None:
    memory = in_memory(texts)
    for query in ("apple cloud", "engine", "C++ desk bridge"):
        a, b = disk.search([query], 300), memory.search([query], 300)
        np.testing.assert_array_equal(np.sort(a.keys), np.sort(b.keys))
        np.testing.assert_allclose(a.scores, b.scores, rtol=1e-5)


@given(st.integers(0, 2**32 - 1), st.integers(1, 30), st.floats(0, 1))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_filter_gives_the_best_of_what_it_allows(
    texts: list[str], disk: LexicalIndex, seed: int, n: int, share: float
) -> None:
    allow = np.random.default_rng(seed).random(300) < share
    query = "apple ab-1234"
    scores = plain(texts, query)
    found = disk.search([query], n, allow=allow)
    kept = found.keys[0][found.keys[0] >= 0]
    wanted = expected(scores, n, allow)
    assert len(kept) == len(wanted)
    assert allow[kept].all()
    np.testing.assert_allclose(scores[kept], scores[wanted], rtol=1e-5)


@pytest.mark.parametrize("share", [0.02, 0.5, 1.0])
def test_filters_of_many_rows_fill_n(tmp_path: Path, share: float) -> None:
    texts = corpus(2000, seed=3)
    index = on_disk(tmp_path / "index", texts)
    allow = np.random.default_rng(1).random(2000) < share
    scores = plain(texts, "apple desk")
    found = index.search(["apple desk"], 50, allow=allow)
    kept = found.keys[0][found.keys[0] >= 0]
    wanted = expected(scores, 50, allow)
    assert len(kept) == len(wanted)
    assert allow[kept].all()
    np.testing.assert_allclose(scores[kept], scores[wanted], rtol=1e-5)


def test_rows_beside_the_base_are_scored_with_its_statistics(tmp_path: Path) -> None:
    texts = corpus(200)
    write(tmp_path / "index", batches(texts, range(200)), np.ones(200, np.bool_))
    live = np.ones(202, np.bool_)
    live[7] = False
    more = [texts[5], "zyzzyva"]
    index = LexicalIndex.of(live, Base(tmp_path / "index"), [(np.array([200, 201]), more)])
    found = index.search([texts[5], texts[7], "zyzzyva"], 300)
    rows = found.keys[0].tolist()
    assert found.scores[0][rows.index(5)] == pytest.approx(found.scores[0][rows.index(200)])
    assert 7 not in found.keys
    assert found.keys[2].tolist()[:2] == [201, -1]
    assert index.sizes == (199, 2)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 39)), max_size=12), st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_an_index_that_grew_finds_what_a_new_one_finds(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[bool, int]], seed: int
) -> None:
    """Rows are added and deleted again and again, in one extension of the index each time."""
    folder = tmp_path_factory.mktemp("grown")
    texts = corpus(40, seed)
    there = np.zeros(40, np.bool_)
    there[:20] = True
    write(folder / "0", batches(texts, range(20)), there)
    for number, (add, row) in enumerate(steps, start=1):
        change = np.array([row]) if there[row] != add else np.empty(0, np.int64)
        there = there.copy()
        there[row] = add
        write(
            folder / str(number),
            [(change, [texts[r] for r in change])] if add else [],
            there,
            base=folder / str(number - 1),
            remove=None if add else change,
        )
    grown = LexicalIndex.of(there, Base(folder / str(len(steps))), [])
    rows = np.flatnonzero(there)
    fresh = LexicalIndex.of(there, None, [(rows, [texts[row] for row in rows])])
    for query in ("apple bridge", "AB-1234", "東京"):
        a, b = grown.search([query], 40).keys, fresh.search([query], 40).keys
        assert set(a[a >= 0].tolist()) == set(b[b >= 0].tolist())


def test_files_are_shared_not_copied(tmp_path: Path) -> None:
    texts = corpus(50)
    write(tmp_path / "a", batches(texts, range(40)), np.arange(50) < 40)
    write(tmp_path / "b", batches(texts, range(40, 50)), np.ones(50, np.bool_), base=tmp_path / "a")
    shared = [path for path in (tmp_path / "b/tantivy").iterdir() if path.stat().st_nlink > 1]
    assert shared
    module.files.check(tmp_path / "a", do="")  # and the older one is as it was


def test_phrases_count_more_than_their_words(tmp_path: Path) -> None:
    texts = ["bridge of clouds", "clouds of bridge bridge bridge", "a cloud", "bridge clouds"]
    for index in (on_disk(tmp_path / "index", texts), in_memory(texts)):
        assert index.search(['"bridge of clouds"'], 4).keys[0][0] == 0
        plain_words = index.search(["bridge of clouds"], 4).scores[0]
        assert index.search(['"bridge of clouds"'], 4).scores[0][0] > plain_words[0]
        assert index.search(['"no such phrase" cloud'], 4).keys[0].tolist().count(-1) == 0


def test_a_slip_of_typing_finds_the_word_and_no_code(tmp_path: Path) -> None:
    texts = ["quantum physics", "quality of life", "order AB-1234", "order AB-1235"]
    for index in (on_disk(tmp_path / "index", texts), in_memory(texts)):
        found = index.search(["quantmu", "quantum"], 4)
        assert found.keys[0].tolist() == [0, -1, -1, -1]
        assert found.scores[0][0] == pytest.approx(found.scores[1][0] / 2)
        assert index.search(["AB-1236"], 4).keys[0].tolist() == [2, 3, -1, -1]  # by AB alone
        assert index.search(["AB1236"], 4).scores[0][0] < index.search(["AB1234"], 4).scores[0][0]


def test_shares_add_up_to_the_score(disk: LexicalIndex, texts: list[str]) -> None:
    query = 'apple bridgf "cloud desk"'
    found = disk.search([query], 5)
    for row, score, shares in zip(
        found.keys[0], found.scores[0], disk.shares(query, found.keys[0]), strict=True
    ):
        assert sum(shares.values()) == pytest.approx(float(score), rel=1e-5), texts[row]


def test_equal_scores_are_ordered_by_row(tmp_path: Path) -> None:
    index = on_disk(tmp_path / "index", ["same words"] * 500)
    assert index.search(["words"], 5).keys[0].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("query", ["", "  ", '"', "':+-()[]{}^~*?\\/", "AND OR NOT", "\x00"])
def test_no_query_is_an_error(disk: LexicalIndex, query: str) -> None:
    assert (disk.search([query], 3).keys == -1).all()


def test_a_query_as_long_as_a_book_is_answered(disk: LexicalIndex, texts: list[str]) -> None:
    long = " ".join([*(f"word{i}" for i in range(3000)), *texts[:50]])
    assert disk.search([long], 3).keys[0][0] >= 0


def test_empty_indexes(tmp_path: Path) -> None:
    nothing = LexicalIndex.of(np.zeros(0, np.bool_), None, [])
    assert nothing.search(["apple"], 3).keys.tolist() == [[-1, -1, -1]]
    write(tmp_path / "index", [], np.zeros(4, np.bool_))
    index = LexicalIndex.of(np.zeros(4, np.bool_), Base(tmp_path / "index"), [])
    assert index.search(["apple"], 3).keys.tolist() == [[-1, -1, -1]]


def test_bad_masks_are_refused(disk: LexicalIndex) -> None:
    with pytest.raises(InvalidInputError, match="expected allow"):
        disk.search(["apple"], 3, allow=np.ones(3, np.bool_))


@pytest.mark.parametrize("name", ["words.json", "rows.npy", "files.json", "tantivy/meta.json"])
@pytest.mark.parametrize("harm", ["cut", "flip", "delete", "empty"])
def test_damage_is_told_before_tantivy_sees_it(tmp_path: Path, name: str, harm: str) -> None:
    write(tmp_path / "i", batches(corpus(20), range(20)), np.ones(20, np.bool_))
    damage(tmp_path / "i" / name, harm)
    with pytest.raises(DamagedError):
        Base(tmp_path / "i")


def test_damage_of_any_file_of_tantivy_is_told(tmp_path: Path) -> None:
    write(tmp_path / "i", batches(corpus(20), range(20)), np.ones(20, np.bool_))
    for path in sorted((tmp_path / "i/tantivy").iterdir()):
        data = path.read_bytes()
        for harm in ("cut", "flip", "delete"):
            damage(path, harm)
            with pytest.raises(DamagedError):
                Base(tmp_path / "i")
            path.write_bytes(data)
    assert Base(tmp_path / "i").texts == 20


def damage(path: Path, harm: str) -> None:
    data = path.read_bytes()
    if harm == "delete":
        path.unlink()
        return
    path.unlink()  # another file may be the same one
    middle = len(data) // 2
    harmed = {
        "cut": data[:middle],
        "empty": b"",
        "flip": data[:middle] + bytes([data[middle] ^ 4]) + data[middle + 1 :],
    }
    path.write_bytes(harmed[harm])


def test_another_way_of_cutting_needs_another_index(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "i", batches(corpus(5), range(5)), np.ones(5, np.bool_))
    monkeypatch.setattr(words, "ANALYSIS", words.ANALYSIS + 1)
    with pytest.raises(FormatVersionError):
        About.load(tmp_path / "i")


def test_a_folder_that_cannot_be_written_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "i", batches(corpus(20), range(20)), np.ones(20, np.bool_))
    monkeypatch.setattr(module.os, "access", lambda *_: False)
    assert Base(tmp_path / "i").texts == 20
    assert not list((tmp_path / "i/tantivy").glob("*.lock"))
