"""Predictions as columns of a table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from embedkit.errors import InvalidInputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from embedkit.classification.predictions import Predictions
    from embedkit.types import Mask

PREFIX = "predicted_"
"""Stands before the added columns where the input has one of these names."""
_NESTED = {"embedkit.type": "json"}
_DECIMALS = 6


@dataclass(frozen=True, slots=True)
class Shape:
    """Which columns are added.

    Attributes
    ----------
    kind : type
        Of the labels: str, int, float or bool.
    multi : bool
        Whether a text may have several.
    abstains : bool
        Whether there may be texts without a label; then ``best`` says what it would have been.
    typicality : bool
        Whether it is told how typical a text is.
    scope : bool
        Whether texts that are not typical get no label.
    sets : bool
        Whether there is a set of labels of which the true one is one.
    top : int
        How many labels are told; 1 or more.
    """

    kind: type = str
    multi: bool = False
    abstains: bool = False
    typicality: bool = False
    scope: bool = False
    sets: bool = False
    top: int = 1

    def schema(self) -> pa.Schema:
        """Return the columns, without a prefix."""
        label = _LABELS[self.kind]
        one = pa.field("label", pa.string(), metadata=_NESTED) if self.multi else None
        fields = [one or pa.field("label", label), pa.field("probability", pa.float64())]
        for place in range(2, self.top + 1):
            fields.append(pa.field(f"label_{place}", label))
            fields.append(pa.field(f"probability_{place}", pa.float64()))
        fields.append(pa.field("abstained", pa.bool_()))
        if self.abstains:
            fields.append(fields[0].with_name("best"))
        if self.sets:
            fields.append(pa.field("label_set", pa.string(), metadata=_NESTED))
        if self.scope:
            fields.append(pa.field("in_scope", pa.bool_()))
        if self.typicality:
            fields.append(pa.field("typicality", pa.float64()))
        return pa.schema(fields)

    def table(self, predictions: Predictions) -> pa.RecordBatch:
        """Return predictions as rows of these columns."""
        schema = self.schema()
        columns = self._values(predictions)
        arrays = [pa.array(columns[field.name], field.type, from_pandas=True) for field in schema]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)

    def _values(self, predictions: Predictions) -> dict[str, Any]:
        abstained = predictions.abstained
        best = self._best(predictions)
        columns: dict[str, Any] = {
            "label": _without(best, abstained),
            "probability": np.round(predictions.confidence, _DECIMALS),
            "abstained": abstained,
            "best": best,
        }
        if self.top > 1:
            columns |= self._others(predictions)
        if self.sets:
            columns["label_set"] = _sets(predictions)
        if predictions.typicality is not None:
            columns["in_scope"] = ~predictions.foreign
            columns["typicality"] = np.round(predictions.typicality, _DECIMALS)
        return columns

    def _best(self, predictions: Predictions) -> NDArray[Any]:
        best = predictions.best()
        if not self.multi:
            return best.astype(object)
        listed = np.empty(len(best), object)
        listed[:] = [_json(labels) for labels in best]
        return listed

    def _others(self, predictions: Predictions) -> dict[str, Any]:
        """Return the labels after the best, with their probabilities; None where there are none."""
        names = predictions.label_set.array().astype(object)
        probabilities = predictions.probabilities
        order = np.argsort(-probabilities, axis=1, kind="stable")
        columns: dict[str, Any] = {}
        for place in range(2, self.top + 1):
            there = place <= order.shape[1]
            at = order[:, place - 1] if there else np.zeros(len(order), np.int64)
            shares = np.round(np.take_along_axis(probabilities, at[:, None], 1)[:, 0], _DECIMALS)
            none = np.full(len(order), not there)
            columns[f"label_{place}"] = _without(names[at], none)
            columns[f"probability_{place}"] = _without(shares.astype(object), none)
        return columns


_LABELS: dict[type, pa.DataType] = {
    str: pa.string(),
    int: pa.int64(),
    float: pa.float64(),
    bool: pa.bool_(),
}


def _without(values: NDArray[Any], left_out: Mask) -> NDArray[Any]:
    kept = values.copy()
    kept[left_out] = None
    return kept


def _sets(predictions: Predictions) -> list[str]:
    """Return the prediction sets, the most probable label of each first."""
    if predictions.sets is None:
        return []
    names = predictions.label_set.names
    order = np.argsort(-predictions.probabilities, axis=1, kind="stable")
    inside = np.take_along_axis(predictions.sets, order, 1)
    return [
        _json(names[i] for i in row[flags].tolist())
        for row, flags in zip(order, inside, strict=True)
    ]


def _json(labels: Iterable[Any]) -> str:
    import json

    return json.dumps(list(labels), ensure_ascii=False)


def find_prefix(added: Iterable[str], taken: Iterable[str], asked: str | None) -> str:
    """Return what stands before the added columns so that none has the name of another.

    Parameters
    ----------
    asked : str or None
        What the user wants there; None leaves it to this function: nothing, where that will do.

    Raises
    ------
    InvalidInputError
        What the user wants will not do.
    """
    names = list(added)
    known = {name.casefold() for name in taken}
    candidates = [asked] if asked is not None else ["", PREFIX]
    for prefix in candidates:
        if not any(f"{prefix}{name}".casefold() in known for name in names):
            return prefix
    if asked is None:
        number = 2
        while any(f"predicted{number}_{name}".casefold() in known for name in names):
            number += 1
        return f"predicted{number}_"
    clashing = next(f"{asked}{n}" for n in names if f"{asked}{n}".casefold() in known)
    raise InvalidInputError(
        f"the input has a column {clashing!r} already", do="choose another with --prefix"
    )
