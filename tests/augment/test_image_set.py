"""Image data sets: signal, picture, parameters and text under one id; settings depend on seed and index only."""

import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import tiny
from PIL import Image

from ecggen.augment.image_set import ImageRequest, write_images
from ecggen.core.ecg import Provenance
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.generators import checkpoint
from ecggen.io import write
from ecggen.metrics.functional.intervals import ecg_intervals, lead_intervals
from ecggen.viz.prints import PrintSettings, printed


@pytest.fixture(scope="module")
def heart():
    ecg = simulate(1, fs=250, heart_rate=60, seed=1)
    return replace(ecg, provenance=Provenance(generated=ecg.leads, model="toy"))


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), float)


def test_settings_are_reproducible_differ_and_are_bounded():
    every = [PrintSettings.of("random", 3, index) for index in range(200)]
    assert every == [PrintSettings.of("random", 3, index) for index in range(200)]
    assert len({repr(one) for one in every}) > 190 and every[0] != PrintSettings.of("random", 4, 0)
    assert {one.layout for one in every} == {"3x4", "12x1"} and all(abs(one.rotation) <= 2 for one in every)
    with pytest.raises(InputError, match="one of clean, random"):
        PrintSettings.of("pretty", 0, 0)


def test_a_clean_page_has_true_scale_and_says_that_it_is_synthetic(heart):
    png = printed(heart, PrintSettings(dots_per_mm=4.0))
    opened = Image.open(io.BytesIO(png))
    assert opened.info["dpi"] == pytest.approx((101.6, 101.6), abs=0.1)
    assert "SYNTHETIC" in opened.info["Description"]
    assert opened.width == pytest.approx(4 * 297, abs=1)


@pytest.mark.parametrize(
    "change",
    [{"tint": (255, 246, 225)}, {"rotation": 1.5}, {"shade": 0.15}, {"blur": 0.9}, {"noise": 2.5}, {"contrast": 0.8}],
)
def test_every_setting_of_paper_and_scanner_changes_the_picture(heart, change):
    clean = PrintSettings(dots_per_mm=2.0)
    assert np.abs(pixels(printed(heart, clean)) - pixels(printed(heart, replace(clean, **change)))).mean() > 0.3


def test_intervals_of_leads_agree_with_those_of_the_record(heart):
    whole, each = ecg_intervals(heart), lead_intervals(heart)
    for name, values in each.items():
        assert values.shape == (1, 12)
        assert np.nanmedian(values) == pytest.approx(float(whole[name][0]), abs=25)


def test_signal_picture_parameters_and_text_have_one_id(heart, tmp_path):
    write(heart, tmp_path / "00007.hea")
    request = ImageRequest("00007", 7, "00007.hea", "sinus rhythm", {"requested": {"age": 74.0}})
    table = write_images(tmp_path, [request], "random", 5)
    (row,) = csv.DictReader(table.open())
    about = json.loads((tmp_path / row["parameters"]).read_text())
    assert (tmp_path / row["image"]).is_file() and (tmp_path / row["record"]).is_file()
    assert row["id"] == about["id"] == "00007" and row["text"] == about["text"] == "sinus rhythm"
    assert about["synthetic"] and about["requested"]["age"] == 74.0
    assert about["intervals"]["heart_rate"] == pytest.approx(60, abs=1)
    assert set(about["leads"]) == set(heart.leads) and about["leads"]["II"]["r_mv"] > 0
    assert about["print"] == json.loads(json.dumps(PrintSettings.of("random", 5, 7).as_dict()))
    before = (tmp_path / row["image"]).stat().st_mtime_ns
    write_images(tmp_path, [request], "random", 5)
    assert (tmp_path / row["image"]).stat().st_mtime_ns == before, "a complete picture was drawn again"


def test_generate_adds_images_and_overwrites_them_with_the_records(run, tmp_path):
    checkpoint.save(tiny("gan"), tmp_path / "gan")
    words = ["generate", "--model", tmp_path / "gan", "--text", "sinus rhythm", "-n", 2, "--plot-format", "none"]
    words += ["--images", "clean", "--out", tmp_path / "made"]
    code, out, error = run(*words)
    assert code == 0, error
    assert "images:    2 in images" in out
    pictures = sorted((tmp_path / "made" / "images").glob("*.json"))
    assert [path.name for path in pictures] == ["00000.json", "00001.json"]
    assert json.loads((tmp_path / "made" / "generate.json").read_text())["images"]["style"] == "clean"
    assert json.loads(pictures[0].read_text())["requested"]["statements"] == ["SR"]
    code, _, error = run(*words, "--seed", 1, "--overwrite")
    assert code == 0, error
    assert json.loads(pictures[0].read_text())["seed"] == 1


def test_a_wrong_style_is_refused_before_anything_is_made(run, tmp_path):
    code, _, error = run("generate", "-n", 1, "--images", "pretty", "--out", tmp_path / "made")
    assert code == 2 and "one of clean, random was expected" in error
    assert not (tmp_path / "made").exists()
