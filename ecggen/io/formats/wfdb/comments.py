"""What people write into the comments of a WFDB header about the patient, and what ecggen writes there.

Known are the keys of the PhysioNet Challenges (``#Age: 74`` or ``# Age: 74``, ``# Sex: Female``, ``# Dx: 164889003``),
those of the PTB Diagnostic database (``# age: 81``), ``<age>: 51`` in angle brackets (LUDB, MIMIC, St Petersburg), and
MIT-BIH's bare ``69 M 1085 1629 x1``. Any other line is free text, which may name somebody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ecggen.core.ecg import ECG
from ecggen.io.metadata import PERSONAL, About, sex_of, years
from ecggen.io.normalise import provenance_lines, rate_text

BARE = "ecggen-without-snomed"
"""Key of the codes that have no number in SNOMED CT, in a header of the Challenges' form."""

_BRACKETS = re.compile(r"<(\w+)>\s*:?([^<]*)")
_MIT = re.compile(r"(\d{1,3}|-1) ([MF])(?: .*)?", re.ASCII)
_CODE = re.compile(r"[\w()/+-]{1,24}")
_NOTHING = {"", "unknown", "unknows", "nan", "none", "n/a"}
_KEYS = {"age", "sex", "gender", "dx", "rx", "hx", "sx", BARE, *PERSONAL}
_SEX = {"M": "Male", "F": "Female"}


def about_of(comments: Sequence[str], recorded: str = "") -> About:
    """What the comment lines and the time in the record line say of the patient and the recording."""
    said: dict[str, str] = {}
    codes: list[str] = []
    free: list[str] = []
    for line in comments:
        for key, value in _said(line.strip("# \t")):
            if key in ("dx", BARE) and all(map(_CODE.fullmatch, _listed(value))):
                codes += _listed(value)
            elif key in ("age", "sex", "gender", *PERSONAL):
                said.setdefault(key, value)
            elif value.casefold() not in _NOTHING:
                free.append(value if key in ("", "diagnoses") else f"{key}: {value}")
    sex = "sex" if "sex" in said else "gender"
    personal = {kind: said[kind] for kind in PERSONAL if kind in said} | ({"recorded": recorded} if recorded else {})
    if free:
        personal["statements"] = "; ".join([*filter(None, [personal.get("statements")]), *free])
    return About(years(said.get("age", "")), sex_of(said.get(sex, "")), tuple(dict.fromkeys(codes)), personal=personal)


def comment_lines(ecg: ECG, about: About) -> list[str]:
    """Comment lines, each with its ``#``: provenance, and what is known of the patient under the Challenges' keys."""
    known = {
        "Age": None if about.age is None else rate_text(float(about.age)),
        "Sex": about.sex and _SEX[about.sex],
        "Dx": ",".join(map(_written, about.codes)) or None,
        **about.personal,
    }
    metadata = [f"{key}: {text}" for key, text in known.items() if text is not None]
    return [f"# {line}" for line in (*provenance_lines(ecg), *metadata)]


def challenge_lines(ecg: ECG, about: About, without: Sequence[str]) -> list[str]:
    """Comment lines with every key of the Challenges, known or not, and the codes that SNOMED CT is ``without``.

    The Challenges of 2020 and 2021 were published with ``#Dx`` and later with ``# Dx``; most programs written for
    them know only one of the two, so both stand there.
    """
    known = {
        "Age": "NaN" if about.age is None else rate_text(float(about.age)),
        "Sex": _SEX.get(about.sex or "", "Unknown"),
        "Dx": ",".join(about.codes),
        "Rx": "Unknown",
        "Hx": "Unknown",
        "Sx": "Unknown",
    }
    metadata = [f"{mark}{key}: {text}" for mark in ("#", "# ") for key, text in known.items()]
    left = [f"# {BARE}: {','.join(map(_written, without))}"] if without else []
    personal = [f"# {kind}: {text}" for kind, text in about.personal.items()]
    return [*metadata, *left, *personal, *(f"# {line}" for line in provenance_lines(ecg))]


def _said(line: str) -> Iterator[tuple[str, str]]:
    """Keys in lower case and values of a comment line; the key of a plain text is ""."""
    if line.startswith("ecggen") and not line.startswith(BARE):
        return
    if match := _MIT.fullmatch(line):
        yield "age", match[1]
        yield "sex", match[2]
    elif line.startswith("<"):
        yield from ((key.casefold(), value.strip()) for key, value in _BRACKETS.findall(line))
    else:
        key, colon, value = line.partition(":")
        known = colon and key.strip().casefold() in _KEYS
        yield (key.strip().casefold(), value.strip()) if known else ("", line)


def _listed(value: str) -> list[str]:
    return [code.strip() for code in value.split(",") if code.strip()]


def _written(code: str) -> str:
    """A code as it may stand in a list with commas."""
    return "_".join(code.replace(",", " ").split())
