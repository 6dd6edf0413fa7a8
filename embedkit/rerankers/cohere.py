"""Cohere's rerankers, through its SDK."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from embedkit.errors import InvalidInputError
from embedkit.managed.cohere import CohereAccount, reading
from embedkit.managed.decode import count_billed
from embedkit.managed.dispatch import Dispatcher, make_batches
from embedkit.managed.endpoint import Endpoint
from embedkit.managed.limits import given_limits
from embedkit.managed.service import BadAnswerError
from embedkit.managed.tokens import estimate_tokens
from embedkit.rerankers.base import BaseReranker

if TYPE_CHECKING:
    import cohere

    from embedkit.types import Scores

MAX_DOCUMENTS = 1_000
"""Texts of a request, as Cohere recommends; it refuses more than 10,000."""
_ATTEMPTS = 4
"""Somebody waits for the answer."""


class CohereReranker(BaseReranker):
    """A Cohere reranker. The key comes from the variable ``CO_API_KEY``.

    A relevance is between 0 and 1 and depends on the query and its text alone, so that texts which
    are sent in several requests still compare. Equal texts are sent once, blank ones not at all:
    their relevance is 0.

    Parameters
    ----------
    model : str
        Such as ``rerank-v4.0-pro`` or ``rerank-v4.0-fast``.
    max_tokens_per_doc : int or None
        What is read of each text; None leaves it to the service, which reads 4,096.
    base_url : str or None
        Else the variable ``CO_API_URL``, else the public service.
    plan : {"trial", "production"} or None
        Preset of the rate limits.
    requests_per_minute, concurrency : int or None
        In place of the preset's.
    timeout : float or None
        Seconds to wait for an answer.

    Attributes
    ----------
    billed_search_units : int
        What the service said it bills for everything so far: a query over up to 100 texts is one.
    """

    def __init__(
        self,
        model: str = "rerank-v4.0-pro",
        *,
        max_tokens_per_doc: int | None = None,
        base_url: str | None = None,
        plan: str | None = None,
        requests_per_minute: int | None = None,
        concurrency: int | None = None,
        timeout: float | None = None,
    ) -> None:
        if max_tokens_per_doc is not None and max_tokens_per_doc < 1:
            raise InvalidInputError(f"expected max_tokens_per_doc >= 1, got {max_tokens_per_doc}")
        self.model = model
        self.max_tokens_per_doc = max_tokens_per_doc
        self.billed_search_units = 0
        self._lock = threading.Lock()
        given = given_limits(
            requests_per_minute=requests_per_minute, concurrency=concurrency, timeout=timeout
        )
        self._endpoint: Endpoint[cohere.ClientV2] = Endpoint(
            lambda: CohereAccount(base_url), "rerank", plan, given
        )

    @property
    def model_id(self) -> str:
        """Model, and how much of a text it reads where that is not the default."""
        limit = self.max_tokens_per_doc
        extra = "" if limit is None else f" max_tokens_per_doc={limit}"
        return f"cohere:{self.model}{extra}"

    def check_access(self) -> None:
        """Refuse a missing key, and one that the service refuses, before any work is done.

        Raises
        ------
        CredentialsError
        """
        self._endpoint.account.check_key(self.model)

    def _rerank(self, query: str, texts: list[str]) -> Scores:
        unique = list(dict.fromkeys(text for text in texts if text.strip()))
        if not unique:
            return np.zeros(len(texts), np.float32)
        scores = self._judge(query, unique)
        return np.array([scores.get(text, 0.0) for text in texts], np.float32)

    def _judge(self, query: str, texts: list[str]) -> dict[str, float]:
        """Return the relevance of different texts, sent in several requests at a time."""
        parts = [texts[i : i + MAX_DOCUMENTS] for i in range(0, len(texts), MAX_DOCUMENTS)]
        # A part counts as one input: one that is refused is not worth twenty requests to find out
        # which of its texts it was, since there is no answer without all of them.
        tokens = [sum(map(estimate_tokens, part)) for part in parts]
        dispatcher: Dispatcher[list[float]] = Dispatcher(
            self._endpoint.service,
            lambda places: self._ask(query, parts[places[0]]),
            lambda scores: None,
            attempts=_ATTEMPTS,
        )
        found: dict[str, float] = {}
        for outcome in dispatcher.run(make_batches(tokens, most=1, most_tokens=max(tokens))):
            if outcome.answer is None:
                assert outcome.error is not None
                raise outcome.error
            found.update(zip(parts[outcome.batch.places[0]], outcome.answer, strict=True))
        return found

    def _ask(self, query: str, texts: Sequence[str]) -> list[float]:
        """Send texts once and return their relevance, in their order."""
        options: dict[str, Any] = {}
        if self.max_tokens_per_doc is not None:
            options["max_tokens_per_doc"] = self.max_tokens_per_doc
        client = self._endpoint.client
        with reading():
            answer = client.rerank(model=self.model, query=query, documents=list(texts), **options)
            scores = _scores(getattr(answer, "results", None), len(texts))
        units = getattr(getattr(answer, "meta", None), "billed_units", None)
        with self._lock:
            self.billed_search_units += count_billed(getattr(units, "search_units", None)) or 0
        return scores


def _scores(results: Any, n: int) -> list[float]:
    """Return the scores of an answer in the order of the texts: each exactly once, all finite."""
    if not isinstance(results, (list, tuple)) or len(results) != n:
        raise BadAnswerError(f"its answer does not hold a score for each of {n:,} texts")
    scores: dict[int, float] = {}
    for result in results:
        score = getattr(result, "relevance_score", None)
        if not isinstance(score, (int, float)) or not math.isfinite(score):
            raise BadAnswerError("a score in its answer is not a finite number")
        scores[getattr(result, "index", -1)] = float(score)
    if sorted(scores) != list(range(n)):
        raise BadAnswerError("a score in its answer belongs to no text, or a text has two")
    return [scores[i] for i in range(n)]
