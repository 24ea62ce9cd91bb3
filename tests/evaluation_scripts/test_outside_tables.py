"""Tables inside and outside of the training archive: rows of each archive, empty cells for what was not measured."""

import json

from evaluation.scripts import outside_tables

RUN = {"commit": "0123456789ab", "date": "2026-01-02"}
LAGGED = outside_tables.LAGGED


def scored(r, **more):
    return {"r": r, "r_interval": [r, r], "rmse_mv": 0.2, "rmse_mv_interval": [0.1, 0.3], **more}


def store(place, name, scores, n):
    (place / f"{name}.json").write_text(json.dumps({"n": n, "settings": {"seed": 1}, "scores": scores}))


def lines(text):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("|")]


def test_archives_and_hospitals(tmp_path):
    interval = {"coverage": 0.9, "coverage_interval": [0.89, 0.91]}
    store(tmp_path, "one_lead", {LAGGED: scored(0.6), "vae@0": scored(0.8, interval=interval) | RUN}, 100)
    width = {"width_mv": 0.31, "width_mv_interval": [0.3, 0.32], "coverage": 0.8, "coverage_interval": [0.7, 0.9]}
    few = scored(0.5, n=3, patients=3, coverage=0.7, width_mv=0.4) | {"r_interval": None}
    few |= {"rmse_mv_interval": None, "coverage_interval": None, "width_mv_interval": None}
    baseline = scored(0.4, hospitals={"Georgia": scored(0.3, n=3, patients=3)})
    model = scored(0.7, interval=width, hospitals={"Georgia": few}) | RUN
    store(tmp_path, "one_lead_outside_cinc2021", {"zero": scored(0), LAGGED: baseline, "vae@0": model}, 30)
    store(tmp_path, "three_leads_outside_cinc2021", {LAGGED: baseline}, 30)
    text = outside_tables.archives(tmp_path)
    rows = lines(text)[2:]
    assert [(row[0], row[1]) for row in rows] == [
        ("PTB-XL, fold 9 (inside)", LAGGED),
        ("", "**vae**"),
        ("CinC 2021, five sources", LAGGED),
        ("", "**vae**"),
    ]
    assert rows[1][2:6] == ["0.80 (0.80–0.80)", "0.20 (0.10–0.30)", "0.90 (0.89–0.91)", ""] and rows[1][6:] == [""] * 4
    assert rows[3][4:6] == ["0.80 (0.70–0.90)", "0.31 (0.30–0.32)"] and rows[2][6] == "0.40 (0.40–0.40)"
    assert "PTB-XL n 100; CinC 2021 n 30; seed 1; vae@0, commit `0123456789ab`, 2026-01-02" in text
    rows = lines(outside_tables.hospitals(tmp_path))[2:]
    assert [row[:2] for row in rows] == [["Georgia, 3 records", LAGGED], ["", "**vae**"]]
    assert rows[1][2:] == ["0.50", "0.20", "0.70", "0.40", "", "", "", ""]


def test_translations(tmp_path):
    peaks = outside_tables.PEAKS
    moved = dict.fromkeys(peaks, 0.5) | {f"{name}_interval": [0, 1] for name in peaks}
    rate = {"mean": 10.0, "mean_interval": [8.0, 12.0]}
    before = {"heart_rate_error": rate, "delay_removed": moved} | RUN
    near = rate | {"within_5": 0.6, "within_5_interval": [0.5, 0.7]}
    now = before | {"heart_rate_error": near, "same_rate": {"heart_rate_error": near, "delay_removed": moved}}
    about = {"n": 20, "settings": {"seed": 1}, "recordings": ["a", "b"], "same_rate": 9}
    for name, scores in (("ppg", {"vae@0": before}), ("ppg_icu", {"zero": now, "vae@0": now})):
        (tmp_path / f"{name}.json").write_text(json.dumps(about | {"scores": scores}))
    rows = lines(outside_tables.ppgs(tmp_path))[2:]
    assert [row[0] for row in rows if row[0]] == [
        "BIDMC, 20 windows of 2 records (inside)",
        "CinC 2015, 20 windows of 2 records",
        "CinC 2015, 9 of these windows: PPG and ECG have the same rate",
    ]
    assert rows[0][2:4] == ["", "10.0 (8.0–12.0)"] and rows[-1][2] == "0.60 (0.50–0.70)"
