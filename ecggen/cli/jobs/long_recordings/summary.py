"""The summary of a long recording: its values, its text, and the page with the overview and the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ecggen.cli.jobs.results import margin_as_text, origins_as_text, trust_as_text

if TYPE_CHECKING:
    from ecggen.core.ecg import Provenance
    from ecggen.generators.streaming.blocks import Options
    from ecggen.generators.trust.margin import Margin
    from ecggen.io.long_files import LongFile
    from ecggen.viz.overview import Moment

MEASURED = ("rate", "irregularity", "certain", "half_width", "widening")
"""Values of a moment whose smallest, median and largest are stated."""


def summarise(
    origin: Provenance,
    mean: LongFile,
    options: Options,
    every: Sequence[Moment],
    trust: Sequence[dict[str, Any]],
    notes: Sequence[str],
    margin: Margin | None = None,
) -> dict[str, Any]:
    """The summary as JSON values.

    Args:
        origin: Provenance of the whole recording.
        mean: The file of the point estimate, or of the draw.
        options: Sampling options.
        every: Moments of the whole recording.
        trust: How unlike the training data each block is; empty if that is not known.
        notes: Doubts and limitations.
        margin: The margin of the user's own that the interval has.
    """
    from ecggen.generators.trust.widening import Trust, joined

    about = {
        "recorded": list(origin.recorded),
        "derived": [lead for lead in mean.leads if lead not in (*origin.recorded, *origin.generated)],
        "generated": list(origin.generated),
        "generated_parts": {},
        "partly_generated": sorted({lead for lead, _, _ in origin.parts}),
        "generated_band_hz": list(origin.band) if origin.band else None,
        "model": origin.model,
        "condition": origin.condition,
        "seed": options.seed,
        "num_draws": options.num_draws,
        "level": options.level if options.num_draws > 1 else None,
        "fs": mean.fs,
        "seconds": mean.samples / mean.fs,
        "trust": joined([Trust.from_dict(one) for one in trust]).as_dict() if trust else None,
        "margin": margin.as_dict() if margin else None,
        "notes": list(notes),
    }
    for name in MEASURED:
        values = np.array([getattr(moment, name) for moment in every], float)
        values = values[np.isfinite(values)]
        found = np.percentile(values, [0, 50, 100]) if len(values) else []
        about[name] = [round(float(value), 4) for value in found]
    return about


def as_text(about: dict[str, Any]) -> str:
    """The summary as text."""
    from ecggen.generators.trust.margin import Margin
    from ecggen.generators.trust.widening import Trust

    margin = Margin(**about["margin"]) if about.get("margin") else None

    def spans(name: str, digits: int) -> str:
        found = about[name]
        return f"{found[1]:.{digits}f} ({found[0]:.{digits}f} to {found[2]:.{digits}f})" if found else "not measured"

    count = "1 draw" if about["num_draws"] == 1 else f"{about['num_draws']} draws"
    lines = [
        "SYNTHETIC leads; not for diagnosis",
        *origins_as_text(about),
        *([f"in part:   {', '.join(about['partly_generated'])}: see the header"] if about["partly_generated"] else []),
        f"condition: {about['condition']}",
        f"model:     {about['model']}, {count}, seed {about['seed']}",
        f"duration:  {clock(about['seconds'])} at {about['fs']:g} Hz",
        *(f"note:      {note}" for note in about["notes"]),
        *([trust_as_text(Trust.from_dict(about["trust"]))] if about["trust"] else []),
        *([margin_as_text(margin)] if margin else []),
        "median of parts of 10 s (smallest to largest):",
        f"  heart rate            {spans('rate', 0)} per min",
        f"  irregularity of RR    {spans('irregularity', 2)}",
        f"  share of certain beats {spans('certain', 2)}",
    ]
    if about["level"]:
        lines.append(f"  half-width of the {about['level']:.0%} prediction interval  {spans('half_width', 3)} mV")
    return "\n".join(lines)


def page(name: str, text: str, chosen: Sequence[str]) -> str:
    """HTML page with the summary, the overview and the pictures, which lie in the same folder."""
    from html import escape

    pictures = "".join(
        f'<h2>{escape(what)}</h2><img src="{escape(picture_of(name, what))}" alt="{escape(what)}">' for what in chosen
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(name)}</title>'
        "<style>body{font:15px/1.45 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#16181d}"
        "img{max-width:100%}pre{background:#f4f4f2;padding:1rem;overflow:auto}</style>"
        f"<h1>{escape(name)}</h1><pre>{escape(text)}</pre>"
        f'<img src="{escape(name)}_overview.png" alt="overview">{pictures}</html>\n'
    )


def clock(seconds: float) -> str:
    """A time as hours, minutes and seconds.

    Example:
        >>> clock(3725.4)
        '1:02:05'
    """
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02}"


def picture_of(name: str, what: str) -> str:
    """Name of the file with the picture of a chosen moment.

    Example:
        >>> picture_of("holter", "most irregular")
        'holter_most_irregular.png'
    """
    return f"{name}_{what.replace(' ', '_')}.png"
