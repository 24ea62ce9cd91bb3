"""Measured intervals, age and sex in the files that commands write."""

import numpy as np
import pydicom
import pytest
import torch
from conftest import SAMPLES, tiny

from ecggen.core.ecg import ECG, STANDARD_LEADS
from ecggen.generators import checkpoint
from ecggen.io import read, reading
from ecggen.io.metadata import Measurements
from ecggen.metrics.certain_intervals import measure

WATCH = SAMPLES / "apple_watch_lead_I.csv"


def of_leads(signal: torch.Tensor, leads=STANDARD_LEADS) -> ECG:
    return ECG(signal.expand(1, len(leads), -1).contiguous(), leads, 500.0)


def test_measurements_agree_with_those_of_an_electrocardiograph():
    """The values that the device wrote into its own file: PR 148, QRS 120, QT 420, QTc 443 (Bazett), axis −61."""
    found = measure(read(SAMPLES / "formats" / "example.dcm"), ".dcm")
    assert found is not None and None not in vars(found).values()
    assert abs(found.pr_ms - 148) < 15 and abs(found.qrs_ms - 120) < 20 and abs(found.qt_ms - 420) < 30
    assert abs(found.axis_deg + 61) < 15


def test_nothing_is_measured_where_no_beat_is_certain():
    time = torch.arange(5000) / 500
    noise = 0.1 * torch.randn(1, 12, 5000, generator=torch.Generator().manual_seed(0))
    for ecg in (
        ECG(noise, STANDARD_LEADS, 500.0),
        of_leads(torch.sin(2 * np.pi * 1.2 * time)),
        of_leads(torch.zeros(5000)),
        read(WATCH).crop(0, 1.5),
        read(WATCH).resample(60),
    ):
        assert measure(ecg, ".dcm") == Measurements()


def test_formats_without_a_place_are_not_measured():
    assert measure(read(WATCH), ".hea") is None and measure(read(WATCH), ".edf") is None


def test_a_converted_file_holds_measurements(run, tmp_path):
    assert run("convert", SAMPLES / "00010_lr.hea", tmp_path / "a.dcm", "--resample", 500)[0] == 0
    data = pydicom.dcmread(tmp_path / "a.dcm")
    values = {
        one.ConceptNameCodeSequence[0].CodeMeaning: float(one.NumericValue)
        for one in data.WaveformAnnotationSequence
        if one.get("NumericValue") is not None
    }
    assert (
        abs(values["Vent Rate"] - 64) <= 1
        and abs(values["RR Interval"] - 939) < 15
        and 60 < values["QRS Duration"] < 110
    )
    run("convert", SAMPLES, tmp_path / "out", "--format", "aecg")
    assert 'code="MDC_ECG_TIME_PD_QT"' in (tmp_path / "out" / "00010_lr.xml").read_text()


@pytest.mark.parametrize("name", ["vae", "flow"])
def test_age_and_sex_of_the_condition_are_in_every_format(run, tmp_path, name):
    model = checkpoint.save(tiny(name), tmp_path / "models" / "tiny")
    words = ("--model", model, "--age", 51, "--sex", "F", "--format", "wfdb,edf,dicom,aecg,csv")
    assert run("reconstruct", WATCH, *words, "--out", tmp_path / "r", "--num-draws", 2)[0] == 0
    for suffix in ("hea", "edf", "dcm", "xml", "csv"):
        said = reading(tmp_path / "r" / f"{WATCH.stem}.{suffix}", check=False, personal=True)
        assert (said.about.age, said.about.sex, said.dropped) == (51, "F", ()), suffix
        assert said.ecg.provenance is not None and said.ecg.provenance.generated


def test_age_and_sex_in_a_text_are_written_by_generate(run, tmp_path):
    model = checkpoint.save(tiny("vae"), tmp_path / "models" / "tiny")
    words = (
        "--model",
        model,
        "--text",
        "sinus rhythm, 74-year-old woman",
        "-n",
        1,
        "--seconds",
        4,
        "--plot-format",
        "none",
    )
    assert run("generate", *words, "--format", "dicom", "--out", tmp_path / "g")[0] == 0
    data = pydicom.dcmread(tmp_path / "g" / "00000.dcm")
    assert (data.PatientAge, data.PatientSex, data.PatientID) == ("074Y", "F", "SYNTHETIC")


def test_a_record_with_gaps_is_measured_in_its_longest_complete_segment():
    ecg = read(SAMPLES / "00010_lr.hea")
    signal = ecg.signal.clone()
    signal[0, 3, :200] = signal[0, 7] = float("nan")
    found, whole = measure(ECG(signal, ecg.leads, ecg.fs), ".dcm"), measure(ecg, ".dcm")
    assert found is not None and whole is not None and abs(found.heart_rate - whole.heart_rate) < 3
    signal[0, 3] = float("nan")
    signal[0, :, ::50] = float("nan")
    assert measure(ECG(signal, ecg.leads, ecg.fs), ".dcm") == Measurements()
    assert measure(ECG(torch.full((1, 2, 900), float("nan")), ("I", "II"), 100.0), ".dcm") == Measurements()
