"""Cohere's chat: what of it is Cohere's alone."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from embedkit.errors import InvalidInputError
from embedkit.generators.cohere import CohereGenerator, _text
from embedkit.managed.service import BadAnswerError
from tests.servers import chat
from tests.servers.cohere import CohereServer
from tests.servers.limits import Limits
from tests.unit.generators.conftest import Make

PROMPT = "Name a river and a town on it."


@pytest.fixture(params=["cohere"])
def provider(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def test_parameters_have_cohere_s_names(make: Make) -> None:
    (candidate,) = make().generate(
        PROMPT, temperature=0.9, top_k=40, top_p=0.5, max_tokens=4, stop=["~"], seed=2
    )
    settings = chat.Settings(seed=2, temperature=0.9, k=40, p=0.5, max_tokens=4, stop=("~",))
    done = chat.complete("command-a-03-2025", [PROMPT], settings)
    assert candidate.text == done.text
    assert candidate.finish_reason == "length"
    assert candidate.completion_tokens == 5  # the service counts a mark for the end


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 1.1}, {"top_k": 501}, {"top_p": 0.0}, {"top_p": 1}, {"max_tokens": 0},
        {"stop": list("abcdef")},
    ],
)  # fmt: skip
def test_bounds_are_checked_before_anything_is_sent(
    options: dict[str, Any], make: Make, cohere_server: CohereServer
) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(options)).replace("_", ".")):
        make().generate(PROMPT, **options)
    assert cohere_server.log == []


def test_each_candidate_is_a_request_at_the_same_time(
    make: Make, cohere_server: CohereServer
) -> None:
    generator = make(concurrency=3, requests_per_minute=60_000)
    generator.generate(PROMPT)
    cohere_server.latency = 0.1
    generator.generate(PROMPT, n=6, seed=1)
    entries = cohere_server.entries("chat")
    assert len(entries) == 7
    assert 2 <= max(entry.concurrent for entry in entries) <= 3


def test_candidates_keep_to_the_limit_of_requests(
    serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a service that takes four in a window, nine candidates come with nothing refused."""
    monkeypatch.setattr("embedkit.managed.pacing.WINDOW", 0.4)
    monkeypatch.setenv("CO_API_KEY", "good-key")
    limited = serve("cohere", limits=Limits(requests=4, window=0.4, slack=0.05))
    generator = CohereGenerator(base_url=limited.url, requests_per_minute=4)
    found = generator.generate(PROMPT, n=9, seed=1)
    assert len({one.text for one in found}) > 1
    assert [entry.status for entry in limited.entries("chat")] == [200] * 9


@pytest.mark.parametrize(
    ("options", "limit"), [({}, 500), ({"plan": "trial"}, 20), ({"requests_per_minute": 7}, 7)]
)
def test_limits_are_those_of_chat(options: dict[str, Any], limit: int, make: Make) -> None:
    limits = make(**options)._endpoint.service.limits
    assert (limits.requests_per_minute, limits.inputs_per_minute) == (limit, None)


def part(kind: str, **fields: Any) -> SimpleNamespace:
    return SimpleNamespace(type=kind, **fields)


@pytest.mark.parametrize(
    ("parts", "reason", "text"),
    [
        ([part("text", text="yes")], "COMPLETE", "yes"),
        ([part("thinking", thinking="hm"), part("text", text="yes")], "COMPLETE", "yes"),
        ([part("thinking", thinking="hm")], "MAX_TOKENS", ""),
        ([], "TOOL_CALL", ""),
        (None, "ERROR", ""),
    ],
)
def test_what_it_says_is_the_text_alone(parts: Any, reason: str, text: str) -> None:
    answer = SimpleNamespace(message=SimpleNamespace(content=parts))
    assert _text(answer, reason) == text


@pytest.mark.parametrize(
    "parts", [[], None, [part("text", text=None)], [part("text", text="a")] * 2]
)
def test_an_answer_without_its_text_is_none(parts: Any) -> None:
    with pytest.raises(BadAnswerError):
        _text(SimpleNamespace(message=SimpleNamespace(content=parts)), "COMPLETE")


def test_a_piece_of_several_tokens_has_the_sum_of_theirs(make: Make) -> None:
    items = [
        SimpleNamespace(text="Rh", logprobs=[-0.5, -0.25]),
        SimpleNamespace(text="ine", logprobs=[-1.0]),
    ]
    generator = make()
    assert isinstance(generator, CohereGenerator)
    assert [token.logprob for token in generator._tokens(items, "Rhine")] == [-0.75, -1.0]
