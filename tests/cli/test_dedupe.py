from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

from click.testing import Result

Run = Callable[..., Result]

ROWS = "id,text,lang\n1,how do I pay,en\n2,how do I pay?,en\n3,a b c,de\n4,how do I pay,de\n"


def test_a_file_without_its_duplicates(run: Run, work: Path) -> None:
    (work / "q.csv").write_text(ROWS)
    result = run("dedupe", "q.csv", "-o", "u.csv", "--threshold", "0.6", "--report", "r.csv")
    assert result.stdout == ""
    assert (
        "q.csv: kept 2 of 4 rows; dropped 1 of equal text, 1 near-duplicates (cosine 0.6 or more)"
        in result.stderr
    )
    assert (work / "u.csv").read_text() == "id,text,lang\n1,how do I pay,en\n3,a b c,de\n"
    told = list(csv.DictReader((work / "r.csv").read_text().splitlines()))
    assert [(row["line"], row["kept_line"]) for row in told] == [("3", "2"), ("5", "2")]
    assert sorted(path.name for path in work.iterdir()) == ["q.csv", "r.csv", "u.csv"]
    assert "--force" in run("dedupe", "q.csv", "-o", "u.csv", code=2).stderr
    run("dedupe", "q.csv", "-o", "u.csv", "--force", "--keep", "last", "--exact")
    assert (work / "u.csv").read_text().splitlines()[-1] == "4,how do I pay,de"


def test_from_stdin_to_stdout(run: Run, work: Path) -> None:
    result = run("dedupe", "-", "-o", "-", "--text", "text", "--exact", stdin=ROWS)
    assert result.stdout.splitlines() == [line for line in ROWS.splitlines() if line[0] != "4"]
    lines = run(
        "dedupe", "-", "-o", "-", "--exact", "--to", "jsonl", stdin=ROWS
    ).stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["1", "2", "3"]
    (work / "q.jsonl").write_text('{"text": "a b"}\n{"text": "a b"}\n')
    assert run("dedupe", "q.jsonl", "-o", "-").stdout == '{"text": "a b"}\n'


def test_rows_that_cannot_be_read_fail_the_command(run: Run, work: Path) -> None:
    (work / "q.csv").write_text("id,text\n1,a b c\n2,a,b,c\n3,\n")
    result = run("dedupe", "q.csv", "-o", "u.csv", code=1)
    assert "1 row could not be read and left out; the first is line 3" in result.stderr
    assert "1 row without a text kept" in result.stderr
    assert (work / "u.csv").read_text() == "id,text\n1,a b c\n3,\n"


def test_bad_input(run: Run, work: Path) -> None:
    (work / "q.csv").write_text(ROWS)
    assert "source itself" in run("dedupe", "q.csv", "-o", "./q.csv", code=2).stderr
    assert (
        "did you mean 'text'" in run("dedupe", "q.csv", "-o", "-", "--text", "txt", code=2).stderr
    )
    assert "did you mean q.csv" in run("dedupe", "p.csv", "-o", "-", code=1).stderr
    assert "--output" in run("dedupe", "q.csv", code=2).stderr
    assert (
        "--exact"
        in run("dedupe", "q.csv", "-o", "-", "--exact", "--threshold", "0.5", code=2).stderr
    )
    assert "embedder" in run("dedupe", "q.csv", "-o", "-", "--embedder", "minilmm", code=2).stderr
    assert (work / "q.csv").read_text() == ROWS


def test_what_comes_in_lines_of_json_goes_out_so(run: Run, work: Path) -> None:
    lines = '{"text":"aa bb"}\n{"text":"aa bb"}\n{"text":"cc"}\n'
    result = run("dedupe", "-", "-o", "-", "--exact", stdin=lines)
    assert result.stdout == '{"text": "aa bb"}\n{"text": "cc"}\n'
