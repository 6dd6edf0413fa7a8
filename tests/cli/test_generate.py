"""``embedkit generate``."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from embedkit_cli.root import cli
from embedkit_cli.text import width

PROMPT = "to be or not to be"
ECHO = ("--generator", "echo")

Run = Callable[..., Result]


def test_one_candidate_is_the_text(run: Run) -> None:
    assert run("generate", PROMPT, *ECHO).stdout == f"{PROMPT}\n"


def test_several_are_a_line_each(run: Run) -> None:
    lines = run("generate", PROMPT, *ECHO, "-n", "3").stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    assert len(rows) == len({row["text"] for row in rows}) == 3
    assert all(sorted(row["text"].split()) == sorted(PROMPT.split()) for row in rows)
    assert rows[0] | {"mean_logprob": 0} == {
        "text": PROMPT,
        "finish_reason": "stop",
        "prompt_tokens": 6,
        "completion_tokens": 6,
        "mean_logprob": 0,
    }
    # Six words, then five, and so on: log(6!) / 6.
    assert rows[0]["mean_logprob"] == pytest.approx(-1.09654, abs=1e-5)


def test_formats(run: Run, data: Callable[..., Any]) -> None:
    assert data("generate", PROMPT, *ECHO)["text"] == PROMPT
    assert data("generate", PROMPT, *ECHO, "-n", "2")[0]["text"] == PROMPT
    printed = run("generate", PROMPT, *ECHO, "--format", "csv").stdout
    rows = list(csv.DictReader(printed.splitlines()))
    assert rows[0]["text"] == PROMPT
    both = run("generate", PROMPT, *ECHO, "-n", "2", "--format", "text", "--seed", "0").stdout
    assert both.startswith(f"{PROMPT}\n\n")
    table = run("generate", PROMPT, *ECHO, "--max-tokens", "2", "--format", "table").stdout
    assert table == "1  length, 2 tokens, 6 in the prompt, mean log-probability -1.701\nto be\n"


def test_logprobs_come_with_each_token(run: Run, data: Callable[..., Any]) -> None:
    row = data("generate", "one two", *ECHO, "--logprobs")
    assert [text for text, _ in row["tokens"]] == ["one", " two"]
    assert [logprob for _, logprob in row["tokens"]] == pytest.approx([-0.6931, 0], abs=1e-4)
    assert "tokens" not in data("generate", "one two", *ECHO)
    table = run("generate", "one two", *ECHO, "--logprobs", "--format", "table").stdout
    assert "one\N{NO-BREAK SPACE}-0.69  ␣two\N{NO-BREAK SPACE}0.00" in table


def test_parameters_reach_the_generator(run: Run) -> None:
    assert run("generate", PROMPT, *ECHO, "--max-tokens", "2").stdout == "to be\n"
    assert run("generate", PROMPT, *ECHO, "--stop", "not").stdout == "to be or \n"
    assert run("generate", "a\nb", *ECHO, "--stop", "\\n").stdout == "a\n"
    seeded = run("generate", PROMPT, *ECHO, "--seed", "3").stdout
    assert seeded != f"{PROMPT}\n"
    assert run("generate", PROMPT, *ECHO, "--seed", "3", "--temperature", "0").stdout == (
        f"{PROMPT}\n"
    )
    told = run("generate", "one", *ECHO, "--system", "two three", "--format", "json").stdout
    assert json.loads(told)["prompt_tokens"] == 3


def test_the_prompt_is_read_from_stdin(run: Run) -> None:
    assert run("generate", "-", *ECHO, stdin="one two\n").stdout == "one two\n"
    assert run("generate", "-", *ECHO, "--stop", "\\n", stdin="one\ntwo\n").stdout == "one\n"


@pytest.mark.parametrize("prompt", ["", " \n", "-"])
def test_an_empty_prompt_is_misuse(run: Run, prompt: str) -> None:
    result = run("generate", prompt, *ECHO, stdin=" \n", code=2)
    assert "expected a prompt, got nothing" in result.stderr
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([PROMPT, "--generator", "ecko"], "did you mean 'echo'?"),
        ([PROMPT, *ECHO, "--top-k", "3"], "echo does not know top_k; leave it out; it honours"),
        ([PROMPT, *ECHO, "-n", "0"], "expected n to be a whole number >= 1, got 0"),
        ([PROMPT, *ECHO, "--temperature", "-1"], "expected temperature"),
        ([PROMPT, *ECHO, "--temperature", "nan"], "expected temperature"),
        ([PROMPT, *ECHO, "--system", " "], "expected --system to tell something"),
        ([PROMPT, *ECHO, "--stop", ""], "stop sequences"),
        ([PROMPT, *ECHO, "--show-tokens", "-n", "2"], "leave -n out"),
        ([PROMPT, *ECHO, "--show-tokens", "--logprobs"], "leave one of them out"),
        ([PROMPT, *ECHO, "--choices", "2"], "add it"),
        ([PROMPT, *ECHO, "--force"], "--html FILE"),
        ([PROMPT, *ECHO, "--html", "nowhere/x.html"], "there is no folder"),
        ([PROMPT, *ECHO, "--html", "."], "got the folder"),
        ([], "Missing argument"),
    ],
)
def test_what_cannot_be_meant_is_one_line(run: Run, words: list[str], said: str) -> None:
    result = CliRunner().invoke(cli, ["generate", *words], prog_name="embedkit")
    assert result.exit_code in (1, 2)
    assert said.lower() in result.stderr.lower()
    assert len(result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_a_generator_that_tells_nothing_is_refused(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CO_API_KEY", "some-key")
    result = run("generate", PROMPT, "--generator", "cohere:x", "--show-tokens", code=1)
    assert "cohere:x does not tell which tokens it chooses from; take" in result.stderr


def test_the_setting_names_the_generator(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_GENERATOR", "echo")
    assert run("generate", PROMPT).stdout == f"{PROMPT}\n"


def test_steps_are_shown_with_the_token_that_was_drawn(run: Run) -> None:
    words = ("generate", "one two", *ECHO, "--show-tokens", "--format", "table")
    assert run(*words).stdout.splitlines() == [
        "echo: temperature 1; seed 0",
        "",
        " 1 one          model",
        "▸ one           0.500  ████████████",
        "  ␣two          0.500  ████████████",
        "",
        " 2 ␣two         model",
        "▸ ␣two          1.000  ████████████████████████",
        "",
        "text  (stop)",
        "one two",
    ]


def test_fewer_choices_count_the_others(run: Run) -> None:
    words = ("generate", PROMPT, *ECHO, "--show-tokens", "--format", "table", "--choices", "1")
    lines = run(*words, "--max-tokens", "1").stdout.splitlines()
    assert lines[3:5] == ["▸ to            0.167  ████", "  5 more        0.833"]


def test_steps_as_data(run: Run, data: Callable[..., Any]) -> None:
    words = ("generate", "one two", *ECHO, "--show-tokens", "--seed", "1")
    whole = data(*words)
    assert whole["text"] == "two one"
    assert whole["steps"][0]["choices"][1] == {
        "text": "two", "probability": 0.5, "tempered": 0.5, "left": 0.5, "cut": "", "drawn": True,
    }  # fmt: skip
    lines = run(*words).stdout.splitlines()
    assert [json.loads(line) for line in lines] == whole["steps"]
    rows = list(csv.DictReader(run(*words, "--format", "csv").stdout.splitlines()))
    assert [(row["step"], row["drawn"]) for row in rows] == [
        ("1", "false"), ("1", "true"), ("2", "true"),
    ]  # fmt: skip


def test_text_of_one_that_is_shown_is_the_text(run: Run) -> None:
    words = ("generate", PROMPT, *ECHO, "--show-tokens", "--format", "text")
    assert run(*words).stdout == f"{PROMPT}\n"


def test_a_page_is_written_and_not_written_over(run: Run, work: Path) -> None:
    first = run("generate", "one <b>two", *ECHO, "--html", "page.html")
    assert first.stdout == "one <b>two\n"
    assert first.stderr == "embedkit: wrote page.html\n"
    page = (work / "page.html").read_text(encoding="utf-8")
    assert "&lt;b&gt;two" in page
    assert "<b>two" not in page
    again = run("generate", "three", *ECHO, "--html", "page.html", code=2)
    assert "write over it with --force" in again.stderr
    assert (work / "page.html").read_text(encoding="utf-8") == page
    run("generate", "three", *ECHO, "--html", "page.html", "--force")
    assert "three" in (work / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("columns", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(columns: int) -> None:
    runner = CliRunner(env={"COLUMNS": str(columns)})
    prompt = "東京都は日本の首都です a\x1b[31mb supercalifragilisticexpialidocious \u202egnp end"
    words = ["generate", prompt, *ECHO, "--show-tokens", "--format", "table", "--temperature", "0"]
    result = runner.invoke(cli, words, prog_name="embedkit", color=False)
    assert result.exit_code == 0, result.stderr
    steps = result.stdout.partition("\ntext")[0]
    assert all(width(line) <= columns for line in steps.splitlines())
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout
    assert "\\u202egnp" in steps or columns == 40


def test_colours_mark_what_is_drawn_and_what_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    words = ["generate", "one two", *ECHO, "--show-tokens", "--format", "table"]
    cold = [*words, "--temperature", "0"]
    coloured = CliRunner().invoke(cli, cold, prog_name="embedkit", color=True).stdout
    assert "\x1b[2m\x1b[9m␣two" in coloured, "dim and struck"
    assert "\x1b[32m\x1b[1mone" in coloured
    plain = CliRunner().invoke(cli, [*cold, "--no-color"], prog_name="embedkit", color=True).stdout
    assert "\x1b" not in plain
    assert "temp." in plain, "the reason is told without colours"
    monkeypatch.setenv("NO_COLOR", "1")
    assert CliRunner().invoke(cli, cold, prog_name="embedkit", color=True).stdout == plain


def test_candidates_on_a_terminal_are_harmless(run: Run) -> None:
    words = ("generate", "a\x1b[31mb", *ECHO, "--format", "table")
    assert run(*words).stdout.splitlines()[1] == "a\\x1b[31mb"


def test_what_is_cut_beyond_the_shown_tokens_is_told(
    monkeypatch: pytest.MonkeyPatch, run: Run
) -> None:
    import numpy as np

    from embedkit.generators.decoding.steps import Law, step
    from embedkit.types import Decoding
    from embedkit_cli.decodings import describe_decoding

    monkeypatch.setenv("COLUMNS", "80")
    law = Law(0.5, 4, 0.9)
    one = step(np.log([0.4, 0.3, 0.2, 0.06, 0.04]), list("abcde").__getitem__, 1, law, shown=5)
    found = Decoding("m", "p", "b", "stop", 0.5, 4, 0.9, None, (one,))
    # Squares: 16, 9, 4, 0.36 and 0.16 of 29.52. Of the four likeliest a and b have 0.85.
    assert click.unstyle(describe_decoding(found, 2)).splitlines()[2:8] == [
        " 1 b            model  temp.   left",
        "  a             0.400  0.542  0.552         █████████████",
        "▸ b             0.300  0.305  0.310         ███████",
        "  3 more        0.300  0.153  0.138",
        "  3 left, top-k cut 0.005, top-p cut 0.012",
        "",
    ]
    whole = describe_decoding(found, 5)
    assert "top-p" in whole.splitlines()[6]
    assert "top-k" in whole.splitlines()[7]


def test_a_line_break_at_the_end_of_stdin_is_no_part_of_the_prompt(run: Run) -> None:
    words = ("generate", "-", *ECHO, "--show-tokens", "--json")
    assert json.loads(run(*words, stdin="one two\n").stdout)["prompt"] == "one two"
    assert json.loads(run(*words, stdin="one two\r\n").stdout)["prompt"] == "one two"
    assert json.loads(run(*words, stdin="one\n\n").stdout)["prompt"] == "one\n"


def test_one_that_fails_is_told_and_the_others_serve(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    import embedkit
    from embedkit.errors import EmbeddingError
    from embedkit.generators.echo import EchoGenerator

    class Failing(EchoGenerator):
        """Fails when asked for several, and then for the second."""

        asked = 0

        def _generate(self, messages: Any, sampling: Any) -> Any:
            self.asked += 1
            if self.asked in (1, 3):
                raise EmbeddingError("the model fell over")
            return super()._generate(messages, sampling)

    monkeypatch.setattr(embedkit, "generator", lambda spec: Failing())
    result = run("generate", PROMPT, "-n", "3", code=1)
    assert len(result.stdout.splitlines()) == 2
    assert result.stderr == "embedkit: a candidate failed: the model fell over\n"
