"""Make the WFDB samples in this folder: ``python tests/samples/formats/make_wfdb.py``.

The ECG is simulated and the patient is fictitious. The format follows PhysioNet's header(5) and signal(5), and the
waveform databases of MIMIC:

- ``interrupted``: a master header with a layout, three segments and a gap, as in MIMIC-III (125 Hz, formats 16 and 80;
  not every segment has every signal, and one has another gain);
- ``frames``: FLAC (format 516) with four samples per frame of the leads, two of the PPG and one of the respiration, as
  in the waveforms of MIMIC-IV.
"""

from pathlib import Path

import numpy as np
import soundfile

from ecggen.core.simulate import simulate, simulate_ppg, simulated_peaks

HERE = Path(__file__).parent
PULSE = 72.0


def samples(seconds: float, fs: float) -> tuple[np.ndarray, np.ndarray]:
    """Leads II and V5 in mV, and a PPG."""
    ecg = simulate(1, seconds, fs, seed=3, heart_rate=PULSE)
    ppg = simulate_ppg(simulated_peaks(seconds, PULSE), seconds, fs, np.random.default_rng(0), plain=True)
    return ecg.pick("II", "V5").signal[0].double().numpy(), np.asarray(ppg, float).reshape(-1)[: ecg.samples]


def steps(values: np.ndarray, gain: float, baseline: int = 0) -> np.ndarray:
    return np.rint(values * gain + baseline).astype(int)


def line(file: str, form: str, gain: str, digital: np.ndarray, name: str) -> str:
    checksum = int(digital.astype(np.int16).sum(dtype=np.int16))
    return f"{file} {form} {gain} 12 0 {digital[0]} {checksum} 0 {name}"


def text(name: str, *lines: str) -> None:
    (HERE / f"{name}.hea").write_text("\n".join(lines) + "\n")


def interrupted() -> None:
    """Twelve seconds at 125 Hz: 4 s of II and PLETH, a gap of 1 s, 4 s of II, V5 and PLETH, 3 s of V5."""
    (ii, v5), ppg = samples(12, 125)
    parts = {"0001": slice(0, 500), "0002": slice(625, 1125), "0003": slice(1125, 1500)}
    one = np.stack([steps(ii[parts["0001"]], 200), steps(ppg[parts["0001"]], 100)])
    two = np.stack([steps(row[parts["0002"]], gain) for row, gain in ((ii, 400), (v5, 200), (ppg, 100))])
    three = steps(v5[parts["0003"]], 50, -10)
    one.T.astype("<i2").tofile(HERE / "interrupted_0001.dat")
    two.T.astype("<i2").tofile(HERE / "interrupted_0002.dat")
    (three + 128).astype(np.uint8).tofile(HERE / "interrupted_0003.dat")
    text(
        "interrupted",
        "interrupted/5 3 125 1500 10:44:18.529 02/03/2063",
        "interrupted_layout 0",
        "interrupted_0001 500",
        "~ 125",
        "interrupted_0002 500",
        "interrupted_0003 375",
        "#<age>: 64 <sex>: F <location>: micu",
        "# Name: Doe^Jane, born 1963-02-03, monitor SN-4711",
    )
    layout = [f"~ 0 200/{unit} 12 0 0 0 0 {name}" for name, unit in (("II", "mV"), ("V5", "mV"), ("PLETH", "NU"))]
    text("interrupted_layout", "interrupted_layout 3 125 0 10:44:18.529", *layout)
    file = "interrupted_0001.dat"
    lines = line(file, "16", "200/mV", one[0], "II"), line(file, "16", "100/NU", one[1], "PLETH")
    text("interrupted_0001", "interrupted_0001 2 125 500", *lines)
    gains = ("400/mV", "II"), ("200/mV", "V5"), ("100/NU", "PLETH")
    lines = [line("interrupted_0002.dat", "16", gain, row, name) for row, (gain, name) in zip(two, gains, strict=True)]
    text("interrupted_0002", "interrupted_0002 3 125 500", *lines)
    last = line("interrupted_0003.dat", "80", "50(-10)/mV", three, "V5")
    text("interrupted_0003", "interrupted_0003 1 125 375", last)


def frames() -> None:
    """Four seconds at 62.5 frames per second, with four samples of the leads per frame."""
    leads, ppg = samples(4, 250)
    e, p = steps(leads, 200, 8192), steps(ppg[::2], 100)
    r = steps(np.sin(np.arange(250) / 40), 1000)
    for suffix, rows in (("e", e), ("p", p[None]), ("r", r[None])):
        # The rate in a FLAC file means nothing to WFDB.
        soundfile.write(HERE / f"frames_{suffix}.dat", rows.T.astype(np.int16), 96000, "PCM_16", format="FLAC")
    text(
        "frames",
        "frames 4 62.5/1000(0) 250 10:44:18.529 02/03/2063",
        line("frames_e.dat", "516x4", "200(8192)/mV", e[0], "II"),
        line("frames_e.dat", "516x4", "200(8192)/mV", e[1], "V5"),
        line("frames_p.dat", "516x2", "100/NU", p, "Pleth"),
        line("frames_r.dat", "516", "1000/Ohm", r, "Resp"),
        "# subject_id 10000001",
    )


if __name__ == "__main__":
    interrupted()
    frames()
