from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import Result

Run = Callable[..., Result]

FERRY = """The ferry between the two islands stopped on Monday. A storm had broken its rudder.
The harbour master said that a new rudder comes from the mainland on Thursday. Until then a small
boat carries the post. Fishermen take 12 passengers for a few coins. The school on the smaller
island is closed. The bakery has flour for three days. The ferry will sail again on Friday."""
ROWS = f'id,body\na,"{FERRY}"\nb,\nc,"Only one sentence stands here."\na,"Once more."\n'


def test_the_best_one_is_printed(run: Run, work: Path) -> None:
    (work / "ferry.txt").write_text(FERRY)
    result = run("summarize", "ferry.txt")
    assert result.stderr == ""
    assert 0 < len(result.stdout.split()) <= 40
    assert result.stdout.split(". ")[0] in FERRY.replace("\n", " ")
    assert run("summarize", "-", stdin=FERRY).stdout == result.stdout
    told = json.loads(run("summarize", "ferry.txt", "--json").stdout)
    assert told["summary"] == result.stdout.strip()
    assert told["generator"] == "extractive"


def test_lengths_and_forms(run: Run, work: Path) -> None:
    (work / "ferry.txt").write_text(FERRY)
    assert len(run("summarize", "ferry.txt", "--length", "9").stdout.split()) <= 9
    points = run("summarize", "ferry.txt", "--form", "points").stdout.splitlines()
    assert all(line.startswith("- ") for line in points)
    assert "'short'" in run("summarize", "ferry.txt", "--length", "shrt", code=2).stderr


def test_all_with_scores_and_reasons(run: Run, work: Path) -> None:
    (work / "ferry.txt").write_text(FERRY)
    shown = run(
        "summarize", "ferry.txt", "-g", "echo", "-n", "1", "--show", "all", "--format", "table"
    )
    assert "rejected (echo): it repeats" in shown.stdout
    assert "coverage" in shown.stdout
    assert "\n   The ferry" in shown.stdout
    assert "extractive stands in" in shown.stderr
    assert max(map(len, shown.stdout.splitlines())) <= 80
    rows = [
        json.loads(line)
        for line in run("summarize", "ferry.txt", "-n", "3", "--show", "all").stdout.splitlines()
    ]
    assert rows[0]["rank"] == 1
    assert len(rows) == 3
    assert {"scores", "rejections", "merged_into"} <= set(rows[0])


def test_documents_that_cannot_be_summarized(run: Run, work: Path) -> None:
    (work / "empty.txt").write_text("")
    (work / "blank.txt").write_text("\n  ?!\n")
    (work / "picture.txt").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20)
    assert "empty.txt is empty" in run("summarize", "empty.txt", code=1).stderr
    assert "none in blank.txt" in run("summarize", "blank.txt", code=1).stderr
    assert "expected text, got" in run("summarize", "picture.txt", code=1).stderr
    assert "did you mean empty.txt" in run("summarize", "emty.txt", code=1).stderr
    assert "extractive" in run("summarize", "-", "-g", "extractve", stdin=FERRY, code=2).stderr


def test_one_endless_line_is_no_summary(run: Run, work: Path) -> None:
    (work / "line.txt").write_text(" ".join(f"w{i}" for i in range(20_000)))
    result = run("summarize", "line.txt", code=1)
    assert result.stdout == ""
    assert "candidates passed, the best one because cut" in result.stderr
    assert "embedkit summarize line.txt --show all" in result.stderr


def test_another_language(run: Run, work: Path) -> None:
    text = "Die Fähre fährt nicht. Ein Sturm hat das Ruder zerbrochen. Am Freitag fährt sie wieder."
    (work / "de.txt").write_text(text, encoding="utf-8")
    assert run("summarize", "de.txt").stdout.strip()[:-1] in text


def test_rows(run: Run, work: Path) -> None:
    (work / "rows.csv").write_text(ROWS)
    result = run("summarize", "rows.csv", "--text", "body", "--length", "12", code=1)
    told = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["id"] for row in told] == ["a", "c"]
    assert told[1]["summary"] == "Only one sentence stands here."
    assert "2 rows without a summary" in result.stderr
    assert "there is no text in this row" in result.stderr
    assert "a row of this id came before" in result.stderr
    everything = run("summarize", "rows.csv", "--text", "body", "--show", "all", code=1).stdout
    assert len(json.loads(everything.splitlines()[0])["candidates"]) == 5
    assert "did you mean 'body'" in run("summarize", "rows.csv", "--text", "bdy", code=2).stderr


def test_a_folder_of_texts(run: Run, work: Path) -> None:
    (work / "texts").mkdir()
    (work / "texts" / "ferry.txt").write_text(FERRY)
    shown = run("summarize", "texts", "--format", "table").stdout
    assert shown.startswith("ferry.txt\n")


def test_a_file_of_summaries_is_gone_on_with(run: Run, work: Path) -> None:
    rows = "id,text\n" + "".join(f'{i},"Row {i} is here. It is short."\n' for i in range(6))
    (work / "rows.csv").write_text(rows)
    words = ("summarize", "rows.csv", "-o", "out.jsonl")
    assert "6 summaries written" in run(*words).stderr
    whole = (work / "out.jsonl").read_text()
    lines = whole.splitlines(keepends=True)
    (work / "out.jsonl").write_text("".join(lines[:3]) + lines[3][:20])
    assert "3 summaries written, 3 were there" in run(*words).stderr
    assert (work / "out.jsonl").read_text() == whole
    assert "other options" in run(*words, "--length", "9", code=2).stderr
    assert "6 summaries written" in run(*words, "--length", "9", "--force").stderr
    (work / "mine.jsonl").write_text("{}\n")
    refused = run("summarize", "rows.csv", "-o", "mine.jsonl", code=2)
    assert "not known to hold summaries" in refused.stderr
    assert (work / "mine.jsonl").read_text() == "{}\n"
    assert ".jsonl or .csv" in run("summarize", "rows.csv", "-o", "o.parquet", code=2).stderr
    assert "--out" in run("summarize", "rows.csv", "--force", code=2).stderr


@pytest.mark.parametrize(
    ("variable", "value", "option", "usual"),
    [
        ("EMBEDKIT_GENERATOR", "echo", "--generator", "extractive"),
        ("EMBEDKIT_EMBEDDER", "hashing?dim=64", "--embedder", "hashing?dim=32"),
    ],
)
def test_a_setting_that_changes_between_runs_is_noticed(
    run: Run,
    work: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    value: str,
    option: str,
    usual: str,
) -> None:
    (work / "rows.csv").write_text('id,text\na,"One sentence is here."\n')
    words = ("summarize", "rows.csv", "-o", "out.jsonl")
    monkeypatch.setenv(variable, usual)
    run(*words)
    monkeypatch.setenv(variable, value)
    assert "other options" in run(*words, code=2).stderr
    # The same by an option is the same.
    assert "1 were there" in run(*words, option, usual).stderr


def test_separators_of_lines_within_a_summary_do_not_stop_what_goes_on(
    run: Run, work: Path
) -> None:
    text = "Row one is\u2028here. It is\u2029short.\x85"
    rows = [json.dumps({"id": f"r\u2028{i}", "text": f"{text} {i} it is."}) for i in range(3)]
    (work / "rows.jsonl").write_text("\n".join(rows) + "\n")
    words = ("summarize", "rows.jsonl", "-o", "out.jsonl")
    run(*words)
    whole = (work / "out.jsonl").read_text(encoding="utf-8")
    assert "\u2028" in whole
    (work / "out.jsonl").write_bytes(b"".join(whole.encode().splitlines(keepends=True)[:2]))
    assert "1 summary written, 2 were there" in run(*words).stderr
    assert (work / "out.jsonl").read_text(encoding="utf-8") == whole


def test_a_damaged_file_of_summaries_is_told_and_kept(run: Run, work: Path) -> None:
    (work / "rows.csv").write_text('id,text\na,"One sentence is here."\n')
    for name, damages in (
        ("out.jsonl", ("{broken\n", '{"summary": "x"}\n', "[1]\n", "3\n")),
        ("out.csv", ("", "name,summary\na,b\n")),
    ):
        words = ("summarize", "rows.csv", "-o", name)
        run(*words)
        for damage in damages:
            (work / name).write_text(damage)
            assert f"{name} is damaged" in run(*words, code=1).stderr
            assert (work / name).read_text() == damage


def test_a_csv_of_summaries_is_gone_on_with(run: Run, work: Path) -> None:
    (work / "rows.csv").write_text(f'id,text\na,"{FERRY}"\nb,"One sentence, with a ""quote""."\n')
    words = ("summarize", "rows.csv", "-o", "out.csv", "--form", "points")
    run(*words)
    whole = (work / "out.csv").read_text()
    told = list(csv.DictReader(whole.splitlines(keepends=True)))
    assert [row["id"] for row in told] == ["a", "b"]
    assert "\n- " in told[0]["summary"]
    (work / "out.csv").write_text(whole[: whole.index("\n- ") + 4])
    assert "2 summaries written" in run(*words).stderr
    assert (work / "out.csv").read_text() == whole


def test_what_extracts_do_not_look_at_is_refused(run: Run, work: Path) -> None:
    (work / "ferry.txt").write_text(FERRY)
    for option in (["--temperature", "0.3"], ["--context", "500"], ["--prompt", "title"]):
        told = run("summarize", "ferry.txt", *option, code=1).stderr
        assert f"knows no {option[0][2:]}" in told


def test_a_number_that_is_none_is_refused(run: Run, work: Path) -> None:
    (work / "ferry.txt").write_text(FERRY)
    assert "not a number" in run("summarize", "ferry.txt", "--temperature", "nan", code=2).stderr


def test_two_at_once_do_not_write_one_file(work: Path) -> None:
    from embedkit.errors import InvalidInputError
    from embedkit.summarizing.rows import Journal

    out = str(work / "out.jsonl")
    with (
        Journal(out, {"n": 5}),
        pytest.raises(InvalidInputError, match="written by another"),
        Journal(out, {"n": 5}),
    ):
        pass
    with Journal(out, {"n": 5}) as journal:
        assert not journal.done
