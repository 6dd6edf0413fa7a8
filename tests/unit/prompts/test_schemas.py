from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from embedkit.errors import TemplateError
from embedkit.prompts.checks import OutputCheck
from embedkit.prompts.files import parse_template
from embedkit.prompts.schemas import against_schema, check_schema

TREE = {
    "$defs": {"node": {"type": "array", "items": {"$ref": "#/$defs/node"}}},
    "$ref": "#/$defs/node",
}


@pytest.mark.parametrize(
    ("schema", "told"),
    [
        ({"type": "nonsense"}, "the schema is none"),
        ({"pattern": "^(a+)+$"}, "can take for ever"),
        ({"properties": {"a": {"items": [{"patternProperties": {"a": {}}}]}}}, "can take for ever"),
        ({"required": 5}, "the schema is none"),
        ({"$ref": "#"}, "refers to itself without end"),
        ({"$ref": "#/nope"}, "refers to '#/nope', which is not in it"),
        ({"properties": {"a": {"$ref": "#/nope"}}}, "refers to '#/nope'"),
        ({"$ref": "file:///etc/passwd"}, "start with '#', got 'file:///etc/passwd'"),
        ({"items": {"$ref": "http://127.0.0.1/a"}}, "start with '#'"),
        ({"anyOf": [{"$dynamicRef": "other.json"}]}, "start with '#'"),
        ({"const": {1, 2}}, "not JSON"),
    ],
)
def test_a_schema_that_is_none_is_refused_on_load(schema: dict[str, Any], told: str) -> None:
    with pytest.raises(TemplateError, match=f"^letter: .*{told}"):
        OutputCheck.parse({"schema": schema}, "letter")


def test_a_template_names_itself() -> None:
    text = 'prompt = "p"\n[check.schema]\n"$ref" = "file:///etc/passwd"\n'
    with pytest.raises(TemplateError, match=r"^letter\.toml: expected references"):
        parse_template(text, "letter.toml")


def test_a_schema_may_refer_to_itself() -> None:
    check = OutputCheck.parse({"schema": TREE}, "x")
    assert check.judge("[[], [[]]]").value == [[], [[]]]
    assert "1 is not of type 'array' at $[0][0]" in check.judge("[[1]]").reason


def test_an_answer_too_deep_for_a_schema_is_no_traceback() -> None:
    check = OutputCheck.parse({"schema": TREE}, "x")
    assert check.judge("[" * 400 + "]" * 400).reason == "nested too deep for the schema"


def test_nothing_is_fetched(tmp_path: Path) -> None:
    asked: list[str] = []

    class Server(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(404)
            self.end_headers()

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        (tmp_path / "any.json").write_text("{}")
        for address in (
            f"http://127.0.0.1:{server.server_port}/a",
            (tmp_path / "any.json").as_uri(),
        ):
            # Not read from a file, so that nothing but the judging refuses it.
            with pytest.raises(TemplateError, match="which is not in it"):
                OutputCheck(json=True, schema={"$ref": address}).judge("[1]")
        server.shutdown()
        thread.join()
    assert asked == []


def test_a_property_may_be_called_pattern() -> None:
    schema = {"properties": {"pattern": {"enum": ["a", {"pattern": "x"}]}}, "required": ["pattern"]}
    check_schema(schema, "here")
    assert not against_schema({"pattern": "a"}, schema)
