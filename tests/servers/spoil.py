"""How good answers are spoiled: rows that are missing or too many, numbers that are none."""

from __future__ import annotations

import base64
import math
from typing import Any

from tests.servers.faults import Fault


def spoil_embeddings(payload: dict[str, Any], fault: Fault) -> None:
    """Spoil the reply of Cohere's embed."""
    for kind, rows in payload["embeddings"].items():
        spoil_rows(rows, kind, fault)


def spoil_rows(rows: list[Any], kind: str, fault: Fault) -> None:
    """Spoil vectors as they stand in an answer."""
    row = fault.row(len(rows))
    if fault.kind == "missing-row":
        del rows[row]
    elif fault.kind == "extra-row":
        rows.append(rows[-1])
    elif fault.kind in {"nan", "null", "wrong-width"}:
        rows[row] = _spoiled(rows[row], kind, fault.kind)


def _spoiled(vector: Any, kind: str, fault: str) -> Any:
    if kind != "base64":
        if fault == "wrong-width":
            return vector[:-1]
        return [math.nan if fault == "nan" and kind == "float" else None, *vector[1:]]
    if fault == "null":
        return None
    whole = base64.b64decode(vector)
    return base64.b64encode(
        whole[:-4] if fault == "wrong-width" else b"\x00\x00\xc0\x7f" + whole[4:]
    ).decode("ascii")


def spoil_ranking(payload: dict[str, Any], fault: Fault) -> None:
    """Spoil the reply of Cohere's rerank."""
    results = payload["results"]
    row = fault.row(len(results))
    if fault.kind == "missing-row":
        del results[row]
    elif fault.kind == "extra-row":
        results.append(dict(results[-1]))
    elif fault.kind == "wrong-width":
        results[row]["index"] = 10_000
    elif fault.kind in {"nan", "null"}:
        results[row]["relevance_score"] = math.nan if fault.kind == "nan" else None


def spoil_chat(payload: dict[str, Any], fault: Fault) -> None:
    """Spoil the reply of Cohere's chat."""
    if fault.kind == "missing-row":
        payload["message"]["content"] = []
    elif fault.kind == "extra-row":
        payload["message"]["content"] *= 2
    elif fault.kind in {"nan", "null"} and payload.get("logprobs"):
        payload["logprobs"][0]["logprobs"] = [math.nan if fault.kind == "nan" else None]
    elif fault.kind == "wrong-width" and payload.get("logprobs"):
        del payload["logprobs"][-1]


def spoil_data(data: list[dict[str, Any]], encoding: str, fault: Fault) -> None:
    """Spoil the rows of an OpenAI-compatible reply."""
    if fault.kind in {"missing-row", "extra-row"}:
        spoil_rows(data, encoding, fault)
        return
    rows = [item["embedding"] for item in data]
    spoil_rows(rows, encoding, fault)
    for item, row in zip(data, rows, strict=True):
        item["embedding"] = row


def spoil_choices(payload: dict[str, Any], fault: Fault) -> None:
    """Spoil the answers of an OpenAI-compatible chat."""
    choices = payload["choices"]
    row = fault.row(len(choices))
    told = choices[row]["logprobs"]
    if fault.kind == "missing-row":
        del choices[row]
    elif fault.kind == "extra-row":
        choices.append(choices[-1])
    elif fault.kind in {"nan", "null"} and told:
        told["content"][0]["logprob"] = math.nan if fault.kind == "nan" else None
    elif fault.kind == "wrong-width" and told:
        del told["content"][-1]
