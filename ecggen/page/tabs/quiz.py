"""Questions of the quiz: an ECG that meets the textbook criterion of one finding and of no other of its level.

A question depends on its level and seed only, so both can be shared. Most ECGs are generated and accepted only if they
meet the criterion as measured; some are recordings of patients.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from ecggen.conditioning import statements
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.generators.base import Generator
from ecggen.io import read
from ecggen.metrics.criteria.measurements import Measurements, measure
from ecggen.metrics.criteria.rules import CRITERIA, Criterion, criteria_met
from ecggen.page.examples import ECGS, Example, path_of
from ecggen.report.render.ecg_svg import tracing

LEVELS = {
    "rhythm": ("SR", "SBRAD", "STACH", "AFIB", "AFLT", "PVC"),
    "conduction": ("NORM", "1AVB", "CLBBB", "CRBBB", "LAFB"),
    "hypertrophy": ("NORM", "LVH", "RVH", "LAO/LAE"),
    "infarction": ("NORM", "IMI", "ASMI", "LMI"),
}
"""Statements of each level, one of which is the answer."""
COMPATIBLE = ("SR", "NORM")
"""Statements whose criterion an ECG with another finding may meet as well."""
ABNORMAL = (
    *(code for codes in LEVELS.values() for code in codes if code not in COMPATIBLE),
    *("IRBBB", "ILBBB", "IVCD", "AMI", "HVOLT", "LVOLT", "STD_", "INVT", "LNGQT"),
)
"""Statements none of whose criteria a normal ECG may meet."""
CANDIDATES = 8
"""ECGs that are drawn at a time, of which the first that fits is used."""
ATTEMPTS = 4
REAL_SHARE = 0.15
"""Share of the questions that show a patient's recording, where there is one."""
RULES: dict[str, Criterion] = {one.code: one for one in CRITERIA}


@dataclass(frozen=True)
class Question:
    """An ECG with its answer.

    Attributes:
        level: One of ``LEVELS``.
        seed: Number of the question.
        ecg: One record.
        code: Statement that is the answer.
        measured: Measurements of the record.
        source: Where a patient's recording is from; "" for a generated ECG.
    """

    level: str
    seed: int
    ecg: ECG
    code: str
    measured: Measurements
    source: str = ""

    @property
    def options(self) -> dict[str, str]:
        """The possible answers: description by statement."""
        return {code: statements.describe(code) for code in LEVELS[self.level]}

    @property
    def explanation(self) -> str:
        """The criterion of the answer and its source."""
        rule = RULES[self.code]
        return f"{statements.describe(self.code)}: {rule.rule} ({rule.source})"

    @property
    def mark(self) -> str:
        """Watermark of the ECG."""
        return "" if self.source else "SYNTHETIC"


def question(level: str, seed: int, generator: Generator) -> Question:
    """The question of a level with a number.

    Args:
        level: One of ``LEVELS``.
        seed: Number of the question, at least 0.
        generator: Draws the ECG.

    Raises:
        InputError: If there is no such level, the seed is negative, or the generator draws no ECG that fits.
    """
    if level not in LEVELS or seed < 0:
        raise InputError(f"level {level!r}, question {seed}", f"one of {', '.join(LEVELS)} and a number from 0 on")
    rng = np.random.default_rng([seed, *level.encode()])
    real = [one for one in ECGS if one.shows in LEVELS[level]]
    if real and rng.random() < REAL_SHARE and (found := _recorded(level, seed, real[rng.integers(len(real))])):
        return found
    for number in range(ATTEMPTS):
        code = LEVELS[level][rng.integers(len(LEVELS[level]))]
        ecgs = generator.generate(statements.describe(code), CANDIDATES, seed=1000 * seed + number)
        measured = measure(ecgs)
        rows = np.flatnonzero(fits(code, level, criteria_met(measured)))
        if len(rows):
            row = int(rows[0])
            return Question(level, seed, ecgs[row], code, _only(measured, row))
    found = f"{generator.name} drew no ECG that meets the criterion in {ATTEMPTS} attempts"
    raise InputError(found, "one was expected", "choose another question")


def fits(code: str, level: str, met: dict[str, np.ndarray]) -> np.ndarray:
    """(record,) whether the criterion of ``code`` is met, and none of the other answers of the level.

    A normal ECG or sinus rhythm must meet none of ``ABNORMAL``.

    Example:
        >>> met = {code: np.array([code in ("SR", "PVC")]) for code in (*COMPATIBLE, *ABNORMAL)}
        >>> fits("PVC", "rhythm", met).tolist(), fits("SR", "rhythm", met).tolist()
        ([True], [False])
    """
    others = [other for other in LEVELS[level] if other not in (code, *COMPATIBLE)]
    others = ABNORMAL if code in COMPATIBLE else others
    return met[code] & ~np.logical_or.reduce([met[other] for other in others])


def worksheet(questions: Sequence[Question], title: str) -> str:
    """A page for printing: the ECGs to scale with the possible answers, and the key on the last sheet."""
    cards = "".join(_card(one, number) for number, one in enumerate(questions, 1))
    key = "".join(f"<li><b>{escape(one.explanation)}</b><br>{escape(_origin(one))}</li>" for one in questions)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        f'img-src data:"><title>{escape(title)}</title><style>{SHEET}</style></head><body>{cards}'
        f"<article><h1>Key: {escape(title)}</h1><ol>{key}</ol>"
        "<p>Synthetic ECGs were accepted only if they meet the criterion as measured. Not for diagnosis.</p>"
        "</article></body></html>\n"
    )


SHEET = """
@page{size:A4 landscape;margin:10mm}*{box-sizing:border-box}
body{margin:0;color:#16181d;background:#e9ebee;font:11pt/1.45 system-ui,"Segoe UI",Roboto,Arial,sans-serif}
article{background:#fff;width:297mm;max-width:100%;margin:6mm auto;padding:10mm 12mm;break-after:page}
article:last-child{break-after:auto}h1{font-size:18pt;margin:0 0 3mm}.paper{overflow-x:auto}
svg{display:block;max-height:140mm}ul{list-style:none;padding:0;columns:3}li{margin-bottom:2mm;break-inside:avoid}
.box{display:inline-block;width:4mm;height:4mm;border:.3mm solid #16181d;margin-right:2mm;vertical-align:-.6mm}
.scale{color:#4a505b;font-size:9pt}
@media print{body{background:#fff}article{margin:0;padding:0;width:auto}}
"""


def _card(one: Question, number: int) -> str:
    boxes = "".join(f'<li><span class="box"></span>{escape(name)}</li>' for name in one.options.values())
    drawing = tracing(one.ecg, 0, one.mark, true_scale=True, label=f"ECG {number}")
    kind = "patient's recording" if one.source else "synthetic"
    return (
        f'<article><h1>ECG {number}: {escape(one.level)}</h1><div class="paper">{drawing}</div>'
        f'<p class="scale">25 mm/s · 10 mm/mV · 0.5–40 Hz · {kind} · not for diagnosis</p><ul>{boxes}</ul></article>'
    )


def _origin(one: Question) -> str:
    """Where the ECG of a question is from."""
    if one.source:
        return f"Recording of a patient: {one.source}."
    origin = one.ecg.provenance
    return f"Synthetic: {origin.model if origin else ''}; {one.level}, question {one.seed}."


def _recorded(level: str, seed: int, example: Example) -> Question | None:
    """A question with a patient's recording, if it meets the criterion of its report."""
    ecg = read(path_of(example))
    measured = measure(ecg)
    if not fits(example.shows, level, criteria_met(measured))[0]:
        return None
    return Question(level, seed, ecg, example.shows, measured, example.source)


def _only(measured: Measurements, row: int) -> Measurements:
    """The measurements of one record."""
    one = slice(row, row + 1)
    of_record = {name: values[one] for name, values in measured.of_record.items()}
    of_lead = {name: values[one] for name, values in measured.of_lead.items()}
    return Measurements(of_record, of_lead, measured.sex[one])
