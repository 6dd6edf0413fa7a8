from __future__ import annotations

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embedkit.managed.tokens import CHARACTERS, estimate_sql, estimate_tokens


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as connection:
        yield connection


# The database takes no NUL and no half of a surrogate pair; neither comes out of a source.
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=300)


@settings(max_examples=200, deadline=None)
@given(texts=st.lists(TEXTS, min_size=1, max_size=20))
def test_sql_and_python_agree(connection, texts):
    query = f"SELECT {estimate_sql('t')} FROM (SELECT unnest(?::VARCHAR[]) AS t)"
    found = [row[0] for row in connection.execute(query, [texts]).fetchall()]
    assert found == [estimate_tokens(text) for text in texts]


@given(text=TEXTS)
def test_no_text_has_more_bytes_than_its_estimate_says(text):
    """What a budget relies on: a token is at least a byte."""
    assert len(text.encode()) <= CHARACTERS * estimate_tokens(text)


def test_estimates_are_near_the_truth_of_european_text():
    assert estimate_tokens("") == 1
    assert estimate_tokens("How do I get my money back?") == 7
    assert estimate_tokens("x" * 4200) == 1000
    assert estimate_tokens("日本語") > estimate_tokens("abc")
