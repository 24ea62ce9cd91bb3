"""A drawn ECG on its way out: what it is, for a program, and its files, all of them or none."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecggen.core.ecg import ECG
    from ecggen.generators.reconstruction import Reconstruction


def center_of(answer: ECG | Reconstruction) -> ECG:
    """The ECG itself: one draw, or the middle of an estimate."""
    from ecggen.generators.reconstruction import Reconstruction

    return answer.mean if isinstance(answer, Reconstruction) else answer


def describe(answer: ECG | Reconstruction) -> dict:
    """What was measured, what was generated and, of an estimate, how wide the band is."""
    from ecggen.core.ecg import determined_by
    from ecggen.generators.reconstruction import Reconstruction

    center = center_of(answer)
    origin = center.provenance
    assert origin is not None
    band = answer if isinstance(answer, Reconstruction) else None
    return {
        "measured": list(origin.measured),
        "derived": [lead for lead in determined_by(origin.measured) if lead not in origin.measured],
        "generated": list(origin.generated),
        "model": origin.model,
        "condition": origin.condition,
        "seed": origin.seed,
        "draws": band.draws if band else 1,
        **({"level": band.level} if band else {}),
        "fs": center.fs,
        "seconds": center.seconds,
        **({"band_mv": band_of(band)} if band else {}),
    }


def band_of(estimate: Reconstruction) -> dict:
    """The band's half width beside the lead's span, in mV, of each generated lead."""
    center = estimate.mean
    assert center.provenance is not None
    width = (estimate.upper.signal - estimate.lower.signal)[0].mean(-1) / 2
    span = center.signal[0].amax(-1) - center.signal[0].amin(-1)
    return {
        lead: {"half_width": round(float(width[i]), 4), "span_of_lead": round(float(span[i]), 3)}
        for i, lead in enumerate(center.leads)
        if lead in center.provenance.generated
    }


def rounded(value: float | None) -> float | None:
    """A heart rate to one digit behind the point."""
    return None if value is None else round(value, 1)


def store(
    answer: ECG | Reconstruction, name: str, about: dict, words: str, out: Path, picture: str, suffixes: Sequence[str]
) -> list[str]:
    """All files of a result, made beside their place and then moved: a stopped run leaves no half result.

    Args:
        answer: One draw, or an estimate, whose band is then stored and drawn as well.
        name: Name of the files, without suffix.
        about: For the JSON file.
        words: For the text file.
        out: The folder.
        picture: Form of the picture: png, svg or pdf.
        suffixes: Of the files that hold the leads.

    Returns:
        The files that hold the leads.
    """
    import json

    from ecggen.generators.reconstruction import Reconstruction
    from ecggen.io import write
    from ecggen.viz import ecg as paper

    making = out.with_name(f".{out.name}.{os.getpid()}.part")
    making.mkdir(parents=True)
    try:
        center = center_of(answer)
        if isinstance(answer, Reconstruction):
            figure = paper.draw(center, low=answer.lower, high=answer.upper, level=answer.level, title=name)
            _store_band(answer, making / f"{name}_band.npz")
        else:
            figure = paper.draw(center, title=name)
        paper.save(figure, making / f"{name}.{picture}")
        written = [write(center, making / f"{name}{suffix}")[-1].name for suffix in suffixes]
        (making / f"{name}.txt").write_text(words + "\n", encoding="utf-8")
        (making / f"{name}.json").write_text(json.dumps(about, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        out.mkdir(parents=True, exist_ok=True)
        for file in making.iterdir():
            file.replace(out / file.name)
        return [str(out / name) for name in written]
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _store_band(estimate: Reconstruction, path: Path) -> None:
    import numpy as np

    center = estimate.mean
    np.savez_compressed(
        path,
        low=estimate.lower.signal.numpy(),
        high=estimate.upper.signal.numpy(),
        leads=np.array(center.leads),
        fs=center.fs,
        unit="mV",
        level=estimate.level,
        provenance=np.array(center.provenance.lines() if center.provenance else []),
    )
