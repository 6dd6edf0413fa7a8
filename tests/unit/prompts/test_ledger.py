from __future__ import annotations

import threading
from pathlib import Path

import pytest

from embedkit.errors import StorageError
from embedkit.prompts.ledger import AnswerLedger, answer_key
from embedkit.prompts.template import Rendered
from embedkit.types import Candidate, Message

SAID = Candidate("said\nü\x00", "stop", 3, 2)


def test_what_is_put_is_there_for_others_and_later(tmp_path: Path) -> None:
    ledger, other = AnswerLedger(tmp_path, "m"), AnswerLedger(tmp_path, "m")
    assert ledger.get("k") is None
    ledger.put("k", SAID)
    assert ledger.get("k") == SAID
    assert AnswerLedger(tmp_path, "m").get("k") == SAID
    assert AnswerLedger(tmp_path, "another model").get("k") is None
    other.put("k2", SAID)
    assert other.get("k") == SAID, "what came from elsewhere is learned with one's own"


def test_the_last_answer_counts(tmp_path: Path) -> None:
    ledger = AnswerLedger(tmp_path, "m")
    ledger.put("k", SAID)
    ledger.put("k", Candidate("anew", "stop", None, None))
    assert AnswerLedger(tmp_path, "m").get("k") == Candidate("anew", "stop", None, None)


def test_every_cut_loses_at_most_the_last_line(tmp_path: Path) -> None:
    ledger = AnswerLedger(tmp_path, "m")
    for i in range(3):
        ledger.put(f"k{i}", SAID)
    whole = ledger.path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(whole) if byte == ord("\n")]
    for cut in range(len(whole) + 1):
        ledger.path.write_bytes(whole[:cut])
        left = AnswerLedger(tmp_path, "m")
        assert len(left) == sum(end <= cut for end in ends)
        left.put("new", SAID)
        again = AnswerLedger(tmp_path, "m")
        assert again.get("new") == SAID, cut
        assert len(again) == len(left)
        # A line that lacks its end alone is whole once the next one begins.
        assert again.damaged == (cut not in (0, *ends) and cut + 1 not in ends)


def test_every_changed_byte_is_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ledger = AnswerLedger(tmp_path, "m")
    ledger.put("k0", SAID)
    ledger.put("k1", SAID)
    whole = ledger.path.read_bytes()
    for place in range(len(whole) // 2 - 1):
        spoiled = bytearray(whole)
        spoiled[place] ^= 1
        ledger.path.write_bytes(spoiled)
        left = AnswerLedger(tmp_path, "m")
        assert left.get("k0") is None
        assert left.get("k1") == SAID or b"\n" in spoiled[: place + 1]
    assert "they are asked for again" in caplog.text


def test_a_file_that_changes_beneath_us(tmp_path: Path) -> None:
    ledger = AnswerLedger(tmp_path, "m")
    ledger.put("k", SAID)
    ledger.path.write_bytes(b"#" * len(ledger.path.read_bytes()))
    assert ledger.get("k") is None


def test_what_the_disk_refuses_is_ours(tmp_path: Path) -> None:
    ledger = AnswerLedger(tmp_path, "m")
    ledger.path.mkdir(parents=True)
    with pytest.raises(StorageError):
        ledger.put("k", SAID)
    with pytest.raises(StorageError):
        AnswerLedger(tmp_path, "m")


def test_threads_do_not_mix_lines(tmp_path: Path) -> None:
    ledgers = [AnswerLedger(tmp_path, "m") for _ in range(4)]

    def fill(number: int) -> None:
        for i in range(25):
            ledgers[number].put(f"{number} {i}", SAID)

    threads = [threading.Thread(target=fill, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = AnswerLedger(tmp_path, "m")
    assert (len(found), found.damaged) == (100, 0)


def test_a_key_is_of_all_that_shapes_an_answer() -> None:
    base = Rendered("p", ("s",))
    keys = {
        answer_key("m", base, {"seed": 0}),
        answer_key("m2", base, {"seed": 0}),
        answer_key("m", Rendered("p2", ("s",)), {"seed": 0}),
        answer_key("m", Rendered("p", ()), {"seed": 0}),
        answer_key("m", base, {"seed": 1}),
        answer_key("m", Rendered((Message("user", "p"),), ("s",)), {"seed": 0}),
        answer_key("m", Rendered((Message("system", "p"),), ("s",)), {"seed": 0}),
    }
    assert len(keys) == 7
    assert answer_key("m", Rendered("p", ("s",)), {"seed": 0}) in keys
