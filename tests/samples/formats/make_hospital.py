"""Make the samples of Holter, stress-test and MATLAB files: ``python tests/samples/formats/make_hospital.py``.

The ECG is simulated and the patient is fictitious.

- ``holter.ecg``: ISHNE Holter (Badilini 1998): three leads at 200 Hz in steps of 2.5 µV, and a block of text;
- ``cardiosoft.xml``: GE CardioSoft: a rhythm of eight leads at 500 Hz and its average beats; the structure follows GE's
  description (manual 2062898-001);
- ``cpsc.mat``: the structure of the China Physiological Signal Challenge 2018, in MATLAB 5, compressed;
- ``val.mat``: counts of two leads in MATLAB 4, as in the PhysioNet Challenges, without the header;
- ``packed.hea``: WFDB format 212, without a length, with a skew of the second signal.
"""

import binascii
import struct
from pathlib import Path

import numpy as np
import scipy.io

from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.core.simulate import simulate

HERE = Path(__file__).parent
CODES = {"II": 6, "V1": 11, "V5": 15}
"""ISHNE's code of each lead."""


def ishne(waves: np.ndarray, leads: tuple[str, ...], fs: int, text: bytes, resolution: int = 2500) -> bytes:
    """A file with ``waves`` (lead, time) in mV; ``resolution`` in nV."""
    steps = np.rint(waves * 1e6 / resolution).astype("<i2")

    def twelve(values: list[int]) -> list[int]:
        return values + [-9] * (12 - len(values))

    head = struct.pack("<iiiih", len(text), steps.shape[1], 522, 522 + len(text), 1)
    head += struct.pack("<40s40s20shh", b"Jane", b"Doe", b"P-1963", 2, 1)
    head += struct.pack("<3h3h3h3h", 3, 2, 1963, 5, 6, 2021, 5, 6, 2021, 9, 30, 0)
    head += struct.pack("<h12h", len(leads), *twelve([CODES[lead] for lead in leads]))
    head += struct.pack("<12h12h", *twelve([1] * len(leads)), *twelve([resolution] * len(leads)))
    head += struct.pack("<h40sh80s80s88s", 0, b"digital", fs, b"", b"", b"") + text
    return b"ISHNE1.0" + struct.pack("<H", binascii.crc_hqx(head, 0xFFFF)) + head + steps.T.tobytes()


def strip(tag: str, waves: np.ndarray, leads: tuple[str, ...], fs: int) -> str:
    """An element with the samples of each lead in steps of 5 µV."""
    lines = [
        f"<NumberOfLeads>{len(leads)}</NumberOfLeads>",
        f'<SampleRate units="Hz">{fs}</SampleRate>',
        f'<ChannelSampleCountTotal units="samples">{waves.shape[1]}</ChannelSampleCountTotal>',
        '<Resolution units="uVperLsb">5</Resolution>',
    ]
    for lead, wave in zip(leads, np.rint(waves * 200).astype(int), strict=True):
        lines.append(f'<WaveformData lead="{lead}">{",".join(map(str, wave))}</WaveformData>')
    return f"<{tag}>" + "\n".join(lines) + f"</{tag}>"


def cardiosoft(waves: np.ndarray, leads: tuple[str, ...], fs: int) -> str:
    """A CardioSoft file with a rhythm and an average beat."""
    return f"""<?xml version="1.0" encoding="ISO-8859-1"?>
<CardiologyXML>
<ObservationType>RestECG</ObservationType>
<ObservationDateTime><Hour>9</Hour><Minute>30</Minute><Second>0</Second><Day>5</Day><Month>6</Month><Year>2021</Year>
</ObservationDateTime>
<ClinicalInfo><DeviceInfo><Desc>CardioSoft</Desc><SoftwareVer>V6.73</SoftwareVer></DeviceInfo></ClinicalInfo>
<PatientInfo><PID>P-1963</PID><Name><FamilyName>Doe</FamilyName><GivenName>Jane</GivenName></Name>
<Age units="years">58</Age><BirthDateTime><Day>3</Day><Month>2</Month><Year>1963</Year></BirthDateTime>
<Gender>FEMALE</Gender></PatientInfo>
<Interpretation><Diagnosis><DiagnosisText>Jane Doe has sinus rhythm</DiagnosisText></Diagnosis></Interpretation>
<RestingECGMeasurements><VentricularRate units="BPM">72</VentricularRate>
{strip("MedianSamples", waves[:, : fs // 5], leads, fs)}
</RestingECGMeasurements>
{strip("StripData", waves, leads, fs)}
</CardiologyXML>
"""


def packed(steps: np.ndarray) -> bytes:
    """Samples (signal, time) in format 212."""
    first, second = (steps.T.ravel() & 0xFFF).reshape(-1, 2).T
    return np.stack([first & 255, first >> 8 | second >> 8 << 4, second & 255], 1).astype(np.uint8).tobytes()


def main() -> None:
    def waves(leads: tuple[str, ...], seconds: float, fs: int) -> np.ndarray:
        ecg = simulate(1, seconds, fs, seed=3, heart_rate=72).standard().pick(*leads)
        return ecg.signal[0].double().numpy()

    text = b"Jane Doe wore the recorder for a day"
    (HERE / "holter.ecg").write_bytes(ishne(waves(tuple(CODES), 6, 200), tuple(CODES), 200, text))
    eight = waves(INDEPENDENT_LEADS, 3, 500)
    (HERE / "cardiosoft.xml").write_text(cardiosoft(eight, INDEPENDENT_LEADS, 500), encoding="latin-1")
    twelve = simulate(1, 2.5, 500, seed=3, heart_rate=72).standard().signal[0].double().numpy().round(3)
    structure = {"sex": "Female", "age": np.array([[58]]), "data": twelve}
    scipy.io.savemat(HERE / "cpsc.mat", {"ECG": structure}, do_compression=True)
    two = np.rint(waves(("I", "II"), 4, 360) * 200).astype(np.int16)
    scipy.io.savemat(HERE / "val.mat", {"val": two}, format="4")
    (HERE / "packed.dat").write_bytes(packed(two))
    lines = [f"packed.dat 212{skew} 200(0)/mV 12 0 0 0 0 {lead}" for lead, skew in (("I", ""), ("II", ":4"))]
    (HERE / "packed.hea").write_text("\n".join(["packed 2 360", *lines, "# Age: 58"]) + "\n")


if __name__ == "__main__":
    main()
