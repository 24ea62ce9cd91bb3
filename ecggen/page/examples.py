"""Recordings to try the page with: copies of public data with open licences, which come with the package."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import ecggen
from ecggen.core.errors import InputError

PTB_XL = "PTB-XL 1.0.3 (Wagner et al. 2020, doi 10.13026/kfzx-aw45), CC BY 4.0"
BIDMC = "BIDMC (Pimentel et al. 2017, doi 10.13026/C2208R), ODC-By 1.0"


@dataclass(frozen=True)
class Example:
    """A recording.

    Attributes:
        title: What it is.
        file: Name of its file.
        source: Where it is from, with its licence.
        leads: Leads to reconstruct from; "" for all.
        shows: PTB-XL statement of its report whose criterion it meets; "" if none is used.
    """

    title: str
    file: str
    source: str
    leads: str = ""
    shows: str = ""


ECGS = (
    Example("Watch, lead I, normal", "apple_watch_lead_I.csv", f"lead I of record 262 of {PTB_XL}"),
    Example("Normal ECG, leads I, II and V2", "00010_lr.hea", f"record 10 of {PTB_XL}", "I, II, V2", "NORM"),
    Example("Atrial fibrillation, leads I and II", "01502_lr.hea", f"record 1502 of {PTB_XL}", "I, II"),
    Example("Inferior infarction, lead I only", "00627_lr.hea", f"record 627 of {PTB_XL}", "I", "IMI"),
)
"""Examples for Reconstruct and Teach."""

PPGS = (
    Example("PPG of a finger, regular rhythm", "bidmc/bidmc_15_Signals.csv", f"record 15 of {BIDMC}"),
    Example("PPG of a finger, irregular rhythm", "bidmc/bidmc_45_Signals.csv", f"record 45 of {BIDMC}"),
)
"""Examples for Translate."""


def path_of(example: Example) -> Path:
    """The file of an example: in the installed package, or in a checkout.

    Example:
        >>> path_of(ECGS[0]).name
        'apple_watch_lead_I.csv'
    """
    package = Path(ecggen.__file__).parent
    places = [package / "page" / "samples", package.parent / "tests" / "samples"]
    for place in places:
        if (place / example.file).is_file():
            return place / example.file
    raise InputError(f"{example.file} is missing", f"it was expected in {places[0]}", "install the package again")
