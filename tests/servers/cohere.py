"""Cohere's API on loopback: embed, rerank, chat, models, check-api-key.

``python -m tests.servers.cohere --port 0`` serves it in a process of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tests.servers import chat, vectors
from tests.servers.base import Answer, ApiServer, Asked, Route, new_id
from tests.servers.faults import Fault
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
from tests.servers.handler import Request

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

_ENDS = {"complete": "COMPLETE", "stop": "STOP_SEQUENCE", "length": "MAX_TOKENS"}


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


def _required(values: Mapping[str, Any], *names: str) -> None:
    for name in names:
        if name not in values:
            raise ApiError(400, f"invalid request: {name} must be provided")


def _body(request: Request) -> dict[str, Any]:
    if not isinstance(request.body, dict):
        raise ApiError(400, "invalid request: the body must be a JSON object")
    return request.body


class CohereServer(ApiServer):
    """Cohere on loopback; parameters as of ``ApiServer``.

    ``server.answer_with`` may be set to a function of the messages' texts and the seed that
    returns what the chat models say.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.answer_with: Any = None
        self._encoded = vectors.Encoded()

    def vector(
        self,
        text: str,
        *,
        model: str = "embed-v4.0",
        input_type: str = "search_document",
        dimension: int | None = None,
        truncate: Literal["START", "END"] = "END",
    ) -> vectors.Vector:
        """Return the vector that a text has: ``(dimension,)``, float32, of length 1."""
        known = MODELS[model]
        kept = vectors.truncated(text, known.context, truncate)
        return vectors.embed(model, kept, input_type, dimension or known.dimensions[0])

    def tokens(self, text: str) -> int:
        """Return what a text is billed, if it is not truncated."""
        return vectors.count_tokens(text)

    def relevance(self, query: str, document: str, model: str = "rerank-v4.0-pro") -> float:
        """Return the score that a document has for a query."""
        return vectors.relevance(model, query, document)

    def route(self, request: Request) -> tuple[str, Route] | None:
        path = request.path
        if request.method == "GET":
            if path == "/v1/models":
                return "models", self._models
            return ("models", self._model) if path.startswith("/v1/models/") else None
        routes: dict[str, tuple[str, Route]] = {
            "/v2/embed": ("embed", self._embed),
            "/v2/rerank": ("rerank", self._rerank),
            "/v2/chat": ("chat", self._chat),
            "/v1/check-api-key": ("check", self._check),
        }
        return routes.get(path)

    def asked(self, endpoint: str, body: Mapping[str, Any]) -> Asked:
        if endpoint == "chat":
            texts = _contents(body.get("messages"))
        elif endpoint == "rerank":
            texts = _strings(body.get("documents"))
        else:
            texts = _strings(body.get("texts")) or _contents(body.get("inputs"))
        kind, dimension = body.get("input_type"), body.get("output_dimension")
        query = body.get("query")
        return Asked(
            texts,
            query if isinstance(query, str) else "",
            kind if isinstance(kind, str) else "",
            dimension if isinstance(dimension, int) else None,
            sum(map(vectors.count_tokens, texts)),
        )

    def error_body(self, error: ApiError) -> Any:
        return {"id": new_id(), "message": error.message}

    def refusal(self, what: str) -> ApiError:
        each = "month" if what == "quota" else "minute"
        number = self.quota or 1000 if what == "quota" else 40
        return ApiError(
            429,
            f"You are using a Trial key, which is limited to {number} API calls / {each}. "
            "You can continue with a production key.",
        )

    def _known(self, name: str, endpoint: str) -> Model:
        model = MODELS.get(name)
        if model is None or model.endpoint != endpoint:
            raise ApiError(404, f"model '{name}' not found, make sure that its name is correct")
        return model

    def _embed(self, request: Request) -> Answer:
        values = checked(_body(request), EMBED)
        _required(values, "model")
        model = self._known(values["model"], "embed")
        kinds = _check_embed(values, model)
        texts = list(values.get("texts") or _contents(values.get("inputs")))
        if not texts:
            raise ApiError(400, "invalid request: list of texts must not be empty")
        if len(texts) > MOST_TEXTS:
            most = f"total number of texts must be at most {MOST_TEXTS} - received {len(texts)}"
            raise ApiError(400, f"invalid request: {most}")
        self.refuse_bad(texts)
        kept = _kept(texts, values, model)
        width = values.get("output_dimension", model.dimensions[0])
        rows = {
            kind: [
                self._encoded(values["model"], text, values["input_type"], width, kind)
                for text in kept
            ]
            for kind in kinds
        }
        tokens = sum(map(vectors.count_tokens, kept))
        payload = {
            "response_type": "embeddings_by_type",
            "id": new_id(),
            "texts": texts,
            "embeddings": rows,
            "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": tokens}},
        }
        return Answer(payload, tokens, _spoil_embeddings)

    def _rerank(self, request: Request) -> Answer:
        values = checked(_body(request), RERANK)
        _required(values, "model", "query", "documents")
        model = self._known(values["model"], "rerank")
        documents, query = values["documents"], values["query"]
        if not query or not documents:
            raise ApiError(400, "invalid request: query and documents must not be empty")
        if len(documents) > MOST_DOCUMENTS:
            raise ApiError(400, f"invalid request: at most {MOST_DOCUMENTS} documents are taken")
        within(values, "top_n", 1, math.inf)
        within(values, "max_tokens_per_doc", 1, math.inf)
        self.refuse_bad(documents)
        limit = min(values.get("max_tokens_per_doc", 4096), model.context)
        scores = [
            vectors.relevance(values["model"], query, vectors.truncated(document, limit))
            for document in documents
        ]
        order = sorted(range(len(scores)), key=lambda row: (-scores[row], row))
        results = [{"index": row, "relevance_score": scores[row]} for row in order]
        payload = {
            "id": new_id(),
            "results": results[: values.get("top_n", len(results))],
            "meta": {
                "api_version": {"version": "2"},
                "billed_units": {"search_units": math.ceil(len(documents) / 100)},
            },
        }
        return Answer(payload, 0, _spoil_ranking)

    def _chat(self, request: Request) -> Answer:
        values = checked(_body(request), CHAT)
        _required(values, "model", "messages")
        self._known(values["model"], "chat")
        _check_chat(values)
        messages = [_content(message.get("content")) for message in values["messages"]]
        self.refuse_bad(messages)
        settings = chat.Settings(
            seed=values.get("seed"),
            temperature=values.get("temperature", 0.3),
            k=values.get("k", 0),
            p=values.get("p", 0.75),
            max_tokens=values.get("max_tokens"),
            stop=tuple(values.get("stop_sequences", ())),
        )
        said = self.answer_with(messages, settings.seed) if self.answer_with else None
        done = chat.complete(values["model"], messages, settings, said)
        read, written = sum(map(vectors.count_tokens, messages)), len(done.tokens)
        payload: dict[str, Any] = {
            "id": new_id(),
            "finish_reason": _ENDS[done.end],
            "message": {"role": "assistant", "content": [{"type": "text", "text": done.text}]},
            "usage": {
                "billed_units": {"input_tokens": read, "output_tokens": written},
                "tokens": {"input_tokens": read + 8, "output_tokens": written + 1},
            },
        }
        if values.get("logprobs"):
            payload["logprobs"] = [
                {"text": token, "token_ids": [chat.token_id(token)], "logprobs": [logprob]}
                for token, logprob in zip(done.tokens, done.logprobs, strict=True)
            ]
        return Answer(payload, read + written, _spoil_chat)

    def _check(self, request: Request) -> Answer:
        return Answer({"valid": True, "organization_id": "organization", "owner_id": "owner"})

    def _model(self, request: Request) -> Answer:
        name = request.path.removeprefix("/v1/models/")
        if name not in MODELS:
            raise ApiError(404, f"model '{name}' not found")
        return Answer(_described(name))

    def _models(self, request: Request) -> Answer:
        wanted = request.query.get("endpoint")
        names = [name for name, model in MODELS.items() if wanted in {None, model.endpoint}]
        return Answer({"models": [_described(name) for name in names]})


def _described(name: str) -> dict[str, Any]:
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


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(part for part in value if isinstance(part, str)) if isinstance(value, list) else ()


def _content(content: Any) -> str:
    """Return the text of a message or an input: a string, or parts of the type ``text``."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def _contents(value: Any) -> tuple[str, ...]:
    parts = value if isinstance(value, list) else []
    return tuple(_content(part.get("content")) for part in parts if isinstance(part, dict))


def _check_embed(values: Mapping[str, Any], model: Model) -> list[str]:
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


def _kept(texts: list[str], values: Mapping[str, Any], model: Model) -> list[str]:
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


def _check_chat(values: Mapping[str, Any]) -> None:
    if not values["messages"]:
        raise ApiError(400, "invalid request: messages must not be empty")
    for message in values["messages"]:
        checked(message, MESSAGE)
        _required(message, "role")
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


def _spoil_embeddings(payload: dict[str, Any], fault: Fault) -> None:
    for kind, rows in payload["embeddings"].items():
        spoil_rows(rows, kind, fault)


def spoil_rows(rows: list[Any], kind: str, fault: Fault) -> None:
    """Spoil vectors as they stand in an answer."""
    row = fault.row(len(rows))
    if fault.kind == "missing-row":
        del rows[row]
    elif fault.kind == "extra-row":
        rows.append(rows[-1])
    elif fault.kind in {"nan", "null", "wrong-width"}:
        rows[row] = _spoiled(rows[row], kind, fault.kind)


def _spoiled(vector: Any, kind: str, fault: str) -> Any:
    if kind != "base64":
        if fault == "wrong-width":
            return vector[:-1]
        return [math.nan if fault == "nan" and kind == "float" else None, *vector[1:]]
    if fault == "null":
        return None
    import base64

    whole = base64.b64decode(vector)
    return base64.b64encode(
        whole[:-4] if fault == "wrong-width" else b"\x00\x00\xc0\x7f" + whole[4:]
    ).decode("ascii")


def _spoil_ranking(payload: dict[str, Any], fault: Fault) -> None:
    results = payload["results"]
    row = fault.row(len(results))
    if fault.kind == "missing-row":
        del results[row]
    elif fault.kind == "extra-row":
        results.append(dict(results[-1]))
    elif fault.kind == "wrong-width":
        results[row]["index"] = MOST_DOCUMENTS
    elif fault.kind in {"nan", "null"}:
        results[row]["relevance_score"] = math.nan if fault.kind == "nan" else None


def _spoil_chat(payload: dict[str, Any], fault: Fault) -> None:
    if fault.kind == "missing-row":
        payload["message"]["content"] = []
    elif fault.kind == "extra-row":
        payload["message"]["content"] *= 2
    elif fault.kind in {"nan", "null"} and payload.get("logprobs"):
        payload["logprobs"][0]["logprobs"] = [math.nan if fault.kind == "nan" else None]
    elif fault.kind == "wrong-width" and payload.get("logprobs"):
        del payload["logprobs"][-1]


if __name__ == "__main__":
    from tests.servers.process import serve

    serve(CohereServer)
