"""Preserved diagnostic information: classifier AUROC on reconstructed ECGs compared with recorded ECGs.

The classifier was trained on recorded ECGs only. A loss of AUROC is diagnostic information that the given leads do not
contain or that the reconstruction did not preserve.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ecggen.conditioning import statements
from ecggen.core.ecg import ECG
from ecggen.evaluators.classifier import Classifier, labels, targets
from ecggen.metrics.functional.bootstrap import paired_difference_interval
from ecggen.metrics.functional.ranking import auroc

CLASSES = tuple(f"class {name}" for name in statements.superclasses())
REPEATS = 200
RECORDED = "recorded"


class PreservedDiagnoses:
    """Classifier probabilities of the same records, as recorded and as reconstructed by several methods.

    Args:
        classifier: Trained on recorded ECGs only.
    """

    def __init__(self, classifier: Classifier):
        self.classifier = classifier
        self.found: dict[str, list[np.ndarray]] = {}

    def add(self, ecgs: Mapping[str, ECG]) -> None:
        """Add a batch of records, by method; ``RECORDED`` must be among them."""
        for name, ecg in ecgs.items():
            self.found.setdefault(name, []).append(self.classifier.predict(ecg).of(CLASSES))

    def scores(self, codes: Sequence[str], patients: Sequence[str], seed: int) -> dict[str, Any]:
        """Macro AUROC of the superclasses, and its loss relative to the recorded ECGs with its 95 % interval.

        Args:
            codes: Space-separated SCP statements of each record.
            patients: Patient of each record.
            seed: Seed of the resampling.
        """
        at = [list(labels()).index(name) for name in CLASSES]
        truth = targets(codes)[:, at]
        probability = {name: np.concatenate(parts) for name, parts in self.found.items()}
        recorded = probability[RECORDED]
        found: dict[str, Any] = {"classifier": self.classifier.name, "classes": [name.split()[1] for name in CLASSES]}
        for name, one in probability.items():
            areas = auroc(one, truth)
            found[name] = {"macro": float(np.nanmean(areas)), "each": [round(float(area), 4) for area in areas]}
            if name != RECORDED:
                found[name]["lost"] = macro(recorded, truth) - found[name]["macro"]
                found[name]["lost_interval"] = paired_difference_interval(
                    macro, (recorded, truth), (one, truth), patients, seed, repeats=REPEATS
                )
        return found


def macro(probability: np.ndarray, truth: np.ndarray) -> float:
    """Mean AUROC over classes (record, class) with positive and negative records."""
    return float(np.nanmean(auroc(probability, truth)))
