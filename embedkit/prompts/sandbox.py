"""The language of templates: Jinja's, without anything that could reach out of the template.

A template may come from a stranger. Here it can insert its inputs, choose between texts, go over
lists and use the filters of :data:`FILTERS`. It cannot call anything, reach an attribute of an
object, read or import another template, or make a text out of nothing: what it writes is bounded,
and so is how deep loops stand in each other, so that no template takes long.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jinja2
from jinja2 import filters, meta, nodes
from jinja2.sandbox import ImmutableSandboxedEnvironment

from embedkit.errors import InvalidInputError, TemplateError

MOST = 4_000_000
"""Characters that a template may hold or write."""
ROUNDS = 200_000
"""Rounds of all loops together, at most."""
ROUND = "\x00"
"""Marks the beginning of a round; inputs may not hold it."""
DEEPEST = 3
"""Loops in each other, at most."""
FILTERS = (
    "capitalize", "default", "d", "first", "float", "int", "join", "last", "length", "count",
    "list", "lower", "replace", "reverse", "round", "sort", "string", "title", "tojson", "trim",
    "truncate", "unique", "upper", "wordcount",
)  # fmt: skip
TESTS = ("defined", "undefined", "none", "string", "number", "mapping", "sequence", "boolean",
         "true", "false", "even", "odd", "divisibleby", "eq", "ne", "lt", "le", "gt", "ge", "in",
         "==", "!=", "<", "<=", ">", ">=")  # fmt: skip
_FORBIDDEN: Mapping[type[nodes.Node], str] = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "import",
    nodes.Extends: "extends",
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
    # What could double a text again and again.
    nodes.Assign: "set",
    nodes.AssignBlock: "set",
    nodes.With: "with",
    nodes.FilterBlock: "filter",
    nodes.Mul: "*",
    nodes.Pow: "**",
    nodes.Mod: "%",  # of a text it pads to any width
    nodes.Call: "a call",
}


_WRITING = ("capitalize", "lower", "string", "title", "trim", "truncate", "upper", "wordcount")
"""Filters that make a text of any value."""
_WRONG = (
    jinja2.TemplateError, ArithmeticError, AssertionError, AttributeError, LookupError, MemoryError,
    RecursionError, TypeError, ValueError,
)  # fmt: skip
"""What Jinja and its filters raise of what they cannot take."""
DIGITS = 15
"""Places that a number is rounded to, at most."""
INDENT = 8
"""Blanks before each level of JSON, at most."""


class _Language(ImmutableSandboxedEnvironment):
    """Jinja with nothing in reach but what a template is given."""

    intercepted_binops = frozenset("+")

    def call_binop(
        self, context: jinja2.runtime.Context, operator: str, left: Any, right: Any
    ) -> Any:
        """Add two values whose sum is not too long."""
        if isinstance(left, (str, list)) and isinstance(right, (str, list)):
            _refuse_long(len(left) + len(right))
        return super().call_binop(context, operator, left, right)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Allow what a loop tells of itself, and nothing of any other object."""
        loop = isinstance(obj, jinja2.runtime.LoopContext)
        return loop and attr in ("index", "index0", "first", "last", "length", "revindex")

    def is_safe_callable(self, obj: Any) -> bool:
        """Allow nothing: there is nothing to be called."""
        return False


class Source:
    """The text of a template, checked and ready to be filled in.

    Parameters
    ----------
    text : str
    what : str
        What an error calls it.

    Raises
    ------
    TemplateError
        It is not well formed, asks for what templates cannot do, or is too long.
    """

    def __init__(self, text: str, what: str = "the template") -> None:
        self.text = text
        self.what = what
        if len(text) > MOST:
            raise TemplateError(
                f"expected at most {MOST:,} characters in {what}, got {len(text):,}",
                do="pass long texts as inputs",
            )
        try:
            tree = _language().parse(text)
            self._refuse_foreign(tree)
            self.names = frozenset(meta.find_undeclared_variables(tree))
            """The inputs that it asks for."""
            self._ready = _compiled(tree)
        except TemplateError:
            raise
        except jinja2.TemplateSyntaxError as error:
            raise TemplateError(f"line {error.lineno} of {what}: {error.message}") from error
        except (RecursionError, MemoryError) as error:
            raise TemplateError(f"{what} is nested too deep") from error
        except _WRONG as error:
            raise TemplateError(f"{what} cannot be read: {_told(error)}") from error

    def fill(self, values: Mapping[str, Any]) -> str:
        """Return the text with its inputs filled in.

        Raises
        ------
        InvalidInputError
            An input that is not there, named.
        TemplateError
            It writes too much, or a filter cannot take a value.
        """
        values = {name: _plain(value) for name, value in values.items()}
        try:
            return "".join(_bounded(self._ready.generate(**values), self.what))
        except TemplateError:
            raise
        except jinja2.UndefinedError as error:
            raise InvalidInputError(
                f"{self.what}: {error.message}", do=f"it asks for: {', '.join(sorted(self.names))}"
            ) from error
        except jinja2.exceptions.SecurityError as error:
            raise TemplateError(f"{self.what}: {error}") from error
        except _WRONG as error:
            raise TemplateError(f"{self.what} cannot be filled in: {_told(error)}") from error

    def _refuse_foreign(self, tree: nodes.Template) -> None:
        for kind, word in _FORBIDDEN.items():
            found = next(tree.find_all(kind), None)
            if found is not None:
                raise TemplateError(
                    f"line {found.lineno} of {self.what}: templates cannot do {word}",
                    do="pass what it needs as an input",
                )
        hidden = next((n for n in tree.find_all(nodes.Getattr) if n.attr.startswith("_")), None)
        if hidden is not None:
            raise TemplateError(
                f"line {hidden.lineno} of {self.what}: templates cannot reach {hidden.attr!r}",
                do="pass what it needs as an input",
            )
        if _depth(tree) > DEEPEST:
            raise TemplateError(
                f"expected at most {DEEPEST} loops in each other in {self.what}, got more"
            )


@functools.cache
def _language() -> _Language:
    language = _Language(
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=False,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # what is written is a prompt, not a page
    )
    language.globals.clear()
    language.filters = {name: language.filters[name] for name in FILTERS}
    language.filters |= {name: _short(language.filters[name]) for name in _WRITING}
    language.filters |= {"replace": _replace, "join": _join, "tojson": _tojson, "round": _round}
    language.tests = {name: language.tests[name] for name in TESTS}
    language.tests |= {"even": _even, "odd": _odd, "divisibleby": _divisible}
    language.finalize = _checked
    return language


def _plain(value: Any) -> Any:
    """Return a copy of plain values, without the sign that marks rounds."""
    if isinstance(value, str):
        return value.replace(ROUND, "")
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)


def _depth(node: nodes.Node) -> int:
    inside = max((_depth(child) for child in node.iter_child_nodes()), default=0)
    return inside + isinstance(node, nodes.For)


def _compiled(tree: nodes.Template) -> jinja2.Template:
    """Return the template with each round of a loop visible as a piece of what it writes."""
    for loop in tree.find_all(nodes.For):
        loop.body.insert(0, nodes.Output([nodes.TemplateData(ROUND)]))
    language = _language()
    for text in list(tree.find_all(nodes.Concat)):
        # Written as the filter that refuses a text that would be too long.
        text.nodes = [nodes.Filter(nodes.List(text.nodes), "join", [], [], None, None)]
    tree.set_environment(language)
    code = language.compile(tree)
    return jinja2.Template.from_code(language, code, language.make_globals(None))


def _bounded(pieces: Iterator[str], what: str) -> Iterator[str]:
    """Yield the pieces as long as they are not too many, and not too long together."""
    length = rounds = 0
    for piece in pieces:
        rounds += piece.count(ROUND)
        length += len(piece)
        if length > MOST or rounds > ROUNDS:
            raise TemplateError(
                f"{what} writes more than {MOST:,} characters, or goes round more than "
                f"{ROUNDS:,} times"
            )
        yield piece.replace(ROUND, "")


def _told(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _checked(value: Any) -> Any:
    """Return a value that is not too long as a text."""
    if isinstance(value, (list, tuple, Mapping)):
        _refuse_long(_length(value, MOST))
    return value


def _length(value: Any, most: int, level: int = 0) -> int:
    """Return about how many characters a value takes, counting on until they are too many."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, int):
        return 1 + value.bit_length() // 3
    if isinstance(value, Mapping):
        value = [each for pair in value.items() for each in pair]
    if not isinstance(value, (list, tuple)):
        return 1
    # Each item may stand on its own line, after the blanks of its level.
    total = 2 + len(value) * (2 + INDENT * level)
    for each in value:
        if total > most:
            break
        total += _length(each, most - total, level + 1)
    return total


def _short(filtered: Callable[..., Any]) -> Callable[..., Any]:
    """Return a filter that refuses a list or mapping that is too long as a text."""

    @functools.wraps(filtered)  # with the marks that tell Jinja what else it takes
    def checked(*given: Any, **named: Any) -> Any:
        for value in (*given, *named.values()):
            _checked(value)
        return filtered(*given, **named)

    return checked


def _replace(text: Any, old: str, new: str) -> str:
    told, old, new = _text(text), _text(old), _text(new)
    _refuse_long(len(told) + told.count(old) * len(new))
    return told.replace(old, new)


def _join(values: Any, between: str = "") -> str:
    between, listed, total = _text(between), [], 0
    for value in values:
        listed.append(_text(value))
        total += len(listed[-1]) + len(between)
        _refuse_long(total)
    return between.join(listed)


def _text(value: Any) -> str:
    return str(_checked(value))


def _tojson(value: Any, indent: int | None = None) -> str:
    _checked(value)
    if indent is not None and not 0 <= indent <= INDENT:
        raise jinja2.exceptions.SecurityError(f"an indent from 0 to {INDENT}, not {indent}")
    return str(jinja2.utils.htmlsafe_json_dumps(value, indent=indent, sort_keys=True))


def _round(value: float, precision: int = 0, method: str = "common") -> float:
    if not -DIGITS <= precision <= DIGITS:
        raise jinja2.exceptions.SecurityError(f"round to at most {DIGITS} places, not {precision}")
    return filters.do_round(value, precision, method)  # type: ignore[arg-type]


def _whole(value: Any) -> int:
    # A text would be formatted by %, to any width.
    if not isinstance(value, int):
        raise TypeError(f"expected a whole number, got {type(value).__name__}")
    return value


def _even(value: Any) -> bool:
    return _whole(value) % 2 == 0


def _odd(value: Any) -> bool:
    return _whole(value) % 2 == 1


def _divisible(value: Any, by: Any) -> bool:
    return _whole(value) % _whole(by) == 0


def _refuse_long(length: int) -> None:
    if length > MOST:
        raise jinja2.exceptions.SecurityError(f"a text of more than {MOST:,} characters")
