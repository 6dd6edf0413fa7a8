"""Files of judgements."""

from __future__ import annotations

import pytest

from embedkit.errors import SourceError, SourceNotFoundError
from embedkit.evaluation.judgements import read_qrels

WANTED = {"q1": {"d1": 2.0, "d2": 0.0}, "q2": {"d1": 1.0}}


@pytest.mark.parametrize(
    "text",
    [
        "q1 0 d1 2\nq1 0 d2 0\n\nq2 0 d1 1\n",
        "q1\t0\td1\t2\r\nq1\t0\td2\t0\r\nq2\t0\td1\t1",
        "query_id,doc_id,relevance\nq1,d1,2\nq1,d2,0\nq2,d1,1\n",
        "\ufeffrelevance,query_id,doc_id,judge\n2,q1,d1,x\n0,q1,d2,\n1,q2,d1,y\n",
    ],
    ids=["trec", "tabs", "csv", "other order"],
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
        (b"\xff\xfe\x00", "not UTF-8"),
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
