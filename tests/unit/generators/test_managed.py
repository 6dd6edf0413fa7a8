"""What generators behind a service share, for each of them."""

from __future__ import annotations

from typing import Any

import pytest

from embedkit.errors import (
    CredentialsError,
    ProviderError,
    QuotaError,
    RejectedError,
    UnavailableError,
    UnsupportedOperationError,
)
from embedkit.generators.base import Sampling
from embedkit.generators.managed import candidate_seeds, check_tokens
from embedkit.generators.openai import OpenAIGenerator
from embedkit.managed.service import BadAnswerError
from embedkit.types import Message, Token
from tests.servers.base import ApiServer
from tests.unit.generators.conftest import KINDS, Make

PROMPT = "Name a river and a town on it."


def test_it_says_what_the_service_says(make: Make, server: Any) -> None:
    server.answer_with = lambda messages, seed: " / ".join(messages)
    turns = [Message("system", "Be brief."), Message("user", PROMPT)]
    (candidate,) = make().generate(turns)
    assert candidate.text == f"Be brief. / {PROMPT}"
    assert candidate.finish_reason == "stop"
    assert candidate.prompt_tokens
    assert candidate.completion_tokens


def test_a_key_of_its_own_is_sent_for_candidates_of_a_seed(make: Make, server: Any) -> None:
    server.answer_with = lambda messages, seed: f"seed {seed}"
    texts = [one.text for one in make().generate(PROMPT, n=4, seed=11)]
    assert texts[0] == "seed 11"
    assert len(set(texts)) == 4
    assert texts == [one.text for one in make().generate(PROMPT, n=4, seed=11)]


def test_candidates_without_a_seed_differ(make: Make) -> None:
    assert len({one.text for one in make().generate(PROMPT, n=4)}) > 1


def test_candidates_stand_in_the_order_of_their_seeds(make: Make, server: Any) -> None:
    server.answer_with = lambda messages, seed: f"{seed}"
    server.fail("500", "429:0.01", "reset")  # those that are sent again arrive late
    generator = make()
    first = [one.text for one in generator.generate(PROMPT, n=6, seed=1)]
    assert first == [one.text for one in generator.generate(PROMPT, n=6, seed=1)]
    assert first[0] == "1"


@pytest.mark.parametrize(
    "fault",
    [
        "429:0.01", "429-bare", "500", "503-html", "reset", "reset-body", "truncated-json",
        "missing-row", "extra-row", "timeout",
    ],
)  # fmt: skip
def test_a_fault_costs_one_more_request(fault: str, make: Make, server: ApiServer) -> None:
    wanted = make().generate(PROMPT, seed=5)
    server.reset_log()
    server.fail(fault)
    generator = make(timeout=0.3) if fault == "timeout" else make()
    assert generator.generate(PROMPT, seed=5) == wanted
    sent = len(server.entries("chat"))
    assert sent == 2 or (fault == "timeout" and sent > 2)  # where this machine is slow itself


@pytest.mark.parametrize("fault", ["nan", "null", "wrong-width"])
def test_log_probabilities_are_checked(fault: str, make: Make, server: ApiServer) -> None:
    wanted = make().generate(PROMPT, seed=5, logprobs=True)
    server.reset_log()
    server.fail(fault)
    assert make().generate(PROMPT, seed=5, logprobs=True) == wanted
    assert len(server.entries("chat")) == 2


def test_a_service_that_stays_down_ends_it(make: Make, server: ApiServer) -> None:
    server.fail(*["500"] * 100)
    with pytest.raises(UnavailableError, match="failed 8 times"):
        make().generate(PROMPT)
    assert len(server.entries("chat")) == 8


def test_nobody_there(make: Make, server: ApiServer) -> None:
    generator = make()
    server.stop()
    with pytest.raises(UnavailableError, match="cannot be reached"):
        generator.generate(PROMPT, n=2)


def test_a_used_up_quota_is_said(make: Make, server: ApiServer) -> None:
    server.quota = 0
    with pytest.raises(QuotaError, match="used up"):
        make().generate(PROMPT)
    assert len(server.entries("chat")) == 1


def test_a_refused_prompt_is_not_sent_again(make: Make, server: ApiServer) -> None:
    with pytest.raises(RejectedError, match="refuses it"):
        make().generate("REJECT-ME")
    assert len(server.entries("chat")) == 1


def test_an_unknown_model(make: Make, server: ApiServer) -> None:
    with pytest.raises(ProviderError, match="no-such-model") as refused:
        make("no-such-model").generate(PROMPT)
    assert refused.value.status == 404


def test_a_refused_key_names_the_variable(
    make: Make, provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = KINDS[provider][2]
    monkeypatch.setenv(variable, "worn-out")
    for work in (lambda: make().generate(PROMPT, n=2), lambda: make().check_access()):
        with pytest.raises(CredentialsError, match=variable) as refused:
            work()
        assert "worn-out" not in str(refused.value)


def test_without_a_key_nothing_is_sent(provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, name, variable = KINDS[provider]
    monkeypatch.delenv(variable, raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    generator = kind(name)
    for work in (lambda: generator.generate(PROMPT), generator.check_access):
        with pytest.raises(CredentialsError, match=variable):
            work()


def test_seeds_follow_from_the_one_that_is_given() -> None:
    seeds = candidate_seeds(Sampling(n=50, seed=3))
    assert seeds[0] == 3
    assert len(set(seeds)) == 50
    assert seeds[:5] == candidate_seeds(Sampling(n=5, seed=3))
    assert not set(seeds) & set(candidate_seeds(Sampling(n=50, seed=4)))
    assert candidate_seeds(Sampling(n=1)) == [None]
    assert candidate_seeds(Sampling(n=2)) != candidate_seeds(Sampling(n=2))
    assert all(seed is not None and 0 <= seed < 2**31 for seed in seeds)


def test_tokens_are_those_of_the_text() -> None:
    whole = (Token("a", -1.0), Token(" b", -2.0))
    assert check_tokens(whole, "a b", "m") == whole
    assert check_tokens(whole, "a b \n", "m") == whole
    assert check_tokens((Token("�", -1.0),), "é", "m") == (Token("�", -1.0),)
    assert check_tokens(None, "", "m") == ()
    with pytest.raises(BadAnswerError, match="part"):
        check_tokens(whole[:1], "a b", "m")
    with pytest.raises(UnsupportedOperationError, match="m answered without log-probabilities"):
        check_tokens(None, "a b", "m")


def test_two_servers_may_call_different_models_by_one_name() -> None:
    one, other = (OpenAIGenerator("m", base_url=f"http://127.0.0.1:{port}/v1") for port in (9, 10))
    assert one.model_id == other.model_id
    assert one.answers_as != other.answers_as
