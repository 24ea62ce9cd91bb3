"""A day of twelve leads in WFDB, EDF and ISHNE: segments, excerpts and refusals, without reading the whole file.

The files are sparse: only the header and a few seconds of samples take room.
"""

import json
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import SAMPLES
from fixtures import refusal

from ecggen.core.ecg import STANDARD_LEADS
from ecggen.core.simulate import simulate
from ecggen.io import read, reading, write
from ecggen.io.formats.edf.reading import parse
from ecggen.io.source import EXCERPT, MOST_SAMPLES

sys.path.insert(0, str(SAMPLES / "formats"))
import make_hospital

FS, DAY, AT = 500, 86_400, 72_000
"""Sampling rate in Hz, duration of the recording, and start of the simulated ECG in it, in seconds."""

make_hospital.CODES |= {lead: number for number, lead in enumerate(STANDARD_LEADS, 5)}


def waves() -> np.ndarray:
    """Twelve leads of 10 s (lead, time) in mV, in steps of 1 µV."""
    return simulate(1, 10, FS, seed=3, heart_rate=72).standard().signal[0].double().numpy().round(3)


def sparse(path: Path, header: bytes, content: bytes, per_second: int) -> Path:
    """A file with ``content`` at the beginning and at ``AT`` seconds, and nothing elsewhere."""
    with path.open("wb") as file:
        file.write(header + content)
        file.seek(len(header) + AT * per_second)
        file.write(content)
        file.truncate(len(header) + DAY * per_second)
    return path


def wfdb(folder: Path) -> Path:
    steps = np.rint(waves() * 1000).astype("<i2").T.tobytes()
    sparse(folder / "a.dat", b"", steps, 2 * FS * 12)
    lines = [f"a.dat 16 1000(0)/mV 16 0 0 0 0 {lead}" for lead in STANDARD_LEADS]
    (folder / "a.hea").write_text("\n".join([f"a 12 {FS} {DAY * FS}", *lines]) + "\n")
    return folder / "a.hea"


def packed(folder: Path) -> Path:
    """Format 212 with a skew, which begins in the middle of a group of bytes."""
    steps = np.rint(waves()[:11] * 200).astype(int)
    sparse(folder / "a.dat", b"", make_hospital.packed(steps), FS * 11 * 3 // 2)
    lines = [f"a.dat 212 200(0)/mV 12 0 0 0 0 {lead}" for lead in STANDARD_LEADS[:11]]
    (folder / "a.hea").write_text("\n".join([f"a 11 {FS}", *lines]) + "\n")
    return folder / "a.hea"


def edf(folder: Path) -> Path:
    ecg = simulate(1, 10, FS, seed=3, heart_rate=72).standard()
    (path,) = write(ecg, folder / "short.edf")
    content = path.read_bytes()
    header = parse(content)
    per_second = header.record_bytes / header.seconds
    assert per_second.is_integer()
    stated = content[:236] + str(int(DAY / header.seconds)).encode().ljust(8) + content[244 : header.size]
    return sparse(folder / "a.edf", stated, content[header.size :], int(per_second))


def ishne(folder: Path) -> Path:
    content = make_hospital.ishne(waves(), STANDARD_LEADS, FS, b"a day", resolution=1000)
    head, samples = content[:527], content[527:]
    head = head[:14] + (DAY * FS).to_bytes(4, "little") + head[18:]
    return sparse(folder / "a.ecg", head, samples, 2 * FS * 12)


FORMS = [wfdb, packed, edf, ishne]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_segment_of_a_day(tmp_path, form: Callable[[Path], Path]):
    path = form(tmp_path)
    step = 2.6e-3 if form is packed else 1.1e-3
    tracemalloc.start()
    found = reading(path, start=AT + 2, seconds=6, check=False)
    assert tracemalloc.get_traced_memory()[1] < 50e6
    tracemalloc.stop()
    expected = waves()[: len(found.ecg.leads), 2 * FS : 8 * FS]
    np.testing.assert_allclose(found.ecg.signal[0], expected, atol=step)
    assert found.lasts == DAY and f"cut from {DAY} to 6 s" in found.changes


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_whole_day_is_refused_with_a_segment_that_can_be_read(tmp_path, form: Callable[[Path], Path]):
    path = form(tmp_path)
    message = refusal(read, path)
    channels = len(STANDARD_LEADS) - (form is packed)
    assert f"the recording holds {DAY * FS * channels} samples over all channels" in message
    assert f"at most {MOST_SAMPLES} are read at once; read a segment of it: start=0, seconds=600" in message
    assert read(path, start=0, seconds=600, check=False).seconds == 600


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_excerpt_of_a_day(tmp_path, form: Callable[[Path], Path]):
    found = reading(form(tmp_path), excerpt=True, check=False)
    assert (found.ecg.seconds, found.lasts) == (EXCERPT, DAY)
    assert reading(SAMPLES / "00010_lr.hea", excerpt=True).ecg.seconds == 10


def test_commands_on_a_day(run, tmp_path):
    """``info`` describes the beginning and says so; ``reconstruct`` looks for beats there and takes any length."""
    path = ishne(tmp_path)
    code, out, _ = run("info", path, "--json")
    about = json.loads(out)
    assert (code, about["recording_seconds"], about["seconds"]) == (0, DAY, EXCERPT)
    code, _, error = run("reconstruct", path, "--out", tmp_path / "made")
    assert code != 0 and "show no certain heartbeats" in error and "at once" not in error


def test_info_says_that_it_describes_the_beginning(run, tmp_path, monkeypatch):
    monkeypatch.setattr("ecggen.io.source.MOST_SAMPLES", 60_000)
    (tmp_path / "a.ecg").write_bytes(make_hospital.ishne(waves(), STANDARD_LEADS, FS, b""))
    code, out, _ = run("info", tmp_path / "a.ecg")
    assert code == 0 and "the recording is long" not in out
    monkeypatch.setattr("ecggen.io.source.MOST_SAMPLES", 50_000)
    code, out, _ = run("info", tmp_path / "a.ecg")
    assert code == 0 and "10 s at 500 Hz" in out
    assert "the recording is long: what follows is of its first 8 s" in out
