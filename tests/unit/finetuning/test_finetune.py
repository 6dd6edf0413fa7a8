"""Real trainings of a tiny model."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import embedkit
from embedkit.errors import InvalidInputError, MissingDependencyError, StorageError, WeightsError
from embedkit.finetuning import run, shelf
from embedkit.finetuning.recipe import Recipe
from embedkit.finetuning.report import FineTuned
from embedkit.finetuning.soup import Soup
from embedkit.finetuning.training import Part, Training

from .conftest import questions

RECIPE = Recipe(
    rate=1e-2, prototype_rate=3e-2, epochs=14, masked=0.0, average=0.9, held_out=0.25, members=2
)


def tune(tiny: Path, home: Path, n: int = 400, **options: Any) -> FineTuned:
    recipe = options.pop("recipe", RECIPE)
    texts, labels = questions(n)
    return embedkit.finetune(
        texts, labels, "topics", model=str(tiny), home=home, recipe=recipe, device="cpu", **options
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def tuned(tiny: Path, home: Path) -> FineTuned:
    return tune(tiny, home)


def test_held_out_texts_are_told_apart_better_and_the_verdict_says_so(tuned: FineTuned) -> None:
    told = tuned.difference
    assert told.ours > told.theirs
    assert told.difference.low > 0
    assert tuned.verdict == "helped"
    assert (tuned.learned, tuned.stop, tuned.judge, tuned.rows) == (200, 100, 100, 400)
    assert tuned.members == 2


def test_the_folder_is_one_of_sentence_transformers_and_has_the_same_vectors(
    tuned: FineTuned,
) -> None:
    from sentence_transformers import SentenceTransformer

    texts = questions(20, seed=3)[0]
    theirs = SentenceTransformer(str(tuned.path), device="cpu").encode(
        texts, normalize_embeddings=True
    )
    ours = embedkit.embedder(tuned.embedder).embed(texts)
    assert np.abs(ours - theirs).max() < 1e-5


def test_the_note_says_what_was_done(tuned: FineTuned, tiny: Path) -> None:
    note = shelf.read_note(tuned.path)
    assert note is not None
    assert note == json.loads(json.dumps(tuned.note()))
    assert note["verdict"] == "helped"
    assert note["base"] == embedkit.embedder(f"sentence-transformers:{tiny}").model_id
    assert note["labels"] == ["card", "parcel", "refund"]
    assert len(note["data"]) == 64


def test_texts_that_were_learned_from_are_known_again(tuned: FineTuned) -> None:
    texts = questions(400)[0]
    seen = shelf.was_seen(tuned.path, [texts[0], texts[0].upper(), "never seen"])
    assert seen is not None
    assert seen[0] == seen[1]
    assert not seen[2]
    # The trainings that followed learned from all but those that judged.
    every = shelf.was_seen(tuned.path, texts)
    assert every is not None
    assert int(every.sum()) == tuned.learned + tuned.stop == 300


def test_a_model_trained_once_knows_no_text_that_was_held_out(tiny: Path, tmp_path: Path) -> None:
    told = tune(tiny, tmp_path, recipe=replace(RECIPE, members=0, epochs=1))
    seen = shelf.was_seen(told.path, questions(400)[0])
    assert seen is not None
    assert int(seen.sum()) == told.learned == 200
    assert told.members == 0


def test_the_search_of_a_collection_takes_the_model(tuned: FineTuned, home: Path) -> None:
    texts, labels = questions(60, seed=4)
    records = [
        {"id": str(i), "text": t, "label": x}
        for i, (t, x) in enumerate(zip(texts, labels, strict=True))
    ]
    with embedkit.open("found", home=home, embedder=tuned.embedder) as collection:
        collection.index(records, text="text", id="id")
        query = questions(1, seed=5)[0][0]
        hits = collection.search(query, k=5)
        assert collection.info().model_id == embedkit.embedder(tuned.embedder).model_id
    assert len(hits) == 5


def test_equal_seeds_give_equal_weights_and_another_seed_another_model(
    tiny: Path, tmp_path: Path
) -> None:
    short = replace(RECIPE, epochs=1, members=0, masked=0.1)
    made = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        told = tune(tiny, tmp_path / name, recipe=replace(short, seed=seed))
        made.append(embedkit.embedder(told.embedder).model_id)
    assert made[0] == made[1] != made[2]
    assert made[0] != embedkit.embedder(f"sentence-transformers:{tiny}").model_id


def test_a_classifier_is_measured_and_calibrated_by_rows_that_the_model_did_not_learn_from(
    tuned: FineTuned, home: Path
) -> None:
    texts, labels = questions(400)
    made = embedkit.TextClassifier(tuned.embedder, head="logreg", home=home).fit(texts, labels)
    seen = shelf.was_seen(tuned.path, texts)
    assert seen is not None
    assert made.report_.measures["accuracy"].n == int((~seen).sum())
    assert any("was fine-tuned on 300 of these rows" in note for note in made.report_.notes)
    # Of the rows that were learned from, nearly all look right: no measure of anything.
    assert made.report_.measures["accuracy"].mean < 0.99


def test_a_classifier_of_rows_that_were_all_learned_from_says_so(
    tuned: FineTuned, home: Path
) -> None:
    texts, labels = questions(400)
    seen = shelf.was_seen(tuned.path, texts)
    assert seen is not None
    rows = np.flatnonzero(seen)[:120]
    made = embedkit.TextClassifier(tuned.embedder, head="logreg", home=home).fit(
        [texts[i] for i in rows], [labels[i] for i in rows]
    )
    assert any("too good to be true" in note for note in made.report_.notes)


@pytest.mark.parametrize("spec", ["minilm", "hashing?dim=64", "sentence-transformers:owner/name"])
def test_other_embedders_were_fine_tuned_on_nothing(spec: str) -> None:
    assert shelf.folder_of(spec) is None


class Watch:
    """Progress that does something at a step."""

    def __init__(self, step: int, action: Any) -> None:
        self.step, self.action, self.steps = step, action, 0

    def __call__(self, what: str, done: int, total: int) -> None:
        if what == "training":
            self.steps += 1
            if self.steps == self.step:
                self.action()


def interrupt() -> None:
    raise KeyboardInterrupt


def test_an_interruption_keeps_the_best_weights_so_far(tiny: Path, tmp_path: Path) -> None:
    told = tune(tiny, tmp_path, progress=Watch(70, interrupt))
    assert told.stopped == "interrupted"
    assert told.steps == 70
    assert told.members == 0
    assert told.measured[told.best].step <= 70
    assert embedkit.embedder(told.embedder).embed(["a text"]).shape == (1, 32)


def test_an_interruption_of_the_second_training_keeps_the_weights_of_the_first(
    tiny: Path, tmp_path: Path
) -> None:
    first = tune(tiny, tmp_path / "one", recipe=replace(RECIPE, members=0))
    again = tune(tiny, tmp_path / "two", progress=Watch(first.steps + 5, interrupt))
    assert again.stopped == "interrupted"
    assert again.members == 0
    texts = questions(9, seed=8)[0]
    one, two = (embedkit.embedder(told.embedder).embed(texts) for told in (first, again))
    assert np.array_equal(one, two)


def test_an_interruption_of_the_third_training_keeps_the_weights_of_the_second(
    tiny: Path, tmp_path: Path
) -> None:
    two = tune(tiny, tmp_path / "two", recipe=replace(RECIPE, members=1, epochs=1))
    seen = Watch(10**9, interrupt)
    tune(tiny, tmp_path / "count", recipe=replace(RECIPE, members=1, epochs=1), progress=seen)
    cut = tune(
        tiny, tmp_path / "cut", recipe=replace(RECIPE, members=2, epochs=1),
        progress=Watch(seen.steps + 3, interrupt),
    )  # fmt: skip
    assert (cut.stopped, cut.members) == ("interrupted", 1)
    texts = questions(9, seed=8)[0]
    a, b = (embedkit.embedder(told.embedder).embed(texts) for told in (two, cut))
    assert np.array_equal(a, b)


def test_weights_are_averaged_and_whole_numbers_are_not() -> None:
    import torch

    soup = Soup()
    soup.add({"w": torch.tensor([1.0, 2.0]), "n": torch.tensor([3])})
    soup.add({"w": torch.tensor([3.0, 6.0]), "n": torch.tensor([3])})
    assert soup.size == 2
    assert soup.mean()["w"].tolist() == [2.0, 4.0]
    assert soup.mean()["n"].tolist() == [3]


def test_an_interruption_before_anything_was_measured_leaves_nothing(
    tiny: Path, tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        tune(tiny, tmp_path, progress=Watch(2, interrupt))
    assert list((tmp_path / ".models").iterdir()) == []


def test_the_time_ends_the_training_and_nothing_is_trained_twice(
    tiny: Path, tmp_path: Path
) -> None:
    told = tune(tiny, tmp_path, recipe=replace(RECIPE, epochs=1e6), minutes=0.08)
    assert told.stopped == "time"
    assert told.measured
    assert told.steps < 1e6


def test_the_best_weights_are_restored(tiny: Path) -> None:
    from embedkit.finetuning.network import Network

    texts, labels = questions(120)
    network = Network(str(tiny), "cpu")
    names = sorted(set(labels))
    targets = np.array([names.index(label) for label in labels])
    train = Part(network.tokenize(texts[:90]), targets[:90])
    stop = Part(network.tokenize(texts[90:]), targets[90:])
    # A rate this large destroys the weights sooner or later; the best ones came before.
    wild = replace(RECIPE, rate=0.3, warmup=0.9, patience=3, average=0.0)
    training = Training(network, train, network.embed(train.tokens), stop, wild, None)
    course = training.run(60.0, steps=120)
    best = course.measured[course.best or 0]
    assert best.accuracy == max(one.accuracy for one in course.measured)
    assert best.step < course.measured[-1].step
    prototypes = training._prototypes.detach().numpy()
    prototypes = prototypes / np.linalg.norm(prototypes, axis=1, keepdims=True)
    found = (network.embed(stop.tokens) @ prototypes.T).argmax(axis=1)
    assert (found == stop.targets).mean() == pytest.approx(best.accuracy)


def test_losses_fall(tiny: Path) -> None:
    from embedkit.finetuning.network import Network

    texts, labels = questions(120)
    network = Network(str(tiny), "cpu")
    targets = np.array([sorted(set(labels)).index(label) for label in labels])
    part = Part(network.tokenize(texts), targets)
    plain = replace(RECIPE, contrast=0.0)
    course = Training(network, part, network.embed(part.tokens), None, plain, None).run(
        60.0, steps=80
    )
    assert np.mean(course.losses[-10:]) < 0.6 * np.mean(course.losses[:10])


def test_what_lies_below_the_layers_does_not_learn(tiny: Path, tuned: FineTuned) -> None:
    from safetensors.numpy import load_file

    before = load_file(tiny / "model.safetensors")
    after = load_file(tuned.path / "model.safetensors")
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed
    assert all(name.startswith("encoder.layer.") for name in changed)


def test_a_name_that_is_taken_is_refused_unless_forced(tiny: Path, tmp_path: Path) -> None:
    quick = replace(RECIPE, epochs=0.5, members=0)
    old = tune(tiny, tmp_path, recipe=quick)
    with pytest.raises(InvalidInputError, match="already there"):
        tune(tiny, tmp_path)
    tune(tiny, tmp_path, recipe=replace(quick, seed=4), force=True)
    note = shelf.read_note(old.path)
    assert note is not None
    assert note["recipe"]["seed"] == 4
    assert [path.name for path in (tmp_path / ".models").iterdir()] == ["topics"]


def test_a_failure_while_saving_leaves_the_old_model_and_nothing_half_written(
    tuned: FineTuned, tmp_path: Path
) -> None:
    place = tmp_path / ".models" / "topics"
    shutil.copytree(tuned.path, place)

    def save(folder: str) -> None:
        (Path(folder) / "model.safetensors").write_bytes(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(StorageError, match="No space left"):
        shelf.store(place, save, {}, np.zeros(0, np.uint64))
    assert [path.name for path in place.parent.iterdir()] == ["topics"]
    assert shelf.read_note(place) == shelf.read_note(tuned.path)


@pytest.mark.parametrize("name", ["../x", "", ".hidden"])
def test_names_that_are_no_folder_are_refused(name: str, tmp_path: Path) -> None:
    texts, labels = questions(30)
    with pytest.raises(InvalidInputError, match="expected a model's name"):
        embedkit.finetune(texts, labels, name, home=tmp_path)


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    texts, labels = questions(30)
    with pytest.raises(WeightsError, match="cannot load"):
        embedkit.finetune(texts, labels, "x", model=str(tmp_path / "empty"), home=tmp_path)
    with pytest.raises(WeightsError, match="is not there"):
        embedkit.finetune(texts, labels, "x", model="./nowhere/at/all", home=tmp_path)


def test_without_the_extra_the_line_that_installs_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    texts, labels = questions(30)
    with pytest.raises(MissingDependencyError, match=r"pip install 'embedkit\[local\]'"):
        run.finetune(texts, labels, tmp_path / "x")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"minutes": 0}, "minutes > 0"), ({"batch": 2}, "at least 4"),
        ({"held_out": 0.9}, "held_out"), ({"masked": 1.0}, "masked"),
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_be_meant_is_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        replace(Recipe(), **changed)
