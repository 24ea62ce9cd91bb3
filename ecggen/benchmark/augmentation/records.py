"""Real records of a pack as training and test sets of a downstream classifier."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping

import numpy as np

from ecggen.data import Pack
from ecggen.metrics.utility.labelled import Labelled
from ecggen.metrics.utility.random_convolutions import RandomConvolutions
from ecggen.metrics.utility.small_network import ConvolutionalNetwork
from ecggen.metrics.utility.tstr import Downstream

DOWNSTREAM: dict[str, Callable[[int], Downstream]] = {
    "random convolutions": lambda seed: RandomConvolutions(seed=seed),
    "network": lambda seed: ConvolutionalNetwork(seed),
}
"""Downstream classifiers by name; the argument is the seed of kernels or initial weights."""
CHUNK = 1024
"""Records at a time, so that the waveforms of a large training set need not be in memory together."""


def labels_of(pack: Pack, rows: np.ndarray, labels: Mapping[str, frozenset[str]]) -> np.ndarray:
    """(record, label) of 0 and 1.

    Args:
        pack: The recordings.
        rows: Rows of the records.
        labels: SCP statements of each label; a record has the label if it has any of them.
    """
    code_sets = [set(codes.split()) for codes in pack.index.codes.iloc[rows]]
    shown = [[bool(codes & wanted) for wanted in labels.values()] for codes in code_sets]
    return np.array(shown, float).reshape(len(rows), len(labels))


def labelled(pack: Pack, inputs: np.ndarray, rows: np.ndarray, labels: Mapping[str, frozenset[str]]) -> Labelled:
    """Inputs with the labels and patients of ``rows``; a generated record has those of its condition's source."""
    return Labelled(inputs, labels_of(pack, rows, labels), tuple(pack.index.patient.iloc[rows]))


def inputs_of(
    pack: Pack, rows: np.ndarray, downstream: Downstream, report: Callable[[float], None] = lambda share: None
) -> np.ndarray:
    """The classifier's inputs of the records at ``rows``, in chunks."""
    parts = []
    for start in range(0, len(rows), CHUNK):
        parts.append(downstream.prepare(pack.ecg(rows[start : start + CHUNK])).astype(np.float32))
        report(min(1.0, (start + CHUNK) / len(rows)))
    return np.concatenate(parts)


def data_hash(pack: Pack) -> str:
    """Hash of the pack: its index, and samples of a subset of its records."""
    digest = hashlib.sha256(repr(pack.preprocessor).encode())
    digest.update(pack.index.to_csv(index=False).encode())
    digest.update(np.ascontiguousarray(pack.signal[:: max(1, len(pack) // 64)]).tobytes())
    return digest.hexdigest()[:16]
