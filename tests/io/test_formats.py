"""All formats: detection by content, round trips, and the table of formats in the docs."""

import re

import pytest
import torch
from conftest import ROOT, SAMPLES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import prepare, samples

from ecggen.core.ecg import ECG, STANDARD_LEADS, Provenance
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.io import About, read, reading, write
from ecggen.io.formats import FORMS, READ, WRITE
from ecggen.io.source import Source

FORMATS = SAMPLES / "formats"
FORM = {
    "aecg.xml": "HL7 aECG",
    "apple_health.zip": "zip",
    "array.npy": "npy",
    "bitalino.txt": "OpenSignals' text",
    "cardiosoft.xml": "GE CardioSoft's XML",
    "clock.csv": "CSV",
    "code15.h5": "HDF5",
    "columns.asc": "CSV",
    "compressed.scp": "SCP-ECG",
    "cpsc.mat": "MATLAB",
    "e4.zip": "zip",
    "embraceplus.avro": "EmbracePlus's Avro",
    "example.dcm": "DICOM",
    "example.scp": "SCP-ECG",
    "fitbit.json": "JSON",
    "frames.hea": "WFDB",
    "health_export.json": "JSON",
    "holter.ecg": "ISHNE Holter",
    "interrupted.hea": "WFDB",
    "kardia.atc": "KardiaMobile's ATC",
    "kardia_api.json": "JSON",
    "leads.json": "JSON",
    "movesense.json": "JSON",
    "muse.xml": "GE MUSE's XML",
    "observation.json": "JSON",
    "opensignals.h5": "HDF5",
    "packed.hea": "WFDB",
    "polar.csv": "Polar Sensor Logger's table",
    "rows.csv": "CSV",
    "short.csv": "CSV",
    "short.npz": "npz",
    "sierra.xml": "Philips' XML",
    "sierra_1_04.xml": "Philips' XML",
    "signal.csv": "Withings' CSV",
    "sleep.edf": "EDF",
    "strap.csv": "Movesense's CSV",
    "val.mat": "MATLAB",
    "withings.json": "JSON",
}
"""Format of each sample."""


def claims(path) -> list[str]:
    """The formats that detect a file as theirs; CSV accepts every table, and an npz is a zip as well."""
    found = [form.name for form in READ if form.looks_like(Source(path))]
    return [name for name in found if name not in ("CSV", *(["zip"] if "npz" in found else []))] or ["CSV"]


@pytest.mark.parametrize("name", FORM)
def test_format_is_detected_from_the_content_by_one_reader(name, tmp_path):
    assert claims(FORMATS / name) == [FORM[name]]
    [sample] = [sample for sample in samples() if sample.name == name]
    path = prepare(sample, tmp_path)
    other = path.rename(tmp_path / "recording.bin")
    assert claims(other) == [FORM[name]]


def test_every_format_has_a_sample():
    assert {form.name for form in READ} == {*FORM.values(), claims(SAMPLES / "apple_watch_lead_I.csv")[0]}


def test_the_table_in_the_docs_names_every_format():
    lines = (ROOT / "docs" / "guides" / "formats.md").read_text().splitlines()
    table = "\n".join(line for line in lines if line.startswith("|"))
    written = set(re.findall(r"✓ `([\w-]+)`", table))
    assert written | {"wfdb"} == {*FORMS, "ptb-xl"}
    for word in (
        "WFDB",
        "EDF",
        "DICOM",
        "aECG",
        "SCP-ECG",
        "MUSE",
        "Sierra",
        "CSV",
        "JSON",
        "npz",
        "Apple",
        "Kardia",
        "Polar",
    ):
        assert word in table
    for word in ("HDF5", "E4", "Avro", "BIDMC", "ISHNE", "CardioSoft", "MATLAB"):
        assert word in table


@pytest.mark.parametrize(
    ("suffix", "quantum"),
    [(".edf", 1e-3), (".dcm", 1e-3), (".xml", 1e-3), (".mat", 1e-3), (".hea", 1e-3), (".csv", 2e-5), (".npz", 0.0)],
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_round_trip(suffix, quantum, data, tmp_path_factory):
    """Samples within half a step; leads, rate, length, provenance and metadata exactly; the same bytes again."""
    leads = data.draw(st.lists(st.sampled_from(STANDARD_LEADS), min_size=1, max_size=12, unique=True))
    fs = data.draw(st.sampled_from([200.0, 250.0, 257.0, 360.0, 500.0, 511.7, 1000.0]))
    samples_ = data.draw(st.integers(2, 700))
    seed = data.draw(st.integers(0, 2**31))
    signal = 4 * torch.rand(len(leads), samples_, generator=torch.Generator().manual_seed(seed)) - 2
    made = data.draw(st.booleans())
    origin = (
        Provenance(tuple(leads[:1]), tuple(leads[1:]) or ("V1",), "vae@0123456789ab", seed, "leads I; age 74")
        if made
        else None
    )
    about = About(age=data.draw(st.sampled_from([None, 0.0, 74.0])), sex=data.draw(st.sampled_from([None, "M", "F"])))
    path = tmp_path_factory.mktemp("written") / f"a{suffix}"
    write(ECG(signal, tuple(leads), fs, origin), path, about=about)
    there = reading(path, check=False)
    assert (there.ecg.leads, there.ecg.fs, there.ecg.samples) == (tuple(leads), fs, samples_)
    assert (there.ecg.signal[0] - signal).abs().max() <= 0.5001 * quantum
    assert there.ecg.provenance == origin
    assert (there.about.age, there.about.sex) == (about.age, about.sex)
    before = path.read_bytes()
    write(ECG(signal, tuple(leads), fs, origin), path, about=about, overwrite=True)
    assert path.read_bytes() == before or suffix == ".npz"  # an archive tells the time


@pytest.mark.parametrize("suffix", [".hea", ".csv", ".npz", ".edf", ".dcm", ".xml"])
def test_identifying_metadata_is_written_only_on_request(suffix, tmp_path):
    for personal in (False, True):
        there = reading(FORMATS / "muse.xml", check=False, personal=personal)
        write(there.ecg, tmp_path / f"a{suffix}", about=there.about, overwrite=True)
        again = reading(tmp_path / f"a{suffix}", check=False, personal=True)
        assert ("Doe" in again.about.personal.get("name", again.about.personal.get("statements", ""))) == personal


@pytest.mark.parametrize("suffix", WRITE)
def test_writers_reject_gaps_and_batches(suffix, tmp_path):
    with pytest.raises(InputError, match="is empty or has gaps only"):
        write(ECG(torch.full((1, 500), torch.nan), ("I",), 250), tmp_path / f"a{suffix}")
    if suffix in (".edf", ".xml"):
        gap = torch.zeros(1, 500)
        gap[0, 7] = torch.nan
        with pytest.raises(InputError, match=r"has gaps .lead I lacks 1 of 500 samples.*write \.hea, \.mat, \.csv, "):
            write(ECG(gap, ("I",), 250), tmp_path / f"a{suffix}")
    if suffix != ".npz":
        with pytest.raises(InputError, match="is a batch of 2 records"):
            write(ECG(torch.zeros(2, 1, 500), ("I",), 250), tmp_path / f"a{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_flat_and_large_leads_are_written_unchanged(tmp_path):
    """Ranges fitted to the signal would fail on the first and saturate on the second."""
    signal = torch.stack([torch.full((500,), 0.25), 20 * torch.sin(torch.arange(500) / 9)])
    for suffix in WRITE:
        write(ECG(signal, ("I", "V2"), 250), tmp_path / f"a{suffix}", overwrite=True)
        there = read(tmp_path / f"a{suffix}", check=False)
        assert (there.signal[0] - signal).abs().max() < 6e-4, suffix


# A segment of a long recording


@pytest.mark.parametrize("suffix", [".hea", ".edf", ".mat"])
def test_segment_equals_that_of_the_whole_recording(suffix, tmp_path):
    """Only the requested segment is decoded, with the same values."""
    write(simulate(1, seconds=60, fs=257, seed=2).pick("I", "V2"), tmp_path / f"a{suffix}")
    whole = read(tmp_path / f"a{suffix}", check=False)
    for start, seconds in ((0.0, 2.5), (3.21, 2.5), (57.4, None), (50.0, 10.0), (0.0, 60.0)):
        part = reading(tmp_path / f"a{suffix}", start=start, seconds=seconds, check=False)
        assert torch.equal(part.ecg.signal, whole.crop(start, seconds).signal)
        assert part.ecg.seconds == 60 or any(f"cut from 60 to {part.ecg.seconds:g} s" in one for one in part.changes)
    for start, seconds in (
        (-1.0, 2.0),
        (59.0, 2.0),
        (60.0, None),
        (float("nan"), 2.0),
        (0.0, 0.0),
        (0.0, float("inf")),
    ):
        with pytest.raises(InputError):
            read(tmp_path / f"a{suffix}", start=start, seconds=seconds)
    with pytest.raises(
        InputError, match=r"the recording lasts 60\.000 s; a segment from 59 to 61\.000 s was requested"
    ):
        read(tmp_path / f"a{suffix}", start=59, seconds=2)


@pytest.mark.parametrize("suffix", [".hea", ".edf"])
def test_too_long_recording_is_read_in_segments(suffix, tmp_path, monkeypatch):
    write(simulate(1, seconds=60, fs=250).pick("I"), tmp_path / f"a{suffix}")
    monkeypatch.setattr("ecggen.io.source.MOST_SAMPLES", 10_000)
    advice = "at most 10000 are read at once; read a segment of it: start=0, seconds=40"
    with pytest.raises(InputError, match=advice):
        read(tmp_path / f"a{suffix}")
    assert read(tmp_path / f"a{suffix}", start=31, seconds=10).samples == 2500
