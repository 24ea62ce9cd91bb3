"""A margin of the user's own makes intervals hold for their records, and is refused for any other use."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import SAMPLES, tiny

from ecggen import InputError, read, write
from ecggen.conditioning.condition import Condition
from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.core.simulate import simulate
from ecggen.generators import checkpoint
from ecggen.generators.streaming.blocks import Blocks, LeadRecording, Options
from ecggen.generators.trust.calibrate import calibrate, own_records
from ecggen.generators.trust.margin import Margin, conformal_margin, fewest, identity, left_out_coverage

SAMPLE_RECORDS = ("00010_lr.hea", "00262_hr.hea", "00627_lr.hea", "01502_lr.hea", "E00001.hea", "Q0012.hea")


def margin(model="vae", **changes):
    values = {"margin": 2.0, "level": 0.9, "leads": ("I",), "model": model, "n": 40, "num_draws": 20}
    about = {"date": "2026-11-29", "coverage_before": 0.8, "coverage": 0.9, "width_before_mv": 0.3, "width_mv": 0.6}
    return Margin(**(values | about | changes))


@pytest.fixture(scope="module")
def vae():
    return tiny("vae")


@pytest.fixture(scope="module")
def watch():
    return simulate(1, seconds=4, fs=100, seed=3).pick("I")


def hospital_records(rng, n, samples=60):
    """Errors over half-widths of records whose sizes differ from record to record."""
    size = np.exp(rng.normal(0.1, 0.25, (n, 1)))
    return np.abs(rng.normal(0, size / 1.645, (n, samples)))


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_the_next_record_is_held_on_average(level):
    """The law: over exchangeable records, the next one has at least the level on average, and not much more."""
    rng, n, inside, before = np.random.default_rng(1), 40, [], []
    for _ in range(600):
        records = hospital_records(rng, n + 1)
        inside.append((records[-1] <= conformal_margin(records[:-1], level)).mean())
        before.append((records[-1] <= np.quantile(records[:-1], level)).mean())
    error = 2 * np.std(inside) / np.sqrt(len(inside))
    assert level - error <= np.mean(inside) <= level + 0.03
    assert np.mean(before) < np.mean(inside)


def test_against_any_record():
    """A tenth of the records have nothing inside; guarded against any record, the level still holds on average."""
    rng, inside = np.random.default_rng(2), []
    for _ in range(600):
        records = hospital_records(rng, 41) * np.where(rng.random((41, 1)) < 0.05, 100, 1)
        inside.append((records[-1] <= conformal_margin(records[:-1], 0.9, worst=0)).mean())
    assert np.mean(inside) >= 0.9 - 2 * np.std(inside) / np.sqrt(len(inside))


def test_few_records_give_a_wider_interval():
    records = hospital_records(np.random.default_rng(3), 400)
    twenty = np.mean([conformal_margin(records[start : start + 20], 0.9) for start in range(0, 400, 20)])
    assert twenty > conformal_margin(records, 0.9) > np.quantile(records, 0.9)
    assert conformal_margin(records[:20], 0.9, worst=0) > conformal_margin(records[:20], 0.9)
    with pytest.raises(InputError, match="3 records were given"):
        conformal_margin(records[:3], 0.9)


def test_fewest_records_suffice_for_a_margin():
    for level in (0.5, 0.9, 0.95, 0.99):
        records = hospital_records(np.random.default_rng(4), fewest(level), samples=20)
        assert np.isfinite(conformal_margin(records, level, worst=0))
        assert len(left_out_coverage(records, level)) == fewest(level)


def test_a_margin_of_one_changes_nothing_and_two_doubles_the_width(vae, watch):
    plain = vae.reconstruct(watch, num_draws=4)
    for factor in (1.0, 2.0):
        own = vae.with_margin(margin(identity(vae), margin=factor)).reconstruct(watch, num_draws=4)
        assert torch.equal(own.mean.signal, plain.mean.signal) and own.margin.margin == factor
        for edge in ("lower", "upper"):
            width, before = (getattr(each, edge).signal - each.mean.signal for each in (own, plain))
            torch.testing.assert_close(width, factor * before, atol=1e-5, rtol=1e-4)
    assert vae.margin is None and plain.margin is None, "the generator itself is not changed"


def test_live_and_long_recordings_have_it_too(vae, watch):
    own = vae.with_margin(margin(identity(vae)))
    options = Options(4)

    def widths(model):
        live = list(model.stream([watch], num_draws=4))
        known = Condition(age=50, n=1)
        recording = LeadRecording(
            lambda first, last: replace(watch, signal=watch.signal[..., first:last]),
            watch.samples,
            watch.fs,
            known,
            model.preprocessor,
        )
        block = Blocks(model, recording, options)[0]
        assert block.margin is model.margin
        return [(part.upper.signal - part.lower.signal)[:, 6:].mean() for part in (*live, block)]

    np.testing.assert_allclose(np.divide(widths(own), widths(vae)), 2, rtol=1e-3)
    with pytest.raises(InputError, match="calibrated for leads I; one for II"):
        list(own.stream([simulate(1, seconds=4).pick("II")], num_draws=4))


def test_equivalent_leads_are_the_same(vae):
    own = vae.with_margin(margin(identity(vae), leads=("I", "II")))
    assert own.reconstruct(simulate(1, seconds=4, fs=100).pick("I", "III"), num_draws=2).margin is own.margin


def test_other_uses_are_refused(vae, watch):
    own = vae.with_margin(margin(identity(vae)))
    with pytest.raises(InputError, match=r"calibrated for leads I; one for I, II was expected"):
        own.reconstruct(simulate(1, seconds=4, fs=100).pick("I", "II"), num_draws=2)
    with pytest.raises(InputError, match="without leads none applies"):
        own.reconstruct(Condition(text="sinus rhythm", seconds=4), num_draws=2)
    with pytest.raises(InputError, match=r"calibrated for the 90% interval; one for 80% was expected"):
        own.reconstruct(watch, num_draws=2, level=0.8)
    with pytest.raises(InputError, match="calibrated for vae@other; one for vae was expected"):
        vae.with_margin(margin("vae@other"))
    flow = tiny("flow")
    own = flow.with_margin(margin(identity(flow)))
    with pytest.raises(InputError, match="steps was expected; calibrate one for this model"):
        own.reconstruct(watch, num_draws=2, num_steps=7)


def test_written_and_read(vae, tmp_path):
    made = margin(identity(vae))
    path = made.write(tmp_path / "new" / "margin.json")
    assert Margin.read(path) == made
    assert vae.with_margin(path).margin == made and vae.with_margin(str(path)).margin == made
    assert vae.with_margin(path).with_margin(None).margin is None


@pytest.mark.parametrize(
    "change", [{"format": 9}, {"kind": "x"}, {"margin": -1.0}, {"margin": "wide"}, {"level": 2.0}, {"leads": ["V9"]}]
)
def test_other_files_are_refused(change, tmp_path):
    path = margin().write(tmp_path / "margin.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InputError):
        Margin.read(path)
    path.write_text("[]")
    with pytest.raises(InputError):
        Margin.read(path)


def test_leads_that_determine_all_are_refused(vae):
    eight = simulate(20, seconds=4, fs=100).pick(*INDEPENDENT_LEADS).signal.numpy()
    with pytest.raises(InputError, match="from which the others are generated"):
        calibrate(vae, eight, INDEPENDENT_LEADS)
    with pytest.raises(InputError, match="19 records with twelve leads can be used; at least 20"):
        calibrate(vae, eight[:19], ["I"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """24 records of a hospital: the samples in four sizes, as WFDB and as CSV."""
    place = tmp_path_factory.mktemp("hospital")
    for number, name in enumerate(SAMPLE_RECORDS):
        ecg = read(SAMPLES / name, check=False, allow_contradiction=True)
        for size in range(4):
            suffix = ".csv" if size % 2 else ".hea"
            write(replace(ecg, signal=ecg.signal * (0.8 + 0.2 * size)), place / f"record{number}{size}{suffix}")
    write(read(SAMPLES / "apple_watch_lead_I.csv"), place / "watch.csv")
    return place


def test_records_of_a_folder(folder, vae):
    records, left_out = own_records(folder, vae.preprocessor)
    assert records.shape == (24, 8, vae.preprocessor.samples) and list(left_out) == ["watch"]
    few, _ = own_records(folder, vae.preprocessor, limit=5, seed=1)
    assert len(few) == 5
    assert {wave.tobytes() for wave in few} < {wave.tobytes() for wave in records}


def test_from_a_folder_to_an_interval(run, folder, tmp_path):
    """Calibrate, and reconstruct with the margin: text, JSON and picture say so."""
    model, file = checkpoint.save(tiny("vae"), tmp_path / "tiny"), tmp_path / "margin.json"
    code, out, err = run("calibrate", model, "--data", folder, "--leads", "I", "--num-draws", 4, "--out", file)
    assert code == 0, err
    assert "records:   24; 1 could not be used" in out and "1 record cannot be used; the first, watch" in err
    stored = json.loads(file.read_text())
    assert stored["n"] == 24 and stored["leads"] == ["I"] and "record" not in file.read_text()
    words = ("reconstruct", SAMPLES / "apple_watch_lead_I.csv", "--model", model, "--num-draws", 4)
    code, out, err = run(*words, "--margin", file, "--plot-format", "svg", "--out", tmp_path / "made")
    assert code == 0, err
    said = "interval calibrated on 24 of your own records"
    assert f"margin:    {said}" in out
    about = json.loads((tmp_path / "made" / "apple_watch_lead_I.json").read_text())
    assert about["margin"]["margin"] == stored["margin"]
    assert said in (tmp_path / "made" / "apple_watch_lead_I.svg").read_text()
    code, _, err = run(*words, "--margin", file, "--level", 0.8, "--out", tmp_path / "other")
    assert code == 2 and "calibrated for the 90% interval" in err


def test_too_few_records_of_a_folder(run, tmp_path):
    for name in SAMPLE_RECORDS:
        for file in SAMPLES.glob(name.replace(".hea", ".*")):
            (tmp_path / "few").mkdir(exist_ok=True)
            (tmp_path / "few" / file.name).write_bytes(file.read_bytes())
    code, _, err = run("calibrate", "vae", "--data", tmp_path / "few", "--out", tmp_path / "margin.json")
    assert code == 2 and not (tmp_path / "margin.json").exists()
    assert "6 records with twelve leads can be used; at least 20" in err and "give more records" in err
