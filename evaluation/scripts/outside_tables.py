"""Tables of scores inside and outside of the training archive: reconstruction, and translation of PPGs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from evaluation.scripts.any_leads import SETS as DEVICES
from evaluation.scripts.table_parts import made, read, table, within

GIVEN = {"one_lead": "from I", "three_leads": "from II, V1, V5"}
"""The reconstruction protocols, and what they are given."""
ARCHIVES = {
    "": "PTB-XL, fold 9 (inside)",
    "cinc2021": "CinC 2021, five sources",
    "ludb": "LUDB",
    "cinc2011": "CinC 2011, phones",
}
"""Archives with results, the training archive first."""
BASELINES = ("training mean", "nearest training record", "linear regression, 41 lags of ±0.4 s")
LAGGED = BASELINES[-1]
MODELS = ("vae", "gan", "flow", "diffusion")
MEASURES = ("r", "RMSE (mV)", "coverage", "width (mV)")


def archives(results: Path) -> str:
    """r, RMSE, coverage and width of the 90 % interval of baselines and generators on each archive."""
    rows, found = [], {}
    for archive, label in ARCHIVES.items():
        files = {name: _read(results, name, archive) for name in GIVEN}
        found |= {(archive, name): file for name, file in files.items() if file}
        scores = [file["scores"] if file else {} for file in files.values()]
        for at, which in enumerate(_order(scores, BASELINES)):
            cells = [cell for one in scores for cell in _cells(one.get(which))]
            rows.append([label if at == 0 else "", made(which, _first(scores, which)), *cells])
    return table(_head("archive"), rows) + f"\n\n*{_stamp(found)}*"


def hospitals(results: Path) -> str:
    """The same for each source of CinC 2021, with the best baseline."""
    files = {name: file for name in GIVEN if (file := _read(results, name, "cinc2021"))}
    scores = [file["scores"] for file in files.values()]
    rows = []
    for hospital, about in scores[0][LAGGED]["hospitals"].items():
        for at, which in enumerate(_order(scores, (LAGGED,))):
            cells = [cell for one in scores for cell in _cells(one.get(which, {}).get("hospitals", {}).get(hospital))]
            label = f"{hospital}, {about['patients']} {'record' if about['patients'] == 1 else 'records'}"
            rows.append([label if at == 0 else "", made(which, _first(scores, which)), *cells])
    found = {("cinc2021", name): file for name, file in files.items()}
    return table(_head("source"), rows) + f"\n\n*no interval with fewer than ten records; {_stamp(found)}*"


def any_leads(results: Path) -> str:
    """r, coverage and width from each lead, and from the sets of leads that devices record."""
    found = read(results, "any_leads")
    scores, rows = found["scores"], []
    generators = _order([scores], ())
    for given, base in scores[LAGGED]["sets"].items():
        cells = [f"{base['r']:.2f}"]
        for which in generators:
            one = scores[which]["sets"][given]
            numbers = [f"{one[name]:.2f}" for name in ("coverage", "width_mv", "r_one_draw")]
            cells += [within(one, "r", 2), *numbers]
        rows.append([given.replace(" ", ", "), DEVICES[tuple(given.split())], *cells])
    head = ["given", "recorded by", "regression: r"]
    for which in generators:
        head += [f"{made(which, {})}: {measure}" for measure in ("r", "coverage", "width (mV)", "r of one draw")]
    runs = "; ".join(f"{which}, commit `{scores[which]['commit']}`, {scores[which]['date']}" for which in generators)
    about = f"PTB-XL, fold {found['fold']}, n {found['n']}, {found['draws']} draws, seed {found['seed']}"
    return table(head, rows) + f"\n\n*{about}; {runs}*"


def ppgs(results: Path) -> str:
    """Heart rate, R peaks and waveform of lead II from the PPGs of both archives."""
    bidmc, icu = read(results, "ppg"), read(results, "ppg_icu")
    parts = {
        f"BIDMC, {_sizes(bidmc)} (inside)": (bidmc, None),
        f"CinC 2015, {_sizes(icu)}": (icu, None),
        f"CinC 2015, {icu.get('has_pulse', 0)} of these windows: a pulse, and certain R peaks": (icu, "has_pulse"),
        f"CinC 2015, {icu.get('accepted', 0)} of these windows: accepted, and certain R peaks": (icu, "accepted"),
        f"CinC 2015, {icu['same_rate']} of these windows: PPG and ECG have the same rate": (icu, "same_rate"),
    }
    rows = []
    for label, (file, part) in parts.items():
        scored = [
            (which, file["scores"][which]) for which in _order([file["scores"]], ("zero", "mean beat at each pulse"))
        ]
        scored = [(which, score) for which, score in scored if part is None or part in score]
        for at, (which, score) in enumerate(scored):
            cells = [*_translated(score[part] if part else score), _of_mean(score, part)]
            rows.append([label if at == 0 else "", made(which, score), *cells])
    head = ["windows", "model", "rate within 5 per min", "rate error, mean (per min)", "rate doubled"]
    head += ["R-peak F1, 50 ms", "R-peak F1, 150 ms", "r, one draw", "r, point estimate"]
    return table(head, rows) + f"\n\n*{_stamp({('', 'BIDMC'): bidmc, ('', 'CinC 2015'): icu})}*"


NAMES = {"bidmc": "BIDMC", "cinc2015": "CinC 2015"}


def pulse_beats(results: Path) -> str:
    """Beats, rhythm and variability of PPGs, a column for each archive."""
    found = read(results, "pulse_beats")
    columns = {**{NAMES[name]: one for name, one in found["archives"].items()}, "both": found["all"]}
    rows = [[label, *(cell(one) for one in columns.values())] for label, cell in MEASURED.items()]
    folds = " and ".join(map(str, found["settings"]["folds"]))
    stamp = f"folds {folds}; {found['model']}, commit `{found['commit']}`, {found['date']}"
    return table(["", *columns], rows) + f"\n\n*`python -m evaluation.scripts.pulse_beats`, {stamp}*"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.1f} %"


def _gap(one: dict[str, Any], name: str) -> str:
    found = one["variability"][name]
    return f"{found['mean']:+.0f} ± {found['sd']:.0f} (median {found['median']:+.0f}; ECG {found['ecg_median']:.0f})"


def _fibrillation(one: dict[str, Any]) -> str:
    found = one["fibrillation"]
    return f"{_share(found['sensitivity'])}, {_share(found['specificity'])} ({found['with']} of {found['n']} records)"


def _early(one: dict[str, Any]) -> str:
    found = one["premature"]
    return f"{found['n']}: {found['found']}, {found['early']}, {found['weak']}"


def _rate(one: dict[str, Any]) -> str:
    return f"{_share(one['within_5'])}, {one['mean_error']:.1f} of {one['n']}"


def _sure(one: dict[str, Any]) -> str:
    found = one["without_a_doubt"]
    return f"{_rate(found)} ({_share(found['share'])})" if "n" in found else "none"


def _interval(one: dict[str, Any]) -> str:
    found = one["interval"]
    sides = f"true rate below it in {_share(found['below'])}, above in {_share(found['above'])}"
    return f"holds {_share(found['covered'])} of {one['n']} ({sides}); median width {found['median_width']:.0f}"


MEASURED = {
    "records, patients": lambda one: f"{one['n']}, {one['patients']}",
    "time in refused parts": lambda one: _share(one["refused"]),
    "accepted beats with an R peak within 50 ms": lambda one: (
        f"{_share(one['beats']['within_50_ms'])} of {one['beats']['n']}"
    ),
    "the same in refused parts": lambda one: _share(one["beats"]["within_50_ms_refused"]),
    "standard deviation of a time, median (ms)": lambda one: f"{one['beats']['median_deviation_ms']:.0f}",
    "errors within one, two standard deviations": lambda one: (
        f"{_share(one['beats']['within_one_deviation'])}, {_share(one['beats']['within_two_deviations'])}"
    ),
    "atrial fibrillation suspected: sensitivity, specificity (with it)": _fibrillation,
    "SDNN, PPG − ECG (ms)": lambda one: _gap(one, "sdnn_ms"),
    "RMSSD, PPG − ECG (ms)": lambda one: _gap(one, "rmssd_ms"),
    "premature beats: found, marked as early, marked as weak": _early,
    "rate within 5 per min, mean error, 10 s with a pulse": lambda one: _rate(one["rates"]["has_pulse"]["10"]),
    "the same of the recorded R peaks, moved by their delay": lambda one: _rate(
        one["rates"]["has_pulse"]["10"]["recorded_beats_with_their_delay"]
    ),
    "the same of a second detector in lead II": lambda one: _rate(one["rates"]["has_pulse"]["10"]["second_detector"]),
    "rate within 5 per min, mean error, where both detectors' rates are within 5": lambda one: _rate(
        one["rates"]["has_pulse"]["10"]["detectors_agree"]
    ),
    "rate within 5 per min, mean error, 10 s that are accepted": lambda one: _rate(one["rates"]["accepted"]["10"]),
    "those of them without a doubt": lambda one: _sure(one["rates"]["accepted"]["10"]),
    "90 % interval of the rate, 10 s": lambda one: _interval(one["rates"]["accepted"]["10"]),
    "90 % interval of the rate, 60 s": lambda one: _interval(one["rates"]["accepted"]["60"]),
}


def _translated(score: dict[str, Any]) -> list[str]:
    rate, moved = score["heart_rate_error"], score["delay_removed"]
    near = within(rate, "within_5", 2) if "within_5" in rate else ""
    low, high = rate["mean_interval"]
    twice = f"{score['doubled']:.3f}" if "doubled" in score else ""
    return [near, f"{rate['mean']:.1f} ({low:.1f}–{high:.1f})", twice, *(within(moved, one, 2) for one in PEAKS)]


def _of_mean(score: dict[str, Any], part: str | None) -> str:
    """r of the point estimate in a part of the windows; empty where it was not measured."""
    found = score.get("point_estimate", {})
    found = found.get(part, {}) if part else found
    return within(found["delay_removed"], "r", 2) if found else ""


PEAKS = ("f1_50", "f1_150", "r")


def _sizes(found: dict[str, Any]) -> str:
    return f"{found['n']} windows of {len(found['recordings'])} records"


def _read(results: Path, name: str, archive: str) -> dict[str, Any] | None:
    """Results of a reconstruction protocol on an archive; None if it was not measured."""
    stem = f"{name}_outside_{archive}" if archive else name
    return read(results, stem) if (results / f"{stem}.json").is_file() else None


def _order(scores: Sequence[dict[str, Any]], baselines: Sequence[str]) -> list[str]:
    """The models with scores: some baselines, then generators."""
    names = dict.fromkeys(name for one in scores for name in one)
    generators = [name for model in MODELS for name in names if name.startswith(f"{model}@")]
    return [*(name for name in baselines if name in names), *generators]


def _first(scores: Sequence[dict[str, Any]], which: str) -> dict[str, Any]:
    return next(one[which] for one in scores if which in one)


def _head(first: str) -> list[str]:
    return [first, "model", *(f"{given}: {measure}" for given in GIVEN.values() for measure in MEASURES)]


def _cells(score: dict[str, Any] | None) -> list[str]:
    """r, RMSE, coverage and width, with intervals where there are any; empty where not measured."""
    if score is None:
        return [""] * len(MEASURES)
    values = score | score.get("interval", {})
    return [_bracketed(values, measure) for measure in ("r", "rmse_mv", "coverage", "width_mv")]


def _bracketed(values: dict[str, Any], measure: str) -> str:
    if measure not in values:
        return ""
    return within(values, measure, 2) if values.get(f"{measure}_interval") else f"{values[measure]:.2f}"


def _stamp(found: dict[tuple[str, str], dict[str, Any]]) -> str:
    """n of each archive, seed, and weights, commit and date of each run."""
    sizes = dict.fromkeys(_size(archive or name, file) for (archive, name), file in found.items())
    runs = {
        f"{name}, commit `{score['commit']}`, {score['date']}": None
        for file in found.values()
        for name, score in file["scores"].items()
        if "@" in name
    }
    seeds = {str(file["settings"]["seed"]) for file in found.values()}
    return f"{'; '.join(sizes)}; seed {_joined(seeds)}; {'; '.join(runs)}"


def _size(name: str, file: dict[str, Any]) -> str:
    label = "PTB-XL" if name in GIVEN else ARCHIVES.get(name, name).partition(",")[0]
    return f"{label} n {file['n']}"


def _joined(values: Iterable[str]) -> str:
    return ", ".join(sorted(values))
