"""Results of reconstruct and translate: their description, and writing all of their files atomically."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ecggen.cli import console
from ecggen.cli.options import suffixes_of
from ecggen.core.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from typer import Context

    from ecggen.conditioning.condition import Condition
    from ecggen.core.ecg import ECG, Provenance
    from ecggen.generators.reconstruction import Reconstruction
    from ecggen.generators.trust.margin import Margin
    from ecggen.generators.trust.widening import Trust
    from ecggen.io.metadata import About


def mean_of(result: ECG | Reconstruction) -> ECG:
    """The ECG of a result: the draw itself, or the point estimate of a reconstruction."""
    from ecggen.generators.reconstruction import Reconstruction

    return result.mean if isinstance(result, Reconstruction) else result


def describe(result: ECG | Reconstruction) -> dict:
    """Recorded, derived and generated leads, model and condition; for a reconstruction also interval widths."""
    from ecggen.generators.reconstruction import Reconstruction

    mean = mean_of(result)
    origin = mean.provenance
    assert origin is not None
    about = {
        "recorded": list(origin.recorded),
        "derived": [lead for lead in mean.leads if lead not in (*origin.recorded, *origin.generated)],
        "generated": list(origin.generated),
        "generated_parts": _parts(origin),
        "generated_band_hz": list(origin.band) if origin.band else None,
        "model": origin.model,
        "condition": origin.condition,
        "seed": origin.seed,
        "num_draws": 1,
        "fs": mean.fs,
        "seconds": mean.seconds,
    }
    if isinstance(result, Reconstruction):
        widths = {lead: asdict(width) for lead, width in result.intervals().items()}
        about |= {"num_draws": result.num_draws, "level": result.level}
        about["trust"] = result.trust[0].as_dict() if result.trust else None
        about["margin"] = result.margin.as_dict() if result.margin else None
        about["interval_mv"] = {
            lead: {name: round(value, 4) for name, value in width.items()} for lead, width in widths.items()
        }
    return about


def trust_as_text(trust: Trust | None) -> str:
    """Line of a summary on how unlike the training data a recording is; "" if that is not known."""
    if trust is None:
        return ""
    change = f"{trust.widening - 1:+.0%}"
    like = f"like the training data ({trust.nearer:.0%} of its records lie nearer); interval {change}"
    return f"trust:     {trust.sentence() or like}"


def margin_as_text(margin: Margin | None) -> str:
    """Line of a summary on the margin of the user's own that an interval has; "" for none."""
    return f"margin:    {margin.sentence()}" if margin else ""


def _parts(origin: Provenance) -> dict[str, list[list[float]]]:
    """Start and end in seconds of each generated part, by lead."""
    parts: dict[str, list[list[float]]] = {}
    for lead, first, last in origin.parts:
        parts.setdefault(lead, []).append([round(first, 4), round(last, 4)])
    return parts


def origins_as_text(about: dict) -> list[str]:
    """Lines of a summary that list recorded, derived and generated leads, and leads that are generated in part."""
    partly = about["generated_parts"]
    recorded, generated = ([lead for lead in about[kind] if lead not in partly] for kind in ("recorded", "generated"))
    derived = f"derived:   {', '.join(about['derived'])} (exact, by Einthoven's and Goldberger's laws)"
    band = about.get("generated_band_hz")
    leads: dict[str, list[str]] = {}
    for lead, parts in partly.items():
        leads.setdefault(_when(parts), []).append(lead)
    return [
        f"recorded:  {', '.join(recorded) or 'none'}",
        *([derived] if about["derived"] else []),
        f"generated: {', '.join(generated) or 'none'}",
        *(f"in part:   {', '.join(names)}: generated {when}" for when, names in leads.items()),
        *([f"bandwidth: generated leads hold {band[0]:g}–{band[1]:g} Hz"] if band else []),
    ]


def _when(parts: list[list[float]]) -> str:
    """The first parts as text."""
    shown = ", ".join(f"from {first:g} to {last:g} s" for first, last in parts[:4])
    return shown + (f" and in {len(parts) - 4} more parts" if len(parts) > 4 else "")


def requested(condition: Condition) -> About:
    """Age and sex of the first record of a condition, for formats that have a place for them."""
    from ecggen.conditioning.condition import METADATA
    from ecggen.io.metadata import About

    values = zip(METADATA, condition.metadata[0].tolist(), condition.metadata_mask[0].tolist(), strict=True)
    given = {name: value for name, value, known in values if known}
    sex = "MF"[round(given["sex"])] if "sex" in given else None
    return About(age=round(given["age"], 2) if "age" in given else None, sex=sex)


def rounded(value: float | None) -> float | None:
    """A heart rate rounded to one decimal."""
    return None if value is None else round(value, 1)


def refuse_existing(out: Path, overwrite: bool) -> None:
    """Raise InputError if the output folder exists and must not be overwritten."""
    if out.exists() and not overwrite:
        raise InputError(f"{out} exists", "a new folder was expected", "choose another, or pass --overwrite")


def store_and_print(
    result: ECG | Reconstruction,
    file: Path,
    about: dict,
    summary: str,
    condition: Condition,
    context: Context,
    more: Mapping[str, Figure] | None = None,
) -> None:
    """Write all files of a result and print its summary, as the options of the running command say.

    Args:
        result: One draw, or a reconstruction.
        file: The recording, whose name the files get.
        about: Content of the JSON file.
        summary: Content of the text file.
        condition: What the result was generated from.
        context: Of the running command.
        more: Further figures, by what follows the name in the names of their files.
    """
    options, name = context.params, file.stem
    out, plot_format = options["out"], options["plot_format"]
    suffixes = suffixes_of(options["format_"] or "wfdb,csv")
    written = store(result, name, about, summary, out, plot_format, suffixes, condition, more)
    if options["as_json"]:
        console.print_json(about | {"folder": str(out)})
        return
    plots = [str(out / f"{name}{end}.{plot_format}") for end in ("", *(more or {}))]
    label = "plot:  " if len(plots) == 1 else "plots: "
    console.print_text(summary)
    console.print_text(f"{label}    {', '.join(plots)}\nfiles:     {', '.join(written)}")


def store(
    result: ECG | Reconstruction,
    name: str,
    about: dict,
    summary: str,
    out: Path,
    plot_format: str,
    suffixes: Sequence[str],
    condition: Condition,
    more: Mapping[str, Figure] | None = None,
) -> list[str]:
    """Write all files of a result to a temporary folder, then move them: an interrupted run leaves no partial result.

    Args:
        result: One draw, or a reconstruction, whose prediction interval is stored and plotted as well.
        name: Name of the files, without suffix.
        about: Content of the JSON file.
        summary: Content of the text file.
        out: Output folder.
        plot_format: png, svg or pdf.
        suffixes: Suffixes of the files with the leads.
        condition: What the result was generated from; its age and sex are written to the files.
        more: Further figures, by what follows ``name`` in the names of their files.

    Returns:
        The files with the leads.
    """
    import json

    from ecggen import viz
    from ecggen.cli.jobs.measuring import measure
    from ecggen.generators.reconstruction import Reconstruction
    from ecggen.io import write

    making = out.with_name(f".{out.name}.{os.getpid()}.part")
    making.mkdir(parents=True)
    try:
        mean = mean_of(result)
        # Columns of 2.5 s would hide the generated parts of paper strips.
        layout = "12x1" if mean.provenance and mean.provenance.parts else "3x4"
        if isinstance(result, Reconstruction):
            bounds = {"lower": result.lower, "upper": result.upper, "level": result.level}
            said = [one.sentence() for one in (*result.trust[:1], result.margin) if one]
            caption = " · ".join(filter(None, said))
            figure = viz.draw(mean, **bounds, layout=layout, title=name, caption=caption)
            _store_interval(result, making / f"{name}_interval.npz")
        else:
            figure = viz.draw(mean, layout=layout, title=name)
        viz.save(figure, making / f"{name}.{plot_format}")
        for end, one in (more or {}).items():
            viz.save(one, making / f"{name}{end}.{plot_format}")
        patient = requested(condition)
        written = [
            write(mean, making / f"{name}{suffix}", about=replace(patient, measured=measure(mean, suffix)))[-1].name
            for suffix in suffixes
        ]
        (making / f"{name}.txt").write_text(summary + "\n", encoding="utf-8")
        (making / f"{name}.json").write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        out.mkdir(parents=True, exist_ok=True)
        for file in making.iterdir():
            file.replace(out / file.name)
        return [str(out / name) for name in written]
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _store_interval(found: Reconstruction, path: Path) -> None:
    """Write the bounds of the prediction interval as npz."""
    import numpy as np

    mean = found.mean
    np.savez_compressed(
        path,
        lower=found.lower.signal.numpy(),
        upper=found.upper.signal.numpy(),
        leads=np.array(mean.leads),
        fs=mean.fs,
        unit="mV",
        level=found.level,
        provenance=np.array(mean.provenance.lines() if mean.provenance else []),
    )
