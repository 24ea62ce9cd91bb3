"""Recordings that are unlike the training data have wider intervals, and are told so with reasons."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import ROOT, SAMPLES, tiny

from ecggen import InputError, load, read, write
from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS
from ecggen.core.recorders import rerecorded
from ecggen.core.simulate import simulate
from ecggen.generators import checkpoint
from ecggen.generators.intervals import MAX_OBSERVED
from ecggen.generators.trust.features import NAMES, OF_A_LEAD, OF_THE_RHYTHM, measure
from ecggen.generators.trust.widening import FILE, Row, Trust, Widening, reasons, summarised
from ecggen.networks import storage
from ecggen.training.trust import Errors, fit_row, margin

ZERO = np.zeros(len(NAMES))


def widening(**changes):
    """A widening by the noise only, with standard features."""
    row = Row(ZERO, 0.0, 1.0, 1.0, 0.01, np.eye(len(NAMES)), np.linspace(0, 4, 101))
    row = replace(row, **changes)
    tables = np.zeros((12, len(OF_A_LEAD))), np.ones((12, len(OF_A_LEAD)))
    return Widening(
        *tables, np.stack([np.zeros(len(OF_THE_RHYTHM)), np.ones(len(OF_THE_RHYTHM))]), (row,) * MAX_OBSERVED
    )


@pytest.fixture(scope="module")
def vae():
    return load("vae")


def noisy(ecg, size):
    noise = torch.randn(ecg.signal.shape, generator=torch.Generator().manual_seed(0))
    return replace(ecg, signal=ecg.signal + size * noise)


def test_noise_widens_the_interval_and_is_named(vae):
    watch = read(SAMPLES / "00262_hr.hea").pick("I")
    calm, loud = (vae.reconstruct(ecg, num_draws=4, seed=0) for ecg in (watch, noisy(watch, 0.4)))
    assert calm.trust[0].unlike == 0 and calm.trust[0].sentence() == ""
    assert loud.trust[0].unlike == 1 and loud.trust[0].nearer > 0.95
    assert loud.trust[0].widening > calm.trust[0].widening + 0.1
    assert any("noise" in reason for reason in loud.trust[0].reasons)
    told = loud.trust[0].sentence()
    assert told.startswith("this recording is ") and "unlike the training data" in told and "widened by" in told


def test_observed_leads_have_no_interval(vae):
    found = vae.reconstruct(read(SAMPLES / "00010_lr.hea").pick("I", "II"), num_draws=4)
    known = [found.mean.leads.index(lead) for lead in ("I", "II", "III", "aVR", "aVL", "aVF")]
    for edge in (found.lower, found.upper):
        torch.testing.assert_close(edge.signal[:, known], found.mean.signal[:, known])
    assert bool((found.upper.signal[:, 6:] > found.lower.signal[:, 6:]).any())


def test_a_record_has_the_same_interval_in_any_batch(vae):
    both = simulate(2, seed=4).pick("II")
    together = vae.reconstruct(Condition(both), num_draws=4, seed=0)
    alone = vae.reconstruct(Condition(both[:1]), num_draws=4, seed=0)
    torch.testing.assert_close(together.upper.signal[:1], alone.upper.signal, atol=1e-4, rtol=1e-3)
    assert together.trust[0].as_dict() == alone.trust[0].as_dict()


def test_without_leads_nothing_is_measured(vae):
    assert vae.reconstruct(Condition(text="sinus rhythm", seconds=10), num_draws=2).trust == ()
    assert tiny("vae").reconstruct(simulate(1, seconds=4).pick("I"), num_draws=2).trust == ()


def test_long_recordings_are_measured_by_window(vae):
    """Twenty seconds of which the last are noisy: a part of the windows is unlike."""
    ecg = simulate(1, seconds=26, seed=1).pick("I")
    signal = ecg.signal.clone()
    signal[..., 1800:] += 0.3 * torch.randn(800, generator=torch.Generator().manual_seed(0))
    found = vae.reconstruct(replace(ecg, signal=signal), num_draws=2)
    width = (found.upper.signal - found.lower.signal)[0, 6]
    assert 0 < found.trust[0].unlike <= 1
    assert width[2000:].mean() > width[:1000].mean()


def test_the_floor_obeys_the_lead_laws():
    """From lead I: III = II − I has the noise of II, and aVR half of it; recorded lead I has none."""
    window = Condition(simulate(1).pick("I"))
    ends = torch.ones(1, 12, window.samples)
    ends[:, 0] = 0
    ends[:, 3:5] = 0.5
    below, above, about = widening().widened(-ends, ends, window)
    _, _, noise = measure(window.leads[0, :1].numpy())
    floor = (above - ends)[0, :, 0] / float(noise[0])
    np.testing.assert_allclose(floor[[0, 1, 2, 3, 4, 6]], [0, 1, 1, 0.5, 0.5, 1], atol=1e-5)
    torch.testing.assert_close(below, -above)
    assert about.z.shape == (1, len(NAMES))


def test_other_levels_scale_the_floor():
    window, ends = Condition(simulate(1).pick("I")), torch.ones(1, 12, 1000)
    narrow, wide = (widening().widened(-ends, ends, window, level)[1] - ends for level in (0.5, 0.9))
    np.testing.assert_allclose(float(narrow[0, 6, 0] / wide[0, 6, 0]), 0.6745 / 1.6449, rtol=1e-3)


def test_reasons_are_named_in_words():
    z = ZERO.copy()
    z[NAMES.index("interval")], z[NAMES.index("noise")] = -3, 5
    assert reasons(z) == ("noise between the beats", "a fast heart rate")
    assert reasons(ZERO) == ()
    assert Trust(0.5, 0.0, 1.0, ()).sentence() == ""
    assert "in 25% of the time" in Trust(0.9, 0.25, 1.3, ("wide QRS complexes",)).sentence()


def test_summary_of_windows():
    window = Condition(simulate(1).pick("I"))
    ends = torch.ones(1, 12, 1000)
    about = widening().widened(-ends, ends, window)[2]
    near, far = replace(about, nearer=np.array([0.2])), replace(about, nearer=np.array([0.97]))
    [trust] = summarised([near, near, far, near])
    assert (trust.unlike, trust.nearer) == (0.25, 0.2)


def test_stored_beside_the_weights(tmp_path):
    model = tiny("vae")
    model.widening = widening(noise=0.5)
    folder = checkpoint.save(model, tmp_path / "model")
    name = checkpoint.load(folder).name
    assert checkpoint.load(folder).widening.as_json() == model.widening.as_json()
    (folder / FILE).unlink()
    assert checkpoint.load(folder).widening is None
    assert checkpoint.load(folder).name == name, "the hash of the weights does not depend on it"


SHIPPED = [folder.parent.name for folder in (ROOT / "checkpoints").glob(f"*/{FILE}")]


def test_some_are_shipped():
    assert {"vae", "flow"} <= set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_parameters_are_sound(name):
    stored = storage.read_json(storage.find(name) / FILE)
    found = Widening.from_json(stored, "shipped")
    for row in found.rows:
        assert row.weights.shape == (len(NAMES),) and bool((np.diff(row.distances) >= 0).all())
        assert 0.5 < row.margin < 2 and row.noise > 0
    for hospitals in stored["measured"].values():
        assert {"PTB-XL", "CPSC 2018", "Georgia", "ludb", "cinc2011"} <= set(hospitals)


@pytest.mark.parametrize("change", [{"format": 9}, {"features": ["size"]}, {"rows": []}, {"centre": [[0.0]]}])
def test_other_content_is_refused(change, tmp_path):
    folder = checkpoint.save(tiny("vae"), tmp_path / "model")
    storage.write_json(folder / FILE, widening().as_json() | change)
    with pytest.raises(InputError, match=r"trust\.json cannot be used"):
        checkpoint.load(folder)


def test_the_fit_finds_what_widens():
    """Errors grow with one feature and with noise; the fitted intervals hold their share for small and large values."""
    rng = np.random.default_rng(0)

    def records(n, spread):
        z, noise = rng.normal(0, spread, (n, len(NAMES))), rng.uniform(0, 0.2, n)
        scale = 0.1 * np.exp(0.5 * np.clip(z[:, 0], -3, 3)) + noise
        error = np.abs(rng.normal(0, scale[:, None, None], (n, 3, 40)))
        return Errors(error, np.full((n, 3, 40), 0.1645), z, noise)

    plain, changed, test = records(400, 1.0), records(400, 1.5), records(2000, 1.0)
    row = fit_row(plain, changed)
    row = replace(row, margin=margin(row, [plain]))
    inside = (test.error <= test.widened(row)).mean((1, 2))
    before = (test.error <= test.half_width).mean((1, 2))
    assert row.weights[0] > 0.2 > np.abs(row.weights[1:]).max()
    for part in (test.z[:, 0] > 1, test.z[:, 0] < -1, test.noise > 0.15, test.noise < 0.05):
        assert abs(inside[part].mean() - 0.9) < 0.05
    assert before[test.noise > 0.15].mean() < 0.75, "without widening too few are inside"


def test_recorders_change_records_within_reason():
    eight = simulate(1, seed=2).pick(*INDEPENDENT_LEADS).signal[0].numpy()
    made = [rerecorded(eight, np.random.default_rng(seed)) for seed in range(40)]
    assert all(wave.shape == eight.shape and np.isfinite(wave).all() and np.abs(wave).max() < 20 for wave in made)
    np.testing.assert_array_equal(made[3], rerecorded(eight, np.random.default_rng(3)))
    changes = [float(np.abs(wave - eight).mean()) for wave in made]
    assert sum(change > 0.01 for change in changes) > 30


def test_summary_and_picture_say_it(run, tmp_path):
    ecg = noisy(read(SAMPLES / "00262_hr.hea").pick("I"), 0.4)
    write(ECG(ecg.signal, ("I",), ecg.fs), tmp_path / "loud.csv")
    words = (
        "reconstruct",
        tmp_path / "loud.csv",
        "--model",
        "vae",
        "--num-draws",
        4,
        "--plot-format",
        "svg",
        "--allow-noise",
    )
    code, out, err = run(*words, "--out", tmp_path / "made")
    assert code == 0, err
    assert "trust:     this recording is" in out and "the interval is widened by" in " ".join(out.split())
    about = json.loads((tmp_path / "made" / "loud.json").read_text())
    assert about["trust"]["unlike_share"] == 1 and about["trust"]["reasons"]
    assert "the training data" in (tmp_path / "made" / "loud.svg").read_text()
