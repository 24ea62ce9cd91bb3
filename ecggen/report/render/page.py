"""The report as one HTML file that needs nothing else: no script, no font, no picture from anywhere.

Every word of a file — names, texts, reasons — is escaped, and a content security policy forbids the browser to run
or to fetch anything, so that a hostile record name stays a word. Verdicts are told by word and shape, never by colour
alone. The drawings keep their ids to themselves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

from ecggen.report.render.document import Report
from ecggen.report.render.gauge import gauge
from ecggen.report.scores import FAIL, NOT_MEASURED, PASS, WARN, Figure, Score, Section, Table

CLASSES = {PASS: "pass", WARN: "warn", FAIL: "fail", NOT_MEASURED: "none"}
SHAPES = {
    PASS: '<circle cx="8" cy="8" r="7.2"/><path class="in" d="M4.6 8.3l2.4 2.4 4.4-5"/>',
    WARN: '<path d="M8 .9L15.6 14.6H.4z"/><path class="in" d="M8 5.6v4.2m0 2v.5"/>',
    FAIL: '<path d="M5 .8h6L15.2 5v6L11 15.2H5L.8 11V5z"/><path class="in" d="M5.4 5.4l5.2 5.2m0-5.2l-5.2 5.2"/>',
    NOT_MEASURED: '<circle class="open" cx="8" cy="8" r="6.4"/><path class="bar" d="M5 8h6"/>',
}
"""A circle with a tick, a triangle, an octagon with a cross, an open circle."""
INNER = ".chip svg .in{stroke:var(--bed);stroke-width:1.8;fill:none;stroke-linecap:round;stroke-linejoin:round}" + (
    ".chip svg{fill:currentColor}.chip svg .open{fill:none;stroke:currentColor;stroke-width:1.5;stroke-dasharray:3 2}"
    ".chip svg .bar{stroke:currentColor;stroke-width:1.8}"
)
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
MEANING = {
    PASS: "no farther from the real records than they are from each other",
    WARN: "somewhat farther",
    FAIL: "much farther, or not to be used",
    NOT_MEASURED: "the reason stands beside it",
}
HEAD = ("score", "value", "floor", "beside the floor", "n", "verdict")
PIXELS = 1.5
"""Of the page to a point of a drawing: the words of all drawings are of one size."""
COLUMNS = ("what", "value", "floor", "beside", "n", "verdict")


def page(report: Report) -> str:
    """The whole file."""
    names = report.sets
    synthetic = names["synthetic"] or {}
    title = f"Quality report: {synthetic.get('source', '')}"
    style = Path(__file__).with_name("style.css").read_text(encoding="utf-8") + INNER
    sections = "".join(_section(section, number) for number, section in enumerate(report.sections, 1))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer"><meta name="color-scheme" content="light dark">'
        f'<title>{escape(title)}</title><link rel="icon" href="data:,"><style>{style}</style></head>\n'
        f'<body><main id="top">{_summary(report)}{sections}{_footer(report)}</main></body></html>\n'
    )


def _summary(report: Report) -> str:
    """Title, facts and the verdicts at a glance."""
    facts = "".join(f"<div><dt>{escape(name)}</dt><dd>{value}</dd></div>" for name, value in _facts(report).items())
    tiles = "".join(_tile(section, number) for number, section in enumerate(report.sections, 1))
    key = "".join(f"<li>{chip(verdict)} {escape(words)}</li>" for verdict, words in MEANING.items())
    source = (report.sets["synthetic"] or {}).get("source", "")
    return (
        '<header><div class="stamp">SYNTHETIC ECGs — NOT FOR DIAGNOSIS</div>'
        f"<h1>Quality report</h1><p class='lead'>{escape(str(source))}: how far are these electrocardiograms from real "
        f"ones? {escape(report.summary)}</p><dl class='facts'>{facts}</dl></header>"
        f"<nav aria-label='Verdicts'><ul class='key'>{key}</ul><ol class='tiles'>{tiles}</ol></nav>"
    )


def _facts(report: Report) -> dict[str, str]:
    """What must be known before the first number, as HTML."""
    facts = {}
    for name, words in (("synthetic", "synthetic"), ("real", "real"), ("holdout", "held out"), ("truth", "truths")):
        one = report.sets.get(name)
        if one is not None:
            valid = "" if one["n_valid"] == one["n"] else f" ({one['n_valid']:,} valid)"
            facts[words] = escape(f"{one['n']:,} records{valid}: {one['source']}")
    facts["date"] = escape(report.date)
    facts["seed"] = escape(str(report.seed))
    facts["classifier"] = f"<span class='mono'>{escape(report.classifier or 'none')}</span>"
    if report.ecg_text:
        facts["text judge"] = f"<span class='mono'>{escape(report.ecg_text)}</span>"
    version = f"ecggen {report.versions.get('ecggen', '')}".strip()
    facts["made by"] = escape(f"{version}{f', {report.commit}' if report.commit else ''} in {report.seconds:.0f} s")
    return facts


def _tile(section: Section, number: int) -> str:
    kind = CLASSES[section.verdict]
    name = f"<b><span class='number'>{number}</span>{escape(section.title)}</b>"
    return f"<li><a class='{kind}' href='#{escape(section.key)}'>{name}{chip(section.verdict)}</a></li>"


def chip(verdict: str) -> str:
    """A verdict as a shape and a word."""
    mark = f"<svg viewBox='0 0 16 16' aria-hidden='true'>{SHAPES[verdict]}</svg>"
    return f"<span class='chip {CLASSES[verdict]}'>{mark}{escape(verdict)}</span>"


def _section(section: Section, number: int) -> str:
    kind, title = CLASSES[section.verdict], escape(section.title)
    parts = [
        f"<div class='top'><h2><span class='number'>{number}</span>{title}</h2>{chip(section.verdict)}</div>",
        f"<p class='question'>{escape(section.question)}</p>",
        f"<p class='headline'>{escape(section.headline)}</p>" if section.headline else "",
        _scores(section.scores),
        _figures(section.figures, section.key),
        *(_table(table) for table in section.tables),
        _notes(section.notes),
    ]
    back = "<p class='back'><a href='#top'>back to the verdicts</a></p>"
    return f"\n<section class='{kind}' id='{escape(section.key)}'>{''.join(parts)}{back}</section>"


def _scores(scores: Sequence[Score]) -> str:
    if not scores:
        return ""
    columns = "".join(f"<col class='{name}'>" for name in COLUMNS)
    head = "".join(f"<th scope='col'>{name}</th>" for name in HEAD)
    rows = "".join(map(_score, scores))
    above = f"<colgroup>{columns}</colgroup><thead><tr>{head}</tr></thead>"
    return _scrolled(f"<table class='scores'>{above}{rows}</table>", "Scores")


def _score(score: Score) -> str:
    """A score's row, and below it a row that opens to tell what it is."""
    note = f"<span class='small'>{escape(score.note)}</span>" if score.note else ""
    aside = "" if score.counts else "<span class='small'>does not count for the verdict</span>"
    cells = (
        f"<th scope='row'>{escape(score.name)}{note}{aside}</th>",
        f"<td class='value'>{_value(score)}</td>",
        f"<td class='floor' data-head='floor'>{_floor(score)}</td>",
        f"<td class='beside'>{gauge(score)}</td>",
        f"<td class='n' data-head='n'>{_counts(score)}</td>",
        f"<td class='verdict'>{chip(score.verdict)}</td>",
    )
    return f"<tbody{'' if score.counts else ' class=aside'}><tr>{''.join(cells)}</tr>{_about(score)}</tbody>"


def _about(score: Score) -> str:
    """Definition and detector, closed until they are asked for."""
    said = [score.definition, f"Found by {score.extractor}" if score.extractor else ""]
    text = ". ".join(part[:1].upper() + part[1:].rstrip(".") for part in said if part)
    if not text:
        return ""
    details = f"<details><summary>definition</summary><p>{escape(text)}.</p></details>"
    return f"<tr class='about'><td colspan='6'>{details}</td></tr>"


def _value(score: Score) -> str:
    if score.value is None:
        return "<span class='soft'>—</span>"
    share = score.unit == "share"
    unit = "" if share or not score.unit else f" {escape(score.unit)}"
    shown = f"<b>{number(score.value, share)}</b>{unit}"
    if score.interval is None:
        return shown
    low, high = (number(end, share) for end in score.interval)
    return f"{shown}<span class='small'>95 %: {low.removesuffix(' %')} to {high}</span>"


def _floor(score: Score) -> str:
    if score.floor is None:
        return "<span class='soft'>—</span>"
    share = score.unit == "share"
    ends = (("below", score.floor_high), ("above", score.floor_low))
    small = "".join(
        f"<span class='small'>95 % {word} {number(end, share)}</span>" for word, end in ends if end is not None
    )
    return f"{number(score.floor, share)}{small}"


def _counts(score: Score) -> str:
    if not (score.n_synthetic or score.n_real):
        return "<span class='soft'>—</span>"
    real = f"<span class='small'>real {score.n_real:,}</span>" if score.n_real else ""
    return f"{score.n_synthetic:,}{real}"


def number(value: float, share: bool = False) -> str:
    """A number to three digits; shares as percentages; a true minus."""
    text = f"{100 * value:.3g} %" if share else f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return escape(text.replace("-", "−").replace("e−0", "e−"))


def _figures(figures: Sequence[Figure], key: str) -> str:
    if not figures:
        return ""
    drawn = " drawn" if all('class="tracing"' in figure.svg for figure in figures) else ""
    parts = [_figure(figure, f"{key}-{at}-") for at, figure in enumerate(figures)]
    return f"<div class='figures{drawn}'>{''.join(parts)}</div>"


def _figure(figure: Figure, prefix: str) -> str:
    title = f"<b>{escape(figure.title)}.</b> " if figure.title else ""
    caption = f"<figcaption>{title}{escape(figure.caption)}</figcaption>"
    wide = re.search(r'<svg[^>]*viewBox="[\d.-]+ [\d.-]+ ([\d.]+)', figure.svg)
    width = f" style='--w:{PIXELS * float(wide[1]):.0f}px'" if wide else ""
    return f"<figure{width}>{_scrolled(scoped(figure.svg, prefix), figure.title)}{caption}</figure>"


def scoped(svg: str, prefix: str) -> str:
    """The ``<svg>`` element of a drawing, its ids and what refers to them with a prefix of their own.

    What an editor's file has around it, and links to anywhere else, are left out.
    """
    element = svg[svg.find("<svg") : svg.rfind("</svg>") + len("</svg>")]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r"<(script|style|foreignObject)\b.*?</\1>", "", element, flags=re.DOTALL | re.IGNORECASE)
    element = re.sub(r'(?:xlink:)?href="(?!#)[^"]*"', "", element)
    element = re.sub(r'(?<=\s)id="([^"]+)"', rf'id="{prefix}\1"', element)
    element = re.sub(r'href="#([^"]+)"', rf'href="#{prefix}\1"', element)
    return re.sub(r"url\(#([^)]+)\)", rf"url(#{prefix}\1)", element)


def _table(table: Table) -> str:
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in table.head)
    rows = "".join(f"<tr>{''.join(f'<td>{escape(str(cell))}</td>' for cell in row)}</tr>" for row in table.rows)
    head = f"<thead><tr>{head}</tr></thead>" if any(table.head) else ""
    title = f"<h3>{escape(table.title)}</h3>" if table.title else ""
    return title + _scrolled(f"<table class='words'>{head}<tbody>{rows}</tbody></table>", table.title)


def _scrolled(inner: str, label: str) -> str:
    """What may be wider than a phone, in a box that scrolls by itself and that the keyboard reaches."""
    return f"<div class='scroll' tabindex='0' role='region' aria-label='{escape(label or 'table')}'>{inner}</div>"


def _notes(notes: Sequence[str]) -> str:
    return f"<ul class='notes'>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>" if notes else ""


def _footer(report: Report) -> str:
    used = ", ".join(f"{name} {version}" for name, version in report.versions.items() if version)
    return (
        "<footer><p>A floor is the same score between two halves of the real records, patient by patient, at the same "
        "n: no generator can be asked to do better than reality does against itself. All numbers stand in the JSON "
        f"file beside this one.</p><p class='mono'>{escape(used)}</p></footer>"
    )
