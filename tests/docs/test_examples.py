"""Every example runs from any folder and leaves nothing behind; the example data are sound."""

from __future__ import annotations

import ast
import csv
import json
import os
import subprocess
import sys
from collections import Counter
from datetime import date
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))


def run(
    arguments: list[str], folder: Path, environment: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        arguments,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_example_runs(script: Path, tmp_path: Path, environment: dict[str, str]) -> None:
    done = run([sys.executable, "-W", "error::DeprecationWarning:__main__", str(script)],
               tmp_path, environment)  # fmt: skip
    assert done.stdout.strip()
    assert not list(tmp_path.iterdir()), "an example leaves nothing in the folder it is run from"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_example_is_short_and_says_how_to_run_it(script: Path) -> None:
    source = script.read_text(encoding="utf-8")
    assert len(source.splitlines()) < 60
    assert f"python examples/{script.name}" in (ast.get_docstring(ast.parse(source)) or "")


def test_a_managed_model_is_used_with_a_key_and_the_local_one_without(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    script = [sys.executable, str(EXAMPLES / "cohere_or_local.py")]
    done = run(script, tmp_path, environment)
    assert "\ncohere:embed-v4.0 dimension=512\n" in done.stdout
    done = run(script, tmp_path, environment | {"CO_API_KEY": ""})
    assert "CO_API_KEY" in done.stdout
    assert "\nminilm" in done.stdout


@pytest.fixture(scope="module")
def with_trigrams(
    workspace: Path, tmp_path_factory: pytest.TempPathFactory, environment: dict[str, str]
) -> dict[str, str]:
    """Environment in which the package of ``examples/own_embedder`` is installed."""
    target = tmp_path_factory.mktemp("site-packages")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    offline = ["--no-index", "--no-deps", "--no-build-isolation", "--target", str(target)]
    run([*pip, *offline, str(workspace / "examples" / "own_embedder")], workspace, environment)
    path = os.pathsep.join([environment["PYTHONPATH"], str(target)])
    return environment | {"PYTHONPATH": path}


def test_own_embedder_is_found_by_name(tmp_path: Path, with_trigrams: dict[str, str]) -> None:
    code = "from embedkit import registry; print(registry.names('embedder'))"
    done = run([sys.executable, "-c", code], tmp_path, with_trigrams)
    assert "trigrams" in ast.literal_eval(done.stdout)


def test_own_embedder_fills_and_searches_a_collection(
    workspace: Path, tmp_path: Path, with_trigrams: dict[str, str]
) -> None:
    questions = str(workspace / "examples" / "questions.csv")
    command = [sys.executable, "-m", "embedkit_cli"]
    index = ["index", questions, "--embedder", "trigrams?dim=512", "--home", "home"]
    run([*command, *index], tmp_path, with_trigrams)
    search = ["search", "forgoten pasword", "--home", "home", "-k", "2", "--json"]
    found = json.loads(run([*command, *search], tmp_path, with_trigrams).stdout)
    assert any("password" in hit["text"] for hit in found)


def test_own_embedder_passes_the_public_checks(
    tmp_path: Path, with_trigrams: dict[str, str]
) -> None:
    code = (
        "import embedkit, numpy as np\n"
        "trigrams = embedkit.embedder('trigrams?dim=64')\n"
        "vectors = trigrams.embed(['Straße', 'street', ''], input_type='query')\n"
        "assert vectors.shape == (3, 64) and vectors.dtype == np.float32\n"
        "assert np.allclose(np.linalg.norm(vectors[:2], axis=1), 1)\n"
        "assert trigrams.embed([]).shape == (0, 64)\n"
    )
    run([sys.executable, "-c", code], tmp_path, with_trigrams)


def read_questions() -> list[dict[str, str]]:
    with (EXAMPLES / "questions.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, strict=True))


def test_questions_are_sound() -> None:
    rows = read_questions()
    assert len(rows) >= 400
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({row["question"].casefold() for row in rows}) == len(rows)
    for row in rows:
        assert None not in row
        assert all(row.values())
        date.fromisoformat(row["asked"])
        assert int(row["votes"]) >= 0
        assert row["answered"] in ("true", "false")
        assert float(row["reading_time"]) > 0


def test_questions_are_varied() -> None:
    rows = read_questions()
    assert len({row["topic"] for row in rows}) >= 8
    assert Counter(row["lang"] for row in rows).keys() == {"en", "es", "de", "fr"}
    texts = [row["question"] for row in rows]
    for awkward in (",", '"', "é", "ß", "\n"):
        assert any(awkward in text for text in texts), f"no question with {awkward!r}"


def test_queries_and_judgements_fit_the_questions() -> None:
    with (EXAMPLES / "queries.csv").open(newline="", encoding="utf-8") as file:
        queries = list(csv.DictReader(file, strict=True))
    with (EXAMPLES / "qrels.csv").open(newline="", encoding="utf-8") as file:
        judgements = list(csv.DictReader(file, strict=True))
    assert len(queries) >= 40
    ids = {row["id"] for row in queries}
    assert len(ids) == len(queries)
    assert {row["query_id"] for row in judgements if row["relevance"] == "2"} == ids
    questions = {row["id"]: row["question"].casefold() for row in read_questions()}
    pairs = {(row["query_id"], row["doc_id"]) for row in judgements}
    assert len(pairs) == len(judgements)
    assert {row["relevance"] for row in judgements} == {"1", "2"}
    for row in judgements:
        assert row["doc_id"] in questions
    for row in queries:
        assert row["text"].casefold() not in questions.values(), "a query is no copy"


def test_the_first_query_has_answers_without_its_words() -> None:
    answers = [row["question"].lower() for row in read_questions() if row["lang"] == "en"]
    refunds = [text for text in answers if "refund" in text or "reimburse" in text]
    assert sum("money" not in text and "back" not in text for text in refunds) >= 4
