from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embedkit import registry
from embedkit.errors import InvalidInputError, MissingDependencyError, UnknownBackendError
from embedkit.registry import ROWS, Row, Spec

ROOT = Path(__file__).parents[2]
WORD = st.text(st.characters(categories=["L", "N"], include_characters="-_./ "), min_size=1).filter(
    lambda word: word == word.strip()
)
SPECS = st.builds(
    Spec,
    WORD,
    st.none() | st.text(st.characters(categories=["L", "N"], include_characters="-_./:@")),
    st.dictionaries(
        WORD,
        st.text(
            st.characters(
                categories=["L", "N", "P"], include_characters=" ", exclude_characters="&"
            )
        ),
    ),
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(SPECS)
def test_specs_read_back(spec: Spec) -> None:
    assert Spec.parse(str(spec)) == spec


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("minilm", Spec("minilm")),
        ("minilm:int8", Spec("minilm", "int8")),
        ("annoy?n_trees=50", Spec("annoy", None, {"n_trees": "50"})),
        ("cohere:embed-v4.0?dimension=512", Spec("cohere", "embed-v4.0", {"dimension": "512"})),
        (
            "sentence-transformers:BAAI/bge-small-en-v1.5",
            Spec("sentence-transformers", "BAAI/bge-small-en-v1.5"),
        ),
        ("x:", Spec("x", "")),
        ("x?", Spec("x")),
        ("x?a=1&b=2&a=3", Spec("x", None, {"a": "3", "b": "2"})),
        ("x?a=b=c", Spec("x", None, {"a": "b=c"})),
        (" flat ", Spec("flat")),
        (" x?a= b ", Spec("x", None, {"a": " b "})),
    ],
)
def test_parse(text: str, spec: Spec) -> None:
    assert Spec.parse(text) == spec


@pytest.mark.parametrize("text", ["", "  ", ":int8", "?a=1", "x?a", "x?=1", "x?a=1&b"])
def test_parse_refuses(text: str) -> None:
    with pytest.raises(InvalidInputError, match="expected"):
        Spec.parse(text)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.family}-{row.name}")
def test_every_row_leads_somewhere(row: Row) -> None:
    assert row.summary
    assert len(row.summary) <= 80
    if not {"torch", "pynndescent"} & set(row.requires):
        assert callable(registry.resolve(row.family, row.name))
    assert row.install.startswith("pip install ")


def test_names_are_unique_in_a_family() -> None:
    for family in registry.GROUPS:
        listed = [row.name for row in registry.rows(family)]
        assert len(listed) == len(set(listed))
        assert registry.names(family)[: len(listed)] == listed


@pytest.mark.parametrize(
    ("family", "name", "offered"),
    [
        ("embedder", "minlm", "did you mean 'minilm'?"),
        ("index", "fat", "did you mean 'flat'?"),
        ("index", "zzz", "there are: auto, flat"),
        ("source", "json", "did you mean 'jsonl'?"),
    ],
)
def test_unknown_names_offer_the_nearest(family: registry.Family, name: str, offered: str) -> None:
    with pytest.raises(UnknownBackendError) as caught:
        registry.create(family, name)
    assert offered in str(caught.value)
    assert repr(name) in str(caught.value)
    assert isinstance(caught.value, LookupError)


class Sample:
    """A backend with an option of each kind."""

    def __init__(
        self,
        argument: str = "none",
        *,
        count: int = 1,
        share: float = 0.5,
        flag: bool = False,
        maybe: int | None = None,
        either: int | str = 0,
        kind: str = "x",
    ) -> None:
        self.argument = argument
        self.options = (count, share, flag, maybe, either, kind)


@pytest.fixture
def sample(monkeypatch: pytest.MonkeyPatch) -> None:
    row = Row("index", "sample", f"{__name__}:Sample", "for this test")
    monkeypatch.setattr(registry, "ROWS", (*ROWS, row))
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or _this_module())


def _this_module() -> object:
    from types import SimpleNamespace

    return SimpleNamespace(Sample=Sample)


@pytest.mark.usefixtures("sample")
def test_options_become_what_the_constructor_says() -> None:
    made = registry.create(
        "index", "sample:arg?count=3&share=2&flag=yes&maybe=none&either=word&kind=7"
    )
    assert made.argument == "arg"
    assert made.options == (3, 2.0, True, None, "word", "7")
    assert registry.create("index", "sample?maybe=4&either=5").options[3:5] == (4, 5)
    assert registry.create("index", "sample:from-spec", "given").argument == "given"
    assert registry.create("index", Spec("sample", "x")).argument == "x"


@pytest.mark.usefixtures("sample")
@pytest.mark.parametrize(
    ("spec", "part"),
    [
        ("sample?count=many", "a whole number for count, got 'many'"),
        ("sample?count=1.5", "a whole number for count, got '1.5'"),
        ("sample?share=x", "a number for share"),
        ("sample?flag=maybe", "true or false for flag"),
        ("sample?maybe=x", "for maybe, got 'x'"),
        ("sample?counts=1", "did you mean 'count'?"),
        ("sample?zzz=1", "there are: count"),
        ("auto:x", "nothing after a colon"),
    ],
)
def test_options_that_cannot_be_meant(spec: str, part: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        registry.create("index", spec)
    assert part in str(caught.value)


@pytest.mark.parametrize(
    ("module", "family", "name", "line"),
    [
        ("annoy", "index", "annoy", "pip install 'embedkit[annoy]'"),
        ("turbovec", "index", "turbovec", "pip install embedkit"),
        ("ctranslate2", "embedder", "minilm", "pip install embedkit"),
        (
            "sentence_transformers",
            "embedder",
            "sentence-transformers",
            "pip install 'embedkit[local]'",
        ),
    ],
)
def test_a_missing_library_names_the_line_that_installs_it(
    module: str, family: str, name: str, line: str
) -> None:
    code = f"""
import sys
sys.modules[{module!r}] = None
from embedkit import registry
from embedkit.errors import MissingDependencyError
try:
    registry.resolve({family!r}, {name!r})
except MissingDependencyError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f"needs {module}, which is not installed; run: {line}" in done.stdout


def test_other_failures_of_an_import_pass_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "needs_what_nobody_named.py").write_text("import surely_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    row = Row("index", "odd", "needs_what_nobody_named:X", "for this test", ("numpy",))
    monkeypatch.setattr(registry, "ROWS", (row,))
    with pytest.raises(ModuleNotFoundError) as caught:
        registry.resolve("index", "odd")
    assert not isinstance(caught.value, MissingDependencyError)
    assert caught.value.name == "surely_not_there"


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of somebody else's, installed."""
    (tmp_path / "somebody.py").write_text(
        "class Theirs:\n"
        "    def __init__(self, *, size: int = 1) -> None:\n"
        "        self.size = size\n"
    )
    folder = tmp_path / "somebody-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: somebody\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text(
        "[embedkit.embedders]\ntheirs = somebody:Theirs\nminilm = somebody:Theirs\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("outside")
def test_backends_from_outside() -> None:
    assert "theirs" in registry.names("embedder")
    assert registry.create("embedder", "theirs?size=3").size == 3
    assert "theirs" not in registry.names("index")
    with pytest.raises(InvalidInputError, match="did you mean 'size'"):
        registry.create("embedder", "theirs?sise=3")
    with pytest.raises(UnknownBackendError, match="did you mean 'theirs'"):
        registry.create("embedder", "their")


@pytest.mark.usefixtures("outside")
def test_what_is_built_in_cannot_be_replaced_from_outside() -> None:
    assert registry.resolve("embedder", "minilm").__module__ == "embedkit.embedders.minilm"
    assert registry.names("embedder").count("minilm") == 1
