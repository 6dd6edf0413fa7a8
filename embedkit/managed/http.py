"""What answers of services that speak HTTP mean, whichever client brought them."""

from __future__ import annotations

import dataclasses
import email.utils
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx

from embedkit.errors import InvalidInputError
from embedkit.managed.service import Trouble


def check_url(url: str) -> str:
    """Return the address of a service, or refuse what could not be one."""
    try:
        parsed = httpx.URL(url.strip())
    except (httpx.InvalidURL, AttributeError, TypeError) as error:
        raise InvalidInputError(f"expected the address of a service, got {url!r}") from error
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InvalidInputError(f"expected an address such as https://host/path, got {url!r}")
    return url.strip().rstrip("/")


def shown_url(url: str) -> str:
    """Return an address as messages show it: without a name and a password in it."""
    return str(httpx.URL(url).copy_with(userinfo=b"", query=None))


def hiding(
    key: str, classify: Callable[[Exception], Trouble | None]
) -> Callable[[Exception], Trouble | None]:
    """Return a classifier whose messages never hold the key, whatever the service repeats."""

    def hidden(error: Exception) -> Trouble | None:
        trouble = classify(error)
        if trouble is None or not key or key not in trouble.message:
            return trouble
        return dataclasses.replace(trouble, message=trouble.message.replace(key, "[the key]"))

    return hidden


def transport_trouble(error: Exception) -> Trouble | None:
    """Return what an exception of httpx means; None where it is none of its."""
    if isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError)):
        return Trouble("unreachable", f"it cannot be reached ({_brief(error)})")
    if isinstance(error, httpx.TimeoutException):
        return Trouble("failed", "it gave no answer in time")
    if isinstance(error, (httpx.TransportError, httpx.DecodingError)):
        return Trouble("failed", f"the connection broke ({_brief(error)})")
    return None


def answer_trouble(
    status: int | None, body: Any, headers: Mapping[str, str], *, used_up: bool | None = None
) -> Trouble:
    """Return what an answer that is an error means.

    Parameters
    ----------
    used_up : bool or None
        Whether a 429 means the month's allowance; None takes it from the words of the message.
    """
    message = _message(body)
    said = f"{message} (status {status})" if message else f"status {status}"
    if status in (401, 403, 498):
        return Trouble("key", said, status)
    if status == 429:
        text = message.lower()
        if ("month" in text or "quota" in text) if used_up is None else used_up:
            return Trouble("quota", said, status)
        return Trouble("busy", said, status, retry_after(headers))
    if status == 402:
        return Trouble("quota", said, status)
    if status in (400, 413, 422):
        return Trouble("input", said, status)
    if status in (408, 409, 425) or status is None or status >= 500 or 200 <= status < 300:
        # A status of success on an error: the body could not be read.
        said = said if status is None or status >= 300 else "its answer cannot be read"
        return Trouble("failed", said, status, retry_after(headers))
    return Trouble("request", said, status)


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that an answer asks to wait (RFC 9110, 10.2.3): a number or a date."""
    lower = {name.lower(): value for name, value in headers.items()}
    text = lower.get("retry-after", "").strip()
    try:
        return max(0.0, float(text))
    except ValueError:
        pass
    date = email.utils.parsedate_tz(text) if text else None
    try:
        return None if date is None else max(0.0, email.utils.mktime_tz(date) - time.time())
    except (ValueError, OverflowError):
        return None  # a year that no calendar has


def _message(body: Any) -> str:
    """Return what an error's body says, on one line; a page of HTML says nothing."""
    if isinstance(body, dict):
        found = body.get("message") or body.get("error") or body.get("detail") or ""
        if isinstance(found, dict):
            found = found.get("message") or ""
        body = found
    text = " ".join(str(body or "").split())
    return "" if text.startswith("<") else _shortened(text, 300)


def _brief(error: Exception) -> str:
    return _shortened(str(error).strip().partition("\n")[0], 200) or type(error).__name__


def _shortened(text: str, most: int) -> str:
    """Cut a text between words: of a key that it repeats nothing stays that is not recognised."""
    return text if len(text) <= most else text[: most + 1].rpartition(" ")[0]
