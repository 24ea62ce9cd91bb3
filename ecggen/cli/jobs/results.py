"""Results of reconstruct and translate: their description, and writing all of their files atomically."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecggen.core.ecg import ECG
    from ecggen.generators.reconstruction import Reconstruction


def mean_of(result: ECG | Reconstruction) -> ECG:
    """The ECG of a result: the draw itself, or the point estimate of a reconstruction."""
    from ecggen.generators.reconstruction import Reconstruction

    return result.mean if isinstance(result, Reconstruction) else result


def describe(result: ECG | Reconstruction) -> dict:
    """Recorded, derived and generated leads, model and condition; for a reconstruction also interval widths."""
    from ecggen.core.ecg import determined_by
    from ecggen.generators.reconstruction import Reconstruction

    mean = mean_of(result)
    origin = mean.provenance
    assert origin is not None
    about = {
        "recorded": list(origin.recorded),
        "derived": [lead for lead in determined_by(origin.recorded) if lead not in origin.recorded],
        "generated": list(origin.generated),
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
        about["interval_mv"] = {
            lead: {name: round(value, 4) for name, value in width.items()} for lead, width in widths.items()
        }
    return about


def rounded(value: float | None) -> float | None:
    """A heart rate rounded to one decimal."""
    return None if value is None else round(value, 1)


def store(
    result: ECG | Reconstruction,
    name: str,
    about: dict,
    summary: str,
    out: Path,
    plot_format: str,
    suffixes: Sequence[str],
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

    Returns:
        The files with the leads.
    """
    import json

    from ecggen import viz
    from ecggen.generators.reconstruction import Reconstruction
    from ecggen.io import write

    making = out.with_name(f".{out.name}.{os.getpid()}.part")
    making.mkdir(parents=True)
    try:
        mean = mean_of(result)
        if isinstance(result, Reconstruction):
            figure = viz.draw(mean, lower=result.lower, upper=result.upper, level=result.level, title=name)
            _store_interval(result, making / f"{name}_interval.npz")
        else:
            figure = viz.draw(mean, title=name)
        viz.save(figure, making / f"{name}.{plot_format}")
        written = [write(mean, making / f"{name}{suffix}")[-1].name for suffix in suffixes]
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
