from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from embedkit import generator
from embedkit.errors import InvalidInputError, SourceNotFoundError, TemplateError
from embedkit.prompts.checks import OutputCheck
from embedkit.prompts.files import parse_template, read_template
from embedkit.prompts.inputs import Variable, settle
from embedkit.prompts.library import COMPLETION as ENDING
from embedkit.prompts.library import names, prompt, prompt_for

LETTER = """
name = "letter"
version = "2"
instructions = "You write to {{ who }}."
prompt = "{{ text }}{% if brief %} Be brief.{% endif %}"
stop = ["END"]
[inputs.text]
[inputs.who]
default = "a friend"
[inputs.brief]
type = "boolean"
default = false
[examples]
shown = "{{ q }}"
answer = "{{ a }}"
rows = [{ q = "one", a = "1" }, { q = "two", a = "2" }]
[parameters]
temperature = 0.2
[check]
max_words = 5
"""
COMPLETION = """+++
form = "completion"
[inputs.text]
[examples]
shown = "Q: {{ q }}"
separator = "\\n--\\n"
rows = [{ q = "one" }]
+++
Q: {{ text }}
A:"""


def test_messages() -> None:
    template = parse_template(LETTER, "letter.toml")
    rendered = template.render(text="Hello.", brief="true")
    assert [(m.role, m.content) for m in rendered.prompt] == [  # type: ignore[union-attr]
        ("system", "You write to a friend."),
        ("user", "one"),
        ("assistant", "1"),
        ("user", "two"),
        ("assistant", "2"),
        ("user", "Hello. Be brief."),
    ]
    assert (rendered.stop, dict(rendered.parameters)) == (("END",), {"temperature": 0.2})
    assert (template.name, template.version) == ("letter", "2")


def test_a_completion_is_one_text() -> None:
    template = parse_template(COMPLETION, "x")
    assert template.render(text="three").prompt == "Q: one\n--\nQ: three\nA:"
    assert template.render(examples=[], text="three").prompt == "Q: three\nA:"


def test_other_examples_may_be_shown() -> None:
    template = parse_template(LETTER, "letter.toml")
    rendered = template.render(examples=[{"q": "x", "a": "y"}], text="t")
    assert [m.content for m in rendered.prompt[1:3]] == ["x", "y"]  # type: ignore[union-attr]


@pytest.mark.parametrize("name", names())
def test_built_in_templates_are_filled_in_and_answered(name: str) -> None:
    template = prompt(name)
    values: dict[str, Any] = {"text": "Some words.", "list": ["one", "two"], "integer": 3}
    given = {v.name: values[v.kind] for v in template.inputs if v.required}
    rendered = template.render(**given)
    assert template.description
    assert all(v.name in given or not v.required for v in template.inputs)
    for value in given.values():
        for each in value if isinstance(value, list) else [value]:
            assert str(each) in rendered.text
    answered = generator("echo").generate(rendered.prompt, n=2, max_tokens=8)
    assert len(answered) == 2


def test_every_choice_of_a_built_in_template_can_be_made() -> None:
    for name in names():
        template = prompt(name)
        values: dict[str, Any] = {"text": "Some words.", "list": ["one"], "integer": 3}
        given = {v.name: values[v.kind] for v in template.inputs if v.required}
        for variable in template.inputs:
            told = {template.render(**given, **{variable.name: c}).text for c in variable.choices}
            assert len(told) == len(variable.choices)


@pytest.mark.parametrize("name", [name for name in names() if name.endswith(ENDING)])
def test_a_completion_takes_what_its_task_takes(name: str) -> None:
    task = prompt(name.removesuffix(ENDING))
    told = [(v.name, v.kind, v.default, v.choices) for v in prompt(name).inputs]
    assert told == [(v.name, v.kind, v.default, v.choices) for v in task.inputs]
    assert prompt(name).form == "completion"


class Model:
    def __init__(self, **facts: bool) -> None:
        self.__dict__.update(facts)


def test_a_task_is_formulated_for_the_generator() -> None:
    assert prompt_for("keywords", generator("echo")).name == "keywords"
    assert prompt_for("keywords", Model(completes=False)).name == "keywords"
    assert prompt_for("keywords", Model(completes=True)).name == "keywords-completion"
    assert prompt_for("keywords", Model(completes=True, chats=True)).name == "keywords-completion"
    assert prompt_for("summarize", Model(completes=True)).name == "summarize-completion"
    assert prompt_for("summarize", Model(completes=True, chats=True)).name == "summarize"


def test_a_task_of_a_file_is_formulated_for_the_generator(tmp_path: Path) -> None:
    task = tmp_path / "letter.toml"
    task.write_text(LETTER)
    assert prompt_for(task, Model(completes=True)).name == "letter"
    (tmp_path / "letter-completion.toml").write_text(COMPLETION)
    assert prompt_for(task, Model(completes=True)).name == "letter-completion"
    assert prompt_for(task, Model(completes=True, chats=True)).name == "letter"
    assert prompt_for(task, Model()).name == "letter"


def test_a_check_may_hang_on_an_input() -> None:
    text = LETTER.replace("max_words = 5", 'max_words = "most"\none_of = "labels"')
    text += '[inputs.most]\ntype = "integer"\n[inputs.labels]\ntype = "list"\n'
    check = parse_template(text, "x").render(text="t", most=2, labels=["yes", "no"]).check
    assert check is not None
    assert check.judge("Label: YES").value == "yes"
    assert check.judge("yes it is").reason == "3 words, expected at most 2"
    assert check.judge("maybe").reason == "'maybe' is not one of yes, no"


@pytest.mark.parametrize(
    ("check", "told"),
    [
        ('max_words = "brief"', "asks for 'brief', which is no input of type integer"),
        ('one_of = "text"', "asks for 'text', which is no input of type list"),
        ('max_words = "mst"', "'mst'"),
        ('max_words = "3 words"', "cannot be meant"),
    ],
)
def test_a_check_on_no_input(check: str, told: str) -> None:
    with pytest.raises(TemplateError, match=told):
        parse_template(LETTER.replace("max_words = 5", check), "letter.toml")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("[inputs.who]\n", "[inputs.whom]\n"), "asks for 'who', which is no input"),
        (('version = "2"', 'verson = "2"'), "'verson' is not known"),
        (('prompt = "', 'prompts = "'), "'prompts' is not known"),
        (('type = "boolean"', 'type = "bool"'), "type 'bool' is not known"),
        (("default = false", 'default = "maybe"'), "its default: expected true or false"),
        (("max_words = 5", "max_words = 0"), "0 cannot be meant"),
        (("max_words = 5", "longest = 5"), "'longest' is not known"),
        (("temperature = 0.2", "heat = 0.2"), "the parameter 'heat' is not known"),
        (("temperature = 0.2", "temperature = 2020-01-01"), "temperature to be a number >= 0"),
        (("temperature = 0.2", "temperature = -1"), "temperature to be a number >= 0, got -1"),
        (("temperature = 0.2", "temperature = nan"), "temperature to be a number"),
        (("temperature = 0.2", "temperature = true"), "temperature to be a number"),
        (("temperature = 0.2", "top_p = 2"), "top_p to be a number from 0 to 1, got 2"),
        (("temperature = 0.2", 'max_tokens = "9"'), "max_tokens to be a whole number >= 1"),
        (("temperature = 0.2", "top_k = 1.5"), "top_k to be a whole number"),
        (("temperature = 0.2", "top_k = 1" + "0" * 400), "top_k to be a whole number"),
        (("temperature = 0.2", "top_k = 1" + "0" * 5000), "not TOML"),
        (("temperature = 0.2", "seed = []"), "seed to be a whole number"),
        (('stop = ["END"]', 'stop = "END"'), "a list of texts"),
        (('answer = "{{ a }}"\n', ""), "an answer in messages"),
        (('{ q = "two", a = "2" }', '{ q = "two" }'), "'a' is undefined"),
        (("{{ text }}", "{{ text"), "line 1 of the prompt"),
        (("[parameters]", "[parameters"), "not TOML"),
        (('version = "2"', "chat = true"), "chat = true in a completion only"),
    ],
)
def test_what_is_no_template(change: tuple[str, str], told: str) -> None:
    assert change[0] in LETTER
    with pytest.raises(TemplateError, match=told) as caught:
        parse_template(LETTER.replace(*change), "letter.toml")
    assert "letter.toml" in str(caught.value) or "the prompt" in str(caught.value)


def test_a_front_without_its_end_is_no_template() -> None:
    front, fence, _ = COMPLETION.rpartition("+++\n")
    assert fence
    with pytest.raises(TemplateError, match=r"^letter: expected a second line of \+\+\+"):
        parse_template(front, "letter")


def test_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFoundError, match="no template"):
        read_template(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TemplateError, match="not UTF-8"):
        read_template(tmp_path / "binary.toml")
    (tmp_path / "long.toml").write_bytes(b"#" * 10_000_000)
    with pytest.raises(TemplateError, match="10,000,000"):
        prompt(tmp_path / "long.toml")
    with pytest.raises(InvalidInputError, match="did you mean 'summarize'"):
        prompt("sumarize")


def test_a_missing_value_is_named() -> None:
    template = parse_template(LETTER, "letter.toml")
    with pytest.raises(InvalidInputError, match="a value for 'text', got none"):
        template.render()
    with pytest.raises(InvalidInputError, match="no input 'txt'; did you mean 'text'"):
        template.render(txt="x")


@pytest.mark.parametrize(
    ("kind", "given", "read"),
    [
        ("text", 3, "3"),
        ("text", True, "true"),
        ("integer", "3", 3),
        ("number", "2.5", 2.5),
        ("boolean", "false", False),
        ("list", "a, b,", ["a", "b"]),
        ("list", '["a, b"]', ["a, b"]),
        ("object", '{"a": 1}', {"a": 1}),
    ],
)
def test_values_are_read_in_their_type(kind: Any, given: Any, read: Any) -> None:
    assert settle([Variable("x", kind)], {"x": given}) == {"x": read}


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("text", ["a"]),
        ("integer", "3.5"),
        ("integer", True),
        ("number", "much"),
        ("number", float("inf")),
        ("boolean", 1),
        ("list", '["a"'),
        ("object", "[]"),
    ],
)
def test_values_of_another_type(kind: Any, given: Any) -> None:
    with pytest.raises(InvalidInputError, match="for 'x'"):
        settle([Variable("x", kind)], {"x": given})


@pytest.mark.parametrize(
    ("check", "answer", "value"),
    [
        ({"max_words": 2}, " two words ", "two words"),
        ({"one_of": ["Yes", "No"]}, "**yes.**", "Yes"),
        ({"one_of": ["Yes", "No"]}, "Answer: no\nbecause", "No"),
        ({"list": True}, "bread, yeast, Bread, dough.", ["bread", "yeast", "dough"]),
        ({"list": True}, "1. bread, fresh\n2) yeast\n- dough", ["bread, fresh", "yeast", "dough"]),
        ({"json": True}, "```json\n[1]\n```", [1]),
        ({"schema": {"type": "array", "items": {"type": "string"}}}, '["a"]', ["a"]),
    ],
)
def test_answers_that_pass(check: dict[str, Any], answer: str, value: Any) -> None:
    verdict = OutputCheck.parse(check, "x").judge(answer)
    assert (verdict.passed, verdict.value) == (True, value)


@pytest.mark.parametrize(
    ("check", "answer", "reason"),
    [
        ({"max_words": 2}, "three whole words", "3 words, expected at most 2"),
        ({"min_words": 2}, "one", "1 words, expected at least 2"),
        ({"max_characters": 3}, "four", "4 characters"),
        ({"one_of": ["Yes", "No"]}, "maybe", "'maybe' is not one of Yes, No"),
        ({"json": True}, "[1", "not JSON"),
        ({"schema": {"type": "array", "items": {"type": "string"}}}, "[1]", "not of the schema"),
        ({"list": True}, " , ,", "a list of nothing"),
        ({}, "  ", "empty"),
    ],
)
def test_answers_that_do_not(check: dict[str, Any], answer: str, reason: str) -> None:
    verdict = OutputCheck.parse(check, "x").judge(answer)
    assert not verdict.passed
    assert reason in verdict.reason
