"""How written files look to the programs of others: lead tables, headers and metadata by the rules of public readers.

The rules are those of dicom-ecg-plot (DICOM), of the FDA's aecg and of hl7v3-aecg (aECG), of pyEDFlib, mne and edfio
(EDF), and of pydicom and wfdb.
"""

from datetime import datetime
from xml.etree import ElementTree

import numpy as np
import pydicom
import pyedflib
import pytest
import wfdb
from conftest import SAMPLES

from ecggen.core.ecg import ECG, STANDARD_LEADS, Provenance
from ecggen.core.simulate import simulate
from ecggen.io import About, read, reading, write
from ecggen.io.metadata import Measurements

MADE = Provenance((), STANDARD_LEADS, "vae 1234abcd", 7, "age 74; sex F")
MEASURED = Measurements(heart_rate=61.2, pr_ms=161.4, qrs_ms=78.2, qt_ms=372.0, qtc_ms=376.0, axis_deg=-48.6)
ABOUT = About(74, "F", measured=MEASURED)
CODES = (1, 2, 61, 62, 63, 64, 3, 4, 5, 6, 7, 8)
"""Numbers of the standard leads in SCP-ECG, as in the files of electrocardiographs."""


def twelve(provenance=MADE, fs=500):
    ecg = simulate(1, seconds=4, fs=fs, seed=5)
    return ECG(ecg.signal, ecg.leads, ecg.fs, provenance)


# DICOM


def shown_by_a_viewer(path):
    """Lead labels and header values as dicom-ecg-plot derives them."""
    data = pydicom.dcmread(path)
    channels = data.WaveformSequence[0].ChannelDefinitionSequence
    meanings = [one.ChannelSourceSequence[0].CodeMeaning for one in channels]
    labels = [meaning.replace("Lead", "").replace("(Einthoven)", "").strip() for meaning in meanings]
    values = {}
    for one in data.WaveformAnnotationSequence:
        if one.get("ConceptNameCodeSequence") and one.get("NumericValue") is not None:
            unit = one.MeasurementUnitsCodeSequence[0].CodeValue
            values[one.ConceptNameCodeSequence[0].CodeMeaning] = (float(one.NumericValue), unit)
    return data, labels, values


def test_leads_of_a_dicom_file_have_the_codes_of_electrocardiographs(tmp_path):
    [path] = write(twelve(), tmp_path / "a.dcm", about=ABOUT)
    data, labels, _ = shown_by_a_viewer(path)
    assert labels == list(STANDARD_LEADS)
    sources = [one.ChannelSourceSequence[0] for one in data.WaveformSequence[0].ChannelDefinitionSequence]
    assert [one.CodeValue for one in sources] == [f"5.6.3-9-{number}" for number in CODES]
    assert {(one.CodingSchemeDesignator, one.CodingSchemeVersion) for one in sources} == {("SCPECG", "1.3")}
    assert sources[0].CodeMeaning == "Lead I (Einthoven)" and sources[6].CodeMeaning == "Lead V1"
    device = pydicom.dcmread(SAMPLES / "formats" / "example.dcm").WaveformSequence[0].ChannelDefinitionSequence
    theirs = {
        (one.ChannelSourceSequence[0].CodeValue, one.ChannelSourceSequence[0].CodingSchemeDesignator) for one in device
    }
    assert theirs == {(one.CodeValue, one.CodingSchemeDesignator) for one in sources}


def test_measurements_fill_the_header_of_a_dicom_viewer(tmp_path):
    [path] = write(twelve(), tmp_path / "a.dcm", about=ABOUT)
    data, _, values = shown_by_a_viewer(path)
    assert values == {
        "RR Interval": (980, "ms"), "Vent Rate": (61, "/min"), "PR Interval": (161, "ms"), "QRS Duration": (78, "ms"),
        "QT Interval": (372, "ms"), "QTc Interval": (376, "ms"), "QRS Axis": (-49, "deg"),
    }  # fmt: skip
    device = pydicom.dcmread(SAMPLES / "formats" / "example.dcm").WaveformAnnotationSequence
    codes = {
        one.ConceptNameCodeSequence[0].CodeMeaning: one.ConceptNameCodeSequence[0].CodeValue
        for one in device
        if one.get("NumericValue") is not None
    }
    for one in data.WaveformAnnotationSequence:
        name = one.ConceptNameCodeSequence[0] if one.get("ConceptNameCodeSequence") else None
        assert name is None or codes.get(name.CodeMeaning, name.CodeValue) == name.CodeValue
    assert datetime.strptime(data.AcquisitionDateTime, "%Y%m%d%H%M%S")
    assert (data.PatientAge, data.PatientSex, str(data.PatientName)) == ("074Y", "F", "SYNTHETIC^ECGGEN")
    assert "those of the request" in data.PatientComments


def test_uncertain_measurements_are_left_out_and_said(tmp_path):
    [path] = write(twelve(None), tmp_path / "a.dcm", about=About(measured=Measurements()))
    data, _, values = shown_by_a_viewer(path)
    assert values == {}
    texts = [one.UnformattedTextValue for one in data.WaveformAnnotationSequence]
    assert texts == ["ecggen-intervals: none, because no beats are certain"]
    assert reading(path, personal=True).about == About()


def test_samples_of_a_dicom_file_in_pydicom(tmp_path):
    ecg = twelve()
    [path] = write(ecg, tmp_path / "a.dcm", about=ABOUT)
    values = pydicom.dcmread(path).waveform_array(0)  # in the unit of the channels
    assert np.abs(values.T / 1000 - ecg.signal[0].numpy()).max() <= 0.5e-3 + 1e-6


def test_dicom_files_with_codes_of_mdc_are_still_read(tmp_path):
    ecg = twelve(None)
    [path] = write(ecg, tmp_path / "a.dcm")
    data = pydicom.dcmread(path)
    for channel, number in zip(data.WaveformSequence[0].ChannelDefinitionSequence, CODES, strict=True):
        source = channel.ChannelSourceSequence[0]
        source.CodeValue, source.CodingSchemeDesignator = f"2:{number}", "MDC"
        del source.CodingSchemeVersion, source.EquivalentCodeSequence, channel.ChannelLabel
        source.CodeMeaning = "a lead"
    data.save_as(path)
    assert read(path).leads == STANDARD_LEADS


# aECG

NS = {"h": "urn:hl7-org:v3"}
FDA_LEADS = {f"MDC_ECG_LEAD_{lead.upper()}": lead for lead in STANDARD_LEADS}


def fda_time(text: str) -> datetime:
    """A time as the FDA's reader parses it: digits, and milliseconds after a point."""
    whole, _, part = text.partition(".")
    return datetime.strptime(f"{whole}.{part or '0'}", "%Y%m%d%H%M%S.%f")


@pytest.mark.parametrize("recorded", ["", "2021-06-05 22:30:01"])
def test_an_aecg_by_the_rules_of_two_readers(tmp_path, recorded):
    ecg = twelve(MADE if not recorded else None)
    about = About(74, "F", personal={"recorded": recorded, "patient_id": "P-17"} if recorded else {}, measured=MEASURED)
    [path] = write(ecg, tmp_path / "a.xml", about=about)
    root = ElementTree.parse(path).getroot()
    series = root.find("h:component/h:series", NS)
    low, high = (fda_time(series.find(f"h:effectiveTime/h:{end}", NS).get("value")) for end in ("low", "high"))
    assert (high - low).total_seconds() == ecg.seconds
    times, *leads = series.iterfind("h:component/h:sequenceSet/h:component/h:sequence", NS)
    assert times.find("h:code", NS).get("code") == "TIME_RELATIVE"
    assert float(times.find("h:value/h:head", NS).get("value")) == 0
    assert float(times.find("h:value/h:increment", NS).get("value")) == 1 / ecg.fs
    assert [FDA_LEADS[one.find("h:code", NS).get("code")] for one in leads] == list(STANDARD_LEADS)
    for row, one in zip(ecg.signal[0].numpy(), leads, strict=True):
        scale = one.find("h:value/h:scale", NS)
        digits = [int(word) for word in one.find("h:value/h:digits", NS).text.split(" ")]
        assert scale.get("unit") == one.find("h:value/h:origin", NS).get("unit") == "uV"
        assert np.abs(np.array(digits) * float(scale.get("value")) / 1000 - row).max() <= 0.5e-3 + 1e-6
    subject = root.find(".//h:trialSubject", NS)
    assert subject.find("h:id", NS).get("extension") == ("P-17" if recorded else "SYNTHETIC")
    assert subject.find(".//h:administrativeGenderCode", NS).get("code") == "F"
    assert root.find(".//h:relatedObservation/h:value", NS).get("value") == "74"
    said = reading(path, personal=True)
    assert dict(said.about.personal) == ({"recorded": "20210605223001", "patient_id": "P-17"} if recorded else {})


def test_measurements_of_an_aecg(tmp_path):
    [path] = write(twelve(), tmp_path / "a.xml", about=ABOUT)
    found = {}
    for one in ElementTree.parse(path).getroot().iterfind(".//h:annotationSet/h:component/h:annotation", NS):
        value = one.find("h:value", NS)
        if value.get("value"):
            found[one.find("h:code", NS).get("code")] = (value.get("value"), value.get("unit"))
    assert found == {
        "MDC_ECG_HEART_RATE": ("61", "bpm"), "MDC_ECG_TIME_PD_PR": ("161", "ms"), "MDC_ECG_TIME_PD_QRS": ("78", "ms"),
        "MDC_ECG_TIME_PD_QT": ("372", "ms"), "MDC_ECG_TIME_PD_QTc": ("376", "ms"),
        "MDC_ECG_ANGLE_QRS_FRONT": ("-49", "deg"),
    }  # fmt: skip


# EDF and WFDB


def test_an_edf_in_pyedflib(tmp_path):
    ecg = twelve()
    [path] = write(ecg, tmp_path / "a.edf", about=ABOUT)
    with pyedflib.EdfReader(str(path)) as file:
        assert file.getSignalLabels() == [f"ECG {lead}" for lead in STANDARD_LEADS]
        assert (file.getSex(), file.getPatientAdditional()) == ("Female", "age_74")
        assert "SYNTHETIC" in file.getRecordingAdditional()
        assert {file.getPhysicalDimension(row) for row in range(12)} == {"mV"}
        assert np.abs(file.readSignal(7) - ecg.signal[0, 7].numpy()).max() < 1e-3


@pytest.mark.parametrize("program", ["mne", "edfio"])
def test_an_edf_in_other_readers(tmp_path, program):
    module = pytest.importorskip(program)
    ecg = twelve()
    [path] = write(ecg, tmp_path / "a.edf", about=ABOUT)
    if program == "mne":
        raw = module.io.read_raw_edf(path, verbose="error")
        names, rate, row = raw.ch_names, raw.info["sfreq"], raw.get_data()[7] * 1000
    else:
        edf = module.read_edf(path)
        names, rate, row = [one.label for one in edf.signals], edf.signals[0].sampling_frequency, edf.signals[7].data
        assert (edf.patient.sex, edf.patient.additional) == ("F", ("age_74",))
    assert [name.removeprefix("ECG ") for name in names] == list(STANDARD_LEADS) and rate == ecg.fs
    assert np.abs(row[: ecg.samples] - ecg.signal[0, 7].numpy()).max() < 1e-3


def test_a_wfdb_record_in_wfdb(tmp_path):
    ecg = twelve()
    write(ecg, tmp_path / "a.hea", about=ABOUT)
    record = wfdb.rdrecord(str(tmp_path / "a"))
    assert (record.sig_name, record.fs, set(record.units)) == (list(STANDARD_LEADS), ecg.fs, {"mV"})
    assert {"Age: 74", "Sex: Female"} < set(record.comments)
    assert any("SYNTHETIC" in line for line in record.comments)
    assert np.abs(record.p_signal.T - ecg.signal[0].numpy()).max() <= 0.5e-3 + 1e-6
