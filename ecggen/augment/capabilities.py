"""The classes that a checkpoint can generate, as measured by a classifier and stored next to its weights.

``diagnoses.json`` in a checkpoint's folder holds two AUROCs for each class: how well the classifier separates draws for
which the class was requested from other draws, and how well it separates real records with and without the class.
``ecggen.benchmark.diagnoses`` writes the file. It names the weights it was measured with and is ignored for others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ecggen.core import config
from ecggen.core.errors import InputError
from ecggen.data.population import class_name
from ecggen.networks import storage

FILE = "diagnoses.json"
CAN, PARTLY, CANNOT, NOT_MEASURED = "can draw", "partly", "cannot draw", "not measured"
VERDICTS = (CAN, PARTLY, CANNOT, NOT_MEASURED)
KINDS = ("statements", "superclasses", "subclasses")
"""Kinds of classes in the order of look-up: statements take precedence over superclasses of the same name."""


@dataclass(frozen=True)
class Capability:
    """Whether a class can be generated.

    Attributes:
        verdict: One of ``VERDICTS``.
        auroc: AUROC of the classifier's probability, draws for which the class was requested against other draws; None
            if not measured.
        interval: 95 % interval of ``auroc``.
        real: AUROC on held-out real records, those that show the class against others.
        requested: Number of draws for which the class was requested.
        training: Number of training records that show it.
        why: The reason if it was not measured, otherwise "".
    """

    verdict: str
    auroc: float | None = None
    interval: Sequence[float] | None = None
    real: float | None = None
    requested: int = 0
    training: int = 0
    why: str = ""


def write(folder: Path, about: dict[str, Any], found: dict[str, dict[str, Capability]]) -> Path:
    """Write the measured capabilities into a checkpoint's folder.

    Args:
        folder: Folder of the checkpoint; its weights are the ones that were measured.
        about: Settings of the measurement: classifier, draws, seed, commit, date.
        found: Capabilities by kind and name of the class.

    Returns:
        The path of the file.
    """
    each = {kind: {name: asdict(one) for name, one in found[kind].items()} for kind in KINDS}
    storage.write_json(folder / FILE, {"weights": storage.weights_hash(folder), **about, **each})
    return folder / FILE


def look_up(folder: Path, name: str) -> Capability:
    """The capability of the checkpoint in ``folder`` for a class.

    Args:
        folder: Folder of a checkpoint.
        name: Code or wording of a statement, a subclass or a superclass.

    Raises:
        InputError: If the class is unknown, or the file is invalid.
    """
    name, place = class_name(name), folder / FILE
    about = storage.read_json(place) if place.is_file() else {}
    if storage.hearts_hash(str(about.get("weights"))) != storage.hearts_hash(storage.weights_hash(folder)):
        return Capability(NOT_MEASURED, why="not for these weights")
    kinds = [about.get(kind, {}) for kind in KINDS]
    if not all(isinstance(kind, dict) for kind in kinds):
        raise InputError(f"{place} does not hold classes by kind", "a file written by ecggen was expected")
    entry = next((kind[name] for kind in kinds if name in kind), None)
    if entry is None:
        return Capability(NOT_MEASURED, why="left out of the measurement")
    return config.build(Capability, entry, str(place))


def warning(folder: Path, name: str) -> str | None:
    """A warning if the checkpoint in ``folder`` cannot generate a class well, or if that was not measured; else None.

    Raises:
        InputError: As ``look_up``.
    """
    found, name = look_up(folder, name), class_name(name)
    if found.verdict == CAN:
        return None
    if found.auroc is None or found.interval is None or found.real is None:
        return f"{name}: it was not measured whether {folder.name} can generate it ({found.why})"
    within = f"{found.interval[0]:.2f}–{found.interval[1]:.2f}"
    extent = "hardly generates" if found.verdict == CANNOT else "only partly generates"
    return (
        f"{name}: {folder.name} {extent} this class: the classifier separates draws with and without the request with "
        f"AUROC {found.auroc:.2f} ({within}), real records with and without the class with {found.real:.2f}"
    )
