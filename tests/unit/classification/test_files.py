from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from embedkit import Classifier, TextClassifier, fit_adapter
from embedkit.adapters.files import ADAPTER
from embedkit.errors import (
    ClassifierNotFoundError,
    CollectionLockedError,
    CredentialsError,
    DamagedError,
    EmbedkitError,
    FormatVersionError,
    InvalidInputError,
    ModelMismatchError,
    StorageError,
)
from embedkit.indexes.files import signed
from embedkit.store.lock import WriterLock

TEXTS = [f"{word} {i}" for word in ("card lost", "parcel late", "refund please") for i in range(6)]
LABELS = [label for label in ("card", "parcel", "refund") for _ in range(6)]
ASKED = ["the parcel", "my card", "refund"]


@pytest.fixture
def trained(home: Path) -> TextClassifier:
    made: TextClassifier = TextClassifier("hashing?dim=64", head="logreg", home=home, folds=3)
    return made.fit(TEXTS, LABELS)


@pytest.fixture
def saved(trained: TextClassifier, tmp_path: Path) -> Path:
    folder = tmp_path / "saved"
    trained.save(folder)
    return folder


def test_what_is_loaded_predicts_the_same(trained: TextClassifier, saved: Path) -> None:
    loaded = Classifier.load(saved)
    assert np.array_equal(loaded.predict_proba(ASKED), trained.predict_proba(ASKED))
    assert loaded.report == trained.report_
    assert loaded.classes_.tolist() == ["card", "parcel", "refund"]
    examples = loaded.examples
    assert examples is not None
    assert list(examples.texts) == TEXTS
    assert np.allclose(examples.vectors, trained.classifier_.examples.vectors, atol=1e-3)


def test_an_estimator_is_loaded_too(saved: Path, trained: TextClassifier) -> None:
    loaded = TextClassifier.load(saved)
    assert loaded.predict(ASKED).tolist() == trained.predict(ASKED).tolist()
    assert loaded.head == trained.report_.head
    loaded.save(saved)  # over itself
    assert Classifier.load(saved).predict(ASKED).tolist() == trained.predict(ASKED).tolist()


def test_texts_learned_from_can_be_left_out(trained: TextClassifier, tmp_path: Path) -> None:
    trained.classifier_.save(tmp_path / "bare", keep_examples=False)
    loaded = Classifier.load(tmp_path / "bare")
    assert loaded.examples is None
    assert loaded.predict(ASKED).tolist() == ["parcel", "card", "refund"]
    for path in (tmp_path / "bare").iterdir():
        assert b"please" not in path.read_bytes()


def test_loading_needs_no_scikit_learn(saved: Path) -> None:
    program = (
        "import sys, embedkit\n"
        f"made = embedkit.Classifier.load({str(saved)!r})\n"
        f"print(made.predict({ASKED!r}).tolist(), 'sklearn' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "['parcel', 'card', 'refund'] False", done.stderr


def test_no_file_is_a_pickle(saved: Path) -> None:
    assert {path.suffix for path in saved.iterdir()} <= {".json", ".safetensors", ".parquet", ""}
    assert {path.name for path in saved.iterdir() if not path.suffix} == {"lock"}


@pytest.mark.parametrize("how", ["cut", "flip", "empty", "foreign", "gone"])
def test_damage_is_found_before_anything_is_read(saved: Path, how: str) -> None:
    for path in sorted(saved.glob("*.*")):
        before = path.read_bytes()
        middle = len(before) // 2
        after = {
            "cut": before[:middle],
            "flip": before[:middle] + bytes([before[middle] ^ 1]) + before[middle + 1 :],
            "empty": b"",
            "foreign": b"GIF89a",
            "gone": b"",
        }[how]
        path.write_bytes(after)
        if how == "gone":
            path.unlink()
        with pytest.raises((DamagedError, ClassifierNotFoundError)) as caught:
            _ = Classifier.load(saved).examples
        assert caught.value.do
        path.write_bytes(before)
    assert Classifier.load(saved).examples is not None


def test_a_file_elsewhere_is_not_read(saved: Path) -> None:
    manifest = saved / "classifier.json"
    facts = json.loads(manifest.read_bytes())
    del facts["sha256"]
    entry = facts["files"]["arrays"]
    entry["name"] = f"../{saved.name}/{entry['name']}"
    manifest.write_text(json.dumps(signed(facts)))
    with pytest.raises(DamagedError, match="elsewhere"):
        Classifier.load(saved)


def test_another_format(saved: Path) -> None:
    manifest = saved / "classifier.json"
    facts = json.loads(manifest.read_bytes())
    del facts["sha256"]
    manifest.write_text(json.dumps(signed(facts | {"format": 99})))
    with pytest.raises(FormatVersionError, match="99"):
        Classifier.load(saved)


def test_another_model_is_refused(saved: Path) -> None:
    loaded = Classifier.load(saved, embedder="hashing?dim=32")
    with pytest.raises(ModelMismatchError, match="trained with"):
        loaded.predict(ASKED)


def test_a_key_is_not_sent_where_only_a_file_says(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = saved / "classifier.json"
    facts = json.loads(manifest.read_bytes())
    del facts["sha256"]
    facts["model"]["spec"] = "openai:m?base_url=http://192.0.2.1/v1"
    manifest.write_text(json.dumps(signed(facts)))
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    with pytest.raises(CredentialsError, match=r"the classifier was learned .*OPENAI_BASE_URL"):
        Classifier.load(saved).predict(ASKED)
    with pytest.raises(CredentialsError, match="OPENAI_BASE_URL"):
        TextClassifier.load(saved)  # it could be fitted again, by that spec


def test_what_is_replaced_leaves_nothing_behind(saved: Path, trained: TextClassifier) -> None:
    before = {path.name for path in saved.iterdir()}
    trained.set_params(head="logreg?C=3").fit(TEXTS[:12], LABELS[:12]).save(saved)
    after = {path.name for path in saved.iterdir()}
    assert len(after) == len(before)
    assert Classifier.load(saved).classes_.tolist() == ["card", "parcel"]


def test_files_that_are_not_a_classifiers_stay(trained: TextClassifier, saved: Path) -> None:
    theirs = ["examples-2026.csv", "arrays-of-mine.safetensors", ".notes.tmp", "examples-a.parquet"]
    for name in theirs:
        (saved / name).write_text("mine")
    (saved / ".arrays.safetensors.12345.tmp").write_text("of a writer that died")
    trained.save(saved)
    assert [(saved / name).read_text() for name in theirs] == ["mine"] * len(theirs)
    assert not (saved / ".arrays.safetensors.12345.tmp").exists()


@pytest.mark.parametrize(
    "place",
    [("state",), ("files",), ("files", "arrays"), ("files", "examples"), ("files", "texts", "name")]
    + [("files", "arrays", "digest"), ("files", "arrays", "digest", "size")]
    + [("state", "fitted", name) for name in ("head", "report", "labels")],
    ids="-".join,
)
@pytest.mark.parametrize("wrong", [None, "x", 7])
def test_facts_that_are_none_of_ours_are_damage(
    saved: Path, place: tuple[str, ...], wrong: object
) -> None:
    manifest = saved / "classifier.json"
    facts = json.loads(manifest.read_bytes())
    del facts["sha256"]
    inside = facts
    for name in place[:-1]:
        inside = inside[name]
    for values in ({place[-1]: wrong}, {}):
        del inside[place[-1]]
        inside.update(values)
        manifest.write_text(json.dumps(signed(facts)))
        with contextlib.suppress(EmbedkitError):
            _ = Classifier.load(saved).examples
        inside.setdefault(place[-1], None)


def test_a_folder_that_cannot_be(trained: TextClassifier, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        trained.save(tmp_path / "file")
    with pytest.raises(ClassifierNotFoundError, match="no classifier"):
        Classifier.load(tmp_path / "nothing")


def test_one_writer(trained: TextClassifier, saved: Path) -> None:
    with (
        WriterLock(saved / "lock", "saved"),
        pytest.raises(CollectionLockedError, match="classifier 'saved' is being written"),
    ):
        trained.save(saved)


def test_an_adapter_is_not_written_over(
    trained: TextClassifier, tmp_path: Path, home: Path
) -> None:
    fit_adapter(TEXTS, LABELS, embedder="hashing?dim=64", name="a", home=home)
    place = ADAPTER.place_of(home, "a")
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    with pytest.raises(InvalidInputError, match="holds adapter"):
        trained.save(place)
    assert {path.name: path.read_bytes() for path in place.iterdir()} == before


KILLED = """
import os, signal, sys
import embedkit
from embedkit import learned

made = embedkit.TextClassifier.load(sys.argv[1])
made.fit({texts!r}, {labels!r})
at = int(sys.argv[2])
calls = 0
steps = [(learned, name) for name in ("sync_file", "sync_folder", "write_durably")]
for where, name in [*steps, (learned.Kind, "_sweep")]:
    def counted(*given, inner=getattr(where, name), **more):
        global calls
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return inner(*given, **more)
    setattr(where, name, counted)
made.save(sys.argv[1])
print("saved")
"""


@pytest.mark.slow
def test_killed_while_replacing_it_is_the_old_one_or_the_new(
    saved: Path, trained: TextClassifier
) -> None:
    program = KILLED.format(texts=TEXTS[:12], labels=LABELS[:12])
    old, new = ["card", "parcel", "refund"], ["card", "parcel"]
    seen = []
    for at in range(1, 12):
        trained.save(saved)
        done = subprocess.run(
            [sys.executable, "-c", program, str(saved), str(at)],
            capture_output=True,
            text=True,
            env=os.environ | {"EMBEDKIT_HOME": str(saved.parent / "home")},
        )
        assert done.returncode in (0, -signal.SIGKILL), done.stderr
        loaded = Classifier.load(saved)
        assert loaded.examples is not None
        seen.append(loaded.classes_.tolist())
        if done.returncode == 0:
            break
    assert len(seen) > 6, "there are two sweeps, three files, a folder and the manifest"
    assert seen[0] == old
    assert seen[-1] == new
    assert all(labels in (old, new) for labels in seen)


def test_errors_are_ours(tmp_path: Path) -> None:
    (tmp_path / "classifier.json").write_bytes(b"\x00" * 100)
    with pytest.raises(EmbedkitError, match="train it again"):
        Classifier.load(tmp_path)
