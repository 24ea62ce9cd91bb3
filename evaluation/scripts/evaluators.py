"""How good the evaluators are: ``python -m evaluation.scripts.evaluators --data PTBXL --out FILE``.

The classifier is scored on what PTB-XL's readers said of fold 9's records, the ECG-text pair on whether an ECG finds
its own report. Both were trained on folds 1 to 8; nothing of fold 9 chose anything about them.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ecggen import data
from ecggen.conditioning import statements
from ecggen.core.ecg import ECG
from ecggen.data import Pack
from ecggen.evaluators import pretrained
from ecggen.evaluators.classifier import Classifier, Predictions, labels, targets
from ecggen.evaluators.ecg_text import ECGTextEncoder
from ecggen.io.results import commit, store
from ecggen.metrics.functional.bootstrap import patient_interval, redrawn
from ecggen.metrics.functional.ranking import auroc

LEAST = 10
"""Positives (and negatives) that a class needs to count in a macro mean beside that of all classes that occur."""

DEFINITIONS = {
    "auroc": "area under the ROC curve of the classifier's probability, ties as half; macro: mean over classes that occur",
    "auprc": "average precision (scikit-learn), macro likewise",
    "common": f"classes with at least {LEAST} records that have it",
    "interval": "95 %, percentile bootstrap over patients; classes that a redraw lacks are left out of it",
    "age_error": "mean absolute difference of told and recorded age in years (ages above 89 are recorded as 90)",
    "similarity": "mean cosine of an ECG and its own report, and of an ECG and the report of another record",
    "retrieval": "share of ECGs whose own report (or one that makes the same statements) is among the k nearest "
    "of 256 reports, mean over batches",
    "zero_shot": "AUROC of the cosine of an ECG and a statement's description, common statements",
}


def measure_classifier(
    evaluator: Classifier, known: ECG, pack: Pack, rows: np.ndarray, seed: int = 0
) -> dict[str, Any]:
    """Areas of superclasses, subclasses and statements, sex and age."""
    found = evaluator.predict(known)
    index = pack.index.iloc[rows]
    truth, patients = targets(index.codes.tolist()), index.patient.tolist()
    names = list(labels())
    kinds = {
        "superclasses": [name for name in names if name.startswith("class ")],
        "subclasses": [name for name in names if name.startswith("subclass ")],
        "statements": list(statements.codes()),
    }
    scores: dict[str, Any] = {}
    for kind, wanted in kinds.items():
        columns = [names.index(name) for name in wanted]
        scores[kind] = classes(found.probability[:, columns], truth[:, columns], wanted, patients, seed)
    return scores | _person(found, index.sex.to_numpy(), index.age.to_numpy(), patients, seed)


def classes(
    probability: np.ndarray, truth: np.ndarray, names: Sequence[str], patients: Sequence[str], seed: int = 0
) -> dict[str, Any]:
    """Macro area with its interval, and each class's own."""
    from sklearn.metrics import average_precision_score

    areas = auroc(probability, truth)
    common = truth.sum(0) >= LEAST
    redraws = [np.nanmean(auroc(probability[at], truth[at])) for at in redrawn(patients, seed, 200)]
    present = np.flatnonzero(np.isfinite(areas))
    precision = {int(at): float(average_precision_score(truth[:, at], probability[:, at])) for at in present}
    return {
        "macro_auroc": float(np.nanmean(areas)),
        "macro_auroc_interval": [float(value) for value in np.quantile(redraws, [0.025, 0.975])],
        "macro_auprc": float(np.mean(list(precision.values()))),
        "macro_auroc_of_common": float(np.nanmean(areas[common])),
        "classes": len(present),
        "classes_common": int(common.sum()),
        "each": {
            names[int(at)].split(" ")[-1]: {
                "auroc": round(float(areas[at]), 4),
                "auprc": round(precision[int(at)], 4),
                "positives": int(truth[:, at].sum()),
            }
            for at in present
        },
    }


def _person(found: Predictions, sex: np.ndarray, age: np.ndarray, patients: Sequence[str], seed: int) -> dict[str, Any]:
    known = np.isfinite(age)
    off = np.abs(found.age - np.minimum(age, 90))[known]
    own = [patient for patient, here in zip(patients, known, strict=True) if here]
    told = np.isfinite(sex)
    return {
        "sex_auroc": float(auroc(found.female[told, None], sex[told, None])[0]),
        "age_error": float(off.mean()),
        "age_error_interval": patient_interval(off, own, seed),
        "age_r": float(np.corrcoef(found.age[known], age[known])[0, 1]),
    }


def measure_pair(pair: ECGTextEncoder, known: ECG, pack: Pack, rows: np.ndarray, seed: int = 0) -> dict[str, Any]:
    """Similarity of real pairs, retrieval, and statements by their description alone."""
    index = pack.index.iloc[rows]
    told = np.array([bool(report.strip()) for report in index.report])
    waves, texts = pair.ecgs(known), pair.texts(index.report.tolist())
    own = (waves * texts).sum(-1)[told]
    rng = np.random.default_rng(seed)
    other = (waves * texts[rng.permutation(len(texts))]).sum(-1)[told]
    names = [
        code
        for code in statements.codes()
        if index.codes.str.split().map(lambda said, c=code: c in said).sum() >= LEAST
    ]
    truth = np.array([[code in said.split() for code in names] for said in index.codes], float)
    areas = auroc(waves @ pair.texts([statements.describe(code) for code in names]).T, truth)
    return {
        "similarity": {"own": float(own.mean()), "other": float(other.mean())},
        "similarity_interval": patient_interval(own, index.patient[told].tolist(), seed),
        "own_above_other_auroc": float(
            auroc(np.r_[own, other][:, None], np.r_[np.ones(len(own)), np.zeros(len(other))][:, None])[0]
        ),
        "retrieval": {str(k): retrieval(waves, texts, index.codes.tolist(), k, rng) for k in (1, 5, 10)},
        "zero_shot_macro_auroc": float(areas.mean()),
        "zero_shot": {code: round(float(area), 4) for code, area in zip(names, areas, strict=True)},
    }


def retrieval(waves: np.ndarray, texts: np.ndarray, codes: Sequence[str], k: int, rng: np.random.Generator) -> float:
    """Share of ECGs that find a report of their own statements among the ``k`` nearest of 256."""
    order = rng.permutation(len(waves))
    hits = []
    for start in range(0, len(order) - 255, 256):
        part = order[start : start + 256]
        said = np.array(codes, object)[part]
        nearest = np.argsort(-(waves[part] @ texts[part].T), 1)[:, :k]
        hits.append((said[nearest] == said[:, None]).any(1).mean())
    return float(np.mean(hits))


def main() -> None:
    """Measure, print, store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classifier", default="classifier", help="a classifier's name or folder")
    parser.add_argument("--pair", default="ecg_text", help="an ECG-text pair's name or folder; 'none' for not")
    parser.add_argument("--data", type=Path, required=True, help="the PTB-XL folder")
    parser.add_argument("--cache", type=Path, help="where packed data sets are kept")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the results")
    words = parser.parse_args()
    torch.set_num_threads(1)
    evaluator = pretrained.load(words.evaluator, "classifier")
    pack = data.pack(data.recordings(words.data), evaluator.preprocessor, words.cache)
    rows = pack.rows([9])
    known = pack.ecg(rows)
    results = {
        "definitions": DEFINITIONS,
        "classifier": evaluator.name,
        "folds": [9],
        "n": len(rows),
        "patients": int(pack.index.patient.iloc[rows].nunique()),
        "seed": 0,
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
        "scores": measure_classifier(evaluator, known, pack, rows),
    }
    if words.pair != "none":
        pair = pretrained.load(words.pair, "ecg_text")
        results |= {"ecg_text": pair.name, "pair_scores": measure_pair(pair, known, pack, rows)}
    store(results, words.out, overwrite=True)
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
