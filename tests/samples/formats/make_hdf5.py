"""Make code15.h5 and opensignals.h5 from simulated ECGs, written with h5py.

code15.h5 follows the description of CODE-15 % (doi.org/10.5281/zenodo.4916206): ``exam_id`` and ``tracings``
(exam, 4096, 12) at 400 Hz, shorter exams padded with zeros, and a padding row with exam number 0. opensignals.h5
follows the notebooks of biosignalsplux on the files of OpenSignals: a group for each device, its attributes, and
``raw/channel_N`` in counts of 16 bits. No real file of either format was available.
"""

import sys
from pathlib import Path

import h5py
import numpy as np

from ecggen.core.simulate import simulate, simulate_ppg, simulated_peaks

HERE = Path(__file__).parent
EXAMS = {1169160: (5.0, 1048), 2873686: (7.335, 581), 0: (0.0, 0)}
"""Number of the exam: duration in seconds, and number of zeros before it."""
# mV, in keeping with Einthoven and Goldberger: samples of exact zero would pass for filling.
BASELINE = [0.02, 0.04, 0.02, -0.03, 0.0, 0.03, 0.02, 0.02, 0.02, 0.02, 0.02, 0.02]
SECONDS = 6
RATE = 500
ADDRESS = "00:07:80:SN:47:11"


def code15(path):
    tracings = np.zeros((len(EXAMS), 4096, 12), np.float32)
    for row, (seconds, before) in enumerate(EXAMS.values()):
        if seconds:
            ecg = simulate(1, seconds, 400, row).signal[0].numpy().T
            tracings[row, before : before + len(ecg)] = ecg + BASELINE
    with h5py.File(path, "w") as file:
        file["exam_id"] = np.array(list(EXAMS))
        # Rounded to 10 µV, so that the sample stays small.
        file.create_dataset("tracings", data=tracings.round(2), chunks=(1, 4096, 12), compression=9, shuffle=True)


def counts(millivolts):
    return ((millivolts / 3 + 0.5) * 2**16).round().astype(np.int32)[:, None]


def opensignals(path):
    ecg = simulate(1, SECONDS, RATE, 4).pick("II").signal[0, 0].numpy()
    wave = simulate_ppg(simulated_peaks(SECONDS, 72), SECONDS, RATE, np.random.default_rng(0))
    channels = {"ECG": ecg, "EDA": np.zeros(SECONDS * RATE), "BVP": wave / np.ptp(wave)}
    with h5py.File(path, "w") as file:
        device = file.create_group(ADDRESS)
        device.attrs.update(
            {
                "channels": np.arange(1, 4),
                "comments": "Doe^Jane, born 1963-02-03",
                "date": "2020-01-01",
                "device": "biosignalsplux",
                "device name": ADDRESS,
                "firmware version": 773,
                "macaddress": ADDRESS,
                "nsamples": SECONDS * RATE,
                "resolution": [16, 16, 16],
                "sampling rate": RATE,
                "time": "12:00:00.000",
            }
        )
        for number, (sensor, values) in enumerate(channels.items(), 1):
            data = device.create_dataset(f"raw/channel_{number}", data=counts(values), compression=9, shuffle=True)
            data.attrs["sensor"] = sensor
        device.create_dataset("raw/nSeq", data=np.arange(SECONDS * RATE)[:, None] % 16, compression=9, shuffle=True)


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else HERE
    code15(folder / "code15.h5")
    opensignals(folder / "opensignals.h5")
