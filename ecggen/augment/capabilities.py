"""What a checkpoint can draw, as a classifier found it: told beside its weights, so that nobody has to measure it again.

``diagnoses.json`` in a checkpoint's folder holds, for each class, how well the classifier tells draws that were asked to
show it from draws that were not, beside how well it tells real records (``ecggen.benchmark.diagnoses`` writes it).
The file names the weights that it was measured with, and is believed for no others.
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
"""Kinds of classes, as one name is looked up: a statement comes before a superclass of the same name."""


@dataclass(frozen=True)
class Drawable:
    """Whether a class can be drawn.

    Attributes:
        verdict: One of ``VERDICTS``.
        auroc: Area under the ROC curve of the classifier's probability, draws that were asked to show the class against
            the others; None where not measured.
        interval: Its 95 % interval.
        real: The same area of real held-out records that show the class against others.
        requested: Draws that were asked to show it.
        training: Training records that show it.
        why: Why it was not measured, or "".
    """

    verdict: str
    auroc: float | None = None
    interval: Sequence[float] | None = None
    real: float | None = None
    requested: int = 0
    training: int = 0
    why: str = ""


def write(folder: Path, about: dict[str, Any], found: dict[str, dict[str, Drawable]]) -> Path:
    """Put what was found into a checkpoint's folder.

    Args:
        folder: The checkpoint's; its weights are those that were measured.
        about: What else must be known: judge, draws, seed, commit, date.
        found: Classes by kind and name.
    """
    each = {kind: {name: asdict(one) for name, one in found[kind].items()} for kind in KINDS}
    storage.write_json(folder / FILE, {"weights": storage.weights_hash(folder), **about, **each})
    return folder / FILE


def look_up(folder: Path, name: str) -> Drawable:
    """What was found of a class with the weights in ``folder``.

    Args:
        folder: A checkpoint's.
        name: A statement's code or words, a subclass, a superclass.

    Raises:
        InputError: Where nobody knows the class, or the file is broken.
    """
    name, place = class_name(name), folder / FILE
    about = storage.read_json(place) if place.is_file() else {}
    if about.get("weights") != storage.weights_hash(folder):
        return Drawable(NOT_MEASURED, why="not for these weights")
    kinds = [about.get(kind, {}) for kind in KINDS]
    if not all(isinstance(kind, dict) for kind in kinds):
        raise InputError(f"{place} does not hold classes by kind", "what ecggen has written was expected")
    entry = next((kind[name] for kind in kinds if name in kind), None)
    if entry is None:
        return Drawable(NOT_MEASURED, why="left out of the measurement")
    return config.build(Drawable, entry, str(place))


def warning(folder: Path, name: str) -> str | None:
    """What to know before a class is drawn with the checkpoint in ``folder``; None where it can be drawn.

    Raises:
        InputError: As ``look_up``.
    """
    found, name = look_up(folder, name), class_name(name)
    if found.verdict == CAN:
        return None
    if found.auroc is None or found.interval is None or found.real is None:
        return f"{name}: whether {folder.name} can draw it was not measured ({found.why})"
    within = f"{found.interval[0]:.2f}–{found.interval[1]:.2f}"
    changes = "asking for it changes little in what this model draws"
    said = changes if found.verdict == CANNOT else "this model draws it in part only"
    return (
        f"{name}: the classifier tells requested from not requested draws of {folder.name} with AUROC {found.auroc:.2f} "
        f"({within}; {found.real:.2f} on real records): {said}"
    )
