"""Make tables and an array of simulated ECGs, as programs and devices write them.

- signal.csv: two recordings and a sound in the form of Withings' archive, whose README gives the
  units: a watch in µV, a blood pressure monitor in mV; 100 Hz instead of 300 Hz, to keep the file small.
- strap.csv: counts of a Movesense sensor with a time in ms, at 125 Hz.
- columns.asc: columns aligned with spaces, as ``numpy.savetxt`` writes them.
- clock.csv: times of day, as PhysioBank ATM writes ``samples.csv``.
- rows.csv: leads as rows, with their names.
- array.npy: an array (time, lead).

The patients and the devices are fictitious.
"""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent


def simulated(seconds: float, fs: float, seed: int, *leads: str) -> np.ndarray:
    """Simulated leads in mV (lead, time)."""
    from ecggen.core.simulate import simulate

    return simulate(1, seconds=seconds, fs=fs, seed=seed).pick(*leads).signal[0].double().numpy()


def withings() -> str:
    """A watch at the left wrist, a blood pressure monitor at the left arm, and a sound of its microphone."""
    head = "date,type,frequency,duration,wearposition,signal,doctor_assessment,doctor_name,checkup_date"
    watch, monitor = simulated(3, 100, 1, "I")[0], simulated(3, 100, 2, "I")[0]
    counts = ", ".join(str(round(1000 * mv)) for mv in watch)
    mv = ", ".join(f"{mv:.4f}" for mv in monitor)
    lines = (
        f'1963-02-01 07:08:09,ecg,100,3,1,"[{counts}]",sinus rhythm,Dr Doe,1963-02-02',
        '1963-02-01 07:09:09,stethoscope,4000,1,3,"[1, 2, 3]",,,',
        f'1963-02-02 07:08:09,ecg,100,3,3,"[{mv}]",,,',
    )
    return "\n".join((head, *lines)) + "\n"


def movesense() -> str:
    """Counts of 0.38147 µV."""
    lead = simulated(4, 125, 3, "V3")[0]
    rows = (f"{1000 + 8 * at},{round(mv * 20 * 2**17 / 1000)}\n" for at, mv in enumerate(lead))
    return "timestamp,ecg\n" + "".join(rows)


def columns() -> str:
    """Two leads in mV."""
    file = io.StringIO()
    np.savetxt(file, simulated(3, 100, 4, "I", "II").T, "%9.4f", header="I II")
    return file.getvalue()


def clock() -> str:
    """Two leads at 360 Hz."""
    leads = simulated(2.5, 360, 5, "II", "V5")
    rows = (f"'0:{at / 360:06.3f}',{a:.3f},{b:.3f}\n" for at, (a, b) in enumerate(leads.T))
    return "'Elapsed time','MLII','V5'\n'hh:mm:ss.mmm','mV','mV'\n" + "".join(rows)


def rows() -> str:
    """Four leads at 100 Hz."""
    names = ("I", "II", "V1", "V5")
    leads = dict(zip(names, simulated(3, 100, 6, *names), strict=True))
    return "".join(",".join((name, *(f"{mv:.3f}" for mv in lead))) + "\n" for name, lead in leads.items())


def array() -> bytes:
    """Two leads."""
    file = io.BytesIO()
    np.save(file, simulated(3, 100, 7, "I", "II").T.astype(np.float32))
    return file.getvalue()


if __name__ == "__main__":
    for name, make in {
        "signal.csv": withings,
        "strap.csv": movesense,
        "columns.asc": columns,
        "clock.csv": clock,
        "rows.csv": rows,
    }.items():
        (HERE / name).write_text(make(), encoding="utf-8")
    (HERE / "array.npy").write_bytes(array())
