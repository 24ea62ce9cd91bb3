"""Make muse.xml, and the short copies of published files: aecg.xml, sierra.xml, sierra_1_04.xml.

    python make_xml.py ORIGINALS

muse.xml is simulated: GE publishes no file, so that its structure follows restecg.dtd as described by public readers
(eight leads of 16-bit samples, 4.88 µV per step, a median beat before the rhythm, Latin-1). The patient is fictitious.
ORIGINALS is a folder with the other files as published:

- Example_aECG.xml, FDA/aecg-python, CC0-1.0: two seconds of its rhythm and the start of its beat are kept, annotations
  are removed, and an e-mail address in its comments is replaced;
- 129DYPRG.XML, sixlettervariables/sierra-ecg-tools, MIT: copied unchanged;
- 3191723_ZZDEMOPTONLY_1-04_orig.xml, same source: measurements and representative beats are removed.
"""

from __future__ import annotations

import base64
import re
import sys
import zlib
from pathlib import Path

import numpy as np

from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.core.simulate import simulate

HERE = Path(__file__).parent
STEP = 4.88
MUSE = """<?xml version="1.0" encoding="ISO-8859-1"?>
<!DOCTYPE RestingECG SYSTEM "restecg.dtd">
<RestingECG>
  <MuseInfo><MuseVersion>9.0</MuseVersion></MuseInfo>
  <PatientDemographics>
    <PatientID>MRN-0815</PatientID><PatientAge>61</PatientAge><AgeUnits>YEARS</AgeUnits>
    <DateofBirth>02-03-1963</DateofBirth><Gender>FEMALE</Gender>
    <PatientLastName>Doe</PatientLastName><PatientFirstName>Jane</PatientFirstName>
  </PatientDemographics>
  <TestDemographics>
    <DataType>RESTING</DataType><SiteName>Krankenhaus Köln</SiteName>
    <AcquisitionDevice>MAC55</AcquisitionDevice><CartNumber>SN-4711</CartNumber>
    <AcquisitionDate>05-06-2024</AcquisitionDate><AcquisitionTime>07:08:09</AcquisitionTime>
    <OverreaderLastName>Smith</OverreaderLastName>
  </TestDemographics>
  <Diagnosis>
    <DiagnosisStatement><StmtFlag>ENDSLINE</StmtFlag><StmtText>Normal sinus rhythm</StmtText></DiagnosisStatement>
  </Diagnosis>
{waveforms}</RestingECG>
"""
WAVEFORM = """  <Waveform>
    <WaveformType>{kind}</WaveformType><WaveformStartTime>0</WaveformStartTime><NumberofLeads>8</NumberofLeads>
    <SampleType>CONTINUOUS_SAMPLES</SampleType><SampleBase>500</SampleBase><SampleExponent>0</SampleExponent>
{leads}  </Waveform>
"""
LEAD = """    <LeadData>
      <LeadByteCountTotal>{size}</LeadByteCountTotal><LeadTimeOffset>0</LeadTimeOffset>
      <LeadSampleCountTotal>{count}</LeadSampleCountTotal>
      <LeadAmplitudeUnitsPerBit>{step}</LeadAmplitudeUnitsPerBit><LeadAmplitudeUnits>MICROVOLTS</LeadAmplitudeUnits>
      <LeadID>{name}</LeadID><LeadOffsetFirstSample>0</LeadOffsetFirstSample>
      <FirstSampleBaseline>0</FirstSampleBaseline><LeadSampleSize>2</LeadSampleSize><LeadOff>FALSE</LeadOff>
      <LeadDataCRC32>{checksum}</LeadDataCRC32>
      <WaveFormData>
{data}
      </WaveFormData>
    </LeadData>
"""


def lead(name: str, signal: np.ndarray) -> str:
    """One lead of a waveform; ``signal`` in mV."""
    content = np.rint(signal * 1000 / STEP).astype("<i2").tobytes()
    data = re.sub("(.{72})", r"\1\n", base64.b64encode(content).decode())
    checksum = zlib.crc32(content)
    return LEAD.format(size=len(content), count=len(content) // 2, step=STEP, name=name, checksum=checksum, data=data)


def muse() -> None:
    """A simulated ECG of 2.5 s, with its first 600 ms repeated as the median beat."""
    ecg = simulate(1, 2.5, 500, seed=4711).pick(*INDEPENDENT_LEADS)
    signal = ecg.signal[0].double().numpy()
    parts = (("Median", signal[:, :300]), ("Rhythm", signal))
    waveforms = "".join(WAVEFORM.format(kind=kind, leads="".join(map(lead, ecg.leads, rows))) for kind, rows in parts)
    (HERE / "muse.xml").write_bytes(MUSE.format(waveforms=waveforms).encode("latin-1"))


def shortened(digits: re.Match) -> str:
    """The first fifth of the samples of a sequence."""
    kept = digits[2].split()
    return digits[1] + " ".join(kept[: len(kept) // 5]) + digits[3]


def published(originals: Path) -> None:
    """Write the shortened copies of the published files."""
    aecg = (originals / "Example_aECG.xml").read_text(encoding="utf-8")
    aecg = re.sub(r"(<digits>)([^<]*)(</digits>)", shortened, aecg)
    aecg = re.sub(r"<subjectOf>.*?</subjectOf>", "", aecg, flags=re.DOTALL)
    (HERE / "aecg.xml").write_text(re.sub(r"\S+@\S+", "somebody@example.org", aecg), encoding="utf-8")
    (HERE / "sierra.xml").write_bytes((originals / "129DYPRG.XML").read_bytes())
    sierra = (originals / "3191723_ZZDEMOPTONLY_1-04_orig.xml").read_text(encoding="utf-16")
    for tag in ("internalmeasurements", "repbeats"):
        sierra = re.sub(rf"<{tag}\b.*?</{tag}>", "", sierra, flags=re.DOTALL)
    # Its declaration still says UTF-16, as in many files that were saved again.
    (HERE / "sierra_1_04.xml").write_text(sierra, encoding="utf-8")


if __name__ == "__main__":
    muse()
    if len(sys.argv) > 1:
        published(Path(sys.argv[1]))
