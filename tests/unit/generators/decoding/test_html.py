"""A decoding as HTML: everything is escaped and seen, and nothing comes from elsewhere."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from embedkit.generators.decoding.html import fragment, page
from embedkit.generators.decoding.steps import Law, step
from embedkit.generators.decoding.visible import visible
from embedkit.types import Decoding

HOSTILE = "<script>alert(1)</script>"
EVIL = [HOSTILE, '" onmouseover="x', "</style><img src=x onerror=y>", "\u202egnp", "\n", "&amp;"]


def decoding(texts: list[str], law: Law | None = None) -> Decoding:
    """One step whose likeliest token is the first text, drawn last."""
    law = law or Law(0.7, 3, 0.9)
    logits = -np.arange(len(texts), dtype=np.float64)
    one = step(logits, texts.__getitem__, len(texts) - 1, law, shown=len(texts))
    return Decoding(
        f"model {HOSTILE}", f"a prompt\n{HOSTILE}", texts[-1], f"stop{HOSTILE}",
        law.temperature, law.top_k, law.top_p, 3, (one,),
    )  # fmt: skip


class Parts(HTMLParser):
    """Collects what a page is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.text = ""
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parts(html: str) -> Parts:
    found = Parts()
    found.feed(html)
    found.close()
    assert found.open == []
    return found


def test_no_token_becomes_markup() -> None:
    found = parts(fragment(decoding(EVIL)))
    assert set(found.tags) == {"div", "style", "p", "b", "span", "bdi", "i", "s"}
    assert found.attributes == {"class", "style", "title"}
    assert found.text.count(HOSTILE) == 4, "in model, prompt, reason and choice"
    assert "\u202e" not in found.text
    assert "\\u202egnp" in found.text


def test_a_page_takes_nothing_from_elsewhere_and_runs_nothing() -> None:
    html = page(decoding(EVIL))
    found = parts(html)
    assert not {"script", "link", "img", "iframe"} & set(found.tags)
    assert not {"src", "href"} & found.attributes
    assert not any(name.startswith("on") for name in found.attributes)
    assert not re.search(r"url\(|@import|https?:", html)
    assert "Content-Security-Policy" in html
    assert html.startswith("<!doctype html>")


def test_it_tells_what_is_cut_and_what_was_drawn() -> None:
    html = fragment(decoding(["one", "two", "three", "four"], Law(1.0, 3, 0.8)))
    rows = re.findall(r'<div class="row (\w*)".*?<bdi class="token">(.*?)</bdi>.*?</div>', html)
    assert rows == [("", "one"), ("", "two"), ("cut", "<s>three</s>"), ("cut", "<s>four</s>")]
    assert "temperature 1, then top-k 3, then top-p 0.8; seed 3" in html
    assert "2 to draw from" in html


def test_a_notebook_shows_it() -> None:
    found = decoding(["one", "two"])
    assert found._repr_html_() == found.to_html() == fragment(found)


def test_a_step_shows_some_and_counts_the_others() -> None:
    html = fragment(decoding([str(number) for number in range(1, 3001)], Law()), rows=4)
    assert len(re.findall('<bdi class="token">', html)) == 5, "four, and the one that was drawn"
    assert "2,995 more" in html


def test_a_text_of_no_token_is_a_page() -> None:
    parts(page(Decoding("m", "p", "", "stop", 1.0, None, None, None, ())))


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        (" the", "␣the"),
        ("  ", "␣␣"),
        ("a b", "a b"),
        ("a  b", "a␣␣b"),
        ("\n\n", "\\n\\n"),
        ("\t", "\\t"),
        ("\\n", "\\\\n"),
        ("\x1b[31m", "\\x1b[31m"),
        ("\u202e", "\\u202e"),
        ("\u200b", "\\u200b"),
        ("\ud83d", "\\ud83d"),
        ("\u0301", "◌\u0301"),
        ("東京", "東京"),
        ("", "(nothing)"),
    ],
)
def test_all_of_a_token_is_seen(text: str, seen: str) -> None:
    assert visible(text) == seen
