"""Scores of the evaluators: ``python -m evaluation.scripts.evaluators --data PTBXL --out FILE``.

The classifier is scored against the statements that PTB-XL's cardiologists assigned to the records of fold 9. The
ECG-text encoder is scored by whether an ECG retrieves its own report. Both were trained on folds 1 to 8.
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
"""Positives that a class needs to be included in the macro mean over common classes."""

DEFINITIONS = {
    "auroc": "area under the ROC curve of the predicted probability, ties count half; macro: mean over classes present",
    "auprc": "average precision (scikit-learn); macro: mean over classes present",
    "common": f"classes with at least {LEAST} positive records",
    "interval": "95 %, percentile bootstrap over patients; a resample leaves out classes that do not occur in it",
    "age_error": "mean absolute difference of predicted and recorded age in years (ages above 89 are recorded as 90)",
    "similarity": "mean cosine similarity of an ECG with its own report, and with the report of another record",
    "retrieval": "share of ECGs whose own report, or one with the same statements, is among the k nearest "
    "of 256 reports, mean over batches",
    "zero_shot": "AUROC of the cosine similarity of an ECG with the description of a statement, common statements",
}


def measure_classifier(
    evaluator: Classifier, known: ECG, pack: Pack, rows: np.ndarray, seed: int = 0
) -> dict[str, Any]:
    """AUROC of superclasses, subclasses, statements and sex, and error of age."""
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
    return scores | _sex_and_age(found, index.sex.to_numpy(), index.age.to_numpy(), patients, seed)


def classes(
    probability: np.ndarray, truth: np.ndarray, names: Sequence[str], patients: Sequence[str], seed: int = 0
) -> dict[str, Any]:
    """Macro AUROC with its interval, and AUROC and average precision of each class."""
    from sklearn.metrics import average_precision_score

    areas = auroc(probability, truth)
    common = truth.sum(0) >= LEAST
    resamples = [np.nanmean(auroc(probability[at], truth[at])) for at in redrawn(patients, seed, 200)]
    present = np.flatnonzero(np.isfinite(areas))
    precision = {int(at): float(average_precision_score(truth[:, at], probability[:, at])) for at in present}
    return {
        "macro_auroc": float(np.nanmean(areas)),
        "macro_auroc_interval": [float(value) for value in np.quantile(resamples, [0.025, 0.975])],
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


def _sex_and_age(
    found: Predictions, sex: np.ndarray, age: np.ndarray, patients: Sequence[str], seed: int
) -> dict[str, Any]:
    with_age, with_sex = np.isfinite(age), np.isfinite(sex)
    errors = np.abs(found.age - np.minimum(age, 90))[with_age]
    own = [patient for patient, here in zip(patients, with_age, strict=True) if here]
    return {
        "sex_auroc": float(auroc(found.female[with_sex, None], sex[with_sex, None])[0]),
        "age_error": float(errors.mean()),
        "age_error_interval": patient_interval(errors, own, seed),
        "age_r": float(np.corrcoef(found.age[with_age], age[with_age])[0, 1]),
    }


def measure_ecg_text(
    encoder: ECGTextEncoder, known: ECG, pack: Pack, rows: np.ndarray, seed: int = 0
) -> dict[str, Any]:
    """Similarity and retrieval of real pairs, and zero-shot classification by the descriptions of the statements."""
    index = pack.index.iloc[rows]
    with_report = np.array([bool(report.strip()) for report in index.report])
    waves, texts = encoder.ecgs(known), encoder.texts(index.report.tolist())
    own = (waves * texts).sum(-1)[with_report]
    rng = np.random.default_rng(seed)
    other = (waves * texts[rng.permutation(len(texts))]).sum(-1)[with_report]
    names = [
        code
        for code in statements.codes()
        if index.codes.str.split().map(lambda said, c=code: c in said).sum() >= LEAST
    ]
    truth = np.array([[code in said.split() for code in names] for said in index.codes], float)
    areas = auroc(waves @ encoder.texts([statements.describe(code) for code in names]).T, truth)
    return {
        "similarity": {"own": float(own.mean()), "other": float(other.mean())},
        "similarity_interval": patient_interval(own, index.patient[with_report].tolist(), seed),
        "own_above_other_auroc": float(
            auroc(np.r_[own, other][:, None], np.r_[np.ones(len(own)), np.zeros(len(other))][:, None])[0]
        ),
        "retrieval": {str(k): retrieval(waves, texts, index.codes.tolist(), k, rng) for k in (1, 5, 10)},
        "zero_shot_macro_auroc": float(areas.mean()),
        "zero_shot": {code: round(float(area), 4) for code, area in zip(names, areas, strict=True)},
    }


def retrieval(waves: np.ndarray, texts: np.ndarray, codes: Sequence[str], k: int, rng: np.random.Generator) -> float:
    """Share of ECGs with a report of the same statements among the ``k`` nearest of 256."""
    order = rng.permutation(len(waves))
    hits = []
    for start in range(0, len(order) - 255, 256):
        part = order[start : start + 256]
        said = np.array(codes, object)[part]
        nearest = np.argsort(-(waves[part] @ texts[part].T), 1)[:, :k]
        hits.append((said[nearest] == said[:, None]).any(1).mean())
    return float(np.mean(hits))


def main() -> None:
    """Measure, store and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--classifier", default="classifier", help="name or folder of a classifier")
    parser.add_argument("--ecg-text", default="ecg_text", help="name or folder of an ECG-text encoder; 'none' to skip")
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--cache", type=Path, help="folder of packed data sets")
    parser.add_argument("--out", type=Path, required=True, help="JSON file for the results")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    evaluator = pretrained.load(arguments.classifier, "classifier")
    pack = data.pack(data.recordings(arguments.data), evaluator.preprocessor, arguments.cache)
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
    if arguments.ecg_text != "none":
        encoder = pretrained.load(arguments.ecg_text, "ecg_text")
        results |= {"ecg_text": encoder.name, "pair_scores": measure_ecg_text(encoder, known, pack, rows)}
    store(results, arguments.out, overwrite=True)
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
