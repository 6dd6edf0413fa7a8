"""Chat of OpenAI's protocol: what of it is the protocol's alone."""

from __future__ import annotations

from typing import Any

import pytest

from embedkit.errors import InvalidInputError, UnavailableError, UnsupportedOperationError
from embedkit.generators.openai import OpenAIGenerator
from tests.servers import chat
from tests.servers import openai as protocol
from tests.servers.openai import OpenAIServer
from tests.unit.generators.conftest import Make

PROMPT = "Name a river and a town on it."


@pytest.fixture(params=["openai"])
def provider(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


def spoiled(server: OpenAIServer, change: Any) -> None:
    """Change every answer of a server before it is sent."""
    answered = server._chat

    def answer(request: Any) -> Any:
        found = answered(request)
        change(found.payload)
        return found

    server._chat = answer  # type: ignore[method-assign]


def test_parameters_have_the_protocol_s_names(make: Make) -> None:
    (candidate,) = make().generate(
        PROMPT, temperature=1.5, top_p=0.5, max_tokens=4, stop=["~"], seed=2
    )
    settings = chat.Settings(seed=2, temperature=1.5, p=0.5, max_tokens=4, stop=("~",))
    assert candidate.text == chat.complete("local-chat", [PROMPT], settings).text
    assert (candidate.finish_reason, candidate.completion_tokens) == ("length", 4)


def test_there_is_no_top_k(make: Make, openai_server: OpenAIServer) -> None:
    with pytest.raises(UnsupportedOperationError, match="does not know top_k"):
        make().generate(PROMPT, top_k=3)
    with pytest.raises(InvalidInputError, match="temperature to be a number from 0 to 2"):
        make().generate(PROMPT, temperature=2.1)
    assert openai_server.log == []


def test_several_candidates_are_one_request(make: Make, openai_server: OpenAIServer) -> None:
    candidates = make().generate(PROMPT, n=5, seed=1, logprobs=True)
    assert len({one.text for one in candidates}) == 5
    assert len(openai_server.entries("chat")) == 1
    assert {one.completion_tokens for one in candidates} == {None}  # told for all together


def test_choices_stand_in_their_order(make: Make, openai_server: OpenAIServer) -> None:
    wanted = make().generate(PROMPT, n=12, seed=1)
    spoiled(openai_server, lambda payload: payload["choices"].reverse())
    assert make().generate(PROMPT, n=12, seed=1) == wanted


def test_a_server_that_gives_one_is_asked_for_each(make: Make, openai_server: OpenAIServer) -> None:
    def one(payload: dict[str, Any]) -> None:
        del payload["choices"][1:]

    spoiled(openai_server, one)
    generator = make()
    first = generator.generate(PROMPT, n=3, seed=1)
    assert len({one.text for one in first}) == 3
    assert len(openai_server.entries("chat")) == 3
    openai_server.reset_log()
    assert [one.text for one in generator.generate(PROMPT, n=3, seed=1)] == [
        one.text for one in first
    ]
    assert len(openai_server.entries("chat")) == 3, "it is not asked for several again"


def test_a_choice_that_is_missing_is_asked_for_alone(
    make: Make, openai_server: OpenAIServer
) -> None:
    openai_server.fail("missing-row")
    generator = make()
    assert len({one.text for one in generator.generate(PROMPT, n=4, seed=1)}) == 4
    assert len(openai_server.entries("chat")) == 2
    generator.generate(PROMPT, n=4)
    assert len(openai_server.entries("chat")) == 3, "it is asked for several again"


def test_a_choice_that_comes_twice_is_noticed(make: Make, openai_server: OpenAIServer) -> None:
    wanted = make().generate(PROMPT, n=3, seed=1)
    openai_server.fail("extra-row")
    assert make().generate(PROMPT, n=3, seed=1) == wanted


def test_newer_models_call_the_limit_otherwise(
    make: Make, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = protocol._check_chat

    def newer(values: Any) -> None:
        if "max_tokens" in values:
            raise protocol.ApiError(400, "'max_tokens' is not known, use 'max_completion_tokens'")
        old(values)

    monkeypatch.setattr(protocol, "_check_chat", newer)
    generator = make()
    for _ in range(2):
        assert generator.generate(PROMPT, max_tokens=2)[0].finish_reason == "length"
    assert [entry.status for entry in openai_server.entries("chat")] == [400, 200, 200]


def test_log_probabilities_that_are_no_list_are_a_bad_answer(
    make: Make, openai_server: OpenAIServer
) -> None:
    spoiled(openai_server, lambda payload: payload["choices"][0].update(logprobs={"content": 1}))
    with pytest.raises(UnavailableError, match="are no list"):
        make().generate(PROMPT, logprobs=True)


def test_a_server_without_log_probabilities_says_so_once(
    make: Make, openai_server: OpenAIServer
) -> None:
    spoiled(openai_server, lambda payload: payload["choices"][0].pop("logprobs"))
    with pytest.raises(UnsupportedOperationError, match="ask without logprobs"):
        make().generate(PROMPT, logprobs=True)
    assert len(openai_server.entries("chat")) == 1
    assert make().generate(PROMPT)[0].text


@pytest.mark.parametrize(
    ("choice", "text", "reason"),
    [
        ({"message": {"content": None}, "finish_reason": "content_filter"}, "", "content_filter"),
        ({"message": {"content": "yes"}, "finish_reason": None}, "yes", "stop"),
        ({"message": {"content": "yes"}, "finish_reason": "LENGTH"}, "yes", "length"),
    ],
)
def test_how_an_answer_may_end(
    choice: dict[str, Any], text: str, reason: str, make: Make, openai_server: OpenAIServer
) -> None:
    spoiled(openai_server, lambda payload: payload.update(choices=[choice], usage=None))
    (candidate,) = make().generate(PROMPT)
    assert (candidate.text, candidate.finish_reason) == (text, reason)
    assert (candidate.prompt_tokens, candidate.completion_tokens) == (None, None)


def test_a_server_of_its_own_needs_no_key(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    server = serve("openai", keys=None)
    assert OpenAIGenerator("local-chat", base_url=server.url).generate(PROMPT)[0].text
