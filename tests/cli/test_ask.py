"""``embedkit ask``."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from embedkit.errors import CredentialsError, QuotaError
from embedkit_cli.answers import answer_file

ROWS = """id,text,part
hours,"The bakery opens at six. On Sundays the bakery opens at eight.",shop
delivery,"We deliver for 3 euros. Anna Berger has run the delivery service since 2019.",service
bread,"Our rye bread rests for 24 hours. It holds no yeast.",goods
"""
QUESTION = "Who runs the delivery service?"
SAID = "Anna Berger has run the delivery service since 2019. [1]"
ABROAD = "What is the capital of Mongolia?"


@pytest.fixture
def shop(run, work: Path) -> None:
    (work / "shop.csv").write_text(ROWS, encoding="utf-8")
    run("index", "shop.csv")


def test_the_answer_and_its_source_for_a_person(run, shop) -> None:
    result = run("ask", QUESTION, "--format", "table")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("Anna Berger has run the delivery service since 2019. [1]")
    assert any(line.startswith("[1] delivery ") for line in lines)
    assert result.stderr == ""


def test_the_answer_as_json(data, shop) -> None:
    told = data("ask", QUESTION)
    assert SAID in told["answer"]
    assert told["said"] is True
    (source,) = told["sources"]
    assert (source["id"], source["start"]) == ("delivery", 0)
    assert source["text"].startswith("We deliver")
    assert 0.5 <= source["score"] <= 1
    assert told["candidates"][0]["rank"] == 1
    assert told["generator"] == "extractive"


def test_jsonl_is_one_line(run, shop) -> None:
    (line,) = run("ask", QUESTION).stdout.splitlines()
    assert SAID in json.loads(line)["answer"]


def test_csv(run, shop) -> None:
    (row,) = csv.DictReader(io.StringIO(run("ask", QUESTION, "--format", "csv").stdout))
    assert SAID in row["answer"]
    assert json.loads(row["sources"]) == ["delivery"]
    listed = run("ask", QUESTION, "--format", "csv", "--show", "all").stdout
    rows = list(csv.DictReader(io.StringIO(listed)))
    assert rows[0]["rank"] == "1"
    assert len(rows) > 1


def test_the_collection_does_not_say(run, data, shop) -> None:
    result = run("ask", ABROAD, "--format", "table")
    assert result.stdout == "The collection does not say.\n"
    assert "less than 0.5" in result.stderr
    assert data("ask", ABROAD)["said"] is False
    assert data("ask", ABROAD, "--least", "0")["said"] is True


def test_the_passages_alone(run, data, shop) -> None:
    passages = data("ask", QUESTION, "--no-generate")
    assert [each["number"] for each in passages] == [1, 2]
    assert passages[0]["id"] == "delivery"
    assert len(data("ask", QUESTION, "--no-generate", "--neighbors", "1")) == 1
    shown = run("ask", QUESTION, "--no-generate", "--format", "table").stdout
    assert shown.startswith("[1] delivery ")
    rows = csv.DictReader(
        io.StringIO(run("ask", QUESTION, "--no-generate", "--format", "csv").stdout)
    )
    assert next(rows)["id"] == "delivery"


def test_all_candidates_with_their_scores(run, shop) -> None:
    shown = run("ask", QUESTION, "--show", "all", "--format", "table").stdout
    assert "bearing" in shown
    assert shown.count("\nrank ") > 2
    assert shown.count("Anna Berger") > 2


def test_filtering(data, run, shop) -> None:
    assert data("ask", QUESTION, "--where", "part = 'goods'")["said"] is False
    none = run("ask", QUESTION, "--where", "part = 'x'", "--format", "table")
    assert none.stdout == "The collection does not say.\n"
    assert "no record" in none.stderr
    assert "no column" in run("ask", QUESTION, "--where", "parts = 'x'", code=2).stderr


def test_stdin(run, data, shop) -> None:
    assert SAID in data("ask", "-", stdin=QUESTION)["answer"]
    assert "expected a question" in run("ask", "-", stdin=" \n", code=2).stderr


def test_a_file_of_questions(run, data, shop, work: Path) -> None:
    (work / "asked.csv").write_text(
        f"id,question\na,{QUESTION}\nb,{ABROAD}\nc,\n", encoding="utf-8"
    )
    result = run("ask", "--questions", "asked.csv", code=1)
    rows = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["query_id"] for row in rows] == ["a", "b"]
    assert [row["said"] for row in rows] == [True, False]
    assert "1 row left out" in result.stderr
    (work / "asked.txt").write_text(f"{QUESTION}\n", encoding="utf-8")
    for form in ("json", "csv", "table"):
        shown = run("ask", "--questions", "asked.txt", "--format", form).stdout
        assert SAID in " ".join(shown.split())
    told = data("ask", "--questions", "asked.txt", "--no-generate")
    assert told[0]["passages"][0]["id"] == "delivery"


ENDLESS = "Who runs it? " + "Tell me more about it please. " * 3000


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "table"])
def test_a_question_that_fails_is_listed_and_the_others_are_answered(
    run, shop, work: Path, form
) -> None:
    (work / "asked.csv").write_text(
        f"id,question\na,{QUESTION}\nlong,{ENDLESS}\nb,{QUESTION}\n", encoding="utf-8"
    )
    words = ("ask", "--questions", "asked.csv", "--generator", "echo", "--least", "0")
    result = run(*words, "--format", form, code=1)
    assert result.stdout.count(QUESTION) >= 2
    assert "1 question without an answer\n" in result.stderr
    assert "long: the context of 4,096 tokens does not hold the question" in result.stderr
    if form == "json":
        assert [row["query_id"] for row in json.loads(result.stdout)] == ["a", "b"]


@pytest.mark.parametrize("error", [CredentialsError("no key"), QuotaError("none is left")])
def test_what_was_answered_before_the_quota_ran_out_is_printed(capsys, work: Path, error) -> None:
    (work / "asked.csv").write_text("id,question\na,Who?\nb,Where?\nc,When?\n")
    asked = []

    def call(question: str):
        asked.append(question)
        if question == "Where?":
            raise error
        return []

    with pytest.raises(type(error)):
        answer_file("json", "asked.csv", call)
    assert asked == ["Who?", "Where?"]
    assert [row["query_id"] for row in json.loads(capsys.readouterr().out)] == ["a"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--generator", "extractiv"), "did you mean 'extractive'"),
        (("--where", "parts = 'x'"), "no column"),
    ],
)
def test_options_that_cannot_be_meant_end_a_file_of_questions(
    run, shop, work: Path, words, said
) -> None:
    (work / "asked.txt").write_text(f"{QUESTION}\n{ABROAD}\n", encoding="utf-8")
    result = run("ask", "--questions", "asked.txt", *words, code=2)
    assert said in result.stderr
    assert "without an answer" not in result.stderr


def test_the_setting_names_the_generator(data, run, shop, monkeypatch) -> None:
    monkeypatch.setenv("EMBEDKIT_GENERATOR", "echo")
    # What repeats the prompt is no answer.
    told = data("ask", QUESTION)
    assert told["generator"] == "echo"
    assert data("ask", QUESTION, "--generator", "extractive")["said"] is True


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "expected a question, or a file"),
        ([""], "expected a question"),
        ([QUESTION, "--questions", "x.csv"], "expected a question, or a file"),
        ([QUESTION, "-c", "shob"], "shop"),
        ([QUESTION, "--generator", "extractiv"], "did you mean 'extractive'"),
        ([QUESTION, "--no-generate", "-n", "3"], "-n is for answers"),
        ([QUESTION, "--no-generate", "--most-words", "3"], "--most-words is for answers"),
        ([QUESTION, "--no-generate", "--show", "all"], "--show is for answers"),
        ([QUESTION, "--temperature", "1"], "does not know temperature"),
        ([QUESTION, "--least", "2"], "2"),
        ([QUESTION, "--neighbors", "0"], "0"),
    ],
)
def test_what_cannot_be_meant(run, shop, words, said) -> None:
    from click.testing import CliRunner

    from embedkit_cli.root import cli

    result = CliRunner().invoke(cli, ["ask", *words], prog_name="embedkit")
    assert result.exit_code in (1, 2)
    assert said in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_passages_are_the_collections_own(run, data, work: Path) -> None:
    (work / "shop.csv").write_text(ROWS, encoding="utf-8")
    run("index", "shop.csv", "--chunk", "tokens=16")
    assert SAID in data("ask", QUESTION)["answer"]
    assert "passages of its own" in run("ask", QUESTION, "--chunk-tokens", "64", code=2).stderr


def test_control_characters_do_not_reach_a_terminal(run, work: Path) -> None:
    (work / "sly.jsonl").write_text(
        json.dumps({"id": "a\x1b[2J", "text": "Anna runs\x1b[31m the <b>shop</b>."}) + "\n",
        encoding="utf-8",
    )
    run("index", "sly.jsonl")
    shown = run("ask", "Who runs the shop?", "--format", "table").stdout
    assert "\x1b" not in shown
    assert "Anna" in shown
