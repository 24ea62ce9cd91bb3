"""The page of the report: text is escaped, nothing is loaded from elsewhere, and the JSON has a stable format."""

import json
import math
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from functools import lru_cache
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
import torch
from browser import CHROMIUM, opened

from ecggen.core.ecg import ECG, STANDARD_LEADS
from ecggen.core.simulate import simulate
from ecggen.report.render import figures
from ecggen.report.render.document import FORMAT, Report, plain, versions
from ecggen.report.render.ecg_svg import LEFT, SPEED, tracing
from ecggen.report.render.gauge import gauge
from ecggen.report.render.page import environment, number, page, scoped
from ecggen.report.scores import FAIL, PASS, SEVERITY, WARN, Figure, Score, Section, Table, not_measured

TEMPLATES = {"report.html.j2", "section.html.j2", "parts.html.j2"}
HOSTILE = "<script>alert(1)</script><img src=http://evil.example/x.png onerror=alert(2)>\"'&"
SVG = (
    '<?xml version="1.0"?><!DOCTYPE svg><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 100"><metadata>'
    '<a href="http://purl.org/x"/></metadata><style>*{color:red}</style><defs><path id="a" d="M0 0h9"/></defs>'
    '<use href="#a"/><rect clip-path="url(#a)" width="9" height="9"/><a href="http://evil.example">x</a></svg>'
)


def score(verdict=PASS, **about):
    default = {"interval": (0.1, 0.3), "floor": 0.1, "floor_high": 0.15, "n_synthetic": 200, "n_real": 200}
    return Score(HOSTILE, 0.2, "mV", verdict=verdict, definition=HOSTILE, extractor=HOSTILE, **default | about)


def report(text=HOSTILE):
    sections = [
        Section(
            verdict.replace(" ", "-"),
            text,
            text,
            text,
            [score(verdict, note=text), not_measured(text, text), score(FAIL, counts=False)],
            [
                Figure(text, SVG, text),
                Figure(text, curves(text), text),
                Figure(text, tracing(simulate(1), 0, text, label=text), text),
            ],
            [Table(text, [text, text], [[text, text]])],
            [text],
        )
        for verdict in SEVERITY
    ]
    about = {
        "source": text, "n": 200, "n_valid": 199, "patients": 200, "rate_hz": 100.0, "seconds": 10.0,
        "leads": list(STANDARD_LEADS), "left_out": {text: text}, "changed": [text], "provenance": {text: 3},
    }  # fmt: skip
    sets = {"synthetic": about, "real": about, "holdout": None, "truth": None}
    return Report(sections, sets, 7, text, text, "2025-01-01", text, 12.34, versions())


@lru_cache
def curves(text):
    values = np.linspace(0, 1, 60)
    return figures.distributions({text: (values, values**2)}, {text: 0.1}, text)


class Elements(HTMLParser):
    """All elements with their attributes; an element that is closed out of order fails."""

    VOID = ("meta", "link", "br", "img", "col", "hr", "input")

    def __init__(self, text):
        super().__init__()
        self.found, self.open = [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes something else"


def test_hostile_text_never_becomes_markup():
    elements = Elements(page(report()))
    assert elements.open == []
    assert {tag for tag, _ in elements.found}.isdisjoint({"script", "img", "iframe", "object", "embed", "form", "base"})
    assert not [name for _, attrs in elements.found for name in attrs if name.startswith("on")]


def test_every_template_is_rendered_with_autoescape():
    """A hostile string in every field that a user controls, in each template and each macro that takes a string."""
    made = environment()
    assert made.autoescape is True and set(made.list_templates()) == TEMPLATES
    parts: Any = made.get_template("parts.html.j2").module
    hostile = replace(score(note=HOSTILE), unit=HOSTILE)
    rendered = {
        "score": parts.score_rows(hostile),
        "value": parts.value(hostile),
        "section": made.get_template("section.html.j2").render(section=report().sections[0], number=1),
        "page": page(replace(report(), date=HOSTILE, versions={HOSTILE: HOSTILE})),
    }
    for name, text in rendered.items():
        found = Elements(str(text)).found
        assert {tag for tag, _ in found}.isdisjoint({"script", "img"}) and "&lt;script&gt;" in text, name
        assert not [attribute for _, attrs in found for attribute in attrs if attribute.startswith("on")], name


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_no_template_turns_autoescape_off_or_marks_a_string_safe(name):
    made = environment()
    source = made.loader.get_source(made, name)[0]  # type: ignore[union-attr]
    assert not re.search(r"\|\s*safe|Markup|autoescape false", source)


def test_nothing_is_loaded_from_elsewhere():
    text = page(report())
    targets = [
        value
        for _, attrs in Elements(text).found
        for name, value in attrs.items()
        if name in ("src", "href", "xlink:href", "action", "data", "srcset", "poster")
    ]
    assert targets and all(target.startswith("#") or target == "data:," for target in targets)
    assert "@import" not in text and not re.search(r"url\((?!#)", text)
    policy = next(a["content"] for _, a in Elements(text).found if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'") and "script-src" not in policy


def test_ids_are_unique_and_links_have_a_target():
    found = Elements(page(report("plain text"))).found
    ids = [attrs["id"] for _, attrs in found if "id" in attrs]
    assert len(ids) == len(set(ids))
    assert {attrs["href"][1:] for _, attrs in found if attrs.get("href", "").startswith("#")} <= set(ids)


def test_ids_of_a_drawing_get_a_prefix():
    mine = scoped(SVG, "one-")
    assert mine.startswith("<svg") and mine.endswith("</svg>")
    assert 'id="one-a"' in mine and 'href="#one-a"' in mine and "url(#one-a)" in mine
    assert "metadata" not in mine and "<style" not in mine and "evil" not in mine


@pytest.mark.parametrize("verdict", SEVERITY)
def test_a_verdict_has_a_word_and_a_shape(verdict):
    text = page(report("plain text"))
    shapes = {re.search(r"<svg.*?</svg>", chip)[0] for chip in re.findall(r'<span class="chip.*?</span>', text)}  # type: ignore[index]
    assert len(shapes) == len(SEVERITY)
    assert text.count(f"</svg>{verdict}</span>") >= 2


def test_the_summary_counts_the_verdicts():
    assert report().summary == "Of 4 sections: 1 fail, 1 warn, 1 pass, 1 not measured."
    one = Report([Section("a", "A", "?", scores=[score(WARN)]), Section("b", "B", "?")], {"synthetic": None}, 0)
    assert one.summary == "Of 2 sections: 1 warn, 1 not measured." and one.verdict == WARN


@pytest.mark.parametrize(
    ("value", "share", "text"),
    [
        (0.12345, False, "0.123"),
        (-0.5, False, "−0.5"),
        (0.5, True, "50 %"),
        (12345.6, False, "12,346"),
        (0, True, "0 %"),
    ],
)
def test_numbers_have_three_digits(value, share, text):
    assert number(value, share) == text


def test_a_gauge_shows_the_value_against_the_floor():
    def dot_and_range(one):
        drawn = ElementTree.fromstring(gauge(one))
        rect = next(part for part in drawn if part.tag == "rect")
        dot = next(part for part in drawn if part.tag == "circle")
        return float(dot.get("cx")), float(rect.get("x")), float(rect.get("x")) + float(rect.get("width"))

    dot, _, end = dot_and_range(Score("far", 0.9, floor=0.1, floor_high=0.2))
    assert dot > end
    dot, start, end = dot_and_range(Score("near", 0.15, floor=0.1, floor_high=0.2))
    assert start < dot < end
    dot, start, _ = dot_and_range(Score("too little", 0.2, floor=0.8, floor_low=0.7))
    assert dot < start
    assert gauge(Score("no floor", 0.9)) == "" and gauge(Score("none", None, floor=1.0)) == ""


SCHEMA = {
    "format": int, "verdict": str, "verdicts": dict, "date": str, "seconds": float, "seed": int, "commit": str,
    "versions": dict, "classifier": (str, type(None)), "ecg_text": (str, type(None)), "sets": dict, "sections": dict,
}  # fmt: skip
SECTION = {
    "key": str, "title": str, "question": str, "headline": str, "scores": list, "figures": list, "tables": list,
    "notes": list, "verdict": str,
}  # fmt: skip
NUMBERS = ("value", "floor", "floor_low", "floor_high")


def test_the_json_has_a_stable_format():
    about = json.loads(json.dumps(report().as_json(), allow_nan=False))
    assert {name: type(value) for name, value in about.items()}.keys() == SCHEMA.keys()
    assert all(isinstance(about[name], kind) for name, kind in SCHEMA.items())
    assert about["format"] == FORMAT and about["seed"] == 7 and about["verdict"] == FAIL
    assert set(about["sets"]) == {"synthetic", "real", "holdout", "truth"}
    for key, section in about["sections"].items():
        assert section.keys() == SECTION.keys() and section["key"] == key
        assert all(isinstance(section[name], kind) for name, kind in SECTION.items())
        assert about["verdicts"][key] == section["verdict"] in SEVERITY
        for one in section["scores"]:
            assert all(one[name] is None or isinstance(one[name], float) for name in NUMBERS)
            assert {"name", "unit", "interval", "n_synthetic", "n_real", "definition", "extractor", "verdict"} <= set(
                one
            )


def test_nan_and_infinity_become_null():
    value = {"a": (np.float32(1.5), math.nan, np.int64(3)), 2: [math.inf, np.bool_(True), None, "x"]}
    assert plain(value) == {"a": [1.5, None, 3], "2": [None, True, None, "x"]}


def test_versions_are_stated():
    assert versions()["numpy"] == np.__version__ and versions()["ecggen"]


# --- tracings


def ink(svg, number=0):
    """(point, 2) in mm of one trace: x from the left edge, y upwards from the row's 0 mV."""
    drawn = ElementTree.fromstring(svg)
    paths = [part for part in drawn.iter("{http://www.w3.org/2000/svg}path") if part.get("transform")]
    first, steps = re.match(r"M([\d -]+?)l(.*)", paths[number].get("d")).groups()  # type: ignore[union-attr]
    numbers = [int(text) for text in re.findall(r"-?\d+", first + " " + steps.replace("-", " -"))]
    return np.cumsum(np.array(numbers).reshape(-1, 2), 0) / 100


def test_a_tracing_follows_the_waveform():
    fs, seconds = 100, 10
    time = np.arange(fs * seconds) / fs
    wave = 0.8 * np.sin(2 * np.pi * 3 * time)
    points = ink(tracing(ECG(torch.tensor(wave[None], dtype=torch.float32), ("I",), fs)))
    middle = (points[:, 0] > LEFT + 50) & (points[:, 0] < LEFT + 200)
    x, y = points[middle].T
    expected = 10 * 0.8 * np.sin(2 * np.pi * 3 * (x - LEFT) / SPEED)
    assert np.ptp(y) == pytest.approx(16, rel=0.02)
    assert np.corrcoef(-y, expected)[0, 1] > 0.999


@pytest.mark.parametrize("leads", [("II",), ("I", "II", "V2"), STANDARD_LEADS])
def test_a_tracing_is_small_well_formed_xml(leads):
    svg = tracing(simulate(1, fs=500).pick(*leads), 0, HOSTILE, label=HOSTILE)
    drawn = ElementTree.fromstring(svg)
    assert len(svg) < 40_000
    assert "".join(drawn.itertext()).count("<script>") == 3
    assert {lead for lead in leads} <= {part.text for part in drawn.iter("{http://www.w3.org/2000/svg}text")}


def test_a_gap_stays_open_and_a_flat_line_is_drawn():
    signal = simulate(1).signal[:, :2].clone()
    signal[:, 0, 400:500] = torch.nan
    signal[:, 1] = 0
    svg = tracing(ECG(signal, ("I", "II"), 100))
    broken, flat = (part.get("d") for part in ElementTree.fromstring(svg).iter() if part.get("transform"))
    assert broken.count("M") == 2 and flat.count("M") == 1  # type: ignore[union-attr]
    assert np.ptp(ink(svg, 1)[:, 1]) == 0 and "nan" not in svg.lower()


@pytest.mark.skipif(CHROMIUM is None, reason="no chromium here")
def test_chromium_opens_the_page_without_errors(tmp_path):
    file = tmp_path / "report.html"
    file.write_text(page(report()), encoding="utf-8")
    elements, complaints = opened(file, tmp_path / "profile")
    assert complaints == [] and elements.count("</section>") == 4
    assert "alert" not in "".join(tag for tag, _ in Elements(elements).found)
