"""An OpenAI-compatible API on loopback, as many services and local servers speak it.

``python -m tests.servers.openai --port 0`` serves it in a process of its own.
"""

from __future__ import annotations

import dataclasses
import math
import random
import time
from collections.abc import Mapping
from typing import Any

from tests.servers import chat, vectors
from tests.servers.base import ApiServer, new_id
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
    TEXT_OR_TEXTS,
    ApiError,
    checked,
    one_of,
    within,
)
from tests.servers.messages import Answer, Asked, Request, Route, strings, text_of, texts_of
from tests.servers.spoil import spoil_choices, spoil_data

EMBED = {
    "model": STRING,
    "input": TEXT_OR_TEXTS,
    "dimensions": INTEGER,
    "encoding_format": STRING,
    "user": STRING,
}
CHAT = {
    "model": STRING,
    "messages": OBJECTS,
    "n": INTEGER,
    "temperature": NUMBER,
    "top_p": NUMBER,
    "max_tokens": INTEGER,
    "max_completion_tokens": INTEGER,
    "stop": TEXT_OR_TEXTS,
    "seed": INTEGER,
    "logprobs": BOOLEAN,
    "top_logprobs": INTEGER,
    "frequency_penalty": NUMBER,
    "presence_penalty": NUMBER,
    "response_format": OBJECT,
    "stream": BOOLEAN,
    "tools": LIST,
    "user": STRING,
}
MESSAGE = {
    "role": STRING,
    "content": ANY,
    "name": STRING,
    "tool_calls": LIST,
    "tool_call_id": STRING,
}

_TYPES = {401: "invalid_request_error", 429: "requests", 500: "server_error", 503: "server_error"}
_ENDS = {"complete": "stop", "stop": "stop", "length": "length"}


def _bad(message: str, code: str | None = None) -> ApiError:
    return ApiError(400, message, code)


class OpenAIServer(ApiServer):
    """An OpenAI-compatible service on loopback; parameters as of ``ApiServer``, and these.

    Parameters
    ----------
    embedders : mapping of str to int, optional
        Names of models and the width of their vectors; any smaller one may be asked for of a
        name with ``-3-``.
    chats : collection of str, optional
        Names of models that chat.
    shuffled : bool
        Whether the rows of an answer come in any order, told by their ``index``.
    most_inputs, most_tokens : int
        Inputs of a request, and tokens of an input; there is no truncation.
    """

    def __init__(
        self,
        *,
        embedders: Mapping[str, int] | None = None,
        chats: tuple[str, ...] = ("gpt-4o-mini", "local-chat"),
        shuffled: bool = False,
        most_inputs: int = 2048,
        most_tokens: int = 8192,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        known = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072, "local-embed": 384}
        self.embedders = dict(known if embedders is None else embedders)
        self.chats = tuple(chats)
        self.shuffled = shuffled
        self.most_inputs = most_inputs
        self.most_tokens = most_tokens
        self.answer_with: Any = None
        self._encoded = vectors.Encoded()
        self._dice = random.Random(5)

    @property
    def url(self) -> str:
        """The base URL, which ends in ``/v1``."""
        return f"{self.root}/v1"

    def vector(
        self, text: str, *, model: str = "text-embedding-3-small", dimension: int | None = None
    ) -> vectors.Vector:
        """Return the vector that a text has: ``(dimension,)``, float32, of length 1."""
        return vectors.embed(model, text, "", dimension or self.embedders[model])

    def tokens(self, text: str) -> int:
        """Return what a text is billed."""
        return vectors.count_tokens(text)

    def route(self, request: Request) -> tuple[str, Route] | None:
        routes: dict[tuple[str, str], tuple[str, Route]] = {
            ("POST", "/v1/embeddings"): ("embed", self._embed),
            ("POST", "/v1/chat/completions"): ("chat", self._chat),
            ("GET", "/v1/models"): ("models", self._models),
        }
        return routes.get((request.method, request.path))

    def asked(self, endpoint: str, body: Mapping[str, Any]) -> Asked:
        if endpoint == "chat":
            texts = texts_of(body.get("messages"))
        else:
            given = body.get("input")
            texts = (given,) if isinstance(given, str) else strings(given)
        width = body.get("dimensions")
        tokens = sum(map(vectors.count_tokens, texts))
        return Asked(texts, dimension=width if isinstance(width, int) else None, tokens=tokens)

    def error_body(self, error: ApiError) -> Any:
        kind = error.code if error.code == "insufficient_quota" else None
        kind = kind or _TYPES.get(error.status, "invalid_request_error")
        return {
            "error": {"message": error.message, "type": kind, "param": None, "code": error.code}
        }

    def refusal(self, what: str) -> ApiError:
        if what == "quota":
            return ApiError(
                429, "You exceeded your current quota, check your plan.", "insufficient_quota"
            )
        return ApiError(429, "Rate limit reached, try again later.", "rate_limit_exceeded")

    def _values(self, request: Request, known: Mapping[str, Any], models: Any) -> dict[str, Any]:
        if not isinstance(request.body, dict):
            raise _bad("the body must be a JSON object")
        values = checked(request.body, known, wrong=400)
        if "model" not in values:
            raise _bad("you must provide a model parameter")
        if values["model"] not in models:
            message = f"The model `{values['model']}` does not exist"
            raise ApiError(404, message, "model_not_found")
        return values

    def _embed(self, request: Request) -> Answer:
        values = self._values(request, EMBED, self.embedders)
        one_of(values, "encoding_format", ("float", "base64"))
        given = values.get("input", [])
        texts = [given] if isinstance(given, str) else given
        self._check_inputs(texts)
        widest = self.embedders[values["model"]]
        width = values.get("dimensions", widest)
        if width != widest and ("-3-" not in values["model"] or not 1 <= width <= widest):
            raise _bad("this model does not take these dimensions")
        encoding = values.get("encoding_format", "float")
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": self._encoded(values["model"], text, "", width, encoding),
            }
            for index, text in enumerate(texts)
        ]
        if self.shuffled:
            self._dice.shuffle(data)
        tokens = sum(map(vectors.count_tokens, texts))
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        payload = {"object": "list", "data": data, "model": values["model"], "usage": usage}

        def spoil(payload: dict[str, Any], fault: Fault) -> None:
            spoil_data(payload["data"], encoding, fault)

        return Answer(payload, tokens, spoil)

    def _check_inputs(self, texts: list[str]) -> None:
        if not texts or not all(texts):
            raise _bad("'input' must not be empty, nor any string in it")
        if len(texts) > self.most_inputs:
            raise _bad(f"'input' must have at most {self.most_inputs} items")
        if any(vectors.count_tokens(text) > self.most_tokens for text in texts):
            raise _bad(f"an input has more than {self.most_tokens} tokens")
        self.refuse_bad(texts)

    def _chat(self, request: Request) -> Answer:
        values = self._values(request, CHAT, self.chats)
        _check_chat(values)
        messages = [text_of(message.get("content")) for message in values["messages"]]
        self.refuse_bad(messages)
        count = values.get("n", 1)
        done = [self._complete(values, messages, number) for number in range(count)]
        read = sum(map(vectors.count_tokens, messages))
        written = sum(len(one.tokens) for one in done)
        payload = {
            "id": f"chatcmpl-{new_id()}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": values["model"],
            "choices": [
                _choice(index, one, bool(values.get("logprobs"))) for index, one in enumerate(done)
            ],
            "usage": {
                "prompt_tokens": read,
                "completion_tokens": written,
                "total_tokens": read + written,
            },
        }
        return Answer(payload, read + written, spoil_choices)

    def _complete(
        self, values: Mapping[str, Any], messages: list[str], number: int
    ) -> chat.Completion:
        """Return one of the answers; the first is as if it were the only one."""
        stop = values.get("stop", ())
        seed = values.get("seed")
        settings = chat.Settings(
            seed=seed,
            temperature=values.get("temperature", 1.0),
            p=values.get("top_p", 1.0),
            max_tokens=values.get("max_completion_tokens", values.get("max_tokens")),
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
        )
        if number:
            settings = dataclasses.replace(settings, seed=(seed or 0) + 1_000_003 * number)
        said = self.answer_with(messages, settings.seed) if self.answer_with else None
        return chat.complete(values["model"], messages, settings, said)

    def _models(self, request: Request) -> Answer:
        names = [*self.embedders, *self.chats]
        data = [{"id": name, "object": "model", "created": 0, "owned_by": "test"} for name in names]
        return Answer({"object": "list", "data": data})


def _check_chat(values: Mapping[str, Any]) -> None:
    if not values.get("messages"):
        raise _bad("'messages' must not be empty")
    for message in values["messages"]:
        checked(message, MESSAGE, wrong=400)
        if message.get("role") not in {"system", "developer", "user", "assistant", "tool"}:
            raise _bad("a message has no role, or one that is not known")
    if values.get("stream"):
        raise _bad("streams are not served here")
    if "top_logprobs" in values and not values.get("logprobs"):
        raise _bad("top_logprobs goes with logprobs")
    stop = values.get("stop", ())
    if not isinstance(stop, str) and len(stop) > 4:
        raise _bad("'stop' must have at most 4 items")
    within(values, "n", 1, 128)
    within(values, "temperature", 0, 2)
    within(values, "top_p", 0, 1)
    within(values, "max_tokens", 1, math.inf)
    within(values, "max_completion_tokens", 1, math.inf)
    within(values, "top_logprobs", 0, 20)


def _choice(index: int, done: chat.Completion, logprobs: bool) -> dict[str, Any]:
    content = [
        {"token": token, "logprob": logprob, "bytes": list(token.encode()), "top_logprobs": []}
        for token, logprob in zip(done.tokens, done.logprobs, strict=True)
    ]
    return {
        "index": index,
        "message": {"role": "assistant", "content": done.text, "refusal": None},
        "logprobs": {"content": content} if logprobs else None,
        "finish_reason": _ENDS[done.end],
    }


if __name__ == "__main__":
    from tests.servers.process import serve

    serve(OpenAIServer)
