"""Templates as files: TOML, or a text with its facts in front, between two lines of ``+++``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from embedkit.errors import InvalidInputError, SourceNotFoundError, TemplateError
from embedkit.generators.base import PARAMETERS, RANGES, ROLES
from embedkit.integrity import storage_error
from embedkit.prompts.checks import OutputCheck
from embedkit.prompts.inputs import parse_variables
from embedkit.prompts.sandbox import MOST, Source
from embedkit.prompts.template import SEPARATOR, FewShot, PromptTemplate

FENCE = "+++"
LARGEST = 2**63 - 1
_FRACTIONS = ("temperature", "top_p")
_KEYS = {
    "name", "version", "description", "form", "inputs", "instructions", "messages", "prompt",
    "examples", "stop", "parameters", "check", "chat",
}  # fmt: skip


def read_template(path: Path) -> PromptTemplate:
    """Read a template's file.

    Raises
    ------
    SourceNotFoundError, StorageError
    TemplateError
        It is no template; the line or the key is named.
    """
    try:
        if path.exists() and not path.is_file():
            raise TemplateError(f"expected a template, {path} is no file")
        if path.stat().st_size > MOST:
            raise TemplateError(
                f"expected a template of at most {MOST:,} bytes, {path} has "
                f"{path.stat().st_size:,}",
                do="pass long texts as inputs",
            )
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise SourceNotFoundError(f"no template {path}", do="check the path") from None
    except UnicodeDecodeError as error:
        raise TemplateError(f"{path} is not UTF-8 text: {error}") from error
    except OSError as error:
        raise storage_error(error, path, doing="read") from error
    return parse_template(text, str(path), default_name=path.stem)


def parse_template(text: str, where: str, *, default_name: str = "prompt") -> PromptTemplate:
    """Make a template of a file's text.

    Raises
    ------
    TemplateError
    """
    front, body = _split(text, where)
    try:
        facts = tomllib.loads(front)
    except (ValueError, RecursionError) as error:
        raise TemplateError(f"{where} is not TOML: {error}") from error
    unknown = sorted(set(facts) - _KEYS)
    if unknown:
        raise TemplateError(
            f"{where}: {unknown[0]!r} is not known", do=f"there are: {', '.join(sorted(_KEYS))}"
        )
    if body is not None:
        if "prompt" in facts or "messages" in facts:
            raise TemplateError(f"{where} has its text twice: after the front, and in it")
        facts["prompt"] = body
    try:
        return _made(facts, where, default_name)
    except TemplateError as error:
        if error.message.startswith(where):
            raise
        raise TemplateError(f"{where}, {error.message}", do=error.do) from error


def _split(text: str, where: str) -> tuple[str, str | None]:
    """Return the facts, and the text after them where they stand in front of one."""
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    if not lines or lines[0].rstrip() != FENCE:
        return text.removeprefix("\ufeff"), None
    ends = [i for i, line in enumerate(lines[1:], 1) if line.rstrip() == FENCE]
    if not ends:
        raise TemplateError(
            f"{where}: expected a second line of {FENCE} before the text, got none",
            do=f"end the facts by a line of {FENCE}",
        )
    return "".join(lines[1 : ends[0]]), "".join(lines[ends[0] + 1 :])


def _made(facts: Mapping[str, Any], where: str, default_name: str) -> PromptTemplate:
    form = facts.get("form", "messages")
    if form not in ("messages", "completion"):
        raise TemplateError(f"{where}: expected form messages or completion, got {form!r}")
    return PromptTemplate(
        name=_text(facts, "name", where, default_name),
        version=_text(facts, "version", where, "1"),
        description=_text(facts, "description", where, ""),
        inputs=parse_variables(facts.get("inputs", {}), where),
        form=form,
        messages=_messages(facts, where),
        few_shot=_few_shot(facts.get("examples"), where, form),
        stop=_stop(facts.get("stop", []), where),
        parameters=_parameters(facts.get("parameters", {}), where),
        check=OutputCheck.parse(facts["check"], where) if "check" in facts else None,
        origin=where,
        chat=_chat(facts, where, form),
    )


def _chat(facts: Mapping[str, Any], where: str, form: str) -> bool:
    chat = facts.get("chat", False)
    if not isinstance(chat, bool) or (chat and form != "completion"):
        raise TemplateError(f"{where}: expected chat = true in a completion only, got {chat!r}")
    return chat


def _messages(facts: Mapping[str, Any], where: str) -> Any:
    told: list[tuple[str, Source]] = []
    if "instructions" in facts:
        role = "system" if facts.get("form", "messages") == "messages" else "user"
        told.append((role, Source(_text(facts, "instructions", where), "the instructions")))
    if ("prompt" in facts) == ("messages" in facts):
        raise TemplateError(f"{where}: expected a prompt or messages, got both or neither")
    if "prompt" in facts:
        told.append(("user", Source(_text(facts, "prompt", where), "the prompt")))
        return tuple(told)
    listed = facts["messages"]
    if facts.get("form") == "completion" or not isinstance(listed, list) or not listed:
        raise TemplateError(f"{where}: expected [[messages]] with role and content, or a prompt")
    for i, message in enumerate(listed, 1):
        if not isinstance(message, Mapping) or set(message) != {"role", "content"}:
            raise TemplateError(f"{where}: message {i}: expected role and content")
        if message["role"] not in ROLES:
            raise TemplateError(f"{where}: message {i}: role {message['role']!r} is not known")
        told.append((message["role"], Source(_text(message, "content", where), f"message {i}")))
    if told[-1][0] != "user":
        raise TemplateError(f"{where}: expected the last message to be the user's")
    return tuple(told)


def _few_shot(body: Any, where: str, form: str) -> FewShot | None:
    if body is None:
        return None
    at = f"{where}, [examples]"
    if not isinstance(body, Mapping):
        raise TemplateError(f"{at}: expected a table with shown and rows")
    unknown = sorted(set(body) - {"shown", "answer", "separator", "rows", "k"})
    if unknown:
        raise TemplateError(f"{at}: {unknown[0]!r} is not known")
    rows = body.get("rows", [])
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        raise TemplateError(f"{at}: expected rows to be a list of tables")
    if (form == "messages") != ("answer" in body):
        raise TemplateError(f"{at}: expected an answer in messages, and none in a completion")
    k = body.get("k")
    if k is not None and (not isinstance(k, int) or isinstance(k, bool) or k < 0):
        raise TemplateError(f"{at}: expected k to be a whole number, got {k!r}")
    made = FewShot(
        tuple(dict(row) for row in rows),
        Source(_text(body, "shown", at), "an example"),
        Source(_text(body, "answer", at), "the answer of an example") if "answer" in body else None,
        _text(body, "separator", at, SEPARATOR),
        k,
    )
    for row in made.examples:
        try:
            made.shown.fill(row)
            if made.answer is not None:
                made.answer.fill(row)
        except InvalidInputError as error:
            raise TemplateError(f"{at}: {error}") from error
    return made


def _stop(body: Any, where: str) -> tuple[str, ...]:
    if not isinstance(body, list) or not all(isinstance(each, str) and each for each in body):
        raise TemplateError(f"{where}: expected stop to be a list of texts, got {body!r}")
    return tuple(body)


def _parameters(body: Any, where: str) -> dict[str, Any]:
    allowed = [name for name in PARAMETERS if name not in ("stop", "logprobs")]
    if not isinstance(body, Mapping):
        raise TemplateError(f"{where}: expected a table [parameters], got {body!r}")
    for name in body:
        if name not in allowed:
            raise TemplateError(
                f"{where}: the parameter {name!r} is not known",
                do=f"there are: {', '.join(allowed)}",
            )
        _check_parameter(name, body[name], where)
    return dict(body)


def _check_parameter(name: str, value: Any, where: str) -> None:
    """Refuse what no generator takes; one may have narrower bounds, and says so when asked."""
    whole = name not in _FRACTIONS
    least, most = RANGES[name]
    right = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if right and least <= value <= min(most, LARGEST):
        return
    kind = "a whole number" if whole else "a number"
    bounds = f">= {least:g}" if most > 1 else f"from {least:g} to {most:g}"
    raise TemplateError(f"{where}: expected {name} to be {kind} {bounds}, got {value!r}")


def _text(body: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    value = body.get(key, default)
    if not isinstance(value, str):
        raise TemplateError(f"{where}: expected {key} to be a text, got {value!r}")
    return value
