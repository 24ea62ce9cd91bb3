"""The report as one HTML file that works offline: no scripts, and no fonts, images or styles from elsewhere.

The HTML is in the Jinja2 templates next to this module, which are rendered with autoescape. Names, texts, notes and
every other string are therefore escaped; only the style sheet and the SVG that ecggen draws are marked safe. A content
security policy also forbids the browser to run scripts or to load anything. A verdict is given by a word and a shape,
never by colour alone. The ids of each drawing get a prefix of their own, so that they stay unique in the page.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ecggen.report.render.document import Report
from ecggen.report.render.gauge import gauge
from ecggen.report.scores import FAIL, NOT_MEASURED, PASS, WARN, Figure, Score, Section

CLASSES = {PASS: "pass", WARN: "warn", FAIL: "fail", NOT_MEASURED: "none"}
"""CSS class of each verdict."""
SHAPES = {
    PASS: Markup('<circle cx="8" cy="8" r="7.2"/><path class="in" d="M4.6 8.3l2.4 2.4 4.4-5"/>'),
    WARN: Markup('<path d="M8 .9L15.6 14.6H.4z"/><path class="in" d="M8 5.6v4.2m0 2v.5"/>'),
    FAIL: Markup(
        '<path d="M5 .8h6L15.2 5v6L11 15.2H5L.8 11V5z"/><path class="in" d="M5.4 5.4l5.2 5.2m0-5.2l-5.2 5.2"/>'
    ),
    NOT_MEASURED: Markup('<circle class="open" cx="8" cy="8" r="6.4"/><path class="bar" d="M5 8h6"/>'),
}
"""A circle with a tick, a triangle, an octagon with a cross, an open circle."""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
MEANINGS = {
    PASS: "no farther from the real records than they are from each other",
    WARN: "slightly farther",
    FAIL: "much farther, or unusable",
    NOT_MEASURED: "the reason is given with the score",
}
"""What each verdict means."""
COLUMNS = {
    "what": "score",
    "value": "value",
    "floor": "floor",
    "against": "value against floor",
    "n": "n",
    "verdict": "verdict",
}
"""CSS class and heading of each column of a table of scores."""
SETS = {"synthetic": "synthetic", "real": "real", "holdout": "held out", "truth": "true"}
"""Heading of each set in the summary."""
PIXELS_PER_POINT = 1.5
"""Width of a drawing in the page, so that the text of all drawings has the same size."""


@dataclass(frozen=True)
class Row:
    """An entry of the summary; ``mono`` sets it in a monospaced font."""

    name: str
    text: str
    mono: bool = False


@dataclass(frozen=True)
class Drawing:
    """The SVG of a figure with ids of its own, and its width in pixels; None where it states no width."""

    svg: Markup
    width: int | None


def page(report: Report) -> str:
    """The complete HTML file."""
    synthetic = report.sets["synthetic"] or {}
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8")
    return (
        environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            source=synthetic.get("source", ""),
            summary=summary(report),
            versions=", ".join(f"{name} {version}" for name, version in report.versions.items() if version),
            style=Markup(style),
        )
    )


def environment() -> Environment:
    """The templates with autoescape, and the filters and constants that they use."""
    made = Environment(
        loader=PackageLoader("ecggen.report.render", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "number": number,
        "definition": definition,
        "gauge": lambda score: Markup(gauge(score)),
        "drawing": drawing,
        "only_tracings": only_tracings,
    }
    made.globals |= {
        "classes": CLASSES,
        "shapes": SHAPES,
        "meanings": MEANINGS,
        "columns": COLUMNS,
        "policy": POLICY,
    }
    return made


def summary(report: Report) -> list[Row]:
    """Sets, date, seed, networks and version of a report."""
    rows = [Row(heading, _set(report.sets[name])) for name, heading in SETS.items() if report.sets.get(name)]
    rows += [Row("date", report.date), Row("seed", str(report.seed))]
    rows.append(Row("classifier", report.classifier or "none", mono=True))
    if report.ecg_text:
        rows.append(Row("ECG–text encoder", report.ecg_text, mono=True))
    version = f"ecggen {report.versions.get('ecggen', '')}".strip()
    commit = f", {report.commit}" if report.commit else ""
    return [*rows, Row("made by", f"{version}{commit} in {report.seconds:.0f} s")]


def _set(about: dict[str, Any] | None) -> str:
    assert about is not None
    valid = "" if about["n_valid"] == about["n"] else f" ({about['n_valid']:,} valid)"
    return f"{about['n']:,} records{valid}: {about['source']}"


def definition(score: Score) -> str:
    """The definition of a score and its network or detector, as sentences; "" where neither is stated."""
    parts = [score.definition, f"Measured by {score.extractor}" if score.extractor else ""]
    text = ". ".join(part[:1].upper() + part[1:].rstrip(".") for part in parts if part)
    return f"{text}." if text else ""


def number(value: float, share: bool = False) -> str:
    """A number to three significant digits, with a minus sign; shares as percentages.

    Example:
        >>> number(-0.12345), number(0.5, share=True)
        ('−0.123', '50 %')
    """
    text = f"{100 * value:.3g} %" if share else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return text.replace("-", "−").replace("e−0", "e−")


def only_tracings(section: Section) -> bool:
    """Whether every figure of a section is an ECG on paper; these are laid out side by side."""
    return all('class="tracing"' in figure.svg for figure in section.figures)


def drawing(figure: Figure, prefix: str) -> Drawing:
    """The drawing of a figure for the page; ``prefix`` makes its ids unique."""
    width = re.search(r'<svg[^>]*viewBox="[\d.-]+ [\d.-]+ ([\d.]+)', figure.svg)
    return Drawing(Markup(scoped(figure.svg, prefix)), round(PIXELS_PER_POINT * float(width[1])) if width else None)


def scoped(svg: str, prefix: str) -> str:
    """The ``<svg>`` element of a drawing, with ``prefix`` on its ids and on the references to them.

    Everything around the element, scripts, styles and links to other places are removed.
    """
    element = svg[svg.find("<svg") : svg.rfind("</svg>") + len("</svg>")]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r"<(script|style|foreignObject)\b.*?</\1>", "", element, flags=re.DOTALL | re.IGNORECASE)
    element = re.sub(r'(?:xlink:)?href="(?!#)[^"]*"', "", element)
    element = re.sub(r'(?<=\s)id="([^"]+)"', rf'id="{prefix}\1"', element)
    element = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}\1"', element)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}\1)", element)
