"""What Cohere's API takes: models, fields, bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.servers import vectors
from tests.servers.fields import (
    ANY,
    BOOLEAN,
    INTEGER,
    LIST,
    NUMBER,
    OBJECT,
    OBJECTS,
    STRING,
    TEXTS,
    ApiError,
    checked,
    one_of,
    within,
)
from tests.servers.messages import Request

MOST_TEXTS = 96
MOST_DOCUMENTS = 10_000
INPUT_TYPES = ("search_document", "search_query", "classification", "clustering", "image")

EMBED = {
    "model": STRING,
    "input_type": STRING,
    "texts": TEXTS,
    "images": TEXTS,
    "inputs": OBJECTS,
    "max_tokens": INTEGER,
    "output_dimension": INTEGER,
    "embedding_types": TEXTS,
    "truncate": STRING,
    "priority": INTEGER,
}
RERANK = {
    "model": STRING,
    "query": STRING,
    "documents": TEXTS,
    "top_n": INTEGER,
    "max_tokens_per_doc": INTEGER,
    "relevant_spans": OBJECT,
    "priority": INTEGER,
}
CHAT = {
    "model": STRING,
    "messages": OBJECTS,
    "tools": OBJECTS,
    "strict_tools": BOOLEAN,
    "documents": LIST,
    "citation_options": OBJECT,
    "response_format": OBJECT,
    "safety_mode": STRING,
    "max_tokens": INTEGER,
    "stop_sequences": TEXTS,
    "temperature": NUMBER,
    "seed": INTEGER,
    "frequency_penalty": NUMBER,
    "presence_penalty": NUMBER,
    "k": INTEGER,
    "p": NUMBER,
    "logprobs": BOOLEAN,
    "tool_choice": STRING,
    "thinking": OBJECT,
    "priority": INTEGER,
    "stream": BOOLEAN,
}
MESSAGE = {
    "role": STRING,
    "content": ANY,
    "tool_calls": OBJECTS,
    "tool_plan": STRING,
    "tool_call_id": STRING,
    "citations": OBJECTS,
}


@dataclass(frozen=True)
class Model:
    """What a model takes and gives.

    Parameters
    ----------
    endpoint : str
        ``embed``, ``rerank`` or ``chat``.
    context : int
        The most tokens of an input.
    dimensions : tuple of int
        Widths of its vectors, the default first.
    choice : bool
        Whether ``output_dimension`` may be given.
    """

    endpoint: str
    context: int
    dimensions: tuple[int, ...] = ()
    choice: bool = False


MODELS = {
    "embed-v4.0": Model("embed", 128_000, (1536, 256, 512, 1024), choice=True),
    "embed-english-v3.0": Model("embed", 512, (1024,)),
    "embed-english-light-v3.0": Model("embed", 512, (384,)),
    "embed-multilingual-v3.0": Model("embed", 512, (1024,)),
    "embed-multilingual-light-v3.0": Model("embed", 512, (384,)),
    "rerank-v4.0-pro": Model("rerank", 32_000),
    "rerank-v4.0-fast": Model("rerank", 32_000),
    "rerank-v3.5": Model("rerank", 4_096),
    "command-a-plus-05-2026": Model("chat", 256_000),
    "command-a-03-2025": Model("chat", 256_000),
    "command-r7b-12-2024": Model("chat", 128_000),
}


def required(values: Mapping[str, Any], *names: str) -> None:
    """Refuse a request that lacks a field."""
    for name in names:
        if name not in values:
            raise ApiError(400, f"invalid request: {name} must be provided")


def body(request: Request) -> dict[str, Any]:
    """Return the fields, as they came."""
    if not isinstance(request.body, dict):
        raise ApiError(400, "invalid request: the body must be a JSON object")
    return request.body


def described(name: str) -> dict[str, Any]:
    """Return what the API says of a model."""
    model = MODELS[name]
    return {
        "name": name,
        "is_deprecated": False,
        "endpoints": [model.endpoint],
        "finetuned": False,
        "context_length": model.context,
        "tokenizer_url": None,
        "default_endpoints": [],
        "features": None,
    }


def check_embed(values: Mapping[str, Any], model: Model) -> list[str]:
    """Check what goes with the texts; return the types of vectors asked for."""
    if "input_type" not in values:
        raise ApiError(400, "invalid request: valid input_type must be provided with this model")
    one_of(values, "input_type", INPUT_TYPES)
    one_of(values, "truncate", ("NONE", "START", "END"))
    if "images" in values or values["input_type"] == "image":
        raise ApiError(400, "invalid request: images are not served here")
    if ("texts" in values) == ("inputs" in values):
        raise ApiError(400, "invalid request: exactly one of texts and inputs must be provided")
    width = values.get("output_dimension")
    if width is not None and not model.choice:
        raise ApiError(400, "invalid request: this model does not take output_dimension")
    if width is not None and width not in model.dimensions:
        raise ApiError(400, f"invalid request: output_dimension must be one of {model.dimensions}")
    within(values, "max_tokens", 1, model.context)
    kinds: list[str] = list(dict.fromkeys(values.get("embedding_types") or ["float"]))
    for kind in kinds:
        one_of({"embedding_types": kind}, "embedding_types", tuple(vectors.ENCODINGS))
    return kinds


def shortened(texts: list[str], values: Mapping[str, Any], model: Model) -> list[str]:
    """Return what is left of the texts after truncation, or refuse one that is too long."""
    limit, side = values.get("max_tokens", model.context), values.get("truncate", "END")
    if side == "NONE":
        long = [row for row, text in enumerate(texts) if vectors.count_tokens(text) > limit]
        if long:
            raise ApiError(
                400, f"invalid request: the text at {long[0]} has more than {limit} tokens"
            )
        return texts
    return [vectors.truncated(text, limit, side) for text in texts]


def check_chat(values: Mapping[str, Any]) -> None:
    """Check what goes with the messages."""
    if not values["messages"]:
        raise ApiError(400, "invalid request: messages must not be empty")
    for message in values["messages"]:
        checked(message, MESSAGE)
        required(message, "role")
        one_of(message, "role", ("user", "system", "assistant", "tool"))
        if not isinstance(message.get("content", ""), str | list):
            raise ApiError(422, "invalid type: 'content' should be a string or an array")
    if values["messages"][-1]["role"] not in {"user", "tool"}:
        raise ApiError(400, "invalid request: the last message must be of the role user or tool")
    if values.get("stream"):
        raise ApiError(400, "invalid request: streams are not served here")
    if len(values.get("stop_sequences", ())) > 5:
        raise ApiError(400, "invalid request: at most 5 stop_sequences are taken")
    within(values, "temperature", 0, 1)
    within(values, "k", 0, 500)
    within(values, "p", 0.01, 0.99)
    within(values, "max_tokens", 1, math.inf)
    within(values, "frequency_penalty", 0, 1)
    within(values, "presence_penalty", 0, 1)
