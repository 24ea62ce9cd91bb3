"""ECGs of KardiaMobile as the Kardia API answers them (developers.kardia.com, "Single ECG").

A recording holds its signals twice, in ``data``: ``raw``, and ``enhanced`` by AliveCor's filters. Each has its rate in
Hz, the samples of each lead (``leadI`` … ``AVF``), and ``amplitudeResolution``, the size of a step in nV.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ecggen.core.errors import InputError
from ecggen.io.formats.json.content import about, folded, objects, rate, samples
from ecggen.io.normalise import Found
from ecggen.io.source import MOST_SAMPLES

_FORMS = ("raw", "enhanced")
_STEP = "amplitudeResolution"


def recordings(content: Any) -> list[dict[str, Any]]:
    """The recordings in a file; empty if it holds none."""
    return [one for _, one in objects(content) if isinstance(one.get("data"), dict) and _signals(one["data"])]


def found(recording: dict[str, Any]) -> Found:
    """Decode the unfiltered signals of a recording, or the filtered ones if there are no others.

    Raises:
        InputError: If its leads differ in length, or a sample is not a number.
    """
    name, signals = next(iter(_signals(recording["data"]).items()))
    rows = {lead: samples(values) for lead, values in signals["samples"].items() if isinstance(values, list)}
    lengths = {len(row) for row in rows.values()}
    if len(lengths) != 1 or len(rows) * max(lengths) > MOST_SAMPLES:
        raise InputError("the leads differ in length, or are too long", "one length for all was expected")
    step = signals[_STEP]
    if not (type(step) in (int, float) and 0 < step < 1e9):
        raise InputError("the size of a step is not a positive number of nV", "one such as 500 was expected")
    names = tuple(lead.removeprefix("lead") for lead in rows)
    notes = (f"the signal that the file calls {name!r} was read",)
    fields = about(folded(recording))
    values = np.stack(list(rows.values())) * float(step)
    return Found(values, names, ("nV",) * len(names), rate(signals.get("frequency")), about=fields, notes=notes)


def _signals(data: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The forms of the signals in a recording."""
    forms = {name: data.get(name) for name in _FORMS}
    return {name: form for name, form in forms.items() if isinstance(form, dict) and _is_signal(form)}


def _is_signal(form: dict[str, Any]) -> bool:
    return _STEP in form and isinstance(form.get("samples"), dict) and bool(form["samples"])
