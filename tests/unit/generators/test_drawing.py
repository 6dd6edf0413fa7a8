"""Candidates that come although others fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import pytest

from embedkit.errors import (
    CredentialsError,
    EmbeddingError,
    InvalidInputError,
    ProviderError,
    QuotaError,
    RejectedError,
    UnavailableError,
    UnsupportedOperationError,
)
from embedkit.generators.base import BaseGenerator, Progress, Sampling
from embedkit.generators.drawing import draw
from embedkit.generators.echo import EchoGenerator
from embedkit.generators.managed import ManagedGenerator
from embedkit.types import Candidate, Message
from tests.servers.base import ApiServer
from tests.unit.generators.conftest import Make

PROMPT = "Name a river and a town on it."


class Faulty(BaseGenerator):
    """Fails together, and alone as the script says."""

    model_id = "faulty"
    supports: ClassVar[frozenset[str]] = frozenset({"seed"})

    def __init__(self, *script: Exception | str) -> None:
        self.script = list(script)
        self.seeds: list[int | None] = []

    def _generate(self, messages: list[Message], sampling: Sampling) -> list[Candidate]:
        if sampling.n > 1:
            raise EmbeddingError("not together")
        self.seeds.append(sampling.seed)
        said = self.script.pop(0)
        if isinstance(said, Exception):
            raise said
        return [Candidate(said, "stop")]


def test_all_that_is_asked_for_comes() -> None:
    drawn = draw(EchoGenerator(), PROMPT, 3, seed=2, max_tokens=4)
    assert drawn.candidates == tuple(
        EchoGenerator().generate(PROMPT, n=3, seed=2, max_tokens=4, logprobs=True)
    )
    assert drawn.failures == drawn.notes == ()
    assert draw(EchoGenerator(), PROMPT, 1, logprobs=False).candidates[0].tokens is None


def test_one_that_fails_leaves_the_others() -> None:
    generator = Faulty("a", EmbeddingError("a bad hour"), "", RejectedError("no"), "e")
    drawn = draw(generator, PROMPT, 5, seed=3)
    assert [one.text for one in drawn.candidates] == ["a", "", "e"]
    assert drawn.failures == ("a bad hour", "no")
    assert len(set(generator.seeds)) == 5


def test_where_none_comes_the_first_reason_is_raised() -> None:
    with pytest.raises(EmbeddingError, match="first"):
        draw(Faulty(EmbeddingError("first"), EmbeddingError("second")), PROMPT, 2)


@pytest.mark.parametrize("error", [CredentialsError("key"), QuotaError("used up")])
def test_what_no_other_could_do_better_is_raised(error: ProviderError) -> None:
    with pytest.raises(type(error)):
        draw(Faulty("a", error, "c"), PROMPT, 3)


def test_misuse_is_raised() -> None:
    with pytest.raises(InvalidInputError):
        draw(EchoGenerator(), " ", 3)
    with pytest.raises(UnsupportedOperationError):
        draw(EchoGenerator(), PROMPT, 3, top_k=4)
    with pytest.raises(UnsupportedOperationError):
        draw(Faulty("a"), PROMPT, 1, logprobs=True)


def test_a_generator_of_somebody_else_is_asked_as_its_protocol_says() -> None:
    class Foreign:
        model_id = "foreign"
        supports: ClassVar[frozenset[str]] = frozenset()
        completes = False

        def generate(self, prompt: str | Sequence[Message], *, n: int = 1) -> list[Candidate]:
            return [Candidate(str(i), "stop") for i in range(n)]

    told: list[Progress] = []
    foreign: Any = Foreign()
    assert len(draw(foreign, PROMPT, 4, progress=told.append).candidates) == 4


def test_progress_is_told_of_each_that_is_asked_alone() -> None:
    told: list[Progress] = []
    draw(Faulty("a", EmbeddingError("no"), "c"), PROMPT, 3, progress=told.append)
    assert [step.finished for step in told] == [1, 2, 3]


def test_a_service_that_fails_on_one_serves_the_others(make: Make, server: ApiServer) -> None:
    server.fail("status:400")
    generator = make(concurrency=1)
    if "openai" in generator.model_id:
        server.fail("status:400")  # of all together, and then of the first alone
    told: list[Progress] = []
    drawn = draw(generator, PROMPT, 5, seed=7, progress=told.append)
    alone = make()
    alone._several = False  # type: ignore[attr-defined]
    whole = alone.generate(PROMPT, n=5, seed=7)
    texts = [one.text for one in drawn.candidates]
    assert len(texts) == 4
    assert set(texts) <= {one.text for one in whole}
    assert len(drawn.failures) == 1
    assert told[-1].finished == 5


def fail_after_two(
    generator: ManagedGenerator, server: Any, fault: str
) -> Callable[[Progress], None]:
    """Let the service answer twice, and from then on with a fault."""
    generator.generate(PROMPT)
    server.answer_with = lambda messages, seed: f"seed {seed}"
    if "openai" in generator.model_id:
        generator._several = False  # type: ignore[attr-defined]

    def told(step: Progress) -> None:
        if step.finished == 2:
            server.fail(*[fault] * 400)

    return told


def test_a_service_that_goes_down_serves_what_had_come(make: Make, server: ApiServer) -> None:
    generator = make(concurrency=1)
    told = fail_after_two(generator, server, "reset")
    drawn = draw(generator, PROMPT, 6, seed=1, progress=told)
    assert 2 <= len(drawn.candidates) < 6
    assert len(drawn.candidates) + len(drawn.failures) == 6


def test_a_quota_that_runs_out_on_the_way_is_said(make: Make, server: ApiServer) -> None:
    generator = make(concurrency=1)
    told = fail_after_two(generator, server, "quota")
    with pytest.raises(QuotaError):
        draw(generator, PROMPT, 6, seed=1, progress=told)


def test_a_service_that_is_down_is_one_error(make: Make, server: ApiServer) -> None:
    server.fail(*["503-html"] * 400)
    with pytest.raises(UnavailableError):
        draw(make(), PROMPT, 3)


@pytest.mark.parametrize(
    ("fault", "error"), [("status:401", CredentialsError), ("quota", QuotaError)]
)
def test_a_key_that_is_refused_ends_it(
    fault: str, error: type[Exception], make: Make, server: ApiServer
) -> None:
    server.fail(*[fault] * 400)
    with pytest.raises(error):
        draw(make(), PROMPT, 3)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ([], "got 0"),
        (None, "got NoneType"),
        (["a"], "got a list with str"),
        ([Candidate(None, "stop")], "without text"),  # type: ignore[arg-type]
        (TimeoutError("no answer"), "TimeoutError: no answer"),
    ],
)
def test_what_somebody_elses_generator_does_wrong_is_told(given: Any, told: str) -> None:
    class Foreign:
        model_id = "foreign"
        supports: ClassVar[frozenset[str]] = frozenset()

        def generate(self, prompt: str | Sequence[Message], *, n: int = 1) -> Any:
            if isinstance(given, Exception):
                raise given
            return given

    foreign: Any = Foreign()
    with pytest.raises(EmbeddingError, match=told):
        draw(foreign, PROMPT, 1)


def test_a_server_without_logprobs_is_asked_without(make: Make, server: Any) -> None:
    generator = make()
    ask = generator._one

    def bare(messages: list[Message], sampling: Sampling, seed: int | None) -> Candidate:
        if sampling.logprobs:
            raise UnsupportedOperationError(f"{generator.model_id} answered without them")
        return ask(messages, sampling, seed)

    generator._one = bare  # type: ignore[method-assign]
    if "openai" in generator.model_id:
        generator._several = False  # type: ignore[attr-defined]
    drawn = draw(generator, PROMPT, 2, seed=1)
    assert len(drawn.candidates) == 2
    assert all(one.tokens is None for one in drawn.candidates)
    assert "answered without" in drawn.notes[0]
    assert not draw(generator, PROMPT, 2, seed=1).notes, "it is not asked for them again"
    with pytest.raises(UnsupportedOperationError):
        draw(generator, PROMPT, 2, seed=1, logprobs=True)
