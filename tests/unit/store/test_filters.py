"""``where`` filters and does nothing else."""

from __future__ import annotations

import itertools
from datetime import date, datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedkit import open as open_collection
from embedkit.errors import EmbedkitError, FilterError
from embedkit.store.columns import Column
from embedkit.store.database import connect_reader
from embedkit.store.filters import Filter

ROWS = [
    {
        "id": "a",
        "text": "red apples",
        "lang": "en",
        "votes": 1,
        "price": 1.5,
        "ok": True,
        "day": date(2024, 1, 1),
        "moment": datetime(2024, 1, 1, 10),
        "tags": ["x", "y"],
        "two words": 'it\'s "so"',
    },
    {
        "id": "b",
        "text": "green pears",
        "lang": "de",
        "votes": 5,
        "price": -2.0,
        "ok": False,
        "day": date(2024, 6, 1),
        "moment": datetime(2024, 6, 1, 10),
        "tags": [],
        "two words": "plain",
    },
    {"id": "c", "text": "blue plums", "lang": "EN", "votes": 9},
]
MATCHES = {
    "true": "abc",
    "false": "",
    "id = 'a'": "a",
    "id IN ('a', 'c', 'nowhere')": "ac",
    "ID <> 'a' AND Text LIKE '%s'": "bc",
    "lang = 'en'": "a",
    "lower(lang) = 'en'": "ac",
    "lang ILIKE 'E_'": "ac",
    "lang NOT IN ('en')": "bc",
    "votes > 3": "bc",
    "votes BETWEEN 1 AND 5": "ab",
    "votes % 2 = 1 AND votes + 1 > 4": "bc",
    "NOT votes = 1": "bc",
    "votes = 1 OR votes = 9": "ac",
    "(votes = 1 OR votes = 9) AND lang = 'en'": "a",
    "price IS NULL": "c",
    "price < 0": "b",
    "abs(price) >= 1.5": "ab",
    "coalesce(price, 0) = 0": "c",
    "ok": "a",
    "NOT ok": "b",
    "ok IS NOT TRUE": "bc",
    "day < '2024-03-01'": "a",
    "day >= DATE '2024-03-01'": "b",
    "year(day) = 2024 AND month(day) = 6": "b",
    "moment < TIMESTAMP '2024-01-01 11:00:00'": "a",
    "moment < now()": "ab",
    "day <= today()": "ab",
    "moment < current_timestamp": "ab",
    "day <= CURRENT_DATE": "ab",
    "moment > now() - INTERVAL 1 DAY": "",
    "tags->>'$[0]' = 'x'": "a",
    "json_array_length(tags) = 0": "b",
    "length(text) = 10": "ac",
    "text LIKE 'red%'": "a",
    "regexp_matches(text, '^(red|blue)')": "ac",
    "contains(text, 'pear')": "b",
    "starts_with(text, 'green')": "b",
    "text SIMILAR TO 'blue.*'": "c",
    "\"two words\" = 'it''s \"so\"'": "a",
    "CASE WHEN votes > 3 THEN lang = 'de' ELSE ok END": "ab",
    "CAST(votes AS VARCHAR) = '5'": "b",
    "votes::DOUBLE / 2 = 4.5": "c",
    "try_cast(lang AS INTEGER) IS NULL": "abc",
    "lang COLLATE NOCASE = 'en'": "ac",
    "votes IS DISTINCT FROM 1": "bc",
    "concat(lang, votes) = 'de5'": "b",
    "  votes = 5  ": "b",
    "votes = 5 -- five": "b",
    "votes /* five */ = 5": "b",
    "votes\n=\n5": "b",
    "1": "abc",
    "votes": "abc",
    "votes - 1": "bc",
}
REFUSED = [
    "",
    "   ",
    "votes = 5; DROP TABLE records",
    "votes = 5;",
    "; SELECT 1",
    "true) OR (true",
    "true) --",
    "true) UNION SELECT 1, 2 --",
    "true UNION ALL SELECT 1",
    "true ORDER BY votes",
    "true LIMIT 1",
    "true OFFSET 1",
    "true GROUP BY votes",
    "true HAVING true",
    "true QUALIFY true",
    "true USING SAMPLE 1",
    "true WINDOW w AS ()",
    "votes = (SELECT 1)",
    "votes IN (SELECT votes FROM records)",
    "EXISTS (SELECT 1)",
    "votes > ANY (SELECT 1)",
    "votes = (FROM records SELECT max(votes))",
    "text IN (SELECT content FROM read_text('/etc/passwd'))",
    "read_text('/etc/passwd') IS NOT NULL",
    "getenv('HOME') = 'x'",
    "current_setting('memory_limit') = 'x'",
    "set_config('threads', '1', true)",
    "nextval('s') = 1",
    "currval('s') = 1",
    "random() < 0.5",
    "uuid() = 'x'",
    "gen_random_uuid() = 'x'",
    "setseed(0.5) IS NULL",
    "txid_current() = 1",
    "version() = 'x' AND pg_sleep(1)",
    "count(*) > 1",
    "sum(votes) > 1",
    "max(votes) = votes",
    "bool_or(ok)",
    "list(votes) = [1]",
    "row_number() OVER () = 1",
    "sum(votes) OVER (ORDER BY votes) > 1",
    "lag(votes) OVER () = 1",
    "*",
    "records.*",
    "COLUMNS(*) = 1",
    "COLUMNS('v.*') = 1",
    "votes = ?",
    "votes = $1",
    "votes = $name",
    "list_filter([1], x -> x > 0) = [1]",
    "/* not closed",
    "-- only a comment",
    "votes = ",
    "votes == == 1",
    "= 5",
    "nowhere = 1",
    "records.votes = 1",
    "main.records.votes = 1",
    "seq = 1",
    "row = 1",
    "source = 1",
    "rowid = 1",
    "current_user = 'x'",
    "current_date.votes = 1",
    "m0 = 'en'",
    '"#seq" = 1',
    'lang = "en"',
    "nowhere(votes) = 1",
    "votes = 'five'",
    "day = 'no day'",
    "CAST(lang AS INTEGER) = 1",
    "lang > DATE '2024-01-01'",
    "text = 'it's'",
    "INSERT INTO records VALUES (1)",
    "SELECT 1",
    "unnest([1, 2]) = 1",
    "generate_series(1, 9) = 1",
    "{fn now()}",
    "error('x')",
    "votes = 1 FROM records",
    "1 AS x",
    "text, votes",
    "duckdb_settings() = 1",
    "pg_get_viewdef(1) = 'x'",
    "write_log('x') = 1",
    "query('SELECT 1') = 1",
    "query_table('records') = 1",
    "tags[",
    "votes = 1\0",
]


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    with open_collection("q", home=tmp_path_factory.mktemp("home"), embedder="hashing") as opened:
        opened.upsert(ROWS)
        yield opened


@pytest.mark.parametrize("where", MATCHES)
def test_conditions_over_every_type(kept, where):
    hits = kept.search("fruit", k=10, where=where)
    assert "".join(sorted(hit.id for hit in hits)) == MATCHES[where]
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))


@pytest.mark.parametrize("where", REFUSED)
def test_everything_else_is_refused(kept, where):
    with pytest.raises(FilterError):
        kept.search("fruit", where=where)
    assert len(kept) == 3


@pytest.mark.parametrize("where", [3, True, b"true", ["true"], {"votes": 1}])
def test_what_is_no_text_is_refused(kept, where):
    with pytest.raises(FilterError, match="expected a condition"):
        kept.search("fruit", where=where)


def test_the_nearest_column_and_the_right_quotes_are_offered(kept):
    with pytest.raises(FilterError) as caught:
        kept.search("fruit", where="vote > 1")
    assert "no column 'vote' to filter by; did you mean 'votes'?" in str(caught.value)
    with pytest.raises(FilterError, match=r"no column 'en'.*texts go in single quotes"):
        kept.search("fruit", where='lang = "en"')


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("votes = (SELECT 1)", "a subquery"),
        ("row_number() OVER () = 1", "a window function"),
        ("votes = ?", "a parameter"),
        ("current_setting('threads') = '1'", "the function 'current_setting'"),
        ("max(votes) = 1", "the function 'max'"),
        ("votes = 1; SELECT 1", "several statements"),
        ("votes = 1 LIMIT 3", "Syntax|syntax|more than a condition"),
        ("nowhere(1) = 1", "there is no function 'nowhere'"),
        ("lowerr(lang) = 'en'", "did you mean 'lower'?"),
    ],
)
def test_the_message_says_what_was_refused(kept, where, said):
    with pytest.raises(FilterError, match=said):
        kept.search("fruit", where=where)


def test_filters_work_for_neighbours_and_many_queries_too(kept):
    assert {hit.id for hit in kept.similar("a", where="votes > 3")} == {"b", "c"}
    many = kept.search_many(["red", "blue"], where="lang <> 'en'")
    assert [sorted(hit.id for hit in hits) for hits in many] == [["b", "c"], ["b", "c"]]
    with pytest.raises(FilterError):
        kept.similar("a", where="nowhere")


@pytest.fixture(scope="module")
def filtered(kept):
    connection = connect_reader(kept.path / f"records-{kept.info().generation}.duckdb")
    columns = [
        Column(f"m{i}", name, kind) for i, (name, kind) in enumerate(kept.info().columns.items())
    ]
    yield lambda where: Filter(columns, ()).run(connection, where)
    connection.close()


FRAGMENTS = st.lists(
    st.sampled_from(
        [
            *"()+-*/%,;.:=<>!?$#@[]{}'\"\\ \n",
            *("--", "/*", "*/", "::", "->", "||", "AND", "OR", "NOT", "IN", "LIKE", "IS", "NULL"),
            *("SELECT", "FROM", "records", "CASE", "WHEN", "THEN", "END", "CAST", "AS", "BETWEEN"),
            *("votes", "lang", "text", "id", "m0", "seq", "1", "0.5", "'en'", "DATE", "INTERVAL"),
            *("count", "sum", "now", "lower", "getenv", "OVER", "LIMIT", "UNION", "EXISTS", "ANY"),
        ]
    ),
    max_size=12,
).map(" ".join)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(where=FRAGMENTS | st.text(max_size=40))
def test_any_text_is_a_filter_or_a_filter_error(filtered, where):
    try:
        found = filtered(where)
    except FilterError:
        return
    assert set(found.seqs.tolist()) <= {0, 1, 2}
    assert len(set(found.seqs.tolist())) == len(found.seqs)


@pytest.mark.parametrize("index", ["flat", "turbovec"])
def test_there_are_always_as_many_hits_as_match(tmp_path, index, rng):
    """Also where an index of its own proposes candidates, and where records share a vector."""
    from embedkit.indexes.rows import EXACT_ROWS
    from embedkit.testing.measures import backends_always

    n = EXACT_ROWS + 500
    collection = open_collection("q", home=tmp_path / "home", index=index)
    vectors = rng.standard_normal((n, 16)).astype(np.float32)
    vectors[-100:] = vectors[0]
    share = rng.random(n)
    collection.upsert(
        [{"id": str(i), "text": f"t{i % 700}", "share": float(share[i])} for i in range(n)],
        vectors=vectors,
    )
    assert collection.info().index == index
    for limit, k in itertools.product((0.0, 0.0005, 0.01, 0.2, 0.9, 2.0), (1, 10, 3000)):
        matching = np.flatnonzero(share < limit)
        with backends_always():
            hits = collection.search_vectors(vectors[0], k=k, where=f"share < {limit}")[0]
            assert len(hits) == min(k, len(matching)), (limit, k)
            assert {int(hit.id) for hit in hits} <= set(matching.tolist())
            scores = [hit.score for hit in hits]
            assert scores == sorted(scores, reverse=True)
            assert len({hit.id for hit in hits}) == len(hits)


@pytest.mark.parametrize(
    "where", ["lang::INTEGER = 1", "lpad(id, 20000000000, 'x') = id", "text LIKE 'x' ESCAPE 'yz'"]
)
def test_a_condition_that_fails_on_some_record_is_refused_too(kept, where):
    with pytest.raises(FilterError, match="cannot filter by"):
        kept.search("fruit", where=where)
    assert issubclass(FilterError, EmbedkitError)


@pytest.mark.parametrize("function", ["range(3)", "generate_series(3)", "repeat('x', 3)"])
def test_functions_of_results_of_any_size_are_refused(kept, function):
    with pytest.raises(FilterError, match="the function"):
        kept.search("fruit", where=f"len({function}) > 0")


def test_nesting_without_end_is_refused(kept):
    with pytest.raises(FilterError):
        kept.search("fruit", where="NOT " * 5000 + "true")


@pytest.mark.parametrize(
    "where", ["day <= today()", "moment < now()", "day <= CURRENT_DATE", "moment < localtimestamp"]
)
def test_what_looks_at_the_clock_is_not_kept(kept, filtered, where):
    assert not filtered(where).lasting
    kept.search("fruit", where=where)
    assert where not in kept._view._matches


def test_what_a_condition_matches_is_kept_within_bounds(kept, monkeypatch):
    from embedkit.store import view

    monkeypatch.setattr(view, "_MATCHES", 5)
    for votes in (1, 5, 9, 5):
        hits = kept.search("fruit", where=f"votes = {votes}")
        assert [hit.metadata["votes"] for hit in hits] == [votes]
        assert f"votes = {votes}" in kept._view._matches
    assert list(kept._view._matches) == ["votes = 9", "votes = 5"]


def test_no_stale_match_survives_a_change(tmp_path):
    with open_collection("q", home=tmp_path, embedder="hashing") as opened:
        opened.upsert(ROWS)
        assert [hit.id for hit in opened.search("fruit", where="votes = 5")] == ["b"]
        opened.upsert([ROWS[0] | {"votes": 5}])
        assert {hit.id for hit in opened.search("fruit", where="votes = 5")} == {"a", "b"}
        opened.delete(["b"])
        assert [hit.id for hit in opened.search("fruit", where="votes = 5")] == ["a"]
