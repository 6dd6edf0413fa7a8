"""Cohere's API on loopback: embed, rerank, chat, models, check-api-key.

``python -m tests.servers.cohere --port 0`` serves it in a process of its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from tests.servers import chat, vectors
from tests.servers.base import ApiServer, new_id
from tests.servers.cohere_fields import (
    CHAT,
    EMBED,
    MODELS,
    MOST_DOCUMENTS,
    MOST_TEXTS,
    RERANK,
    Model,
    body,
    check_chat,
    check_embed,
    described,
    required,
    shortened,
)
from tests.servers.fields import ApiError, checked, within
from tests.servers.messages import Answer, Asked, Request, Route, strings, text_of, texts_of
from tests.servers.spoil import spoil_chat, spoil_embeddings, spoil_ranking

_ENDS = {"complete": "COMPLETE", "stop": "STOP_SEQUENCE", "length": "MAX_TOKENS"}


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
            texts = texts_of(body.get("messages"))
        elif endpoint == "rerank":
            texts = strings(body.get("documents"))
        else:
            texts = strings(body.get("texts")) or texts_of(body.get("inputs"))
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
        values = checked(body(request), EMBED)
        required(values, "model")
        model = self._known(values["model"], "embed")
        kinds = check_embed(values, model)
        texts = list(values.get("texts") or texts_of(values.get("inputs")))
        if not texts:
            raise ApiError(400, "invalid request: list of texts must not be empty")
        if len(texts) > MOST_TEXTS:
            most = f"total number of texts must be at most {MOST_TEXTS} - received {len(texts)}"
            raise ApiError(400, f"invalid request: {most}")
        self.refuse_bad(texts)
        kept = shortened(texts, values, model)
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
        return Answer(payload, tokens, spoil_embeddings)

    def _rerank(self, request: Request) -> Answer:
        values = checked(body(request), RERANK)
        required(values, "model", "query", "documents")
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
        return Answer(payload, 0, spoil_ranking)

    def _chat(self, request: Request) -> Answer:
        values = checked(body(request), CHAT)
        required(values, "model", "messages")
        self._known(values["model"], "chat")
        check_chat(values)
        messages = [text_of(message.get("content")) for message in values["messages"]]
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
        return Answer(payload, read + written, spoil_chat)

    def _check(self, request: Request) -> Answer:
        return Answer({"valid": True, "organization_id": "organization", "owner_id": "owner"})

    def _model(self, request: Request) -> Answer:
        name = request.path.removeprefix("/v1/models/")
        if name not in MODELS:
            raise ApiError(404, f"model '{name}' not found")
        return Answer(described(name))

    def _models(self, request: Request) -> Answer:
        wanted = request.query.get("endpoint")
        names = [name for name, model in MODELS.items() if wanted in {None, model.endpoint}]
        return Answer({"models": [described(name) for name in names]})


if __name__ == "__main__":
    from tests.servers.process import serve

    serve(CohereServer)
