from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embedkit.errors import InvalidInputError, TemplateError
from embedkit.prompts.sandbox import MOST, Source

VALUES: dict[str, Any] = {"name": "abc", "words": ["a", "b"], "facts": {"k": 1}}


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("Hello {{ name }}", "Hello abc"),
        ("{% for w in words %}{{ loop.index }}. {{ w }}\n{% endfor %}", "1. a\n2. b\n"),
        ("{{ words | join(', ') | upper }}", "A, B"),
        ("{% if name == 'abc' %}yes{% else %}no{% endif %}", "yes"),
        ("{{ facts['k'] }} {{ facts.k }}", "1 1"),
        ("{{ missing | default('z') }}", "z"),
        ("{{ 'a' ~ name }}", "aabc"),
        ("{{ name | replace('b', '-') }}", "a-c"),
        ("<{{ name }}> & {{ facts | tojson }}", '<abc> & {"k": 1}'),
    ],
)
def test_what_templates_can_do(text: str, filled: str) -> None:
    assert Source(text).fill(VALUES) == filled


FOREIGN = [
    "{{ ''.__class__ }}",
    "{{ name.__class__.__mro__ }}",
    "{{ name[0].__class__ }}",
    "{{ name.upper() }}",
    "{{ words.append(1) }}",
    "{{ name | attr('__class__') }}",
    "{{ words | map('upper') | list }}",
    "{{ '%s' | format(name) }}",
    "{{ '{0.__class__}'.format(name) }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}",
    "{% extends 'x' %}",
    "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "{% for w in words recursive %}{{ loop(words) }}{% endfor %}",
    "{{ range(10) }}",
    "{{ 9 ** 9 ** 9 }}",
    "{{ 'a' * 1000000000 }}",
    "{% set a = name ~ name %}",
    "{% with a = name ~ name %}{{ a }}{% endwith %}",
    "{% filter upper %}a{% endfilter %}",
    "{{ name",
    "{% for %}",
    "{{" * 100_000,
    "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "{% for a in words %}" * 4 + "{% endfor %}" * 4,
    "x" * (MOST + 1),
]


@pytest.mark.parametrize("text", FOREIGN, ids=lambda text: text[:40])
def test_what_templates_cannot_do(text: str) -> None:
    with pytest.raises(TemplateError):
        Source(text).fill(VALUES)


@pytest.mark.parametrize(
    "text",
    [
        "{% for a in name %}{% for b in name %}{% endfor %}{% endfor %}",
        "{% for a in name %}{{ a }}{% endfor %}",
        "{{ name ~ name }}",
        "{{ name | join(name) }}",
        "{{ 'aaaaaaaaaaaaaaaa'" + " | replace('a', 'aaaaaaaaaaaaaaaa')" * 9 + " }}",
    ],
)
def test_a_template_that_never_ends_is_stopped(text: str) -> None:
    with pytest.raises(TemplateError, match="4,000,000 characters"):
        Source(text).fill({"name": "a" * 3_000_000})


def test_a_missing_input_is_named() -> None:
    with pytest.raises(InvalidInputError, match="'nme' is undefined; it asks for: nme"):
        Source("{{ nme }}").fill(VALUES)


@pytest.mark.parametrize("text", ["{{ 1 / 0 }}", "{{ 'a' + 1 }}", "{{ 1 | join }}"])
def test_what_cannot_be_filled_in_is_said(text: str) -> None:
    with pytest.raises(InvalidInputError, match="the template cannot be filled in"):
        Source(text).fill(VALUES)


@given(st.text())
def test_no_text_does_anything_but_fail_as_ours(text: str) -> None:
    with contextlib.suppress(InvalidInputError):
        Source(text).fill(VALUES)


@given(st.text())
def test_an_input_is_never_read_as_a_template(value: str) -> None:
    plain = value.replace("\x00", "")
    assert Source("[{{ name }}]").fill({"name": value}) == f"[{plain}]"


def test_objects_are_only_told() -> None:
    class Secret:
        key = "hidden"

        def __str__(self) -> str:
            return "told"

    assert Source("{{ name }}").fill({"name": Secret()}) == "told"
    with pytest.raises(InvalidInputError, match="no attribute 'key'"):
        Source("{{ name.key }}").fill({"name": Secret()})
