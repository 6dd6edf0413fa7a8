"""JSON Schema, draft 2020-12, that reaches nothing outside itself."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from embedkit.errors import MissingDependencyError, TemplateError


def check_schema(schema: Mapping[str, Any], where: str) -> None:
    """Refuse a schema that is none, or that leads out of itself.

    Without jsonschema only the references are looked at; the rest waits until it is needed.

    Raises
    ------
    TemplateError
    """
    try:
        text = json.dumps(schema)
        foreign = next((ref for ref in _references(schema) if not ref.startswith("#")), None)
    except (TypeError, ValueError, RecursionError) as error:
        raise TemplateError(f"{where}: the schema is not JSON: {error}") from error
    if foreign is not None:
        raise TemplateError(
            f"{where}: expected references of the schema to start with '#', got {foreign!r}",
            do="write what is meant into the schema, below $defs",
        )
    slow = next((key for key in _keywords(schema) if key in ("pattern", "patternProperties")), None)
    if slow is not None:
        raise TemplateError(
            f"{where}: the schema has {slow!r}, and a pattern can take for ever on some texts",
            do="leave it out; enum, minLength and maxLength are bounded",
        )
    try:
        _validator(text)
    except MissingDependencyError:
        return
    except TemplateError as error:
        raise TemplateError(f"{where}: {error.message}", do=error.do) from error


def against_schema(value: Any, schema: Mapping[str, Any]) -> str:
    """Return what speaks against a value, empty if nothing does.

    Raises
    ------
    TemplateError
        The schema is none.
    MissingDependencyError
    """
    _jsonschema()
    from referencing.exceptions import Unresolvable

    try:
        check = _validator(json.dumps(schema))
        wrong = next(check.iter_errors(value), None)
    except RecursionError:
        return "nested too deep for the schema"
    except (Unresolvable, re.error, ArithmeticError, TypeError, ValueError) as error:
        # A TemplateError is a ValueError, and is the caller's to hear.
        if isinstance(error, TemplateError):
            raise
        return f"the schema cannot be applied: {error}"
    return "" if wrong is None else f"not of the schema: {wrong.message} at {wrong.json_path}"


def _jsonschema() -> Any:
    """Return jsonschema, or say how to install it."""
    try:
        import jsonschema
    except ModuleNotFoundError as error:
        raise MissingDependencyError(
            "checking JSON by a schema needs jsonschema, which is not installed",
            do="run: pip install 'embedkit[generate]'",
        ) from error
    return jsonschema


@functools.lru_cache(maxsize=64)
def _validator(text: str) -> Any:
    """Return the validator of a schema; of one that is none, TemplateError."""
    jsonschema = _jsonschema()
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    schema, told = json.loads(text), ""
    try:
        jsonschema.Draft202012Validator.check_schema(schema)
        resolver = Registry().resolver_with_root(DRAFT202012.create_resource(schema))
        for reference in _references(schema):
            told = reference
            resolver.lookup(reference)
        # The registry is empty and fetches nothing, from wherever it is asked to.
        validator = jsonschema.Draft202012Validator(schema, registry=Registry())
        # A reference to itself shows with a value of any kind.
        values: tuple[Any, ...] = (None, True, 0, "", [], {})
        for value in values:
            next(validator.iter_errors(value), None)
    except jsonschema.SchemaError as error:
        raise TemplateError(f"the schema is none: {error.message} at {error.json_path}") from error
    except Unresolvable as error:
        raise TemplateError(
            f"the schema refers to {told!r}, which is not in it", do="define it below $defs"
        ) from error
    except RecursionError as error:
        raise TemplateError("the schema refers to itself without end") from error
    except (re.error, ArithmeticError, TypeError, ValueError, AttributeError) as error:
        raise TemplateError(f"the schema is none: {error}") from error
    return validator


_NAMED = ("properties", "$defs", "definitions", "dependentSchemas")
"""Keywords whose keys are names and no keywords."""
_VALUES = ("const", "enum", "default", "examples")


def _keywords(schema: Any) -> Iterator[str]:
    """Yield the keywords of a schema and of those within it."""
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            yield key
            if key in _NAMED and isinstance(value, Mapping):
                for inner in value.values():
                    yield from _keywords(inner)
            elif key not in _VALUES:
                yield from _keywords(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _keywords(value)


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        for key, value in schema.items():
            if key in ("$ref", "$dynamicRef") and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from _references(value)
