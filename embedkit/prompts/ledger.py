"""Answers that were given once: kept in the home, so that no prompt is sent twice.

A file a model, to which each answer is appended as a line of its own with its checksum, flushed to
the disk before the answer is used: what a kill leaves is whole lines and at most a torn last one.
Lines that are torn or damaged are counted, and what they held is asked for again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import threading
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embedkit.integrity import storage_error
from embedkit.types import Candidate

if TYPE_CHECKING:
    from embedkit.prompts.template import Rendered

FOLDER = Path(".cache", "answers")
_VERSION = 1
_log = logging.getLogger("embedkit")


@dataclass(frozen=True, slots=True)
class _Place:
    start: int
    length: int


def answer_key(model_id: str, rendered: Rendered, parameters: Mapping[str, Any]) -> str:
    """Return the name of an answer: equal for the same model, prompt, stops and parameters."""
    prompt = (
        rendered.prompt
        if isinstance(rendered.prompt, str)
        else [[message.role, message.content] for message in rendered.prompt]
    )
    told = json.dumps([model_id, prompt, list(rendered.stop), dict(parameters)], sort_keys=True)
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


class AnswerLedger:
    """The answers of one model in a home. May be used by several threads and processes.

    Parameters
    ----------
    home : str or Path
    model_id : str

    Attributes
    ----------
    damaged : int
        Lines that could not be read, and count as not there.
    """

    def __init__(self, home: str | Path, model_id: str) -> None:
        mark = hashlib.blake2b(model_id.encode(), digest_size=4).hexdigest()
        name = re.sub(r"[^\w.-]+", "-", model_id).strip("-.")[:60]
        self.path = Path(home) / FOLDER / f"{name}-{mark}.jsonl"
        self.damaged = 0
        self._places: dict[str, _Place] = {}
        self._read = 0
        self._lock = threading.Lock()
        with self._lock:
            self._catch_up()
        if self.damaged:
            _log.warning(
                "of the answers kept in %s, damaged: %d; they are asked for again",
                self.path,
                self.damaged,
            )

    def __len__(self) -> int:
        return len(self._places)

    def get(self, key: str) -> Candidate | None:
        """Return the answer of that name; None where there is none.

        Raises
        ------
        StorageError
        """
        with self._lock:
            place = self._places.get(key)
            if place is None:
                return None
            try:
                with self.path.open("rb") as file:
                    file.seek(place.start)
                    entry = _entry(file.read(place.length))
            except OSError as error:
                raise storage_error(error, self.path, doing="read") from error
            if entry is None or entry["key"] != key:  # the file was changed beneath us
                del self._places[key]
                return None
            return _candidate(entry)

    def put(self, key: str, candidate: Candidate) -> None:
        """Keep an answer; when this returns it is on the disk.

        Raises
        ------
        StorageError
        """
        body = json.dumps(
            {
                "key": key,
                "text": candidate.text,
                "finish_reason": candidate.finish_reason,
                "prompt_tokens": candidate.prompt_tokens,
                "completion_tokens": candidate.completion_tokens,
                "at": int(time.time()),
                "v": _VERSION,
            }
        ).encode()
        line = b"%08x %s\n" % (zlib.crc32(body), body)
        with self._lock:
            try:
                self._append(line)
            except OSError as error:
                raise storage_error(error, self.path, doing="write") from error
            self._catch_up()

    def _append(self, line: bytes) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            size = os.fstat(handle).st_size
            # What a kill tore off must not spoil the line that comes after it.
            if size and os.pread(handle, 1, size - 1) != b"\n":
                line = b"\n" + line
            # One call: lines of several processes do not mix.
            written = os.write(handle, line)
            if written < len(line):
                os.write(handle, line[written:])
            os.fsync(handle)
        finally:
            os.close(handle)

    def _catch_up(self) -> None:
        """Learn where the answers are that came since the file was read last."""
        try:
            with self.path.open("rb") as file:
                file.seek(self._read)
                for line in file:
                    start = self._read
                    if not line.endswith(b"\n"):
                        break  # torn, or another process is writing it just now
                    self._read += len(line)
                    entry = _entry(line)
                    if entry is not None:
                        self._places[entry["key"]] = _Place(start, len(line))
                    elif line.strip():
                        self.damaged += 1
        except FileNotFoundError:
            return
        except OSError as error:
            raise storage_error(error, self.path, doing="read") from error


def _entry(line: bytes) -> dict[str, Any] | None:
    """Return what a line holds; None where it is not what was written."""
    sum_, _, body = line.rstrip(b"\n").partition(b" ")
    try:
        if int(sum_, 16) != zlib.crc32(body):
            return None
        entry = json.loads(body)
    except ValueError:
        return None
    whole = isinstance(entry, dict) and entry.get("v") == _VERSION
    return entry if whole and isinstance(entry.get("text"), str) and "key" in entry else None


def _candidate(entry: Mapping[str, Any]) -> Candidate:
    return Candidate(
        entry["text"],
        entry["finish_reason"],
        entry["prompt_tokens"],
        entry["completion_tokens"],
    )
