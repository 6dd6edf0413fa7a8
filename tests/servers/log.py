"""What was asked of a server, and what became of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass
class Entry:
    """One request.

    Attributes
    ----------
    number : int
        Counted from 0, in order of arrival.
    started, finished : float
        Seconds of the monotonic clock; ``finished`` is None until the reply is written or dropped.
    endpoint : str
        ``embed``, ``rerank``, ``chat``, ``models``, ``check``; empty for an unknown path.
    key, client, agent : str
        The bearer key, ``X-Client-Name`` and ``User-Agent``.
    connection : int
        The client's port: equal numbers shared a connection.
    concurrent : int
        Requests in work when it arrived, itself included; those whose client has gone are not.
    texts : tuple of str
        Texts to embed, documents to rank, or the messages of a chat.
    query : str
        Of a ranking.
    n_texts : int
        How many texts, also where they are not kept.
    n_tokens : int
        Tokens of the texts as they were sent.
    tokens : int
        Tokens that the reply bills; 0 without one.
    status : int
        Of the reply; 0 if there was none.
    faults : tuple of str
        What was made to go wrong.
    violated : tuple of str
        The limits that refused it: ``inputs``, ``requests``, ``tokens``, ``quota``.
    delivered : bool
        The reply was written whole, while the client was there.
    good : bool
        Delivered, status 200, and nothing in it was spoiled.
    received, sent : int
        Bytes of the bodies.
    """

    number: int
    started: float
    method: str
    path: str
    endpoint: str
    key: str = ""
    client: str = ""
    agent: str = ""
    connection: int = 0
    concurrent: int = 0
    model: str = ""
    input_type: str = ""
    dimension: int | None = None
    texts: tuple[str, ...] = ()
    query: str = ""
    n_texts: int = 0
    n_tokens: int = 0
    tokens: int = 0
    status: int = 0
    faults: tuple[str, ...] = ()
    violated: tuple[str, ...] = ()
    delivered: bool = False
    good: bool = False
    received: int = 0
    sent: int = 0
    finished: float | None = None


def _resent(embeds: Sequence[Entry]) -> Counter[str]:
    """Count how often texts were sent when their vectors had been delivered already.

    A text is the same if model, input type and dimension are.
    """
    done: dict[tuple[str, str, int | None, str], float] = {}
    for entry in embeds:
        if entry.good and entry.finished is not None:
            for text in entry.texts:
                key = (entry.model, entry.input_type, entry.dimension, text)
                done[key] = min(entry.finished, done.get(key, entry.finished))
    again: Counter[str] = Counter()
    for entry in embeds:
        for text in entry.texts:
            key = (entry.model, entry.input_type, entry.dimension, text)
            if done.get(key, entry.started) < entry.started:
                again[text] += 1
    return again


def _texts(entries: Iterable[Entry]) -> Counter[str]:
    return Counter(text for entry in entries for text in entry.texts)


def summarize(entries: Sequence[Entry]) -> dict[str, Any]:
    """Return the sums of a log: see ``ApiServer.stats``."""
    embeds = [entry for entry in entries if entry.endpoint == "embed"]
    good = [entry for entry in embeds if entry.good]
    return {
        "requests": len(entries),
        "statuses": dict(Counter(str(entry.status) for entry in entries)),
        "endpoints": dict(Counter(entry.endpoint for entry in entries)),
        "faults": dict(Counter(name for entry in entries for name in entry.faults)),
        "sent": dict(_texts(embeds)),
        "delivered": dict(_texts(good)),
        "resent": dict(_resent(embeds)),
        "texts_sent": sum(entry.n_texts for entry in embeds),
        "texts_delivered": sum(entry.n_texts for entry in good),
        "largest_batch": max((entry.n_texts for entry in embeds), default=0),
        "max_concurrency": max((entry.concurrent for entry in entries), default=0),
        "connections": len({entry.connection for entry in entries}),
        "billed_tokens": sum(entry.tokens for entry in entries),
        "delivered_tokens": sum(entry.tokens for entry in entries if entry.good),
        "bytes_received": sum(entry.received for entry in entries),
        "bytes_sent": sum(entry.sent for entry in entries),
    }
