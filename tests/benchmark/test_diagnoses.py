"""Diagnoses and memorisation protocols: known cases, capability files next to weights, and model cards."""

import json
from dataclasses import replace

import numpy as np
import pandas
import pytest
import torch
from conftest import ROOT, tiny

from ecggen import InputError, data
from ecggen.augment import capabilities
from ecggen.benchmark import diagnoses, matrix, memorisation
from ecggen.benchmark import run as protocols
from ecggen.benchmark.training_records import COPIES, Known
from ecggen.benchmark.variations import variations
from ecggen.cli.evaluate import table
from ecggen.conditioning import statements
from ecggen.conditioning.condition import METADATA
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.core.rhythm import heart_rate, r_peaks
from ecggen.core.simulate import simulate
from ecggen.data.population import Population
from ecggen.evaluators.classifier import Predictions, labels, targets
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.generators.baselines.baselines import baseline
from ecggen.networks import storage
from evaluation.scripts import tables

SHIPPED = ROOT / "checkpoints"
MEASURED = ROOT / "evaluation" / "results" / "memorisation.json"
NO_REPORT = lambda what, share: None  # noqa: E731


def simulated(rate=None, seed=0):
    """One simulated ECG with a little noise, (1, 8, 1000) mV."""
    signal = simulate(1, seed=seed, heart_rate=rate).pick(*INDEPENDENT_LEADS).signal
    return signal + 0.05 * torch.randn(signal.shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def pack():
    """120 training and 120 held-out ECGs: bradycardia with a slow rate, tachycardia and infarction with a fast rate."""
    rates = [(50 if i % 2 else 105) + i % 120 / 20 + i // 120 / 50 for i in range(240)]
    index = pandas.DataFrame(
        {
            "name": [f"record {i}" for i in range(240)],
            "patient": [f"p{i // 4 * 2 + i % 2}" for i in range(240)],
            "fold": [1] * 120 + [9] * 120,
            "age": 30.0 + np.arange(240) / 4,
            "sex": np.arange(240.0) // 2 % 2,
            "heart_rate": rates,
            "report": "",
            "codes": ["SBRAD NORM" if i % 2 else "STACH IMI" for i in range(240)],
            "beats": "",
            "paired": False,
        }
    )
    waves = torch.cat([simulated(rate, seed) for seed, rate in enumerate(rates)])
    signal = (1000 * waves.numpy()).round().astype(np.int16)
    return data.Pack(signal, np.zeros((240, 1000), np.float16), index, Preprocessor(), {})


class Rates:
    """A classifier by heart rate only: a fast rate means tachycardia and infarction."""

    name = "rates"

    def predict(self, ecg, batch=64, progress=None):
        rates = np.array([heart_rate(peaks) or 80 for peaks in r_peaks(ecg)])
        fast = 1 / (1 + np.exp((80 - rates) / 10))
        probability = np.where(targets(["STACH IMI"]) > 0, fast[:, None], 1 - fast[:, None])
        return Predictions(ecg.signal.mean(-1).double().numpy(), probability, fast, rates)


@pytest.fixture(autouse=True)
def classifier(monkeypatch):
    monkeypatch.setattr("ecggen.evaluators.pretrained.load", lambda name, kind: Rates())


class HeartRateGenerator(Generator):
    """Simulated ECGs of the requested or of any heart rate, with optional memorised records."""

    def __init__(self, *, conditional=True, memory=None):
        super().__init__()
        self.conditional, self.memory, self.name = conditional, memory or {}, "heart rate"

    def loss(self, ecg, condition, group):
        return {}

    def draw(self, condition, noise):
        metadata = condition.metadata[:, [*METADATA].index("heart_rate")].tolist()
        rates = metadata if self.conditional else [None] * len(metadata)
        return torch.cat([self._one(*one) for one in zip(rates, metadata, noise.indices, strict=True)])

    def _one(self, rate, requested, index):
        known = self.memory.get(round(requested, 2))
        return simulated(rate, 1000 + index) if known is None else known

    def draw_near(self, eight, strength, condition, noise):
        return (1 - strength) * eight + strength * self.draw(condition, noise)


def protocol(**changes):
    return diagnoses.Protocol("diagnoses", n=12, least=20, least_real=5, **changes)


def scores(pack, generator, **changes):
    return diagnoses.run(protocol(**changes), pack, generator, NO_REPORT)


def test_statements_with_enough_records_are_requested(pack):
    index = pack.index.assign(codes=[*pack.index.codes[:-130], *["AFIB"] * 10, *pack.index.codes[-120:]])
    population = Population.of(replace(pack, index=index), np.arange(120))
    asks = diagnoses.requests(population, protocol())
    assert [one.index for one in asks] == list(range(12 * 4))
    assert list(dict.fromkeys(one.sought for one in asks)) == [
        code for code in statements.codes() if code in ("NORM", "IMI", "SBRAD", "STACH")
    ]
    assert all(one.sought in one.codes for one in asks)
    with pytest.raises(InputError, match="no statement is in 500 of 120 training records"):
        diagnoses.requests(population, replace(protocol(), least=500))


def test_a_conditional_model_can_generate_the_statements(pack):
    about, found = scores(pack, HeartRateGenerator())
    assert about["n"] == 48 and found["not_finite"] == 0
    for code in ("SBRAD", "STACH", "NORM", "IMI"):
        one = found["statements"][code]
        assert one["verdict"] == capabilities.CAN and one["auroc"] > 0.95 and one["real"] > 0.95, code
        assert one["training"] == 60 and one["requested"] == 24
        assert one["probability"]["requested"] > 0.5 > one["probability"]["not_requested"]
    assert found["overall"]["statements"]["verdicts"] == {
        "can draw": 4,
        "partly": 0,
        "cannot draw": 0,
        "not measured": 67,
    }
    assert found["superclasses"]["MI"]["verdict"] == found["subclasses"]["IMI"]["verdict"] == capabilities.CAN
    assert found["statements"]["AFIB"] == {
        **{"verdict": "not measured", "why": "0 training records, 20 needed"},
        **{"training": 0, "requested": 0, "real_records": 0},
    }


def test_criteria_of_draws_are_beside_those_of_real_records(pack):
    _, found = scores(pack, HeartRateGenerator())
    fast = found["statements"]["STACH"]["criterion"]
    assert fast["rule"].startswith("rate > 100, regular") and fast["usable"]
    assert min(fast["requested"], fast["real"]) > 0.5 and fast["not_requested"] == fast["real_without"] == 0
    assert (fast["n_requested"], fast["n_real"]) == (24, found["statements"]["STACH"]["real_records"])
    assert found["overall"]["criteria"]["ratio"] > 0.7 and found["overall"]["criteria"]["statements"] >= 1
    assert "criterion" not in found["statements"]["AFIB"] and "criterion" not in found["superclasses"]["MI"]
    _, other = scores(pack, HeartRateGenerator(conditional=False))
    assert other["overall"]["criteria"]["ratio"] < 0.7 and "criterion" in other["statements"]["STACH"]


def test_an_unconditional_model_cannot_generate_the_statements(pack):
    _, found = scores(pack, HeartRateGenerator(conditional=False))
    one = found["statements"]["STACH"]
    assert one["verdict"] == capabilities.CANNOT and abs(one["auroc"] - 0.5) < 0.25 and one["real"] > 0.95
    assert one["interval"][0] < one["auroc"] < one["interval"][1] and one["as_probable"] < 0.5


def test_classes_that_the_classifier_does_not_detect_are_not_measured(pack, monkeypatch):
    def unsure(self, ecg, batch=64, progress=None):
        probability = np.random.default_rng(0).random((len(ecg), len(labels())))
        return Predictions(np.zeros((len(ecg), 4)), probability, probability[:, 0], probability[:, 0])

    monkeypatch.setattr(Rates, "predict", unsure)
    one = scores(pack, HeartRateGenerator())[1]["statements"]["STACH"]
    assert one["verdict"] == capabilities.NOT_MEASURED and one["why"].startswith(
        "the classifier hardly detects it: AUROC 0."
    )


def test_real_records_reach_the_real_reference(pack):
    real = diagnoses._held_out(Rates(), pack, diagnoses.balanced_rows(pack, pack.rows([9]), protocol()))
    found = diagnoses.compared(real, real, np.full(len(labels()), 60), protocol())
    measured = [one for one in found["statements"].values() if "auroc" in one]
    assert len(measured) == 4 and all(
        one["verdict"] == capabilities.CAN and one["auroc"] == one["real"] for one in measured
    )
    assert all(one["as_probable"] == 0.5 for one in measured)


def test_real_records_have_the_class_mix_of_the_draws(pack):
    rows = diagnoses.balanced_rows(pack, pack.rows([9]), replace(protocol(), n=7))
    assert len(set(rows)) == len(rows) and set(pack.index.fold.iloc[rows]) == {9}
    count = pack.index.codes.iloc[rows].value_counts()
    assert count.min() >= 7 and count.max() <= 14, "seven of each of the two statements of a record"


def test_the_verdict_follows_the_auroc():
    order = [diagnoses.verdict(area, area - 0.05, 0.95, 0.5) for area in np.linspace(1, 0.4, 30)]
    assert order == sorted(order, key=capabilities.VERDICTS.index) and len(set(order)) == 3
    assert diagnoses.verdict(0.8, 0.49, 0.95, 0.5) == capabilities.CANNOT, "the interval contains 0.5"
    assert diagnoses.verdict(0.8, 0.6, 0.8, 0.5) == capabilities.CAN, "as high as in real records"
    assert diagnoses.verdict(0.95, 0.9, 0.95, 0.1) == capabilities.PARTLY, (
        "ranked correctly, but with low probabilities"
    )


def test_draws_that_are_not_finite_are_counted(pack):
    class Broken(HeartRateGenerator):
        def draw(self, condition, noise):
            eight = super().draw(condition, noise)
            eight[::2] = float("nan")
            return eight

    _, found = scores(pack, Broken())
    assert found["not_finite"] == 24 and found["statements"]["STACH"]["requested"] == 12


@pytest.fixture
def measured(pack, tmp_path):
    """A tiny checkpoint in a folder, and results that name its weights."""
    folder = checkpoint.save(tiny("vae"), tmp_path / "vae")
    about, found = scores(pack, HeartRateGenerator())
    name = f"vae@{storage.weights_hash(folder)}"
    found |= {"commit": "c0ffee", "date": "2026-01-01", "sampling": None}
    return folder, {"settings": {"n": 12, "seed": 1, "kind": "diagnoses"}, **about, "scores": {name: found}}


def test_the_result_is_stored_with_the_weights_and_valid_for_them_only(measured):
    folder, results = measured
    assert capabilities.look_up(folder, "STACH").why == "not for these weights"
    diagnoses.keep(results, folder)
    found = capabilities.look_up(folder, "sinus tachycardia")
    score = next(iter(results["scores"].values()))["statements"]["STACH"]
    assert found.verdict == capabilities.CAN and (found.auroc, found.requested) == (score["auroc"], 24)
    assert capabilities.warning(folder, "STACH") is None and capabilities.warning(folder, "MI") is None
    assert capabilities.warning(folder, "AFIB") == (
        "AFIB: it was not measured whether vae can generate it (0 training records, 20 needed)"
    )
    kept = (folder / capabilities.FILE).read_text()
    checkpoint.save(checkpoint.load(folder), folder)
    assert not (folder / capabilities.FILE).exists(), "new weights have not been measured"
    (folder / capabilities.FILE).write_text(kept.replace(storage.weights_hash(folder), "0" * 12))
    assert capabilities.warning(folder, "STACH") == (
        "STACH: it was not measured whether vae can generate it (not for these weights)"
    )
    with pytest.raises(InputError, match=r"the results hold nothing; vae@.* was expected"):
        diagnoses.keep({"scores": {}}, folder)


def test_warnings_have_the_measured_values(measured):
    folder, results = measured
    entry = next(iter(results["scores"].values()))["statements"]["STACH"]
    entry |= {"verdict": "cannot draw", "auroc": 0.61, "interval": [0.52, 0.7], "real": 0.93}
    diagnoses.keep(results, folder)
    measures = (
        "this class: the classifier separates draws with and without the request with AUROC 0.61 (0.52–0.70), "
        "real records with and without the class with 0.93"
    )
    assert capabilities.warning(folder, "stach") == f"STACH: vae hardly generates {measures}"
    entry["verdict"] = "partly"
    diagnoses.keep(results, folder)
    assert capabilities.warning(folder, "STACH") == f"STACH: vae only partly generates {measures}"


def test_an_unknown_class_and_invalid_files(measured):
    folder, results = measured
    diagnoses.keep(results, folder)
    with pytest.raises(InputError, match="did you mean AFIB"):
        capabilities.warning(folder, "AFIBB")
    for text, said in (("{", "cannot be read"), ("[]", "holds list")):
        (folder / capabilities.FILE).write_text(text)
        with pytest.raises(InputError, match=said):
            capabilities.warning(folder, "STACH")
    weights = storage.weights_hash(folder)
    for entry in ({"STACH": {"verdict": "can draw", "aurok": 1}}, [1]):
        (folder / capabilities.FILE).write_text(json.dumps({"weights": weights, "statements": entry}))
        with pytest.raises(InputError, match=r"diagnoses\.json"):
            capabilities.warning(folder, "STACH")


def memorised_records(pack, fold):
    """Memorised records of a fold, by the requested heart rate."""
    rows = pack.rows([fold])
    rates = [round(float(np.float32(rate)), 2) for rate in pack.index.heart_rate.iloc[rows]]
    return dict(zip(rates, pack.ecg(rows).signal.split(1), strict=True))


def run_memorisation(pack, generator, **changes):
    settings = memorisation.Protocol("memorisation", conditions=["heart_rate"], n=60, variations=12, **changes)
    return memorisation.run(settings, pack, generator, NO_REPORT)


@pytest.fixture(scope="module")
def without_memory(pack):
    """Result of a model without memorised records."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ecggen.evaluators.pretrained.load", lambda name, kind: Rates())
        return run_memorisation(pack, HeartRateGenerator())


def test_a_model_without_memorisation_is_at_chance(without_memory):
    about, found = without_memory
    one = {score["name"]: score for score in found["scores"]}
    assert found["conditions"] == {"training records": 60, "held-out records": 60} and about["n"] == 60
    assert one[COPIES]["verdict"] == "pass" and one[COPIES]["n_real"] == 120
    for name, score in one.items():
        if name.startswith("own lender"):
            assert score["verdict"] == "pass" and abs(score["value"] - 0.5) < 0.2, name
            assert score["interval"][0] < 0.5 < score["interval"][1]


def test_a_model_that_reproduces_training_records_fails(pack):
    _, found = run_memorisation(pack, HeartRateGenerator(memory=memorised_records(pack, 1)))
    one = {score["name"]: score for score in found["scores"]}
    assert found["verdict"] == "fail" and one[COPIES]["verdict"] == "fail"
    assert one[COPIES]["value"] > 0.9 and one[COPIES]["floor"] < 0.6
    assert found["headline"].startswith(
        f"{one[COPIES]['value']:.1%} of the ECGs with conditions of training records copy one of 120"
    )
    assert one["own lender, median beats"]["value"] > 0.9 and one["own lender, median beats"]["verdict"] == "fail"


def test_copies_of_held_out_records_are_no_memorisation(pack):
    """A membership AUROC below 0.5 is not a sign of memorisation."""
    _, found = run_memorisation(pack, HeartRateGenerator(memory=memorised_records(pack, 9)))
    one = {score["name"]: score for score in found["scores"]}
    assert one["own lender, median beats"]["value"] < 0.1 and one["own lender, median beats"]["verdict"] == "pass"


def test_identical_ecgs_have_no_distances(pack):
    made = baseline("mean")
    made.fit(pack, pack.rows([1]))
    _, found = run_memorisation(pack, made)
    assert {one["name"]: one["verdict"] for one in found["scores"]}[
        "nearer to training, median beats"
    ] == "not measured"
    assert found["variations"]["not_measured"].startswith("training mean cannot vary")


def test_too_few_records_are_not_measured(pack):
    settings = memorisation.Protocol("memorisation", conditions=["heart_rate"], n=10, variations=2)
    _, found = memorisation.run(settings, pack, HeartRateGenerator(), NO_REPORT)
    assert (
        found["verdict"] == "not measured"
        and "50 were expected" in found["headline"]
        and all(score["value"] is None for score in found["scores"])
    )
    with pytest.raises(InputError, match="'memorisation'"):
        memorisation.Protocol("memorisation", conditions=["weather"])


def test_similarity_of_variations_decreases_with_their_strength(pack):
    rows, known = pack.rows([1])[:12], Known.of(pack, pack.rows([1]))
    found = variations(HeartRateGenerator(), pack, rows, ["heart_rate"], (0.01, 0.5, 1.0), 1, known, NO_REPORT)[
        "strengths"
    ]
    near = [found[strength]["r"]["median"] for strength in ("0.01", "0.5", "1")]
    assert near == sorted(near, reverse=True) and near[0] > 0.99 > near[-1]
    assert found["0.01"]["copies"] == found["0.01"]["nearer_than_another"] == 1.0
    assert found["1"]["copies"] < 0.5 and found["1"]["n"] == 12
    assert len({json.dumps(one["r_other"]) for one in found.values()}) == 1


def test_a_model_without_variations_is_not_measured(pack):
    known = Known.of(pack, pack.rows([1]))
    model = tiny("vae")
    model.preprocessor = Preprocessor()
    found = variations(model, pack, pack.rows([1])[:4], [], (0.8,), 1, known, NO_REPORT)
    assert "cannot vary a given ECG" in found["not_measured"]


def test_records_of_the_same_patient_are_excluded(pack):
    known = Known.of(pack, pack.rows([1]))
    found = known.most_similar(known.traits, known.patients.tolist())
    assert all(len(candidates) for candidates in found)
    for row, candidates in enumerate(found):
        assert known.patients[row] not in known.patients[candidates]


def test_cards_have_the_measured_values(measured, without_memory, monkeypatch):
    folder, results = measured
    monkeypatch.setattr(storage, "find", lambda name: folder)
    place = folder.parent
    (place / "diagnoses.json").write_text(json.dumps(results))
    found = without_memory[1] | {"commit": "c0ffee", "date": "2026-01-01"}
    about = {"n": 60, "settings": {"seed": 1}, "scores": {next(iter(results["scores"])): found}}
    (place / "memorisation.json").write_text(json.dumps(about))
    names = ("diagnoses", "diagnoses_vae", "memorisation", "memorisation_vae")
    card = tables.written("\n".join(f"<!-- table: {name} -->\n<!-- end -->" for name in names), place)
    one = next(iter(results["scores"].values()))["statements"]["STACH"]
    assert f"| STACH | {one['auroc']:.2f} ({one['interval'][0]:.2f}–" in card and "| can draw |" in card
    assert "AFIB (0 training records, 20 needed)" in card and "| superclass MI |" in card
    assert "| **vae** | 1.000 |" in card or f"| **vae** | {one['auroc']:.1f}" in card
    assert f"- **{found['verdict']}**: conditions of 60 training records" in card and "at strength 0.8: r 0." in card
    assert tables.written(card, place) == card
    about["scores"] = results["scores"] = {}
    (place / "diagnoses.json").write_text(json.dumps(results))
    assert "Not measured for these weights." in tables.written(card, place)


@pytest.mark.parametrize("name", ["diagnoses", "memorisation"])
def test_the_shipped_protocols_run_and_are_printed(name, pack, tmp_path, monkeypatch):
    monkeypatch.setattr(protocols, "opened", lambda *_: HeartRateGenerator())
    monkeypatch.setattr(protocols, "_packed", lambda *_: pack)
    changes = {"n": 6} if name == "diagnoses" else {"n": 50, "variations": 4, "strengths": [0.5]}
    results = protocols.run(matrix.find(name), [tmp_path], "heart rate", changes=changes)
    assert results["protocol"] == name and results["settings"]["kind"] == name
    assert 10 not in [*results["settings"]["train_folds"], *results["settings"]["folds"]]
    target = tmp_path / "results.json"
    matrix.keep(results, target)
    shown = table(json.loads(target.read_text()))
    cells = [cell for column in shown.columns for cell in column.cells]
    assert "heart rate" in cells and len(shown.columns) > 5
    assert {"diagnoses": "4", "memorisation": "own lender, median beats"}[name] in cells


@pytest.mark.parametrize("card", sorted(SHIPPED.glob("*/README.md")), ids=lambda path: path.parent.name)
def test_shipped_cards_have_the_measured_values(card):
    text = card.read_text(encoding="utf-8")
    assert tables.written(text) == text


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*/diagnoses.json")), ids=lambda path: path.parent.name)
def test_shipped_capabilities_are_of_the_shipped_weights(file):
    assert capabilities.look_up(file.parent, "NORM").why != "not for these weights"


@pytest.mark.skipif(not MEASURED.is_file(), reason="memorisation was not measured")
@pytest.mark.parametrize("name", matrix.MODELS)
def test_no_shipped_model_copies_training_records(name):
    scores = json.loads(MEASURED.read_text(encoding="utf-8"))["scores"]
    own = storage.hearts_hash(storage.weights_hash(SHIPPED / name))
    (found,) = (one["scores"] for each, one in scores.items() if storage.hearts_hash(each) == own)
    assert next(one["verdict"] for one in found if one["name"] == COPIES) == "pass"
