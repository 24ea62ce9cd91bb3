"""How well a margin of a hospital's own (``ecggen calibrate``) holds, by hospital and number of its records.

``python -m evaluation.scripts.local_margin --model vae --data PTBXL --outside CINC2021 --outside LUDB --outside
CINC2011 --out evaluation/results/local_margin.json`` reconstructs each record once, and adds the scores of the model to
the file: the shipped interval, and, over random splits of each hospital's records, coverage and width in the others of
a margin that was calibrated on a few. ``uncorrected`` and ``strict`` are coverage and width without the correction for
few records, and with one against any record.
"""

from __future__ import annotations

import argparse
import datetime
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.progress import Progress

from ecggen import data
from ecggen.data import Pack
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.generators.trust.calibrate import NUM_DRAWS, Errors, errors
from ecggen.generators.trust.margin import FEWEST, conformal_margin
from ecggen.generators.trust.widening import LEVEL
from ecggen.io.results import commit
from ecggen.networks import storage
from ecggen.training.trust import outside_records

SETS = (("I",), ("II", "V1", "V5"))
FOLD, INSIDE, SEED = 9, "PTB-XL", 1
COUNTS = (20, 40, 80)
"""Numbers of calibration records."""
SPLITS, REST = 500, 20
"""Random splits, and fewest records beside those of the calibration."""


def split_scores(found: Errors, count: int) -> dict[str, Any]:
    """Margin, coverage and width over random splits into ``count`` calibration records and the others.

    Args:
        found: Errors of all records of a hospital.
        count: Number of calibration records.
    """
    rng, ratios = np.random.default_rng(SEED), found.ratios()
    made: dict[str, list[tuple[float, float, float]]] = {"": [], "strict": [], "uncorrected": []}
    for _ in range(SPLITS):
        order = rng.permutation(len(ratios))
        own, rest, width = ratios[order[:count]], ratios[order[count:]], found.width[order[count:]].mean()
        margins = conformal_margin(own, LEVEL), conformal_margin(own, LEVEL, worst=0), np.quantile(own, LEVEL)
        for kind, margin in zip(made, margins, strict=True):
            made[kind].append((margin, (rest <= margin).mean(), margin * width))
    scores = {kind: [_short(value) for value in np.mean(values, 0)] for kind, values in made.items()}
    inside = np.array(made[""])[:, 1]
    return {
        **dict(zip(("margin", "coverage", "width_mv"), scores[""], strict=True)),
        "of_splits": [_short(end) for end in np.quantile(inside, [0.05, 0.95])],
        **{kind: {"coverage": scores[kind][1], "width_mv": scores[kind][2]} for kind in ("uncorrected", "strict")},
    }


def hospital_scores(found: Errors) -> dict[str, Any]:
    """Coverage and width of the shipped interval, and with a margin from each number of calibration records."""
    each = (found.ratios() <= 1).mean(1)
    counts = [count for count in COUNTS if len(each) >= count + REST]
    return {
        "n": len(each),
        "coverage": _short(each.mean()),
        "width_mv": _short(found.width.mean()),
        "own": {str(count): split_scores(found, count) for count in counts},
    }


def _short(value: Any) -> float:
    return round(float(value), 4)


def records(pack: Pack, limit: int) -> np.ndarray:
    """Random records (record, 8, time) in mV of fold 9, one of each patient."""
    rows = pack.rows((FOLD,))
    first = np.unique(pack.index.patient.iloc[rows].to_numpy(), return_index=True)[1]
    return pack.ecg(np.sort(np.random.default_rng(SEED).permutation(rows[first])[:limit])).signal.numpy()


def kept_errors(kept: Path | None, generator: Generator, eight: np.ndarray, given: Sequence[str], name: str) -> Errors:
    """``errors``, stored in the folder ``kept``, if there is one, so that an interrupted run continues there."""
    whose = f"{generator.name} {' '.join(given)} {name} {len(eight)}"
    place = None if kept is None else kept / f"{re.sub('[^A-Za-z0-9@+]+', '-', whose)}.npz"
    if place is not None and place.is_file():
        with np.load(place) as stored:
            return Errors(*(stored[each] for each in ("error", "half_width", "width")))
    with Progress() as bar:
        task = bar.add_task(f"{name}, {' '.join(given)} given", total=1.0)
        found = errors(generator, eight, given, NUM_DRAWS, LEVEL, lambda share: bar.update(task, completed=share))
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        np.savez(place, **vars(found))
    return found


def main() -> None:
    """Score one or more models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", required=True, help="checkpoint")
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--outside", type=Path, action="append", default=[], help="folder of another archive")
    parser.add_argument("--cache", type=Path, help="folder of packed data sets")
    parser.add_argument("--limit", type=int, default=400, help="number of records of fold 9")
    parser.add_argument("--kept", type=Path, help="folder of errors, from which an interrupted run continues")
    parser.add_argument("--out", type=Path, required=True, help="JSON file, which is extended")
    options = parser.parse_args()
    torch.set_num_threads(1)
    made: dict[str, Any] = json.loads(options.out.read_text()) if options.out.is_file() else {"scores": {}}
    made |= {"seed": SEED, "splits": SPLITS, "draws": NUM_DRAWS, "level": LEVEL}
    for name in options.model:
        generator = checkpoint.load(storage.find(name))
        hospitals = {INSIDE: records(_packed(options.data, generator, options.cache), options.limit)}
        for path in options.outside:
            hospitals |= outside_records(_packed(path, generator, options.cache), path.resolve().name)
        known = {own: eight for own, eight in hospitals.items() if len(eight) >= FEWEST + REST}
        scores = {
            " ".join(given): {
                own: hospital_scores(kept_errors(options.kept, generator, eight, given, own))
                for own, eight in known.items()
            }
            for given in SETS
        }
        about = {"n": sum(len(eight) for eight in known.values()), "commit": commit()}
        about |= {"date": datetime.date.today().isoformat(), "given": scores}
        kept = {own: one for own, one in made["scores"].items() if own.split("@")[0] != name}
        made["scores"] = kept | {generator.name: about}
        options.out.write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


def _packed(path: Path, generator: Generator, cache: Path | None) -> Pack:
    return data.pack(data.recordings(path), generator.preprocessor, cache)


if __name__ == "__main__":
    main()
