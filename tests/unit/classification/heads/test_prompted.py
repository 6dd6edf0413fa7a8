"""A generator decides: against a local server that speaks OpenAI's protocol, and the echo."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from embedkit import registry
from embedkit.classification.classifier import Classifier
from embedkit.classification.estimator import TextClassifier
from embedkit.classification.heads.prompted import PromptedHead
from embedkit.classification.inputs import Inputs
from embedkit.errors import CredentialsError, InvalidInputError, ProviderError
from tests.servers.openai import OpenAIServer

NAMES = ("money", "post")
TEXTS = ["pay the bill", "pay by card", "a parcel by post", "the parcel is late"]
TARGETS = np.array([0, 0, 1, 1])
Say = Callable[[list[dict[str, str]]], str]


def inputs_of(texts: list[str], *, names: tuple[str, ...] | None = NAMES) -> Inputs:
    return Inputs(texts, registry.create("embedder", "hashing").embed(texts), None, names)


def fitted(spec: str) -> PromptedHead:
    head: PromptedHead = registry.create("head", spec)
    head.fit(inputs_of(TEXTS), TARGETS, 2)
    return head


def last_shown(messages: list[dict[str, str]]) -> str:
    """Answer as the last example of the prompt does."""
    return next(m["content"] for m in reversed(messages) if m["role"] == "assistant")


@pytest.fixture
def spec(openai_server: OpenAIServer, on_loopback: Callable[[str], str], brisk: None) -> str:
    return on_loopback("prompted:openai:local-chat?base_url={openai}")


@pytest.fixture
def says(openai_server: OpenAIServer) -> Callable[[Say], None]:
    """Let the server say something to the point; what else it checks and answers is its own."""

    def teach(say: Say, logprob: float = math.log(0.8)) -> None:
        answered = openai_server._chat

        def answer(request: Any) -> Any:
            found = answered(request)
            for choice in found.payload["choices"]:
                text = say(request.body["messages"])
                choice["message"]["content"] = text
                if choice.get("logprobs"):
                    token = {"token": text, "logprob": logprob, "bytes": None, "top_logprobs": []}
                    choice["logprobs"] = {"content": [token]}
            return found

        openai_server._chat = answer  # type: ignore[method-assign]

    return teach


def test_the_nearest_examples_are_shown(spec: str, says: Callable[[Say], None]) -> None:
    seen: list[list[dict[str, str]]] = []

    def say(messages: list[dict[str, str]]) -> str:
        seen.append(messages)
        return last_shown(messages)

    says(say)
    head = fitted(f"{spec}&examples=3")
    scores = head.scores(inputs_of(["pay the big bill", "is the parcel late"]))
    assert scores.argmax(axis=1).tolist() == [0, 1]
    assert not head.unanswered
    (about_pay,) = [messages for messages in seen if messages[-1]["content"] == "pay the big bill"]
    assert [m["role"] for m in about_pay] == ["system", *["user", "assistant"] * 3, "user"]
    assert about_pay[-3]["content"] == "pay the bill"


def test_how_sure_the_model_is_counts(spec: str, says: Any) -> None:
    says(lambda messages: "Money.", math.log(0.8))
    (scores,) = fitted(spec).scores(inputs_of(["x y z"]))
    # 0.8 of a vote, and what is left of two split evenly.
    np.testing.assert_allclose(np.exp(scores), [0.7, 0.3])


def test_several_candidates_vote(spec: str, says: Any, openai_server: OpenAIServer) -> None:
    turns = iter(["money", "post", "money", "who knows"])
    says(lambda messages: next(turns), 0.0)
    (scores,) = fitted(f"{spec}&n=4").scores(inputs_of(["x y z"]))
    np.testing.assert_allclose(np.exp(scores), [3 / 5, 2 / 5])
    assert len(openai_server.entries("chat")) == 1


def test_an_answer_that_is_no_label_is_listed(spec: str, says: Any) -> None:
    says(lambda messages: "I would say" if "odd" in messages[-1]["content"] else "post")
    head = fitted(spec)
    scores = head.scores(inputs_of(["an odd one", "a parcel"]))
    assert np.allclose(scores[0], math.log(0.5))
    assert scores[1].argmax() == 1
    assert [(each.place, each.reason) for each in head.unanswered] == [
        (0, "its answer is none of the labels")
    ]


def test_a_text_that_fails_does_not_stop_the_rest(spec: str, says: Any) -> None:
    says(lambda messages: "post")
    head = fitted(spec)
    scores = head.scores(inputs_of(["a parcel", " ", "late"]))
    assert scores.argmax(axis=1)[[0, 2]].tolist() == [1, 1]
    ((place, reason),) = [(each.place, each.reason) for each in head.unanswered]
    assert place == 1
    assert "expected a prompt with words" in reason
    head.scores(inputs_of(["a parcel"]))
    assert head.unanswered == [], "of the last scoring only"


def test_a_service_that_is_down_is_an_error(spec: str, openai_server: OpenAIServer) -> None:
    openai_server.fail(*["500"] * 100)
    with pytest.raises(ProviderError):
        fitted(spec).scores(inputs_of(["a parcel", "a bill"]))


def test_a_refused_key_stops_at_once(spec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    head = fitted(spec)
    monkeypatch.setenv("OPENAI_API_KEY", "wrong")
    with pytest.raises(CredentialsError):
        head.scores(inputs_of(["a parcel", "a bill"]))


def test_echo_knows_a_label_only_when_it_is_told() -> None:
    head = fitted("prompted:echo")
    scores = head.scores(inputs_of(["Money.", "a bill"]))
    assert scores[0].argmax() == 0
    assert [each.place for each in head.unanswered] == [1]


def test_it_is_trained_saved_and_loaded(spec: str, says: Any, tmp_path: Any) -> None:
    says(last_shown)
    made = TextClassifier(embedder="hashing", head=spec, home=tmp_path, folds=2)
    made.fit(TEXTS, ["money", "money", "post", "post"])
    asked = ["pay the big bill", "is the parcel late"]
    assert made.predict(asked).tolist() == ["money", "post"]
    made.save(tmp_path / "saved")
    loaded = Classifier.load(tmp_path / "saved", home=tmp_path)
    np.testing.assert_allclose(loaded.predict_proba(asked), made.predict_proba(asked))


def test_no_key_goes_to_an_address_out_of_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    spec = "prompted:openai:m?base_url=https://example.invalid/v1"
    mine = fitted(spec)
    theirs: PromptedHead = registry.create("head", spec)
    theirs.restore(mine.state())
    with pytest.raises(CredentialsError, match=r"ask the service at example\.invalid"):
        theirs.scores(inputs_of(["a parcel"]))
    mine.check_trusted()
    with pytest.raises(CredentialsError, match=r"ask the service at example\.invalid"):
        theirs.check_trusted()


def test_a_classifier_out_of_a_file_sends_no_key_when_it_learns_more(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = TextClassifier(embedder="hashing", head="prompted:echo", home=tmp_path, folds=2)
    made.fit(TEXTS, ["money", "money", "post", "post"]).save(tmp_path / "saved")
    loaded = Classifier.load(tmp_path / "saved", home=tmp_path)
    loaded.fitted.head.generator = "openai:m?base_url=https://example.invalid/v1"  # type: ignore[attr-defined]
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with pytest.raises(CredentialsError, match=r"ask the service at example\.invalid"):
        loaded.learn(["a new text"], ["other"])


def test_what_cannot_be_meant_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="something after a colon"):
        registry.create("head", "prompted")
    with pytest.raises(InvalidInputError, match="n of at least 1, got 0"):
        PromptedHead("echo", n=0)
    with pytest.raises(InvalidInputError, match="diversity from 0 to 1"):
        PromptedHead("echo", diversity=2)
    with pytest.raises(InvalidInputError, match="the names of the labels"):
        PromptedHead("echo").fit(inputs_of(TEXTS, names=None), TARGETS, 2)
    many = Inputs(["x"] * 2001, np.ones((2001, 1), np.float32), None, NAMES)
    with pytest.raises(InvalidInputError, match="at most 2,000 rows"):
        PromptedHead("echo").fit(many, np.arange(2001) % 2, 2)
