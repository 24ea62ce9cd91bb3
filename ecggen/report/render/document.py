"""The report as data: its sections, and what is needed to reproduce it (sets, seed, networks, versions, commit).

The keys of ``as_json`` are stable. Its numbers are plain Python numbers; NaN and infinity become null.
"""

from __future__ import annotations

import math
import platform
from collections import Counter
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import numpy as np

from ecggen.report.inputs.cohort import Cohorts, MeasuredSet
from ecggen.report.scores import SEVERITY, Section, most_severe

FORMAT = 1
"""Version of the format of ``report.json``."""
LIBRARIES = ("numpy", "scipy", "torch", "scikit-learn", "matplotlib")
SETS = ("synthetic", "real", "holdout", "truth")


@dataclass
class Report:
    """A finished report.

    Attributes:
        sections: Sections in order.
        sets: Description of each set by name (``SETS``); None for one that was not given.
        seed: Seed of all splits and resampling.
        classifier: Name and weight hash of the classifier, or "".
        ecg_text: Name and weight hash of the ECG–text encoder, or "".
        date: ISO date of the run.
        commit: Commit of the sources, or "".
        seconds: Run time.
        versions: Version of each library by name.
    """

    sections: list[Section]
    sets: dict[str, dict[str, Any] | None]
    seed: int
    classifier: str = ""
    ecg_text: str = ""
    date: str = ""
    commit: str = ""
    seconds: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def verdict(self) -> str:
        """The most severe verdict of all sections."""
        return most_severe([section.verdict for section in self.sections])

    @property
    def summary(self) -> str:
        """Number of sections with each verdict, in one sentence."""
        counted = Counter(section.verdict for section in self.sections)
        parts = [f"{counted[verdict]} {verdict}" for verdict in reversed(SEVERITY) if counted[verdict]]
        return f"Of {len(self.sections)} sections: {', '.join(parts)}."

    def as_json(self) -> dict[str, Any]:
        """Everything but the plots, as plain values with stable keys."""
        about = {
            "format": FORMAT,
            "verdict": self.verdict,
            "verdicts": {section.key: section.verdict for section in self.sections},
            "date": self.date,
            "seconds": round(self.seconds, 1),
            "seed": self.seed,
            "commit": self.commit,
            "versions": self.versions,
            "classifier": self.classifier or None,
            "ecg_text": self.ecg_text or None,
            "sets": self.sets,
            "sections": {section.key: section.as_json() for section in self.sections},
        }
        return plain(about)


def versions() -> dict[str, str]:
    """Versions of ecggen, Python and the numerical libraries."""
    from ecggen import __version__

    here = {"ecggen": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            here[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            here[name] = ""
    return here


def describe_sets(cohorts: Cohorts) -> dict[str, dict[str, Any] | None]:
    """Description of each set by name; None for one that was not given."""
    return {name: _about(getattr(cohorts, name)) for name in SETS}


def _about(measured_set: MeasuredSet | None) -> dict[str, Any] | None:
    if measured_set is None:
        return None
    one = measured_set.all
    return {
        "source": one.source,
        "n": len(one),
        "n_valid": len(measured_set.valid),
        "patients": len(set(one.patients)),
        "rate_hz": one.ecg.fs,
        "seconds": one.ecg.seconds,
        "leads": list(one.ecg.leads),
        "left_out": dict(one.left_out),
        "changed": list(one.changed),
        "provenance": dict(one.provenance),
    }


def plain(value: Any) -> Any:
    """``value`` without tuples, NumPy types, NaN and infinity, for JSON.

    Example:
        >>> plain({"n": np.int64(3), "interval": (0.5, float("nan"))})
        {'n': 3, 'interval': [0.5, None]}
    """
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
