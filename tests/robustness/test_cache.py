"""The cache under processes that write at once and die in the middle of it."""

from __future__ import annotations

import importlib.util
import random
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from embedkit.caching import VectorCache

pytestmark = pytest.mark.slow

SCRIPT = Path(__file__).with_name("cache_worker.py")


@pytest.fixture(scope="module")
def worker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("embedkit_test_cache_worker", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def there(worker: ModuleType, home: Path, n: int) -> set[int]:
    """Return which rows are there, after making sure that each is right."""
    places, rows = VectorCache(home, bound=10**9).get(worker.SPACE, worker.keys(0, n))
    assert rows.tobytes() == worker.rows(0, n)[places].tobytes()
    return set(places.tolist())


def test_two_processes_write_at_once(start, worker, tmp_path):
    command = [sys.executable, str(SCRIPT), str(tmp_path)]
    both = [start([*command, *limits]) for limits in (("0", "2000"), ("1500", "3500"))]
    for process in both:
        assert process.end() == 0, process.errors
        assert process.errors == [], "no warning: they wait for each other"
    assert there(worker, tmp_path, 3500) == set(range(3500))
    info = VectorCache(tmp_path, bound=10**9).info()
    assert info.entries == 3500, "what both had is there once"


def test_one_trims_while_another_reads(start, worker, tmp_path):
    command = [sys.executable, str(SCRIPT), str(tmp_path), "0", "6000", "3000000"]
    both = [start(command) for _ in range(2)]
    for process in both:
        assert process.end() == 0, process.errors
        assert process.errors == []
    found = there(worker, tmp_path, 6000)
    assert 5999 in found
    assert len(found) < 3_000_000 / 1536


def test_killed_again_and_again_while_writing(start, worker, tmp_path, caplog):
    moments = random.Random(11)
    told = 0
    for _ in range(8):
        process = start([sys.executable, str(SCRIPT), str(tmp_path), str(told), "100000"])
        process.wait_for("put", moments.randrange(1, 12))
        time.sleep(moments.uniform(0, 0.02))
        process.kill()
        last = int(process.lines[-1].split()[1])
        found = there(worker, tmp_path, last + worker.BATCH)
        assert found >= set(range(last)), "what was put stays"
        assert found <= set(range(last + worker.BATCH)), "at most the one in flight came through"
        told = last
    assert told > 8 * worker.BATCH
    assert caplog.records == []


def test_a_limit_on_the_size_of_files(start, worker, tmp_path):
    """Stands for a full disk: one warning, and the work goes on."""
    limited = (
        "import resource, signal, runpy, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY)); "
        "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    process = start([sys.executable, "-c", limited, str(SCRIPT), str(tmp_path), "0", "5000"])
    assert process.end() == 0, process.errors
    assert process.lines[-1] == "put 5000"
    assert len(process.errors) == 1, process.errors
    assert "going on without it" in process.errors[0]
    found = there(worker, tmp_path, 5000)
    assert found >= set(range(100))
    cache = VectorCache(tmp_path, bound=10**9)
    cache.put(worker.SPACE, worker.keys(0, 5000), worker.rows(0, 5000))
    assert there(worker, tmp_path, 5000) == set(range(5000)), "with room again it goes on"
