"""The patient prior: sampled values match given metadata and never override the condition."""

import numpy as np
import pytest
import torch
from conftest import tiny
from trainable import training_folder

from ecggen import data
from ecggen.conditioning.condition import METADATA, Condition
from ecggen.conditioning.patient_prior import COLUMNS, PatientPrior
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.generators import checkpoint
from ecggen.training import calibration

SOME = PatientPrior.of(
    ["normal ECG", "atrial fibrillation", "normal ECG", ""],
    np.array([[31.0, 0, 62], [78, 1, 118], [33, 1, np.nan], [np.nan, np.nan, np.nan]]),
)


def drawn(condition: Condition, patient_prior: PatientPrior = SOME, seed: int = 0) -> Condition:
    return patient_prior.draw(condition, seed, range(len(condition)))


def test_everybody_is_drawn_as_often_as_in_the_sample():
    found = drawn(Condition.none(400))
    words = [text for text, seen in zip(found.text, found.text_mask.tolist(), strict=True) if seen]
    assert 160 < words.count("normal ECG") < 240 and 70 < words.count("atrial fibrillation") < 130
    ill = torch.tensor([text == "atrial fibrillation" for text in found.text])
    assert found.metadata_mask[ill].all() and (found.metadata[ill, 1] == 1).all()  # what goes together stays together
    assert (found.metadata[ill, 0] - 80).abs().max() <= 2.5 and found.metadata[ill, 0].std() > 0.5
    low, high = torch.tensor(list(METADATA.values())).T
    assert ((found.metadata >= low) & (found.metadata <= high) | ~found.metadata_mask).all()


def test_given_metadata_are_kept_and_matched():
    told = Condition.none(60).with_metadata(age=79)
    found = drawn(told)
    assert set(found.text) == {"atrial fibrillation"}
    assert (found.metadata[:, 0] == 79).all() and found.metadata_mask.all()
    assert set(drawn(Condition.none(60).with_metadata(sex="M", age=30)).text) == {"normal ECG"}


@pytest.mark.parametrize("known", ["text", "lead", "ppg"])
def test_text_and_waveforms_disable_the_prior(known):
    heart = simulate(2, seed=1)
    told = {
        "text": lambda: Condition.none(2).with_text("sinus rhythm"),
        "lead": lambda: Condition.none(2).with_leads(heart.pick("I")),
        "ppg": lambda: Condition.none(2).with_ppg(torch.rand(2, 1000), 100),
    }[known]()
    assert drawn(told) is told
    mixed = Condition.cat([told, Condition.none(1)]) if known == "text" else None
    if mixed is not None:
        assert drawn(mixed).text[:2] == told.text and not drawn(mixed).metadata_mask[:2].any()


def test_a_text_that_only_denies_draws_a_patient_without_the_finding():
    told = Condition.none(80).with_text(["no atrial fibrillation"] * 40 + ["normal ECG"] * 40, parse=False)
    denied = [frozenset({"AFIB"})] * 40 + [frozenset()] * 40
    found = SOME.draw(told, 0, range(80), denied, lambda text: {"AFIB"} if "fibrillation" in text else set())
    assert set(found.text[:40]) == {"normal ECG", ""} and found.text[40:] == told.text[40:]
    everybody = SOME.draw(told, 0, range(80), denied, lambda text: {"AFIB"})  # nobody lacks it: somebody is drawn
    assert set(everybody.text[:40]) == {"normal ECG", "atrial fibrillation", ""}
    assert found.metadata_mask[:40].any() and not found.metadata_mask[40:].any()


def test_the_sampled_patient_does_not_depend_on_the_batch():
    whole = drawn(Condition.none(5), seed=3)
    alone = SOME.draw(Condition.none(1), 3, [4])
    assert whole.text[4] == alone.text[0] and torch.equal(whole.metadata[4], alone.metadata[0])


@pytest.mark.parametrize("name", ["vae", "flow"])
def test_an_unconditional_draw_equals_the_draw_given_the_sampled_values(name):
    made = tiny(name)
    without = made.sample(Condition.none(3, 4.0), seed=1)
    made.patient_prior = SOME
    nothing = Condition.none(3, 4.0)
    found = made.sample(nothing, seed=1)
    assert found.provenance.condition == "nothing"
    assert not torch.equal(found.signal, without.signal)
    told, made.patient_prior = SOME.draw(nothing, 1, range(3)), None
    assert torch.equal(found.signal, made.sample(told, seed=1).signal)


def test_the_prior_is_saved_with_the_weights(tmp_path):
    made = tiny("vae")
    made.patient_prior = SOME
    found = checkpoint.load(checkpoint.save(made, tmp_path / "vae")).patient_prior
    assert found.texts == SOME.texts
    np.testing.assert_array_equal(found.found, SOME.found)
    np.testing.assert_array_equal(found.metadata, SOME.metadata)
    made.patient_prior = None
    assert checkpoint.load(checkpoint.save(made, tmp_path / "vae")).patient_prior is None


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"columns": COLUMNS, "texts": ["a"], "records": ["1 50 1 70"]},
        {"columns": COLUMNS, "texts": ["a"], "records": ["0 50 1"]},
        {"columns": COLUMNS, "texts": ["a"], "records": [[0, 50, 1, 70]]},
        {"columns": COLUMNS, "texts": ["a"], "records": []},
        {"columns": ["text"], "texts": ["a"], "records": ["0 50 1 70"]},
    ],
)
def test_what_is_no_population_is_refused(broken):
    with pytest.raises(InputError, match="holds no patient prior"):
        PatientPrior.from_json(broken, "people.json")


def test_nobodys_report_is_kept(tmp_path):
    made = tiny("vae")
    pack = data.pack(data.recordings(training_folder(tmp_path / "real")), made.preprocessor, tmp_path)
    calibration.fit_patient_prior(made, pack, pack.rows(range(1, 9)))
    assert made.patient_prior is not None and len(made.patient_prior.found) == len(pack.rows(range(1, 9)))
    kept = " ".join(made.patient_prior.texts)
    assert "atrial fibrillation" in kept and not any(report in kept for report in pack.index.report)
    assert len(made.patient_prior.texts) > 2 * pack.index.codes.nunique(), (
        "said always alike, findings make draws alike"
    )
    rounded = made.patient_prior.metadata[:, [0, 2]]
    assert np.nanmax(rounded % 5) == 0 and np.nanmax(rounded[:, 0]) <= 90


def test_only_common_words_of_reports_are_kept(tmp_path, monkeypatch):
    reports = ["Sinus rhythm of Mr. Doe", "sinus rhythm, 1963", "sinus rhythm of  old", "rhythm of Doe", ""]
    told = ["Sinus rhythm of", "sinus", "sinus rhythm of", "rhythm of", ""]
    assert calibration.common_words(reports, ["a", "b", "c", "a", "d"], least=2) == told
    assert calibration.common_words(["unique finding"] * 3, ["a"] * 3, least=2) == [""] * 3, (
        "patients count, not reports"
    )
    made = tiny("vae")
    pack = data.pack(data.recordings(training_folder(tmp_path / "real")), made.preprocessor, tmp_path)
    monkeypatch.setattr(calibration, "common_words", lambda reports, _: [report.upper() for report in reports])
    rows = pack.rows(range(1, 9))
    calibration.fit_patient_prior(made, pack, rows, n=3)
    assert made.patient_prior is not None
    kept = [made.patient_prior.texts[at] for at in made.patient_prior.found]
    assert kept == [pack.index.report.iloc[row].upper() for row in calibration.random_rows(rows, 3)]


def test_what_is_shipped_is_finished_by_one_command(tmp_path, monkeypatch, capsys):
    """A checkpoint with the weights of another one is stored in a fraction of the space."""
    folder, run = training_folder(tmp_path / "real"), checkpoint.save(tiny("flow"), tmp_path / "run" / "checkpoint")
    for name, more in (("one", []), ("twin", ["--beside", "one"])):
        words = [str(run), "--data", str(folder), "--limit", "2", "--out", str(tmp_path / "shelf" / name), *more]
        monkeypatch.setattr("sys.argv", ["finishing", *words])
        calibration.main()
    one, twin = (tmp_path / "shelf" / name for name in ("one", "twin"))
    told = capsys.readouterr().out
    assert told.count("interval scale, I given") == 2 and (twin / "golden.json").is_file()
    assert (twin / "model.safetensors").stat().st_size < 0.1 * (one / "model.safetensors").stat().st_size
    loaded = [checkpoint.load(each) for each in (one, twin)]
    assert loaded[0].name.split("@")[1] == loaded[1].name.split("@")[1] and loaded[1].patient_prior is not None
    assert (loaded[0].interval_scale != 1).any()
