"""ECGFounder as a classifier: 1,024 features of 10 s, trained on 150 diagnoses of ten million ECGs.

Li et al., NEJM AI 2025 (arXiv 2410.04133); weights under the MIT licence, with twelve leads or lead I alone. The
published preparation for 500 Hz: a notch at 50 Hz, a band of 0.67 to 40 Hz, the running median taken off, and the
whole record, all leads together, brought to mean 0 and deviation 1, so that the leads keep their proportions.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.signal import butter, filtfilt, iirnotch, medfilt, sosfiltfilt

from ecggen.evaluators.window import WindowExtractor

NOTCH = 50.0
"""Hz of the mains that are taken out, with a quality of 30."""
BAND = (0.67, 40.0)
"""Hz; the corners of a Butterworth filter of order 4, run forwards and backwards."""
BASELINE = 0.4
"""Seconds of the running median that is taken for the baseline."""


class ECGFounder(WindowExtractor):
    """Features of ECGFounder; see ``WindowExtractor`` for the arguments and ``foundation.load`` for its weights."""

    title = "ECGFounder"
    window = 10.0
    least_rate = 100.0
    scaled_over = (1, 2)

    def _filter(self, waves: np.ndarray) -> np.ndarray:
        quiet = filtfilt(*iirnotch(NOTCH, 30, self.rate), waves)
        banded = sosfiltfilt(butter(4, BAND, "bandpass", fs=self.rate, output="sos"), quiet)
        taps = int(BASELINE * self.rate) // 2 * 2 + 1
        flat = banded.reshape(-1, banded.shape[-1])
        return banded - np.stack([medfilt(wave, taps) for wave in flat]).reshape(banded.shape)

    def _filtering(self) -> dict[str, Any]:
        return {"notch_hz": NOTCH, "band_hz": list(BAND), "median_baseline_s": BASELINE}
