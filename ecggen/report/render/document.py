"""The whole report as a value: its sections and everything that must be known to believe or repeat it.

``as_json`` is what programs read: its keys are stable, its numbers are plain, and what is no number is null.
"""

from __future__ import annotations

import math
import platform
from collections import Counter
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any

import numpy as np

from ecggen.report.inputs.cohort import Material, Studied
from ecggen.report.scores import FAIL, GRAVITY, NOT_MEASURED, PASS, WARN, Section, gravest

FORMAT = 1
"""Version of ``report.json``'s form."""
LIBRARIES = ("numpy", "scipy", "torch", "scikit-learn", "matplotlib")
SETS = ("synthetic", "real", "holdout", "truth")


@dataclass
class Report:
    """A finished report.

    Attributes:
        sections: In their order.
        sets: What each set is, by name (``SETS``); None for one that was not given.
        seed: Seed of every split and redraw.
        judge: Name and weight hash of the judging network, or "".
        pair: Likewise of the ECG–text encoders.
        date: ISO date of the run.
        commit: Commit of the sources, or "".
        seconds: How long it took.
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
        """The gravest of all."""
        return gravest([section.verdict for section in self.sections])

    @property
    def summary(self) -> str:
        """The verdicts counted, in one sentence."""
        counted = Counter(section.verdict for section in self.sections)
        words = {FAIL: "fail", WARN: "warn", PASS: "pass", NOT_MEASURED: "not measured"}
        parts = [f"{counted[verdict]} {words[verdict]}" for verdict in reversed(GRAVITY) if counted[verdict]]
        return f"Of {len(self.sections)} sections: {', '.join(parts)}."

    def as_json(self) -> dict[str, Any]:
        """Everything but the drawings, plain and with stable keys."""
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
    """ecggen, Python and the libraries that compute."""
    from ecggen import __version__

    here = {"ecggen": __version__, "python": platform.python_version()}
    for name in LIBRARIES:
        try:
            here[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            here[name] = ""
    return here


def sets_of(material: Material) -> dict[str, dict[str, Any] | None]:
    """What each set is."""
    return {name: _about(getattr(material, name)) for name in SETS}


def _about(studied: Studied | None) -> dict[str, Any] | None:
    if studied is None:
        return None
    one = studied.all
    return {
        "source": one.source,
        "n": len(one),
        "n_valid": len(studied.valid),
        "patients": len(set(one.patients)),
        "rate_hz": one.ecg.fs,
        "seconds": one.ecg.seconds,
        "leads": list(one.ecg.leads),
        "left_out": dict(one.left_out),
        "changed": list(one.changed),
        "provenance": dict(one.provenance),
    }


def plain(value: Any) -> Any:
    """``value`` for JSON: no tuples, no numpy, no NaN."""
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
