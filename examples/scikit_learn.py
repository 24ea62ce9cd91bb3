"""Are synthetic records worth it? A logistic regression with scikit-learn, learnt without and with them.

    ecggen augment --data PTBXL --folds 1 --balance superclasses --out MADE
    python examples/scikit_learn.py --real PTBXL --synthetic MADE --train-folds 1

A record becomes a row of numbers by random convolutions, which have seen no ECG. The test records are real, of a fold
that nothing is learnt from.
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
    """(record, feature) and (record, label), as scikit-learn takes them."""
    seen = RandomConvolutions(kernels=200)
    parts = [range(start, min(start + chunk, len(records))) for start in range(0, len(records), chunk)]
    loaded = (torch.stack([records[index].signal for index in part]) for part in parts)
    features = [seen.prepare(ECG(signal, STANDARD_LEADS, records.fs)) for signal in loaded]
    return np.concatenate(features), records.labels.numpy().astype(int)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--real", required=True, help="PTB-XL, or a folder of its form")
    options.add_argument("--synthetic", required=True, help="what ecggen augment wrote")
    options.add_argument("--train-folds", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6, 7, 8])
    options.add_argument("--test-fold", type=int, default=10)
    options.add_argument("--seconds", type=float, default=10.0, help="length of the records")
    options.add_argument("--cache", help="where packed folders are kept")
    given = options.parse_args()

    packing = {"preprocessor": Preprocessor(seconds=given.seconds), "cache": given.cache}
    real = PackedRecords.of(given.real, given.train_folds, **packing)
    made = PackedRecords.of(given.synthetic, synthetic=True, **packing)
    test = PackedRecords.of(given.real, [given.test_fold], **packing)
    print(f"{len(real)} real and {len(made)} synthetic records to learn from, {len(test)} real ones to test on")

    (x, y), (x_made, y_made), (x_test, y_test) = map(features_and_labels, (real, made, test))
    for name, rows, labels in (
        ("real", x, y),
        ("synthetic", x_made, y_made),
        ("real + synthetic", np.concatenate([x, x_made]), np.concatenate([y, y_made])),
    ):
        model = make_pipeline(StandardScaler(), OneVsRestClassifier(LogisticRegression(C=0.005, max_iter=300)))
        found = model.fit(rows, labels).predict_proba(x_test)
        each = roc_auc_score(y_test, found, average=None)
        print(f"{name:17} macro AUROC {each.mean():.3f}  " + "  ".join(map("{} {:.3f}".format, test.label_names, each)))


if __name__ == "__main__":
    main()
