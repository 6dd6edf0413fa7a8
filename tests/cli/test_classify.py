from __future__ import annotations

import csv
import gzip
import io
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from click.testing import Result

Run = Callable[..., Result]

TRAIN = "id,question,topic\n" + "".join(
    f"{i},{text},{label}\n"
    for i, (text, label) in enumerate(
        [
            ("how do I pay my bill", "money"),
            ("can I pay by card", "money"),
            ("the bill is too high", "money"),
            ("my card was charged twice", "money"),
            ("I want my money back", "money"),
            ("refund the money to my card", "money"),
            ("where is my parcel", "post"),
            ("the parcel is late", "post"),
            ("when will my order arrive", "post"),
            ("the parcel never arrived", "post"),
            ("change the delivery address", "post"),
            ("track my parcel please", "post"),
        ]
    )
)


def learn(run: Run, work: Path, *more: str, text: str = TRAIN, **options: Any) -> Result:
    (work / "train.csv").write_text(text)
    words = ["classify", "train", "train.csv", "--label", "topic", "--head", "logreg"]
    return run(*words, *more, **options)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_train_says_how_good_it_is_and_what_to_do_next(run: Run, work: Path) -> None:
    result = learn(run, work, "--format", "table", "--name", "topics")
    assert "12 rows, 2 labels, one a text" in result.stdout
    assert "accuracy" in result.stdout
    assert str(work / ".embedkit" / ".classifiers" / "topics") in result.stdout
    line = result.stderr.splitlines()[-1].strip()
    assert line == "embedkit classify predict FILE --name topics -o labelled.csv"
    found = json.loads(learn(run, work, "--name", "topics", "--json").stdout)
    assert found["labels"] == [["money", 6], ["post", 6]]
    assert found["origin"]["label"] == "topic"
    assert found["report"]["measures"]["accuracy"]["mean"] >= 0.5


def test_predict_adds_columns_and_touches_no_other(run: Run, work: Path) -> None:
    learn(run, work, "--name", "topics")
    new = 'nr,question,note\n7,pay the bill by card,"a, b"\n8,where is the parcel,\n'
    (work / "new.csv").write_text(new)
    result = run("classify", "predict", "new.csv", "-o", "out.csv")
    assert result.stdout == ""
    assert "new.csv: 2 rows of 2 labelled" in result.stderr
    found = rows((work / "out.csv").read_text())
    assert list(found[0])[:6] == ["nr", "question", "note", "label", "probability", "abstained"]
    assert [row["label"] for row in found] == ["money", "post"]
    assert [(row["nr"], row["note"]) for row in found] == [("7", "a, b"), ("8", "")]
    assert all(0.5 <= float(row["probability"]) <= 1 for row in found)
    assert "--force" in run("classify", "predict", "new.csv", "-o", "out.csv", code=2).stderr
    run("classify", "predict", "new.csv", "-o", "out.csv", "--force")
    assert sorted(path.name for path in work.iterdir()) == [
        ".embedkit", "new.csv", "out.csv", "train.csv",
    ]  # fmt: skip


def test_formats_in_and_out(run: Run, work: Path) -> None:
    learn(run, work)
    pq.write_table(
        pa.table({"question": ["pay the bill", "the parcel"], "n": pa.array([1, 2], pa.int8())}),
        work / "new.parquet",
    )
    run("classify", "predict", "new.parquet", "-o", "out.parquet")
    table = pq.read_table(work / "out.parquet")
    assert table.schema.field("n").type == pa.int8()
    assert table.column("label").to_pylist() == ["money", "post"]
    assert table.schema.field("abstained").type == pa.bool_()
    lines = '{"question": "pay", "tags": ["a"]}\n{"question": "parcel", "more": 1}\n'
    (work / "new.jsonl").write_text(lines)
    run("classify", "predict", "new.jsonl", "-o", "out.jsonl.gz")
    unpacked = gzip.decompress((work / "out.jsonl.gz").read_bytes()).decode()
    found = [json.loads(line) for line in unpacked.splitlines()]
    assert [(row["label"], row["tags"]) for row in found] == [("money", ["a"]), ("post", None)]
    run("classify", "predict", "new.jsonl", "-o", "out.csv")
    header = (work / "out.csv").read_text().splitlines()[0]
    assert header.startswith("question,tags,more,label,probability,abstained")
    assert "with columns" in run("classify", "predict", "new.jsonl", "-o", "o.txt", code=2).stderr


def test_stdin_and_plain_texts(run: Run, work: Path) -> None:
    learn(run, work)
    found = rows(run("classify", "predict", "-", stdin="pay the bill\n\nwhere is it\n").stdout)
    assert [row["text"] for row in found] == ["pay the bill", "where is it"]
    assert found[0]["label"] == "money"
    out = run("classify", "predict", "-", "--to", "jsonl", stdin="question,x\npay it,1\n").stdout
    assert json.loads(out)["x"] == "1"


def test_single_texts(run: Run, data: Callable[..., Any], work: Path) -> None:
    learn(run, work)
    one = data("classify", "predict", "--query", "pay by card")
    assert (one["label"], one["abstained"]) == ("money", False)
    two = data("classify", "predict", "-q", "pay by card", "-q", "the parcel", "--labels", "2")
    assert [row["label"] for row in two] == ["money", "post"]
    assert [entry["label"] for entry in two[0]["labels"]] == ["money", "post"]
    shown = run("classify", "predict", "-q", "pay", "--format", "table").stdout
    assert shown.splitlines()[0].split()[:2] == ["label", "probability"]
    unsure = data("classify", "predict", "-q", "zebra", "--abstain-below", "1")
    assert (unsure["label"], unsure["abstained"], unsure["why"]) == (None, True, "probability")
    assert "expected a text" in run("classify", "predict", "-q", " ", code=2).stderr
    assert "--query" in run("classify", "predict", code=2).stderr
    meant = run("classify", "predict", "how do I pay", code=2).stderr
    assert "to label that text itself: --query" in meant


def test_abstaining_and_further_labels(run: Run, work: Path) -> None:
    learn(run, work)
    (work / "new.csv").write_text("question\npay the bill\nzebra crossing\n")
    out = run("classify", "predict", "new.csv", "--labels", "3", "--abstain-below", "0.99").stdout
    found = rows(out)
    assert [row["label"] for row in found] == ["", ""]
    assert {row["abstained"] for row in found} == {"true"}
    assert found[0]["best"] == "money"
    assert (found[0]["label_2"], found[0]["label_3"]) == ("post", "")
    first, second = float(found[0]["probability"]), float(found[0]["probability_2"])
    assert abs(first + second - 1) < 1e-5


def test_names_that_are_taken(run: Run, work: Path) -> None:
    learn(run, work)
    (work / "new.csv").write_text("question,Label\npay the bill,x\n")
    result = run("classify", "predict", "new.csv")
    assert "begin with predicted_" in result.stderr
    assert rows(result.stdout)[0]["predicted_label"] == "money"
    assert rows(result.stdout)[0]["Label"] == "x"
    again = run("classify", "predict", "new.csv", "--prefix", "ai_").stdout
    assert rows(again)[0]["ai_label"] == "money"
    clash = run("classify", "predict", "new.csv", "--prefix", "", code=2).stderr
    assert "has a column 'label' already" in clash


def test_bad_rows_are_listed_and_the_rest_goes_on(run: Run, work: Path) -> None:
    learn(run, work)
    lines = '{"question": "pay"}\nnot json\n{"question": null}\n{"question": "parcel"}\n'
    (work / "new.jsonl").write_text(lines)
    result = run("classify", "predict", "new.jsonl", code=1)
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert [row["label"] for row in found] == ["money", None, "post"]
    assert "1 row could not be labelled:\n  line 2:" in result.stderr
    assert "1 row without a text left without a label" in result.stderr
    (work / "lists.jsonl").write_text('{"question": ["a"], "n": 1}\n')
    result = run("classify", "predict", "lists.jsonl", code=1)
    assert json.loads(result.stdout)["question"] == ["a"]
    assert json.loads(result.stdout)["label"] is None
    assert "line 1: expected a text in 'question', got a list" in result.stderr


def test_nothing_to_label(run: Run, work: Path) -> None:
    learn(run, work)
    (work / "none.csv").write_text("question,n\n")
    result = run("classify", "predict", "none.csv", "-o", "out.csv")
    columns = "question,n,label,probability,abstained,typicality"
    assert (work / "out.csv").read_text() == f"{columns}\n"
    assert "0 rows of 0 labelled" in result.stderr
    (work / "empty.csv").write_text("")
    assert "empty.csv is empty" in run("classify", "predict", "empty.csv", code=1).stderr


def test_training_data_that_will_not_do(run: Run, work: Path) -> None:
    one = learn(run, work, text="text,topic\na b,x\nc d,x\n", code=2).stderr
    assert "got one class, 'x'" in one
    nearest = run("classify", "train", "train.csv", "--label", "topics", code=2).stderr
    assert "did you mean 'topic'?" in nearest
    assert "which column is the label?" in run("classify", "train", "train.csv", code=2).stderr
    assert "found no nix.csv" in run("classify", "train", "nix.csv", code=1).stderr
    assert "SOURCE" in run("classify", "train", code=2).stderr
    assert not (work / ".embedkit").exists() or not list((work / ".embedkit").iterdir())


def test_unlabelled_rows_are_set_aside_and_predict_is_suggested(run: Run, work: Path) -> None:
    mixed = TRAIN + "98,is this labelled,\n99,nor this,\n"
    result = learn(run, work, "--format", "table", text=mixed)
    assert "2 rows without a label set aside" in result.stderr
    assert "also of the 2 without one" in result.stderr
    assert "embedkit classify predict train.csv --name train" in result.stderr


def test_the_format_of_a_file_is_not_that_of_what_is_printed(run: Run, work: Path) -> None:
    learn(run, work)
    for told in (["--format", "table"], ["--json"]):
        refused = run("classify", "predict", "train.csv", *told, code=2)
        assert "the format of OUT is --to" in refused.stderr
        assert refused.stdout == ""


def test_what_is_replaced_is_said(run: Run, work: Path) -> None:
    assert "replaced" not in learn(run, work).stderr
    told = run("classify", "train", "train.csv", "--label", "topic", "--head", "centroid").stderr
    assert "train was there, and is replaced: logreg on hashing" in told
    assert "before, centroid on hashing" in told


def test_one_that_learned_something_else_is_not_replaced(run: Run, work: Path) -> None:
    learn(run, work)
    learn(run, work)  # the same again is training again
    (work / "other").mkdir()
    (work / "other" / "train.csv").write_text(TRAIN)
    words = ["classify", "train", "other/train.csv", "--label", "topic", "--head", "logreg"]
    refused = run(*words, code=2).stderr
    assert "a classifier 'train' already, trained on column 'topic' of train.csv" in refused
    run(*words, "--force")
    assert "letters" in run(*words, "--name", "a/b", code=2).stderr


def test_list_show_and_delete(run: Run, data: Callable[..., Any], work: Path) -> None:
    assert "make one with" in run("classify", "list", "--json").stderr
    assert "there is no classifier" in run("classify", "show", code=1).stderr
    learn(run, work, "--name", "topics")
    assert [info["name"] for info in data("classify", "list")] == ["topics"]
    assert run("classify", "list", "--format", "table").stdout.split()[:2] == ["name", "rows"]
    shown = run("classify", "show", "--format", "table").stdout
    for part in ("money: 6", "post: 6", "train.csv: question -> topic", "hashing", "logreg"):
        assert part in shown
    assert "did you mean 'topics'?" in run("classify", "show", "topic", code=1).stderr
    asked = run("classify", "delete", "topics", code=2).stderr
    assert "2 labels, trained on 12 rows" in asked
    assert "--yes" in asked
    assert data("classify", "delete", "topics", "--yes")["deleted"] == "topics"
    assert data("classify", "list") == []


def test_damaged_ones_are_listed_and_can_be_deleted(run: Run, work: Path) -> None:
    learn(run, work, "--name", "topics")
    (work / ".embedkit" / ".classifiers" / "topics" / "classifier.json").write_text("{")
    assert "topics: " in run("classify", "list", "--json", code=1).stderr
    assert "train it again" in run("classify", "predict", "-q", "x", code=1).stderr
    assert "damaged" in run("classify", "delete", "topics", code=2).stderr
    run("classify", "delete", "topics", "--yes")


def test_several_classifiers(run: Run, work: Path) -> None:
    learn(run, work, "--name", "one")
    learn(run, work, "--name", "two")
    assert "one, two; choose one with --name" in run("classify", "predict", "-", code=2).stderr
    run("classify", "predict", "-q", "pay", "--name", "two")


def test_several_labels_and_ordered_ones(run: Run, data: Callable[..., Any], work: Path) -> None:
    text = TRAIN.replace(",post", ",post;late").replace(
        "how do I pay my bill,money", "a,money;post"
    )
    learn(run, work, "--multi-label", "--name", "many", text=text)
    found = data("classify", "predict", "-q", "the parcel is late", "--name", "many")
    assert set(found["label"]) == {"post", "late"}
    (work / "new.csv").write_text("question\nthe parcel is late\n")
    line = rows(run("classify", "predict", "new.csv", "--name", "many").stdout)[0]
    assert set(json.loads(line["label"])) == {"post", "late"}
    assert "--multi-label" in learn(run, work, "--separator", ",", code=2).stderr
    learn(run, work, "--ordered", "post, money", "--name", "steps")
    typo = learn(run, work, "--ordered", "post,mony", "--name", "steps", code=2).stderr
    assert "train.csv, line 2: expected one of the labels post, mony, got 'money'" in typo
    assert "did you mean 'mony'?" in typo
    info = data("classify", "show", "steps")
    assert (info["task"], [label for label, _ in info["labels"]]) == ("ordered", ["post", "money"])


def test_labels_of_a_collection_are_metadata(
    run: Run, data: Callable[..., Any], work: Path
) -> None:
    learn(run, work, "--name", "topics")
    run("index", "train.csv", "-c", "q", "--text", "question")
    result = run("classify", "predict", "-c", "q", "--column", "about", "--format", "table")
    assert "q: 12 rows of 12 labelled" in result.stdout
    where = "about = 'money'"
    assert f'embedkit search QUERY -c q --where "{where}"' in result.stderr
    hits = data("search", "parcel", "-k", "12", "-c", "q", "--where", where)
    assert len(hits) == 6
    assert {hit["metadata"]["topic"] for hit in hits} == {"money"}
    done = data("classify", "predict", "-c", "q", "--where", "topic = 'post'")
    assert (done["rows"], done["counts"]) == (6, {"post": 6})
    refused = run("classify", "predict", "-c", "q", "--column", "topic", code=2).stderr
    assert "came with them" in refused
    assert "leave --output out" in run("classify", "predict", "-c", "q", "-o", "x", code=2).stderr
    assert "expected one of" in run("classify", "predict", "-c", "q", "-q", "x", code=2).stderr
    assert "--labels" in run("classify", "predict", "-c", "q", "--labels", "2", code=2).stderr


def test_training_on_a_collection(run: Run, data: Callable[..., Any], work: Path) -> None:
    (work / "train.csv").write_text(TRAIN)
    run("index", "train.csv", "-c", "q", "--text", "question")
    words = ["classify", "train", "-c", "q", "--head", "logreg"]
    found = data(*words, "--label", "Topic", "--where", "id <> '0'")
    assert (found["name"], found["report"]["rows"]) == ("q", 11)
    assert found["origin"]["kind"] == "collection"
    assert "did you mean 'topic'" in run(*words, "--label", "topics", code=2).stderr
    assert "which metadata is the label" in run(*words, code=2).stderr
    assert "leave --text out" in run(*words, "--text", "question", "--label", "x", code=2).stderr
    assert "for a collection" in run("classify", "train", "x", "--where", "1=1", code=2).stderr


def test_a_wished_precision_and_sets_of_labels(
    run: Run, data: Callable[..., Any], work: Path
) -> None:
    rng = random.Random(1)
    words = {
        "money": ["pay", "bill", "card", "refund"],
        "post": ["parcel", "order", "late", "came"],
    }
    both = words["money"] + words["post"]
    lines = ["question,topic"]
    for i in range(400):
        label = ("money", "post")[i % 2]
        some = rng.choices(both if i % 12 < 2 else words[label], k=4)
        lines.append(f"{' '.join(some)},{label}")
    learn(run, work, text="\n".join(lines) + "\n")
    shown = run("classify", "show", "--format", "table").stdout
    assert "80% of the time: abstain below" in shown
    costs = data("classify", "show")["abstaining"]
    assert [cost["precision"] for cost in costs] == [0.8, 0.9, 0.95, 0.99]
    command = ["classify", "predict", "train.csv", "--to", "csv"]
    result = run(*command, "--precision", "0.9", "--sets")
    assert "so that 90% of the answers are right" in result.stderr
    found = rows(result.stdout)
    for row in found:
        assert (row["label"] == "") == (row["abstained"] == "true")
        sure = float(row["probability"]) >= costs[1]["threshold"]
        assert sure == (row["label"] != "")
    assert 0 < sum(row["label"] == "" for row in found) < 120
    given = [row for row in found if row["label"]]
    assert sum(row["label"] == row["topic"] for row in given) >= 0.9 * len(given)
    wide = rows(run(*command, "--coverage", "0.99").stdout)
    narrow, wider = (sum(len(json.loads(row["label_set"])) for row in r) for r in (found, wide))
    assert narrow < wider
    one = data("classify", "predict", "-q", "pay the bill", "--sets")
    assert one["label"] in one["label_set"]
    assert "cannot be reached" in run(*command, "--precision", "0.9999", code=2).stderr
    run("index", "train.csv", "-c", "q", "--text", "question")
    done = data("classify", "predict", "-c", "q", "--precision", "0.9")
    assert done["labelled"] + done["abstained"] == done["rows"] == 400
    assert done["abstained"] > 0


def test_texts_that_no_label_is_for(run: Run, work: Path) -> None:
    text = "id,question,topic\n" + "".join(
        f"{i},{verb} {thing} {i},{'money' if thing in ('bill', 'card') else 'post'}\n"
        for i, (verb, thing) in enumerate(
            (verb, thing)
            for verb in ("pay", "where is", "change", "track", "lose", "find", "send")
            for thing in ("bill", "card", "parcel", "order")
        )
    )
    asked = ("pay zebra 3", "where is zebra parcel 4", "track zebra card 2", "lose zebra order 1")
    (work / "new.jsonl").write_text("".join(f'{{"question": "{text}"}}\n' for text in asked))
    told = []
    for more in ([], ["--out-of-scope", "other.txt"]):
        (work / "other.txt").write_text("zebra\n\na zebra 3\nthe zebra\n")
        learn(run, work, *more, "--name", "topics", "--force", text=text)
        result = run("classify", "predict", "new.jsonl", "--name", "topics")
        told.append([json.loads(line)["typicality"] for line in result.stdout.splitlines()])
    assert sum(told[1]) < sum(told[0]) / 1.5


def test_texts_that_no_label_is_for_and_that_cannot_be_read(run: Run, work: Path) -> None:
    (work / "other.txt").write_bytes(b"caf\xe9\n")
    result = learn(run, work, "--out-of-scope", "other.txt", code=1)
    assert "other.txt cannot be read as UTF-8 text" in result.stderr
    (work / "other.txt").write_text("\n \n")
    result = learn(run, work, "--out-of-scope", "other.txt", code=1)
    assert "expected a text on each line of other.txt, got none" in result.stderr
    assert "none.txt" in learn(run, work, "--out-of-scope", "none.txt", code=2).stderr
