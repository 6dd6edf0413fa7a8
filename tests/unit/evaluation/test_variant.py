"""The other side of a comparison, as a string."""

from __future__ import annotations

import pytest

from embedkit.errors import InvalidInputError
from embedkit.evaluation.variant import Variant, parse_variant


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("mode=hybrid", Variant(options={"mode": "hybrid"})),
        (
            " mode = hybrid , rerank=cross-encoder:a/b?x=1 ",
            Variant(options={"mode": "hybrid", "rerank": "cross-encoder:a/b?x=1"}),
        ),
        ("other", Variant("other")),
        ("other,candidates=50", Variant("other", options={"candidates": 50})),
        ("collection=other", Variant("other")),
        ("run=a,b.txt".replace(",", "-"), Variant(run="a-b.txt")),
        ("min-score=0.5", Variant(options={"min_score": 0.5})),
        ("rerank=none", Variant(options={"rerank": None})),
        (
            "where=lang in ('a', 'b') and x = 'it''s, so',mode=dense",
            Variant(options={"where": "lang in ('a', 'b') and x = 'it''s, so'", "mode": "dense"}),
        ),
    ],
)
def test_variants(text: str, wanted: Variant) -> None:
    assert parse_variant(text) == wanted


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "got nothing"),
        ("mod=hybrid", "no 'mod'; did you mean 'mode'"),
        ("zzzzz=1", "there are: where, mode"),
        ("mode=", "mode=VALUE"),
        ("mode=dense,mode=hybrid", "mode once"),
        ("run=x,mode=dense", "run=FILE alone"),
        ("candidates=many", "number for candidates, got 'many'"),
        ("offset=3", "no 'offset'"),
        ("mode=dense,other", "no 'other'"),
    ],
)
def test_what_is_none(text: str, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        parse_variant(text)


def test_what_a_variant_does_not_name_stays() -> None:
    first = {"mode": "hybrid", "fusion": "rrf", "where": "a = 1", "rerank": "lexical"}
    assert parse_variant("rerank=none").applied(first) == {
        "mode": "hybrid", "fusion": "rrf", "where": "a = 1",
    }  # fmt: skip
    # One list has nothing to be fused with.
    assert "fusion" not in parse_variant("mode=dense").applied(first)
