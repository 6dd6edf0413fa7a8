"""How chunks are asked for."""

from __future__ import annotations

import pytest

from embedkit.chunking.spec import ChunkSpec
from embedkit.errors import InvalidInputError


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("tokens=200,overlap=40", ChunkSpec(200, 40)),
        (" overlap = 4 , tokens = 20 ", ChunkSpec(20, 4)),
        ("tokens=64", ChunkSpec(64, 0)),
        (ChunkSpec(5, 1), ChunkSpec(5, 1)),
    ],
)
def test_chunks_are_read_and_written_in_one_form(given, meant):
    assert ChunkSpec.parse(given) == meant
    assert ChunkSpec.parse(str(meant)) == meant


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("token=200", "did you mean 'tokens'"),
        ("tokens=200,overlaps=3", "did you mean 'overlap'"),
        ("tokens=200,size=3", "there are: tokens, overlap"),
        ("overlap=40", "expected tokens"),
        ("tokens=20,overlap=20", r"less than the 20 tokens.*overlap=20.*tokens=20,overlap=4"),
        ("tokens=0", "at least one token"),
        ("tokens=-5", "whole number for tokens.*'-5'"),
        ("tokens=2e2", "whole number for tokens"),
        ("tokens=²", "whole number for tokens"),
        ("tokens=9999999999", "whole number for tokens"),
        ("tokens=20,tokens=30", "tokens once"),
        ("200", "such as 'tokens=200,overlap=40', got '200'"),
        ("", "got ''"),
        (200, "got int"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_can(given, said):
    with pytest.raises(InvalidInputError, match=said):
        ChunkSpec.parse(given)
