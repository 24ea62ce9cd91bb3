"""Exchanged electrodes and wrong leads are found in real samples, right ones are left alone."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import SAMPLES

from ecggen import InputError, read, write
from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.core.electrodes import FAULTS, KINDS
from ecggen.evaluators.lead_consistency import LeadConsistency, check, load, save
from ecggen.training.lead_consistency import fit_limits, fit_regression

NAMES = ("00010_lr", "00262_hr", "00627_lr")
BY_NAME = {fault.name: fault for fault in FAULTS}


def eight(name):
    return read(SAMPLES / f"{name}.hea").standard().pick(*INDEPENDENT_LEADS)


def with_fault(ecg, fault):
    matrix = torch.tensor(BY_NAME[fault].matrix, dtype=torch.float32)
    return replace(ecg, signal=torch.einsum("ij,bjt->bit", matrix, ecg.signal))


@pytest.mark.parametrize("name", NAMES)
def test_right_recordings_are_left_alone(name):
    found = check(eight(name))
    assert found.fault == "" and found.doubts == ()
    assert max(found.anomaly.values()) < 1
    assert found.beats.shape == (len(found.times), 8)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("fault", ["RA-LA", "RA-LL", "V1-V3", "V2-V4", "V1-V6", "V1-V6 reversed"])
def test_exchanged_electrodes_are_named(name, fault):
    found = check(with_fault(eight(name), fault))
    assert BY_NAME[found.fault].kind == BY_NAME[fault].kind
    assert found.fault == fault or fault == "RA-LA", "exchanged arms resemble rotated limb electrodes"
    assert found.doubts == (BY_NAME[found.fault].words,)


def test_exchanging_twice_mends():
    ecg = eight("00262_hr")
    for fault in FAULTS:
        if fault.kind in ("limb", "chest") and fault.name.count("-") == 1 and "RL" not in fault.name:
            np.testing.assert_allclose(fault.matrix @ fault.matrix, np.eye(8), atol=1e-12, err_msg=fault.name)
    assert check(with_fault(with_fault(ecg, "RA-LA"), "RA-LA")).fault == ""


def test_a_detached_lead_is_named():
    ecg = eight("00262_hr")
    signal = ecg.signal.clone()
    signal[0, 5] = 0.01 * torch.randn(ecg.samples, generator=torch.Generator().manual_seed(0))
    assert check(replace(ecg, signal=signal)).fault == "V4 detached"


def test_fewer_leads_and_gaps_are_not_judged():
    ecg = eight("00262_hr")
    assert check(ecg.pick("I", "II", "V1")) is None
    signal = ecg.signal.clone()
    signal[0, 0, 5] = torch.nan
    assert check(replace(ecg, signal=signal)) is None
    assert check(replace(ecg, signal=torch.zeros_like(ecg.signal))) is None
    with pytest.raises(InputError, match="batch of 2 records"):
        check(replace(ecg, signal=ecg.signal.repeat(2, 1, 1)))


def test_info_names_exchanged_electrodes(run, tmp_path):
    write(with_fault(eight("00262_hr"), "V2-V4").standard(), tmp_path / "wrong.csv")
    code, out, err = run("info", tmp_path / "wrong.csv", "--json")
    assert code == 0, err
    about = json.loads(out)
    assert about["lead_consistency"]["fault"] == "V2-V4"
    assert about["doubts"] == ["the leads look as if the electrodes of V2 and V4 were exchanged"]


def test_the_regression_learns_what_leads_share(tmp_path):
    """Simulated hearts are dipoles: each lead follows from the others, so that its prediction is nearly exact."""
    mixing = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))
    hearts = torch.randn(400, 3, 40, generator=torch.Generator().manual_seed(2)).cumsum(-1) / 5
    beats = mixing @ hearts
    model = LeadConsistency(width=16)
    fit_regression(model, beats[:300])
    predicted, _ = model.predicted(beats[300:], 4)
    assert torch.corrcoef(torch.stack([predicted.flatten(), beats[300:, 4].flatten()]))[0, 1] > 0.98
    wrong = beats[300:].clone()
    wrong[:, 4] *= -1
    assert bool((model.anomaly(wrong)[:, 4] > 3 * model.anomaly(beats[300:])[:, 4]).float().mean() > 0.9)
    fit_limits(model, [beat.numpy()[None].repeat(3, 0).astype(np.float32) for beat in beats[300:]])
    assert bool((model.limit > 0).all()) and model.limits.shape == (len(KINDS),)
    again = load(save(model, tmp_path / "model"))
    torch.testing.assert_close(again.anomaly(beats[:5]), model.anomaly(beats[:5]), rtol=0.05, atol=0.05)
