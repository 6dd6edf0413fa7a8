"""What goes in and out of a server, and how texts are found in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.servers.faults import Fault


@dataclass
class Request:
    """One request, read whole."""

    method: str
    path: str
    query: dict[str, str]
    headers: Any
    raw: bytes
    started: float
    body: Any = None
    """The JSON, or None where there is none or it cannot be read."""

    @property
    def key(self) -> str:
        """The bearer key, empty without one."""
        scheme, _, key = (self.headers.get("Authorization") or "").partition(" ")
        return key.strip() if scheme.lower() == "bearer" else ""


@dataclass
class Reply:
    """What is written; ``status`` 0 is no reply at all."""

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    good: bool = False
    faults: Sequence[Fault] = ()


@dataclass
class Asked:
    """What a request asks for, as far as that can be told before it is checked."""

    texts: tuple[str, ...] = ()
    query: str = ""
    input_type: str = ""
    dimension: int | None = None
    tokens: int = 0


@dataclass
class Answer:
    """What a route returns: the JSON, what it bills, and how it can be spoiled."""

    payload: Any
    tokens: int = 0
    spoil: Callable[[Any, Fault], None] = field(default=lambda payload, fault: None)


Route = Callable[[Request], Answer]


def strings(value: Any) -> tuple[str, ...]:
    """Return the strings of an array."""
    return tuple(part for part in value if isinstance(part, str)) if isinstance(value, list) else ()


def text_of(content: Any) -> str:
    """Return the text of a message or an input: a string, or parts of the type ``text``."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def texts_of(value: Any) -> tuple[str, ...]:
    """Return the text of each message or input."""
    parts = value if isinstance(value, list) else []
    return tuple(text_of(part.get("content")) for part in parts if isinstance(part, dict))
