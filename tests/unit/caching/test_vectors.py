"""What is put in comes out bit for bit, within the bound, whatever the order."""

from __future__ import annotations

import hashlib
import itertools
import logging
import sqlite3
import tempfile
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from embedkit.caching import Space, VectorCache
from embedkit.caching.blocks import capacity
from embedkit.errors import SettingsError
from embedkit.types import Precision

PRECISIONS: tuple[Precision, ...] = ("float32", "int8", "binary")


def keys(n: int, first: int = 0) -> list[bytes]:
    return [hashlib.sha256(str(i).encode()).digest()[:16] for i in range(first, first + n)]


def rows(space: Space, n: int, seed: int = 0) -> NDArray[np.generic]:
    """Any bits, NaN among them: the cache does not look at what they mean."""
    random = np.random.default_rng(seed)
    data = random.integers(0, 256, (n, space.row_bytes), np.uint8)
    return data.view(space.dtype)


def same_bits(a: NDArray[np.generic], b: NDArray[np.generic]) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


@pytest.fixture
def cache(tmp_path: Path) -> VectorCache:
    return VectorCache(tmp_path / "home", bound=10**9)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "embedkit")


SPACE = Space("model dim=48", "document", 48)


@pytest.mark.parametrize(
    ("dim", "precision"),
    [
        *itertools.product([8, 64, 1536, 20_000], PRECISIONS),
        *itertools.product([1, 7], ["float32", "int8"]),  # bits fill whole bytes
    ],
)
def test_rows_come_back_bit_for_bit(cache: VectorCache, precision: Precision, dim: int) -> None:
    space = Space("m", "document", dim, precision)
    n = 2 * capacity(space) + 3 if dim > 64 else 50
    data = rows(space, n)
    cache.put(space, keys(n), data)
    places, found = cache.get(space, keys(n))
    assert places.tolist() == list(range(n))
    assert same_bits(found, data)
    found[0] = 0
    assert same_bits(cache.get(space, keys(1))[1], data[:1]), "what is returned is the caller's own"


def test_only_what_is_there_is_found(cache: VectorCache) -> None:
    data = rows(SPACE, 4)
    cache.put(SPACE, keys(4), data)
    places, found = cache.get(SPACE, [*keys(2, 100), *keys(4)[::-1]])
    assert places.tolist() == [2, 3, 4, 5]
    assert same_bits(found, data[::-1])


def test_nothing_is_there_before_the_first_put(cache: VectorCache) -> None:
    places, found = cache.get(SPACE, keys(3))
    assert (places.shape, found.shape, found.dtype) == ((0,), (0, 48), np.float32)
    assert len(cache.contents(SPACE)) == 0
    assert cache.info().entries == cache.clear() == cache.trim() == 0
    assert not cache.path.parent.exists(), "looking writes nothing"


@pytest.mark.parametrize(
    "other",
    [
        Space("model dim=49", "document", 48),
        Space("model dim=48", "query", 48),
        Space("model dim=48", "document", 47),
        Space("model dim=48", "document", 48, "int8"),
    ],
)
def test_spaces_are_apart(cache: VectorCache, other: Space) -> None:
    cache.put(SPACE, keys(5), rows(SPACE, 5))
    assert len(cache.get(other, keys(5))[0]) == 0
    cache.put(other, keys(5), rows(other, 5, seed=1))
    assert same_bits(cache.get(other, keys(5))[1], rows(other, 5, seed=1))
    assert same_bits(cache.get(SPACE, keys(5))[1], rows(SPACE, 5))


def test_what_is_there_already_stays(cache: VectorCache) -> None:
    first = rows(SPACE, 3)
    cache.put(SPACE, keys(3), first)
    cache.put(SPACE, keys(5), rows(SPACE, 5, seed=1))
    assert same_bits(cache.get(SPACE, keys(3))[1], first)
    assert cache.info().entries == 5


Puts = st.lists(st.lists(st.integers(0, 400), min_size=1, max_size=60), min_size=1, max_size=8)


@settings(max_examples=40, deadline=None)
@given(puts=Puts, precision=st.sampled_from(PRECISIONS), reopen=st.booleans())
def test_any_order_and_any_duplicates(
    puts: Sequence[Sequence[int]], precision: Precision, reopen: bool
) -> None:
    space = Space("m", "document", 1600, precision)
    names, values = keys(401), rows(space, 401)
    with tempfile.TemporaryDirectory() as home:
        cache = VectorCache(home, bound=10**9)
        for numbers in puts:
            cache.put(space, [names[i] for i in numbers], values[numbers])
            if reopen:
                cache.close()
                cache = VectorCache(home, bound=10**9)
        there = sorted({i for numbers in puts for i in numbers})
        places, found = cache.get(space, names)
        assert places.tolist() == there
        assert same_bits(found, values[there])
        assert {bytes(key) for key in cache.contents(space)} == {names[i] for i in there}
        assert cache.info().entries == len(there)
        cache.close()


def test_contents_lists_every_key_of_the_space(cache: VectorCache) -> None:
    cache.put(SPACE, keys(5000), rows(SPACE, 5000))
    cache.put(Space("m", "query", 48), keys(3, 9000), rows(SPACE, 3))
    listed = cache.contents(SPACE)
    assert listed.dtype == "V16"
    assert sorted(map(bytes, listed)) == sorted(keys(5000))


def test_many_lookups_of_many_puts(cache: VectorCache) -> None:
    data, names = rows(SPACE, 3000), keys(3000)
    for start in range(0, 3000, 7):
        cache.put(SPACE, names[start : start + 7], data[start : start + 7])
    order = np.random.default_rng(3).permutation(3000)
    places, found = cache.get(SPACE, [names[i] for i in order])
    assert len(places) == 3000
    assert same_bits(found, data[order])


def test_another_cache_of_the_home_sees_it_at_once(cache: VectorCache) -> None:
    other = VectorCache(cache.path.parents[1], bound=10**9)
    for i in range(0, 40, 4):
        writer, reader = (cache, other) if i % 8 else (other, cache)
        writer.put(SPACE, keys(4, i), rows(SPACE, 4, seed=i))
        assert same_bits(reader.get(SPACE, keys(4, i))[1], rows(SPACE, 4, seed=i))
    assert len(cache.get(SPACE, keys(40))[0]) == 40
    other.clear()
    assert len(cache.get(SPACE, keys(40))[0]) == 0
    cache.put(SPACE, keys(2), rows(SPACE, 2))
    assert len(other.get(SPACE, keys(40))[0]) == 2


def test_threads_share_it(cache: VectorCache, caplog: pytest.LogCaptureFixture) -> None:
    data = rows(SPACE, 400)

    def work(first: int) -> None:
        for start in range(first, 400, 40):
            cache.put(SPACE, keys(400)[start : start + 10], data[start : start + 10])
            cache.get(SPACE, keys(400))

    threads = [threading.Thread(target=work, args=(first,)) for first in (0, 10, 20, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same_bits(cache.get(SPACE, keys(400))[1], data)
    assert caplog.records == []


def test_info_counts(cache: VectorCache) -> None:
    before = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    cache.put(SPACE, keys(5), rows(SPACE, 5))
    small = Space("other", "query", 48, "binary")
    cache.put(small, keys(2), rows(small, 2))
    info = cache.info()
    assert (info.path, info.bound, info.entries) == (str(cache.path), 10**9, 7)
    assert info.bytes == sum(
        file.stat().st_size for file in cache.path.parent.iterdir() if "-shm" not in file.name
    )
    first, second = info.spaces
    assert (first.model_id, first.input_type, first.dim) == ("model dim=48", "document", 48)
    assert (first.precision, first.entries, first.bytes) == ("float32", 5, 5 * 192)
    assert (second.precision, second.entries, second.bytes) == ("binary", 2, 12)
    assert before <= first.oldest <= first.last_used <= before + timedelta(minutes=5)
    assert info.to_dict()["spaces"][1]["model_id"] == "other"
    assert cache.info(model="other").entries == 2
    assert cache.info(older_than=timedelta(hours=1)).entries == 0


def age(cache: VectorCache, model: str, hours: float) -> None:
    """Make the rows of a model older."""
    with sqlite3.connect(cache.path) as db:
        db.execute(
            "UPDATE blocks SET used = used - ? WHERE space = "
            "(SELECT id FROM spaces WHERE model_id = ?)",
            (int(hours * 3600), model),
        )
    db.close()


def test_clear_by_model_and_by_age(cache: VectorCache) -> None:
    spaces = [Space(name, "document", 48) for name in "abc"]
    for space in spaces:
        cache.put(space, keys(9), rows(space, 9))
    age(cache, "b", 50)
    assert cache.clear(model="nobody") == 0
    assert cache.clear(model="a", older_than=timedelta(hours=1)) == 0
    assert cache.clear(model="a") == 9
    assert cache.clear(older_than=timedelta(days=2)) == 9
    assert [space.model_id for space in cache.info().spaces] == ["c"]
    assert len(cache.get(spaces[2], keys(9))[0]) == 9
    assert cache.clear() == 9
    assert cache.info().spaces == ()


def test_clear_gives_the_disk_back(cache: VectorCache) -> None:
    space = Space("m", "document", 1536)
    cache.put(space, keys(3000), rows(space, 3000))
    cache.put(SPACE, keys(1), rows(SPACE, 1))
    assert cache.info().bytes > 3000 * 1536 * 4
    cache.clear(model="m")
    assert cache.info().bytes < 10**6
    assert len(cache.get(SPACE, keys(1))[0]) == 1


def test_use_is_noted_but_not_at_every_read(cache: VectorCache) -> None:
    cache.put(SPACE, keys(3), rows(SPACE, 3))
    age(cache, SPACE.model_id, 0.5)
    noted = cache.info().spaces[0].last_used
    cache.get(SPACE, keys(1))
    assert cache.info().spaces[0].last_used == noted
    age(cache, SPACE.model_id, 100)
    cache.get(SPACE, keys(1))
    assert cache.info().spaces[0].last_used > noted


def test_the_bound_holds_after_many_puts(tmp_path: Path) -> None:
    bound = 8_000_000
    cache = VectorCache(tmp_path, bound=bound)
    space = Space("m", "document", 1536)
    for start in range(0, 9600, 96):
        cache.put(space, keys(96, start), rows(space, 96, seed=start))
        assert cache.path.stat().st_size <= bound
        last = cache.get(space, keys(96, start))[1]
        assert same_bits(last, rows(space, 96, seed=start)), "the newest stay"
    assert 900 < cache.info().entries < bound / 6144


def test_what_was_not_used_for_longest_goes_first(tmp_path: Path) -> None:
    cache = VectorCache(tmp_path, bound=8_000_000)
    old, used, new = (Space(name, "document", 1536) for name in ("old", "used", "new"))
    cache.put(used, keys(300), rows(used, 300))
    cache.put(old, keys(600), rows(old, 600))
    age(cache, "used", 48)
    age(cache, "old", 24)
    cache.get(used, keys(300))
    for start in range(0, 500, 100):
        cache.put(new, keys(100, start), rows(new, 100))
    assert len(cache.get(used, keys(300))[0]) == 300
    assert len(cache.get(new, keys(500))[0]) == 500
    places = cache.get(old, keys(600))[0]
    assert 0 < len(places) < 500
    assert places[-1] == 599, "of those equally old the first written go first"


def test_a_bound_that_was_lowered(tmp_path: Path) -> None:
    space = Space("m", "document", 1536)
    large = VectorCache(tmp_path, bound=10**9)
    large.put(space, keys(2000), rows(space, 2000))
    large.close()
    small = VectorCache(tmp_path, bound=3_000_000)
    assert small.trim() > 1000
    assert small.path.stat().st_size <= 3_000_000
    assert 0 < small.info().entries < 500


@pytest.mark.parametrize("bound", [0, 1000])
def test_a_bound_too_small_for_anything(tmp_path: Path, bound: int) -> None:
    cache = VectorCache(tmp_path, bound=bound)
    cache.put(SPACE, keys(3), rows(SPACE, 3))
    assert len(cache.get(SPACE, keys(3))[0]) == 0
    assert len(cache.contents(SPACE)) == 0


def test_the_bound_is_a_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EMBEDKIT_CACHE_SIZE", "12MB")
    assert VectorCache(tmp_path).bound == 12_000_000
    monkeypatch.setenv("EMBEDKIT_CACHE_SIZE", "much")
    with pytest.raises(SettingsError, match="EMBEDKIT_CACHE_SIZE"):
        VectorCache(tmp_path)
