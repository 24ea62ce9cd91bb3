"""The ECG that a command made: what it is, for a program, and its files, all of them or none."""

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


def mean_of(answer: ECG | Reconstruction) -> ECG:
    """The ECG itself: one draw, or the point estimate of a reconstruction."""
    from ecggen.generators.reconstruction import Reconstruction

    return answer.mean if isinstance(answer, Reconstruction) else answer


def describe(answer: ECG | Reconstruction) -> dict:
    """What was recorded, what was generated and, of a reconstruction, how wide the prediction interval is."""
    from ecggen.core.ecg import determined_by
    from ecggen.generators.reconstruction import Reconstruction

    mean = mean_of(answer)
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
    if isinstance(answer, Reconstruction):
        widths = {lead: asdict(width) for lead, width in answer.intervals().items()}
        about |= {"num_draws": answer.num_draws, "level": answer.level}
        about["interval_mv"] = {
            lead: {name: round(value, 4) for name, value in width.items()} for lead, width in widths.items()
        }
    return about


def rounded(value: float | None) -> float | None:
    """A heart rate to one decimal."""
    return None if value is None else round(value, 1)


def store(
    answer: ECG | Reconstruction,
    name: str,
    about: dict,
    words: str,
    out: Path,
    plot_format: str,
    suffixes: Sequence[str],
) -> list[str]:
    """All files of a result, made beside their place and then moved: a stopped run leaves no half result.

    Args:
        answer: One draw, or a reconstruction, whose prediction interval is then stored and drawn as well.
        name: Name of the files, without suffix.
        about: For the JSON file.
        words: For the text file.
        out: The folder.
        plot_format: png, svg or pdf.
        suffixes: Of the files that hold the leads.

    Returns:
        The files that hold the leads.
    """
    import json

    from ecggen import viz
    from ecggen.generators.reconstruction import Reconstruction
    from ecggen.io import write

    making = out.with_name(f".{out.name}.{os.getpid()}.part")
    making.mkdir(parents=True)
    try:
        mean = mean_of(answer)
        if isinstance(answer, Reconstruction):
            figure = viz.draw(mean, low=answer.lower, high=answer.upper, level=answer.level, title=name)
            _store_interval(answer, making / f"{name}_interval.npz")
        else:
            figure = viz.draw(mean, title=name)
        viz.save(figure, making / f"{name}.{plot_format}")
        written = [write(mean, making / f"{name}{suffix}")[-1].name for suffix in suffixes]
        (making / f"{name}.txt").write_text(words + "\n", encoding="utf-8")
        (making / f"{name}.json").write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        out.mkdir(parents=True, exist_ok=True)
        for file in making.iterdir():
            file.replace(out / file.name)
        return [str(out / name) for name in written]
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _store_interval(found: Reconstruction, path: Path) -> None:
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
