"""Committed results name what they were measured with, and their headers agree with their newest score."""

import json
import re

import pytest
from conftest import ROOT

from ecggen.metrics.criteria import real_records
from evaluation.scripts import criteria

RESULTS = ROOT / "evaluation" / "results"
FILES = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(RESULTS.glob("*.json"))}
PROTOCOLS = [name for name, results in FILES.items() if "protocol" in results]
MODEL = re.compile(r"[a-z_]+@[0-9a-f]{12}(\+[0-9a-f]{12})?")
COMMIT = re.compile(r"[0-9a-f]{12}\+?")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
BASELINES = {
    "zero",
    "training mean",
    "linear regression",
    "linear regression, 41 lags of ±0.4 s",
    "nearest training record",
    "mean beat at each pulse",
    "parametric simulator",
}
"""Scores of models without weights."""


def scores():
    """The scores of all files by (file, name): those of protocols, of conditions.json and of sampling.json."""
    found = {}
    for name, results in FILES.items():
        models = results.get("models") or (results.get("scores") if name != "evaluators" else None) or {}
        for model, score in models.items():
            found[name, model] = score
    return found


SCORES = scores()


def test_all_protocols_and_scores_are_found():
    assert len(PROTOCOLS) >= 11 and len(SCORES) >= 50
    assert all("scores" in FILES[name] for name in PROTOCOLS)


@pytest.mark.parametrize("name", PROTOCOLS)
def test_the_header_agrees_with_the_newest_score(name):
    results = FILES[name]
    newest = results["scores"][results["model"]]
    assert "_".join([results["protocol"], *filter(None, [results.get("archive")])]) == name
    for key in ("commit", "date", "cores"):
        assert results[key] == newest[key], f"{key} of {name}.json is not that of {results['model']}"
    assert results["date"] == max(score["date"] for score in results["scores"].values())


@pytest.mark.parametrize(("file", "name"), SCORES, ids=lambda value: value.replace(" ", "_"))
def test_each_score_names_its_model_n_commit_and_date(file, name):
    results, score = FILES[file], SCORES[file, name]
    model = score.get("model", name)
    assert MODEL.fullmatch(model) or model in BASELINES, model
    sizes = [one["n"] for one in (score, results, *score.get("scores", [])) if isinstance(one, dict) and "n" in one]
    assert sizes and all(isinstance(size, int) and size > 0 for size in sizes)
    assert COMMIT.fullmatch(score.get("commit", results.get("commit", "")))
    assert DATE.fullmatch(score.get("date", results.get("date", "")))


@pytest.mark.parametrize(
    "name", [name for name in ("evaluators", "text_encoder", "delineation", "speed", "gaps") if name in FILES]
)
def test_results_of_scripts_name_their_weights_commit_and_date(name):
    results = FILES[name]
    weights = [results[key] for key in ("model", "classifier", "ecg_text") if key in results]
    assert all(MODEL.fullmatch(one) for one in weights)
    assert weights or re.fullmatch(r"[0-9a-f]{12}", results["weights"])
    assert COMMIT.fullmatch(results["commit"]) and DATE.fullmatch(results["date"])


def test_each_experiment_has_n_commit_and_date():
    for name, found in FILES["experiments"]["experiments"].items():
        assert found["n"] > 0 and COMMIT.fullmatch(found["commit"]) and DATE.fullmatch(found["date"]), name


def test_the_shares_of_real_records_in_the_package_are_those_of_the_validation():
    assert json.loads(real_records.FILE.read_text(encoding="utf-8")) == criteria.shares(FILES["criteria"])
