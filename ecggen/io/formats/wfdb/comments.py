"""Metadata in the comments of a WFDB header: parsing and writing.

Supported keys are those of the PhysioNet Challenges (``#Age: 74`` or ``# Age: 74``, ``# Sex: Female``,
``# Dx: 164889003``), those of the PTB Diagnostic database (``# age: 81``), ``<age>: 51`` in angle brackets (LUDB,
MIMIC, St Petersburg), and MIT-BIH's ``69 M 1085 1629 x1``. Any other line is free text, which may hold names.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from ecggen.core.ecg import ECG
from ecggen.io.metadata import PERSONAL, About, sex_of, years
from ecggen.io.normalise import provenance_lines, rate_text

BARE = "ecggen-without-snomed"
"""Key of the codes that have no SNOMED CT code, in a header in the format of the Challenges."""

_BRACKETS = re.compile(r"<(\w+)>\s*:?([^<]*)")
_MIT = re.compile(r"(\d{1,3}|-1) ([MF])(?: .*)?", re.ASCII)
_CODE = re.compile(r"[\w()/+-]{1,24}")
_NOTHING = {"", "unknown", "unknows", "nan", "none", "n/a"}
_KEYS = {"age", "sex", "gender", "dx", "rx", "hx", "sx", BARE, *PERSONAL}
_SEX = {"M": "Male", "F": "Female"}


def about_of(comments: Sequence[str], recorded: str = "") -> About:
    """Metadata in the comment lines, with the time in the record line."""
    stated: dict[str, str] = {}
    codes: list[str] = []
    free: list[str] = []
    number = None
    for line in comments:
        for key, value in _entries(line.strip("# \t")):
            number = value if key == "subject_id" else number  # of MIMIC
            if key in ("dx", BARE) and all(map(_CODE.fullmatch, _listed(value))):
                codes += _listed(value)
            elif key in ("age", "sex", "gender", *PERSONAL):
                stated.setdefault(key, value)
            elif value.casefold() not in _NOTHING:
                free.append(value if key in ("", "diagnoses") else f"{key}: {value}")
    personal = {kind: stated[kind] for kind in PERSONAL if kind in stated}
    personal |= {"recorded": recorded} if recorded else {}
    if free:
        personal["statements"] = "; ".join([*filter(None, [personal.get("statements")]), *free])
    age, sex = years(stated.get("age", "")), sex_of(stated.get("sex" if "sex" in stated else "gender", ""))
    return About(age, sex, tuple(dict.fromkeys(codes)), personal=personal, number=number)


def comment_lines(ecg: ECG, about: About) -> list[str]:
    """Comment lines with ``#``: the provenance, and the known metadata under the keys of the Challenges."""
    known = {
        "Age": None if about.age is None else rate_text(float(about.age)),
        "Sex": about.sex and _SEX[about.sex],
        "Dx": ",".join(map(_written, about.codes)) or None,
        **about.personal,
    }
    metadata = [f"{key}: {text}" for key, text in known.items() if text is not None]
    return [f"# {line}" for line in (*provenance_lines(ecg), *metadata)]


def challenge_lines(ecg: ECG, about: About, without: Sequence[str]) -> list[str]:
    """Comment lines with all keys of the Challenges, and the codes ``without`` a SNOMED CT code.

    The Challenges of 2020 and 2021 were published with ``#Dx`` and later with ``# Dx``. Most programs written for
    them support only one of the two, so both are written.
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


def _entries(line: str) -> Iterator[tuple[str, str]]:
    """Keys in lower case and values of a comment line; the key of free text is ""."""
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
    """A code without commas and spaces, for a comma-separated list."""
    return "_".join(code.replace(",", " ").split())
