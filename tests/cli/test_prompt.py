"""``embedkit prompt``: templates listed, shown, filled in, asked with, and measured."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.servers.openai import OpenAIServer

ROWS = "text,label\nI love it,pos\nI hate it,neg\nso good,pos\nso bad,neg\n"
SAY = 'prompt = "{{ text }}"\n[inputs.text]\n[check]\nmax_words = 3\n'


@pytest.fixture(autouse=True)
def files(work: Path) -> None:
    (work / "rows.csv").write_text(ROWS)
    (work / "say.toml").write_text(SAY)
    (work / "said.prompt").write_text("+++\n[inputs.text]\n+++\nI say {{ text }}")


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_list(run: Any, data: Any) -> None:
    rows = {row["name"]: row for row in data("prompt", "list")}
    assert {"summarize", "classify", "answer", "keywords", "title", "rewrite"} <= set(rows)
    assert rows["title"]["inputs"][1] == {"name": "words", "type": "integer", "default": 12}
    told = run("prompt", "list", "--format", "table").stdout
    assert "text [words]" in told


def test_show(run: Any, data: Any) -> None:
    facts = data("prompt", "show", "say.toml")
    assert facts["messages"] == [{"role": "user", "content": "{{ text }}"}]
    assert facts["check"] == {"max_words": 3}
    told = run("prompt", "show", "classify", "--format", "table").stdout
    assert "has to be given" in told
    assert "{'one_of': 'labels'}" in told or '"one_of": "labels"' in told


def test_render(run: Any, data: Any, work: Path) -> None:
    result = run("prompt", "render", "said.prompt", "--var", "text=hello")
    assert result.stdout == "I say hello\n" or result.stdout.endswith("\nI say hello\n")
    assert "about" in result.stderr
    assert "tokens, by estimate" in result.stderr
    (work / "t.txt").write_text("of a file")
    for value, told in (("@t.txt", "of a file"), ("-", "of stdin"), ("@@x", "@x")):
        found = data("prompt", "render", "say.toml", "--var", f"text={value}", stdin="of stdin")
        assert found["prompt"] == [{"role": "user", "content": told}]
        assert found["tokens"] >= 1


def test_render_with_examples_that_are_near(data: Any) -> None:
    words = ("--examples", "rows.csv", "--k", "2", "--var", "labels=pos,neg")
    found = data("prompt", "render", "classify", "--var", "text=so good", *words)
    shown = [turn["content"] for turn in found["prompt"][1:-1]]
    assert "Text: so bad\nLabel:" in shown
    assert "Text: so good\nLabel:" not in shown, "the input itself"
    assert shown.index("neg") == shown.index("Text: so bad\nLabel:") + 1
    assert len(shown) == 4


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("show", "sumarize"), "did you mean 'summarize'"),
        (("render", "say.toml"), "a value for 'text', got none"),
        (("render", "say.toml", "--var", "txt=1"), "did you mean 'text'"),
        (("render", "say.toml", "--var", "text"), "expected --var NAME=VALUE, got 'text'"),
        (("render", "say.toml", "--var", "text=1", "--var", "text=2"), "given twice"),
        (("render", "say.toml", "--var", "text=@none.txt"), "cannot read none.txt for text"),
        (("render", "say.toml", "--var", "text=@binary"), "expected UTF-8 text for text"),
        (("render", "say.toml", "--var", "text=a", "--k", "2"), "--k is for --examples"),
        (("render", "say.toml", "--var", "text=a", "--examples", "rows.csv"), "shows no examples"),
        (("run", "say.toml", "--map", "text=label"), "are for a SOURCE"),
        (("run", "say.toml", "rows.csv", "--map", "text=lable"), "did you mean 'label'"),
        (("run", "say.toml", "rows.csv", "--map", "txt=label"), "did you mean 'text'"),
        (("run", "say.toml", "rows.csv", "--param", "tempreature=1"), "did you mean temperature"),
        (("run", "say.toml", "rows.csv", "--param", "temperature=hot"), "expected a number"),
        (("run", "say.toml", "-", "--var", "text=-"), "stdin can be read once only"),
        (("run", "say.toml", "rows.csv", "--json"), "the format of OUT is --to"),
        (("run", "hidden.toml", "rows.csv"), "hidden.toml, line 1 of the prompt"),
        (("run", "cycle.toml", "rows.csv"), "templates cannot do include"),
        (("run", "branch.toml", "rows.csv"), "asks for 'nme', which is no input"),
        (("run", "large.toml", "rows.csv"), "at most 4,000,000 bytes"),
        (("run", "binary", "rows.csv"), "binary is not UTF-8 text"),
        (("test", "say.toml", "--expected", "label"), "and then the SOURCE"),
        (("test", "say.toml", "rows.csv", "--expected", "lable"), "did you mean 'label'"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, tuple) else "",
)
def test_misuse_is_a_line(run: Any, work: Path, words: tuple[str, ...], told: str) -> None:
    (work / "binary").write_bytes(b"\xff\xfe\x00")
    (work / "hidden.toml").write_text("prompt = \"{{ ''.__class__ }}\"\n")
    (work / "cycle.toml").write_text("prompt = \"{% include 'cycle.toml' %}\"\n")
    (work / "branch.toml").write_text(
        SAY.replace("{{ text }}", "{% if text %}{{ nme }}{% endif %}")
    )
    (work / "large.toml").write_bytes(b"#" * 10_000_000)
    asking = ("--generator", "echo") if words[0] in ("run", "test") else ()
    result = run("prompt", *words, *asking, code=2)
    assert told in result.stderr
    assert result.stdout == ""


def test_run_once(run: Any, data: Any) -> None:
    words = ("prompt", "run", "say.toml", "--generator", "echo", "--var")
    assert run(*words, "text=one two", "--format", "table").stdout == "one two\n"
    found = data(*words, "text=one two")
    assert (found["answer"], found["problem"], found["kept"]) == ("one two", None, True)
    result = run(*words, "text=one two three four", "--format", "table", code=1)
    assert result.stdout == ""
    assert "no answer that passes: 4 words, expected at most 3" in result.stderr
    assert "it said: one two three four" in result.stderr
    failed = data(*words, "text=one two three four", code=1)
    assert (failed["answer"], failed["said"]) == (None, "one two three four")


def test_run_over_a_file(run: Any, work: Path) -> None:
    (work / "rows.csv").write_text("n,text\n1,one\n2,\n3,one two three four\n4,two\n")
    result = run("prompt", "run", "say.toml", "rows.csv", "--generator", "echo", code=1)
    found = table(result.stdout)
    assert [row["answer"] for row in found] == ["one", "", "", "two"]
    assert [row["n"] for row in found] == ["1", "2", "3", "4"]
    assert found[2]["problem"] == "4 words, expected at most 3"
    assert "2 of 4 rows answered by echo, with say" in result.stderr
    assert "line 3: there is nothing in the column text" in result.stderr
    again = run("prompt", "run", "say.toml", "rows.csv", "--generator", "echo", code=1)
    assert again.stdout == result.stdout
    assert "0 asked now, 3 kept from before" in again.stderr
    run("prompt", "run", "say.toml", "rows.csv", "--generator", "echo", "-o", "o.jsonl", code=1)
    lines = (work / "o.jsonl").read_text().splitlines()
    assert [json.loads(line)["answer"] for line in lines] == ["one", None, None, "two"]
    run("prompt", "run", "say.toml", "rows.csv", "--generator", "echo", "-o", "o.jsonl", code=2)


def test_an_interrupted_run_says_what_is_kept(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from embedkit.generators.echo import EchoGenerator

    words = ("prompt", "run", "say.toml", "rows.csv", "--generator", "echo", "-o", "out.csv")
    with monkeypatch.context() as patch:
        real = EchoGenerator._generate

        def once(self: Any, messages: Any, sampling: Any) -> Any:
            if messages[-1].content == "so good":
                raise KeyboardInterrupt
            return real(self, messages, sampling)

        patch.setattr(EchoGenerator, "_generate", once)
        result = run(*words, code=130)
    assert "what was answered is kept: run it again" in result.stderr
    assert not Path("out.csv").exists()
    # The row after it may have been under way: then it is waited for, and kept too.
    assert re.search("[12] asked now, [23] kept from before", run(*words).stderr)


def test_run_finds_and_maps_columns(run: Any, work: Path) -> None:
    (work / "rows.csv").write_text("question,answer\nwhy so,x\nwhat now,y\n")
    result = run(
        "prompt", "run", "say.toml", "rows.csv", "--generator", "echo", "--map", "text=answer"
    )
    assert [row["prompt_answer"] for row in table(result.stdout)] == ["x", "y"]
    assert "those added are prompt_answer, prompt_problem" in result.stderr
    result = run("prompt", "run", "say.toml", "-", "--generator", "echo", stdin=ROWS)
    assert [row["answer"] for row in table(result.stdout)][:2] == ["I love it", "I hate it"]


@pytest.mark.parametrize("text", ["", "text,label\n"])
def test_run_over_nothing(run: Any, work: Path, text: str) -> None:
    (work / "rows.csv").write_text(text)
    result = run("prompt", "run", "say.toml", "rows.csv", "--generator", "echo", code=1)
    assert "rows.csv" in result.stderr


def test_test_shows_formulations_side_by_side(run: Any, data: Any) -> None:
    words = ("prompt", "test", "say.toml", "said.prompt", "rows.csv", "--generator", "echo")
    words += ("--expected", "text")
    found = data(*words)
    say, said = found["formulations"]
    assert (found["metric"], found["rows"]) == ("exact", 4)
    assert say["score"]["mean"] == 1.0
    assert said["score"]["mean"] == 0.0
    assert said["difference"]["difference"]["mean"] == -1.0
    told = run(*words, "--format", "table", "--metric", "contains").stdout
    assert "4 rows, echo" in told
    assert "+0.000 (p 1.000)" in told
    assert run(*words, "--min", "0.9", code=0)
    result = run(*words[:2], "said.prompt", "rows.csv", *words[5:], "--min", "0.9", code=1)
    assert "the best score, 0.000, is below 0.9" in result.stderr


@pytest.fixture
def service(openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch, brisk: None) -> str:
    monkeypatch.setenv("OPENAI_API_KEY", "good-key")
    return f"openai:local-chat?base_url={openai_server.url}"


def test_no_prompt_is_paid_twice(
    run: Any, service: str, openai_server: OpenAIServer, work: Path
) -> None:
    openai_server.answer_with = lambda messages, seed: messages[-1]
    rows = [f"row {i % 30}" for i in range(40)]
    (work / "rows.csv").write_text("\n".join(["text", *rows]) + "\n")
    words = ("prompt", "run", "say.toml", "rows.csv", "--generator", service)
    result = run(*words)
    assert [row["answer"] for row in table(result.stdout)] == rows
    assert len(openai_server.entries("chat")) == 30
    assert run(*words).stdout == result.stdout
    run("prompt", "test", "say.toml", "rows.csv", "--expected", "text", "--generator", service)
    assert len(openai_server.entries("chat")) == 30
    run(*words, "--anew")
    assert len(openai_server.entries("chat")) == 60


def test_a_refused_row_costs_only_itself(
    run: Any, service: str, openai_server: OpenAIServer, work: Path
) -> None:
    openai_server.answer_with = lambda messages, seed: messages[-1]
    rows = [f"{i} {'REJECT-ME' if i == 7 else 'fine'}" for i in range(12)]
    (work / "rows.csv").write_text("\n".join(["text", *rows]) + "\n")
    result = run("prompt", "run", "say.toml", "rows.csv", "--generator", service, code=1)
    found = table(result.stdout)
    assert [row["text"] for row in found if not row["answer"]] == ["7 REJECT-ME"]
    assert "1 row got no answer:\n  line 9: the generator failed:" in result.stderr


def test_a_missing_key_is_told_before_anything_is_read(
    run: Any, service: str, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("CO_API_KEY", "")
    result = run("prompt", "run", "say.toml", "rows.csv", "--generator", "cohere:x", code=4)
    assert "CO_API_KEY" in result.stderr
    assert result.stdout == ""


def test_cost_is_told_where_the_price_is_known(
    data: Any, service: str, openai_server: OpenAIServer, work: Path
) -> None:
    openai_server.answer_with = lambda messages, seed: messages[-1]
    (work / "embedkit.toml").write_text('[prices]\n"openai:local-chat" = 10.0\n')
    words = ("prompt", "test", "say.toml", "rows.csv", "--expected", "text")
    (one,) = data(*words, "--generator", service)["formulations"]
    assert one["cost"] == pytest.approx((one["prompt_tokens"] + one["completion_tokens"]) * 1e-5)
    assert one["cost"] > 0
    (free,) = data(*words, "--generator", "echo")["formulations"]
    assert free["cost"] is None
