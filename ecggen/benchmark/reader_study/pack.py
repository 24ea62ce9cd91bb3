"""Material of a blinded reader study: printable pages of real and synthetic ECGs in random order.

Readers receive numbered pages and an answer sheet; the key is a separate file. Sampling rate, duration, leads, pass
band (0.5–40 Hz) and plot style are the same for all ECGs, and the pages contain no names, origins or labels. The cover
states that some of the ECGs are synthetic and that none is for diagnosis.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from ecggen.core import artifacts
from ecggen.core.errors import InputError
from ecggen.io.files import place
from ecggen.report.inputs.cohort import ECGSet
from ecggen.report.render.ecg_svg import tracing

FORMAT = 1
"""Version of the format of ``key.json``."""
ANSWERS = ("real", "synthetic")
COLUMNS = ("number", "answer", "confidence", "reader")
"""Columns of the answer sheet."""
PAGES, SHEET, KEY = "pages.html", "sheet.csv", "key.json"
"""File names of the study material."""
STYLE = """
@page{size:A4 landscape;margin:10mm 14mm}
*{box-sizing:border-box}
body{margin:0;color:#16181d;background:#e9ebee;font:13pt/1.5 system-ui,"Segoe UI",Roboto,Arial,sans-serif}
article{background:#fff;width:297mm;max-width:100%;min-height:188mm;margin:8mm auto;padding:12mm 15mm;
  display:flex;flex-direction:column;break-after:page}
article:last-child{break-after:auto}
h1{font-size:26pt;margin:0 0 4mm;line-height:1.2}h2{font-size:19pt;margin:0 0 4mm}
p{max-width:180mm;margin:0 0 3mm}ol{max-width:180mm;padding-left:7mm}li{margin-bottom:2mm}
.paper{overflow-x:auto}svg{display:block;margin:0 auto;max-height:150mm}
.foot{margin-top:auto;padding-top:5mm;display:flex;flex-wrap:wrap;gap:4mm 14mm;align-items:center;font-size:12pt}
.box{display:inline-block;width:4.5mm;height:4.5mm;border:.35mm solid #16181d;vertical-align:-.8mm;margin-right:1.5mm}
.scale{color:#5d6470;font-size:9pt;margin:2mm 0 0}
.warning{border:.5mm solid #16181d;padding:3mm 5mm;font-weight:600;max-width:180mm;margin:4mm 0}
@media print{body{background:#fff}article{margin:0;padding:0;width:auto;min-height:0;height:188mm}
  .paper{overflow:visible}}
"""
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@dataclass(frozen=True)
class Pack:
    """The material of a reader study.

    Attributes:
        pages: HTML with a cover and one page per ECG.
        sheet: CSV answer sheet.
        key: Origin of each number.
    """

    pages: str
    sheet: str
    key: dict[str, Any]

    def write(self, folder: Path, overwrite: bool = False) -> list[Path]:
        """Write the three files to a folder, all or none.

        Raises:
            InputError: If one of them exists.
        """
        paths = [folder / name for name in (PAGES, SHEET, KEY)]
        there = [path.name for path in paths if path.exists()]
        if there and not overwrite:
            do = "choose another folder, or pass --overwrite"
            raise InputError(f"{folder} already has {', '.join(there)}", "a new folder was expected", do)
        folder.mkdir(parents=True, exist_ok=True)
        texts = self.pages, self.sheet, json.dumps(self.key, indent=1, ensure_ascii=False) + "\n"
        place({path: text.encode() for path, text in zip(paths, texts, strict=True)})
        return paths


def pack(synthetic: ECGSet, real: ECGSet, n: int, seed: int) -> Pack:
    """``n`` real and ``n`` synthetic ECGs in random order.

    Args:
        synthetic: In the format of ``real`` (rate, duration, leads).
        real: Real records; records with artefacts are not selected from either set.
        n: Number of ECGs of each set.
        seed: Seed of choice and order.

    Raises:
        InputError: If there are fewer valid records.
    """
    rng = np.random.default_rng(seed)
    sets = {"real": real, "synthetic": synthetic}
    chosen = [(kind, row) for kind, one in sets.items() for row in _select(one, kind, n, rng)]
    cards = [chosen[place] for place in rng.permutation(len(chosen))]
    answers, drawings = {}, []
    for number, (kind, row) in enumerate(cards, 1):
        one = sets[kind]
        answers[str(number)] = {"answer": kind, "name": one.names[row], "source": one.source}
        drawings.append(tracing(one.ecg, row, true_scale=True, label=f"ECG {number}"))
    signal_format = {"rate_hz": real.ecg.fs, "seconds": real.ecg.seconds}
    key = {"format": FORMAT, "seed": seed, "n": n, **signal_format, "answers": answers}
    return Pack(_pages(drawings), _sheet(len(cards)), key)


def _select(one: ECGSet, kind: str, n: int, rng: np.random.Generator) -> list[int]:
    """Rows of ``n`` records without artefacts."""
    if n < 1:
        raise InputError(f"{n} ECGs of each set were requested", "at least one was expected", "20 are usual: -n 20")
    valid = np.flatnonzero(artifacts.valid(one.ecg.signal.numpy(), one.ecg.fs))
    if len(valid) < n:
        found = f"{len(valid)} of {len(one)} {kind} records have no artefacts"
        raise InputError(found, f"{n} were expected", f"request fewer: -n {max(1, len(valid))}")
    return [int(row) for row in rng.choice(valid, n, replace=False)]


def _sheet(count: int) -> str:
    """The answer sheet, one line per page."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    table.writerows([number, "", "", ""] for number in range(1, count + 1))
    return text.getvalue()


def _pages(drawings: Sequence[str]) -> str:
    """The HTML document."""
    cards = "".join(_card(drawing, number, len(drawings)) for number, drawing in enumerate(drawings, 1))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="Content-Security-Policy" content="{escape(POLICY)}">'
        '<title>Which of these ECGs are real?</title><link rel="icon" href="data:,">'
        f"<style>{STYLE}</style></head>\n"
        f"<body>{_cover(len(drawings))}{cards}</body></html>\n"
    )


def _cover(count: int) -> str:
    steps = (
        f"Look at each of the {count} ECGs and decide whether it is a patient's recording or generated by a computer.",
        f"Enter <b>real</b> or <b>synthetic</b> in the line of its number in {SHEET}, and your confidence from 1 "
        "(a guess) to 5 (certain). Enter your name or a pseudonym in the column reader.",
        "Guess if necessary; an empty line counts as unanswered.",
        "Do not consult others, and do not open the key before all readers have answered.",
    )
    return (
        "<article><h1>Which of these ECGs are real?</h1>"
        '<div class="warning">Some of these ECGs are synthetic. None of them is for diagnosis.</div>'
        f"<ol>{''.join(f'<li>{step}</li>' for step in steps)}</ol>"
        "<p>All ECGs are plotted in the same way: 25 mm/s, 10 mm/mV, filtered to 0.5–40 Hz, of the same rate and "
        "duration. Print at 100 % on A4, landscape.</p>"
        '<div class="foot"><span>Reader: ______________________________</span><span>Date: _______________</span></div>'
        "</article>"
    )


def _card(drawing: str, number: int, count: int) -> str:
    boxes = "".join(f'<span><span class="box"></span>{escape(answer)}</span>' for answer in ANSWERS)
    confidence = "".join(f'<span class="box"></span>{level}&ensp;' for level in range(1, 6))
    return (
        f"<article><h2>ECG {number}</h2><div class=paper>{drawing}</div>"
        '<p class="scale">25 mm/s · 10 mm/mV · 0.5–40 Hz</p>'
        f'<div class="foot">{boxes}<span>confidence: {confidence}</span><span>{number} of {count}</span></div>'
        "</article>"
    )
