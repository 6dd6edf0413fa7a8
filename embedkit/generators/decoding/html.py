"""A decoding as a part of a page: for notebooks, and as a page of its own.

No script, no address, no colour that supposes a light or a dark background.
"""

from __future__ import annotations

from html import escape

from embedkit.generators.decoding.visible import visible
from embedkit.types.decoding import Decoding, DecodingStep, TokenChoice

ROWS = 8
"""Choices of a step that are shown."""
_NAME = "embedkit-decoding"
_STYLE = """
.NAME{font:13px/1.45 system-ui,sans-serif;max-width:1200px}
.NAME .law,.NAME .key{opacity:.75;margin:.3em 0}
.NAME .text{font:14px/1.9 ui-monospace,Menlo,Consolas,monospace;margin:.6em 0;white-space:pre-wrap;
overflow-wrap:anywhere}
.NAME .prompt{opacity:.6}
.NAME .said{padding:2px 0;border-bottom:2px solid transparent}
.NAME .steps{display:grid;grid-template-columns:repeat(auto-fill,minmax(230px,1fr));gap:10px}
.NAME .step{border:1px solid rgba(128,128,128,.4);border-radius:6px;padding:5px 7px;min-width:0}
.NAME .row{position:relative;display:grid;grid-template-columns:minmax(0,1fr) 3.3em 3.3em;
gap:4px;align-items:center;font-size:12px;line-height:18px;font-variant-numeric:tabular-nums;
margin-top:1px;padding:0 3px}
.NAME .head{opacity:.75;padding-bottom:2px}
.NAME .token{font-family:ui-monospace,Menlo,Consolas,monospace;white-space:pre;text-align:left;
overflow:hidden;text-overflow:ellipsis}
.NAME .row i{position:absolute;left:0;border-radius:2px;pointer-events:none}
.NAME .row .left{top:0;bottom:2px;background:rgba(74,122,201,.28)}
.NAME .row .model{height:2px;bottom:0;background:rgba(128,128,128,.8)}
.NAME .row span,.NAME .row bdi{position:relative}
.NAME .num{text-align:right}
.NAME .drawn .token,.NAME .drawn .num{font-weight:700}
.NAME .drawn .left{background:rgba(38,150,70,.4)}
.NAME .drawn .token::before{content:"\\25B8"}
.NAME .cut s{text-decoration-color:rgba(128,128,128,.9)}
.NAME .cut .token,.NAME .cut .num,.NAME .others{opacity:.65}
""".replace("NAME", _NAME).strip()
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none';style-src 'unsafe-inline'">
<title>{title}</title>
<style>body{{margin:1.5em;background:Canvas;color:CanvasText}}</style>
</head>
<body>
{body}
</body>
</html>
"""


def page(found: Decoding) -> str:
    """Return a decoding as a whole page."""
    title = f"{visible(found.model_id)}: how each token was chosen"
    return _PAGE.format(title=escape(title), body=fragment(found))


def fragment(found: Decoding, rows: int = ROWS) -> str:
    """Return a decoding as a part of a page.

    Parameters
    ----------
    rows : int
        How many of the likeliest tokens a step shows, the drawn one besides.
    """
    steps = "\n".join(_step(number, step.fewer(rows)) for number, step in enumerate(found.steps, 1))
    return (
        f'<div class="{_NAME}">\n<style>{_STYLE}</style>\n'
        f'<p class="law">{_law(found)}</p>\n<p class="text">{_text(found)}</p>\n'
        f'<p class="key">{_KEY}</p>\n<div class="steps">\n{steps}\n</div>\n</div>'
    )


def _law(found: Decoding) -> str:
    told = [f"temperature {found.temperature:g}"]
    told += [f"top-k {found.top_k}"] if found.top_k else []
    told += [f"top-p {found.top_p:g}"] if found.top_p is not None and found.top_p < 1 else []
    seed = "" if found.seed is None else f"; seed {found.seed}"
    ended = f"; ended by {found.finish_reason}"
    return f"<b>{escape(visible(found.model_id))}</b>: {', then '.join(told)}{seed}{escape(ended)}"


_KEY = (
    "A line below a token is what the model gives it, the field behind it what it is drawn with. "
    "Struck tokens are cut away. In the text, a stronger line marks a less likely token."
)


def _text(found: Decoding) -> str:
    """Return the prompt and the tokens, each underlined the more, the less likely it was."""
    parts = [f'<span class="prompt">{_lines(found.prompt)}</span>']
    for number, step in enumerate(found.steps, 1):
        drawn = step.drawn
        surprise = f"rgba(214,93,14,{1 - drawn.probability:.2f})"
        told = f"{number}: the model gives it {drawn.probability:.4f}"
        parts.append(
            f'<bdi class="said" style="border-color:{surprise}" title="{told}">'
            f"{_lines(drawn.text)}</bdi>"
        )
    return "".join(parts)


def _lines(text: str) -> str:
    """Return a text with its line breaks; all else that cannot be seen is spelt."""
    return "\n".join(escape(visible(line, " ")) if line else "" for line in text.split("\n"))


def _step(number: int, step: DecodingStep) -> str:
    left = "" if step.left is None else f": {step.left:,} to draw from"
    head = (
        f'<div class="row head"><span><b>{number}</b>{left}</span>'
        '<span class="num">model</span><span class="num">drawn</span></div>'
    )
    rows = "\n".join(map(_row, step.choices))
    return f'<div class="step">{head}\n{rows}\n{_others(step)}</div>'


def _row(choice: TokenChoice) -> str:
    kind = "cut" if choice.cut else "drawn" if choice.drawn else ""
    seen = escape(visible(choice.text))
    return (
        f'<div class="row {kind}" title="{_told(choice)}">'
        f'<i class="left" style="width:{choice.left:.1%}"></i>'
        f'<i class="model" style="width:{choice.probability:.1%}"></i>'
        f'<bdi class="token">{f"<s>{seen}</s>" if choice.cut else seen}</bdi>'
        f'<span class="num">{_share(choice.probability)}</span>'
        f'<span class="num">{choice.cut or _share(choice.left)}</span></div>'
    )


def _others(step: DecodingStep) -> str:
    if not step.others:
        return ""
    return (
        f'<div class="row others"><span>{step.others:,} more</span>'
        f'<span class="num">{_share(step.others_probability)}</span>'
        f'<span class="num">{_share(step.others_left)}</span></div>'
    )


def _told(choice: TokenChoice) -> str:
    cut = f"cut by {choice.cut}" if choice.cut else f"drawn with {choice.left:.4f}"
    return (
        f"the model gives it {choice.probability:.4f}, "
        f"at the temperature {choice.tempered:.4f}; {cut}"
    )


def _share(number: float) -> str:
    """Return a probability; what is not nothing does not look like it."""
    if number == 0:
        return "–"
    return "&lt;.001" if number < 0.0005 else f"{number:.3f}"
