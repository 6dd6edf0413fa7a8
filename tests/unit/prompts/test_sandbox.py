from __future__ import annotations

import contextlib
import tracemalloc
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


LONGER = "{{ 'ab' | truncate(1) }}"  # the dots alone are longer
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
    "{{ words * 1000000000 }}",
    "{{ 2 ** 3 }}",
    "{{ '%300000000d' % 1 }}",
    "{{ '%300000000d' is even }}",
    "{{ '%300000000d' is odd }}",
    "{{ '%300000000d' is divisibleby 1 }}",
    "{{ facts | tojson(indent=300000000) }}",
    "{{ facts | tojson(300000000) }}",
    "{{ facts.k | round(3000000, 'ceil') }}",
    "{{ facts.k | round(-3000000) }}",
    "{{ name | truncate(2) }}",
    "{{ '%(a)s' % {} }}",
    "{{ 'x' | tojson(indent='y') }}",
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
        "{{ (name ~ name) | length }}",
        "{{ (name + name) | length }}",
        "{{ ([name] ~ name) | length }}",
        "{{ [name, name] }}",
        "{{ [name, name] | string | length }}",
        "{{ {'a': name, 'b': [name]} | tojson | length }}",
        "{{ [name, name] | upper | length }}",
        "{{ name | join(name) }}",
        "{{ 'aaaaaaaaaaaaaaaa'" + " | replace('a', 'aaaaaaaaaaaaaaaa')" * 9 + " }}",
    ],
)
def test_a_template_that_never_ends_is_stopped(text: str) -> None:
    with pytest.raises(TemplateError, match="4,000,000 characters"):
        Source(text).fill({"name": "a" * 3_000_000})


@pytest.mark.parametrize(
    "text",
    [
        "{{ '%300000000d' % 1 }}",
        "{{ '%300000000d' is even }}",
        "{{ facts | tojson(indent=300000000) }}",
        "{{ (" + " ~ ".join(["name"] * 100) + ") | length }}",
        "{{ (" + " + ".join(["name"] * 100) + ") | length }}",
        "{{ [" + ", ".join(["name"] * 100) + "] }}",
        "{{ (" + " + ".join(["words"] * 100) + ") | length }}",
    ],
    ids=lambda text: text[:30],
)
def test_what_a_template_takes_is_bounded(text: str) -> None:
    values = {**VALUES, "name": "a" * 3_000_000, "words": ["b"] * 1_000_000}
    tracemalloc.start()
    try:
        with pytest.raises(TemplateError):
            Source(text).fill(values)
        assert tracemalloc.get_traced_memory()[1] < 100_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("{{ 3 is odd }} {{ 4 is even }} {{ 9 is divisibleby 3 }}", "True True True"),
        ("{{ 2.567 | round(2) }} {{ 2.1 | round(0, 'ceil') }}", "2.57 3.0"),
        ("{{ facts | tojson(indent=2) }}", '{\n  "k": 1\n}'),
        ("{{ 1 + 2 }}{{ words + ['c'] }}", "3['a', 'b', 'c']"),
        ("{{ 1 ~ name ~ none ~ words }}", "1abcNone['a', 'b']"),
        ("{{ 'one two three' | truncate(7) }} {{ words | upper }}", "one... ['A', 'B']"),
    ],
)
def test_bounds_leave_what_is_small(text: str, filled: str) -> None:
    assert Source(text).fill(VALUES) == filled


def test_what_is_refused_is_said_once() -> None:
    with pytest.raises(TemplateError) as caught:
        Source("{{ ''.__class__ }}")
    assert caught.value.message == "line 1 of the template: templates cannot reach '__class__'"


def test_a_missing_input_is_named() -> None:
    with pytest.raises(InvalidInputError, match="'nme' is undefined; it asks for: nme"):
        Source("{{ nme }}").fill(VALUES)


@pytest.mark.parametrize("text", ["{{ 1 / 0 }}", "{{ 'a' + 1 }}", "{{ 1 | join }}", LONGER])
def test_what_cannot_be_filled_in_is_said(text: str) -> None:
    with pytest.raises(TemplateError, match="the template cannot be filled in"):
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
