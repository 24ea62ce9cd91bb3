"""Image data sets: for every record a picture of its page, its intervals per lead, and its text, under one id.

The folder ``images`` of a data set holds ``ID.png`` and ``ID.json`` for each record; ``images.csv`` lists them. MEETI
(Zhang et al. 2025, arXiv 2507.15255) has these four parts for real ECGs.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ecggen.core.ecg import ECG
from ecggen.io import read
from ecggen.io.files import place
from ecggen.metrics.functional.intervals import AMPLITUDES, INTERVALS, ecg_intervals, lead_intervals
from ecggen.viz.prints import PrintSettings, printed

FOLDER = "images"
"""Folder of the pictures in that of the data set, and name of the table in it."""
COLUMNS: tuple[str, ...] = (
    "id",
    "record",
    "image",
    "parameters",
    "text",
    "layout",
    "speed",
    "gain",
    "rotation",
    "synthetic",
)
"""Columns of the table."""


@dataclass(frozen=True)
class ImageRequest:
    """A record that gets a picture.

    Attributes:
        id: Its name.
        index: Number of the record in the job; decides on the print settings.
        record: Path of the record in the folder of the data set.
        text: Its text; "" without one.
        about: Further values for the JSON file, such as age and requested findings.
    """

    id: str
    index: int
    record: str
    text: str = ""
    about: Mapping[str, Any] | None = None


def write_images(
    out: Path,
    requests: Sequence[ImageRequest],
    style: str,
    seed: int = 0,
    progress: Callable[[float], None] | None = None,
    mark: str = "",
) -> Path:
    """Add a picture and its parameters to each record of a data set; complete ones are kept.

    Args:
        out: Folder of the data set; the records lie in it.
        requests: The records.
        style: "clean" or "random", see ``PrintSettings.of``.
        seed: Seed of the print settings.
        progress: Callback that receives the fraction done.
        mark: Added to the name of the table, if several jobs write to the folder.

    Returns:
        The table.

    Raises:
        InputError: If there is no such style, or a record cannot be read.
    """
    settings = [PrintSettings.of(style, seed, one.index) for one in requests]
    (out / FOLDER).mkdir(exist_ok=True)
    for done, (one, how) in enumerate(zip(requests, settings, strict=True)):
        picture, parameters = (out / FOLDER / f"{one.id}{suffix}" for suffix in (".png", ".json"))
        if not (picture.is_file() and parameters.is_file()):
            ecg = read(out / one.record, check=False, allow_contradiction=True)
            about = described(ecg, one, how) | {"print_seed": [seed, one.index]}
            text = json.dumps(about, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
            place({picture: printed(ecg, how, seed=seed + one.index, title=one.id), parameters: text.encode()})
        if progress:
            progress((done + 1) / len(requests))
    table = out / FOLDER / f"{FOLDER}{mark}.csv"
    place({table: _table(requests, settings).encode()})
    return table


def described(ecg: ECG, one: ImageRequest, how: PrintSettings) -> dict[str, Any]:
    """The parameters of one record: intervals of the record and of each lead, text, print settings and origin.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> found = described(simulate(1, fs=250, heart_rate=60), ImageRequest("a", 0, "a.hea"), PrintSettings())
        >>> found["intervals"]["heart_rate"], sorted(found["leads"]["II"])[:3]
        (60.0, ['p_ms', 'p_mv', 'pr_ms'])
    """
    from ecggen.evaluators.delineator import delineate

    waves = delineate(ecg)
    whole, of_lead = ecg_intervals(ecg, waves), lead_intervals(ecg, waves)
    of_lead |= {name: whole[name] for name in AMPLITUDES}
    return {
        "id": one.id,
        "record": one.record,
        "image": f"{FOLDER}/{one.id}.png",
        "synthetic": bool(ecg.provenance and ecg.provenance.generated),
        "provenance": ecg.provenance.lines() if ecg.provenance else [],
        "text": one.text,
        **(one.about or {}),
        "fs": ecg.fs,
        "seconds": ecg.seconds,
        "intervals": {name: _number(whole[name][0]) for name in INTERVALS},
        "leads": {
            lead: {name: _number(values[0, row], 3 if name.endswith("mv") else 1) for name, values in of_lead.items()}
            for row, lead in enumerate(ecg.leads)
        },
        "print": how.as_dict(),
    }


def _number(value: float, digits: int = 1) -> float | None:
    """A rounded number; None for one that could not be measured."""
    return round(float(value), digits) if np.isfinite(value) else None


def _table(requests: Sequence[ImageRequest], settings: Sequence[PrintSettings]) -> str:
    """The list of all pictures."""
    out = io.StringIO()
    table = csv.DictWriter(out, list(COLUMNS), lineterminator="\n")
    table.writeheader()
    for one, how in zip(requests, settings, strict=True):
        files = {"image": f"{FOLDER}/{one.id}.png", "parameters": f"{FOLDER}/{one.id}.json"}
        values = {name: getattr(how, name) for name in ("layout", "speed", "gain", "rotation")}
        table.writerow({"id": one.id, "record": one.record, **files, "text": one.text, **values, "synthetic": True})
    return out.getvalue()
