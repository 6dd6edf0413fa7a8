"""Files of judgements."""

from __future__ import annotations

import gzip

import pytest

from embedkit.errors import SourceError, SourceNotFoundError
from embedkit.evaluation.judgements import read_qrels, read_run, run_lines, trec_field

WANTED = {"q1": {"d1": 2.0, "d2": 0.0}, "q2": {"d1": 1.0}}


@pytest.mark.parametrize(
    "text",
    [
        "q1 0 d1 2\nq1 0 d2 0\n\nq2 0 d1 1\n",
        "q1\t0\td1\t2\r\nq1\t0\td2\t0\r\nq2\t0\td1\t1",
        "query_id,doc_id,relevance\nq1,d1,2\nq1,d2,0\nq2,d1,1\n",
        "\ufeffrelevance,query_id,doc_id,judge\n2,q1,d1,x\n0,q1,d2,\n1,q2,d1,y\n",
        "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\td1\t1\n",
        "QID;DocID;Rel\r\nq1;d1;2\r\n\r\nq1;d2;0\r\nq2;d1;1\r\n",
        "q1 0 d1 2\nq1 0 d1 2\nq1 0 d2 0\nq2 0 d1 1\n",
    ],
    ids=["trec", "tabs", "csv", "other order", "beir", "semicolons", "twice the same"],
)
def test_both_forms_are_read(tmp_path, text):
    path = tmp_path / "qrels"
    path.write_text(text, encoding="utf-8")
    assert read_qrels(path) == WANTED


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"q1 0 d1\n", "line 1 of .*, got 'q1 0 d1'"),
        (b"q1 0 d1 1\nq1 0 d2 good\n", "number as relevance in line 2 .* got 'good'"),
        (b"id,doc,relevance\nq1,d1,1\n", "columns query_id, doc_id, relevance"),
        (b"query_id,doc_id,relevance\nq1,d1,much\n", "line 2 of"),
        (b"", "no judgements"),
        (b"\n\n", "no judgements"),
        (b"query_id,doc_id,relevance\n", "no judgements"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"a\x00b 0 d 1\n", "no text file"),
        (b"\x1f\x8bxx", "cut or damaged"),
        (b"q1 0 d1 nan\n", "number as relevance in line 1 .* got 'nan'"),
        (b"query_id,doc_id,relevance\nq1,,1\n", "line 2 of .* has no doc_id"),
        (b"query_id,doc_id,relevance\nq1,d1\n", "3 columns in line 2"),
        (b"q1 0 d1 1\nq1 0 d1 0\n", "line 2 of .* judges record 'd1' for query 'q1' as 0, .* 1"),
    ],
)
def test_what_is_neither_is_refused(tmp_path, data, said):
    path = tmp_path / "qrels"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=said):
        read_qrels(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(SourceNotFoundError, match="there is no file"):
        read_qrels(tmp_path / "none")
    with pytest.raises(SourceNotFoundError, match="there is no file"):
        read_run(tmp_path / "none")


def test_gzip_is_read(tmp_path):
    path = tmp_path / "qrels.gz"
    path.write_bytes(gzip.compress(b"q1 0 d1 2\nq1 0 d2 0\nq2 0 d1 1\n"))
    assert read_qrels(path) == WANTED


def test_a_run_is_ordered_by_score_then_rank(tmp_path):
    path = tmp_path / "run"
    path.write_text("q Q0 c 3 0.5 t\nq Q0 a 1 0.9 t\n\nq Q0 b 2 0.5 t\np Q0 a 1 1e-3 t\n")
    assert read_run(path) == {"q": [("a", 0.9), ("b", 0.5), ("c", 0.5)], "p": [("a", 0.001)]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("q Q0 a 1 0.9\n", "line 1 of .*, got 'q Q0 a 1 0.9'"),
        ("q Q0 a one 0.9 t\n", "line 1"),
        ("q Q0 a 1 0.9 t\nq Q0 a 2 0.8 t\n", "line 2 of .* 'a' for query 'q' again"),
        ("", "no hits"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path, text, said):
    path = tmp_path / "run"
    path.write_text(text)
    with pytest.raises(SourceError, match=said):
        read_run(path)


def test_a_run_has_six_fields_whatever_the_ids():
    lines = list(run_lines("q 1", [("two words\t\x85", 0.25), ("plain%20", 0.125)], "my run"))
    assert lines == [
        "q%201 Q0 two%20words%09%C2%85 1 0.25000000 my%20run\n",
        "q%201 Q0 plain%20 2 0.12500000 my%20run\n",
    ]
    assert trec_field("plain") == "plain"
