"""Validate the diagnostic criteria on real records: sensitivity and specificity of every rule.

    python -m evaluation.scripts.criteria --ptb-xl FOLDER --ludb FOLDER --out evaluation/results/criteria.json

The shares of PTB-XL are also written to ``ecggen/metrics/criteria/real_records.json``, which the package reads.
PTB-XL's statements were made by cardiologists and a device, not by these rules; a rule decides by one threshold where a
reader weighs many signs. The rules were compared with folds 1 to 8 while they were written; fold 9 was used once, for
the result. LUDB's diagnoses are mapped to statements by their words.
"""

from __future__ import annotations

import argparse
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ecggen import data
from ecggen.core.ecg import ECG
from ecggen.data import ludb
from ecggen.io import read
from ecggen.io.results import commit, store
from ecggen.metrics.criteria import real_records
from ecggen.metrics.criteria.measurements import measure
from ecggen.metrics.criteria.rules import CRITERIA, criteria_met

FOLDS = (9,)
LEAST = 4
"""Fewest records with a statement for its sensitivity to be stored."""
PART = 200
LUDB = {
    "Rhythm: Sinus rhythm": "SR",
    "Rhythm: Sinus bradycardia": "SBRAD",
    "Rhythm: Sinus tachycardia": "STACH",
    "Rhythm: Sinus arrhythmia": "SARRH",
    "Rhythm: Atrial fibrillation": "AFIB",
    "Rhythm: Atrial flutter": "AFLT",
    "I degree AV block": "1AVB",
    "Left anterior hemiblock": "LAFB",
    "Complete left bundle branch block": "CLBBB",
    "Complete right bundle branch block": "CRBBB",
    "Incomplete right bundle branch block": "IRBBB",
    "Incomplete left bundle branch block": "ILBBB",
    "Non-specific intravintricular conduction delay": "IVCD",
    "Left ventricular hypertrophy": "LVH",
    "Right ventricular hypertrophy": "RVH",
    "Left atrial hypertrophy": "LAO/LAE",
    "Right atrial overload": "RAO/RAE",
    "Right atrial hypertrophy": "RAO/RAE",
    "Ventricular extrasystole": "PVC",
    "Atrial extrasystole": "PAC",
    "UNIpolar ventricular pacing": "PACE",
    "BIpolar ventricular pacing": "PACE",
}
"""Statement of each diagnosis of LUDB that begins with these words."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ptb-xl", type=Path, required=True, help="folder of PTB-XL")
    parser.add_argument("--ludb", type=Path, help="folder of LUDB")
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args(arguments)
    sets = {"ptb-xl": _ptb_xl(given.ptb_xl)} | ({"ludb": _ludb(given.ludb)} if given.ludb else {})
    results = {
        "definition": "sensitivity: share of the records with the statement that meet its criterion; specificity: "
        "share of the records without it that do not",
        "folds": list(FOLDS),
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
        "rules": {one.code: {"rule": one.rule, "source": one.source} for one in CRITERIA},
        "sets": {name: _agreement(*found) for name, found in sets.items()},
    }
    store(results, given.out, overwrite=True)
    store(shares(results), real_records.FILE, overwrite=True)


def shares(results: dict[str, Any]) -> dict[str, Any]:
    """Shares of the records of PTB-XL with and without each statement that meet its criterion."""
    found = results["sets"]["ptb-xl"]
    each = {
        code: {"n": one["n"], "having": one["sensitivity"], "lacking": round(1 - one["specificity"], 3)}
        for code, one in found["statements"].items()
    }
    about = {"data": f"PTB-XL, fold {', '.join(map(str, results['folds']))}", "n": found["n"]}
    return about | {key: results[key] for key in ("commit", "date")} | {"statements": each}


def _ptb_xl(folder: Path) -> tuple[dict[str, np.ndarray], list[set[str]]]:
    """Which records meet which criterion, and the statements of each record."""
    chosen = [recording for recording in data.recordings(folder) if recording.fold in FOLDS]
    met = []
    for first in range(0, len(chosen), PART):
        part = chosen[first : first + PART]
        ecg = ECG.cat([read(one.path, check=False, allow_contradiction=True).standard() for one in part])
        sex = np.array([np.nan if one.sex is None else float(one.sex) for one in part])
        met.append(criteria_met(measure(ecg, sex=sex)))
    return _joined(met), [set(one.codes.split()) for one in chosen]


def _ludb(folder: Path) -> tuple[dict[str, np.ndarray], list[set[str]]]:
    """The same of LUDB, whose digital values are microvolts."""
    marked = ludb.read(folder)
    met, codes = [], []
    for row, name in enumerate(marked.names):
        header = Path(folder, "data", f"{name}.hea").read_text(encoding="utf-8")
        said = [line.lstrip("# ").strip().rstrip(". ") for line in header.splitlines() if line.startswith("#")]
        sex = np.array([1.0 if "<sex>: F" in said else 0.0 if "<sex>: M" in said else np.nan])
        met.append(criteria_met(measure(marked.ecg[row], sex=sex)))
        codes.append({code for words, code in LUDB.items() for one in said if one.startswith(words)})
    return _joined(met), codes


def _joined(parts: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    return {code: np.concatenate([part[code] for part in parts]) for code in parts[0]}


def _agreement(met: dict[str, np.ndarray], codes: Sequence[set[str]]) -> dict[str, Any]:
    found = {}
    for code, values in met.items():
        has = np.array([code in one for one in codes])
        if LEAST <= has.sum() < len(has):
            sensitivity, false = float(values[has].mean()), float(values[~has].mean())
            found[code] = {
                "n": int(has.sum()),
                "sensitivity": round(sensitivity, 3),
                "specificity": round(1 - false, 3),
            }
    return {"n": len(codes), "statements": found}


if __name__ == "__main__":
    main()
