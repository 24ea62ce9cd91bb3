"""ECG-FM as a classifier: 768 features of 5 s, learnt without labels from MIMIC-IV-ECG and the PhysioNet 2021 challenge.

McKeen et al. 2024 (arXiv 2408.05178); weights under the MIT licence. PTB-XL is part of that challenge, so this judge
has seen its records. The published preparation: 500 Hz, each lead brought to mean 0 and deviation 1, windows of 5 s;
nothing is filtered. So it sees noise and bandwidth: sets that were recorded or drawn at different rates differ in its
eyes even where the hearts are alike. A flat lead becomes zeros, known from pretraining as a lead that is hidden.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ecggen.evaluators.window import WindowExtractor


class ECGFM(WindowExtractor):
    """Features of ECG-FM; see ``WindowExtractor`` for the arguments and ``foundation.load`` for its weights.

    The authors scale records of 10 s and then cut them in two; ``seconds=10`` does so, and gives the mean of both.
    """

    title = "ECG-FM"
    window = 5.0
    least_rate = 100.0
    scaled_over = (2,)

    def _filter(self, waves: np.ndarray) -> np.ndarray:
        return waves

    def _filtering(self) -> dict[str, Any]:
        return {"filter": "none: bandwidth counts, so compare sets of one sampling rate"}
