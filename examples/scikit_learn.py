"""Measure the benefit of synthetic records with a logistic regression in scikit-learn.

    ecggen augment --data PTBXL --folds 1 --balance superclasses --out SYNTHETIC
    python examples/scikit_learn.py --real PTBXL --synthetic SYNTHETIC --train-folds 1

Untrained random convolutions turn each record into a feature vector. The test records are real and of a held-out fold.
"""

import argparse

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from ecggen.augment.labelled import PackedRecords
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, STANDARD_LEADS
from ecggen.metrics.utility.random_convolutions import RandomConvolutions


def features_and_labels(records: PackedRecords, chunk: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Arrays (record, feature) and (record, label) for scikit-learn."""
    convolutions = RandomConvolutions(kernels=200)
    parts = [range(start, min(start + chunk, len(records))) for start in range(0, len(records), chunk)]
    loaded = (torch.stack([records[index].signal for index in part]) for part in parts)
    features = [convolutions.prepare(ECG(signal, STANDARD_LEADS, records.fs)) for signal in loaded]
    return np.concatenate(features), records.labels.numpy().astype(int)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--real", required=True, help="PTB-XL, or a folder in its format")
    options.add_argument("--synthetic", required=True, help="folder written by ecggen augment")
    options.add_argument("--train-folds", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6, 7, 8])
    options.add_argument("--test-fold", type=int, default=10)
    options.add_argument("--seconds", type=float, default=10.0, help="duration of the records")
    options.add_argument("--cache", help="folder of packed data sets")
    args = options.parse_args()

    packing = {"preprocessor": Preprocessor(seconds=args.seconds), "cache": args.cache}
    real = PackedRecords.of(args.real, args.train_folds, **packing)
    synthetic = PackedRecords.of(args.synthetic, synthetic=True, **packing)
    test = PackedRecords.of(args.real, [args.test_fold], **packing)
    print(f"{len(real)} real and {len(synthetic)} synthetic records for training, {len(test)} real ones for testing")

    (x, y), (x_synthetic, y_synthetic), (x_test, y_test) = map(features_and_labels, (real, synthetic, test))
    for name, rows, labels in (
        ("real", x, y),
        ("synthetic", x_synthetic, y_synthetic),
        ("real + synthetic", np.concatenate([x, x_synthetic]), np.concatenate([y, y_synthetic])),
    ):
        model = make_pipeline(StandardScaler(), OneVsRestClassifier(LogisticRegression(C=0.005, max_iter=300)))
        found = model.fit(rows, labels).predict_proba(x_test)
        each = roc_auc_score(y_test, found, average=None)
        print(f"{name:17} macro AUROC {each.mean():.3f}  " + "  ".join(map("{} {:.3f}".format, test.label_names, each)))


if __name__ == "__main__":
    main()
