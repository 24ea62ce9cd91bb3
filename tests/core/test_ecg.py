"""The ECG type: lead names, derived leads, lead laws, resampling, cropping."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ecggen import ECG, InputError
from ecggen.core.ecg import INDEPENDENT_LEADS, LEAD_MATRIX, STANDARD_LEADS, Provenance, determined_by
from ecggen.core.simulate import simulate


def test_derived_leads_are_einthovens_and_goldbergers():
    ecg = ECG(torch.randn(2, 8, 100), INDEPENDENT_LEADS, 100).standard()
    lead = dict(zip(STANDARD_LEADS, ecg.signal.unbind(1), strict=True))
    torch.testing.assert_close(lead["III"], lead["II"] - lead["I"])
    torch.testing.assert_close(lead["aVR"], -(lead["I"] + lead["II"]) / 2)
    torch.testing.assert_close(lead["aVL"], (lead["I"] - lead["III"]) / 2)
    torch.testing.assert_close(lead["aVF"], (lead["II"] + lead["III"]) / 2)


def test_standard_keeps_given_leads():
    """Given leads are never recomputed, even if they violate a law slightly."""
    ecg = simulate(1)
    ecg.signal[:, 2] += 0.005
    assert torch.equal(ecg.standard().signal, ecg.signal)


def test_two_limb_leads_determine_six():
    limb = set(STANDARD_LEADS[:6])
    for one in limb:
        for other in limb - {one}:
            assert set(determined_by((one, other))) == limb
    assert determined_by(("I",)) == ("I",)
    assert determined_by(()) == ()
    assert determined_by(("V1", "aVR")) == ("aVR", "V1")


@given(st.permutations(STANDARD_LEADS), st.integers(1, 12))
def test_pick_selects_by_name(order, count):
    ecg = simulate(1, seconds=2)
    picked = ecg.pick(*order[:count])
    for i, lead in enumerate(order[:count]):
        assert torch.equal(picked.signal[:, i], ecg.signal[:, STANDARD_LEADS.index(lead)])


def test_law_residual_is_the_distance_from_the_lead_laws():
    ecg = simulate(2)
    assert ecg.law_residual().max() < 1e-6
    ecg.signal[1, 2] += 0.3  # lead III of the second record
    off = np.eye(12) - LEAD_MATRIX @ np.linalg.pinv(LEAD_MATRIX)
    expected = 0.3 * np.abs(off[:, 2]).max()
    assert ecg.law_residual().tolist() == pytest.approx([0, expected], abs=1e-6)


def test_resampling_keeps_a_wave_and_removes_aliases():
    time = torch.arange(5000) / 500
    slow = torch.sin(2 * torch.pi * 7 * time)
    fast = torch.sin(2 * torch.pi * 93 * time)  # would alias to 7 Hz
    ecg = ECG(torch.stack([slow, fast])[None], ("I", "II"), 500).resample(100)
    expected = torch.sin(2 * torch.pi * 7 * torch.arange(1000) / 100)
    assert ecg.samples == 1000
    assert (ecg.signal[0, 0] - expected)[50:-50].abs().max() < 0.02
    assert ecg.signal[0, 1, 50:-50].abs().max() < 0.02


def test_resampling_round_trip_from_an_odd_rate():
    ecg = simulate(1, fs=511.7, seconds=10)
    back = ecg.resample(100).resample(511.7)
    samples = min(ecg.samples, back.samples)
    assert abs(ecg.samples - back.samples) <= 6
    difference = (ecg.signal[..., :samples] - back.signal[..., :samples])[..., 500:-500]
    assert difference.abs().max() < 0.15 * ecg.signal.abs().max()


def test_crop_is_in_seconds():
    ecg = simulate(1, fs=250)
    assert torch.equal(ecg.crop(2, 3).signal, ecg.signal[..., 500:1250])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: simulate(1).pick("V9"), "lead 'V9' is not in this ECG"),
        (lambda: ECG(torch.zeros(1, 2, 9), ("I", "I"), 100), "lead I occurs twice; each lead once"),
        (lambda: ECG(torch.zeros(1, 1, 9), ("MLII",), 100), "lead 'MLII' is not a standard lead"),
        (lambda: ECG(torch.zeros(1, 3, 9), ("I", "II"), 100), "shape (1, 3, 9) for 2 leads"),
        (lambda: ECG(torch.zeros(1, 1, 9), ("I",), 0), "the sampling rate is 0; a positive number of Hz"),
        (lambda: ECG(torch.zeros(1, 1, 9), ("I",), float("nan")), "the sampling rate is nan"),
        (lambda: simulate(1).crop(8, 5), "the recording lasts 10.000 s; a segment from 8 to 13.000 s was requested"),
        (lambda: simulate(1).pick("I", "V1").standard(), "leads II, III, aVR, aVL, aVF, V2"),
        (lambda: ECG.cat([simulate(1), simulate(1, fs=50)]), "records differ"),
    ],
)
def test_invalid_input_raises_input_error(make, message):
    with pytest.raises(InputError) as error:
        make()
    assert message in str(error.value)


def test_provenance_round_trip_as_comments():
    origin = Provenance(("I",), ("II", "V1"), "vae@0123", 7, "leads I; age 74")
    assert Provenance.parse([f"# {line}" for line in origin.lines()]) == origin
    assert Provenance.parse(["# Age: 50", "nothing here"]) is None
    assert Provenance(("I",)).lines() == []
