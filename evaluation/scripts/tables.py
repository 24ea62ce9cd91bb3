"""The tables of the README, written from committed results: ``python -m evaluation.scripts.tables README.md``.

Between ``<!-- table: NAME -->`` and ``<!-- end -->`` stands what ``evaluation/results`` holds, and nothing that a hand
has typed. ``--check`` changes nothing and fails where a table is not what was measured.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ecggen.augment.capabilities import VERDICTS
from ecggen.benchmark.matrix import MODELS
from ecggen.networks import storage
from evaluation.scripts.deciding import best_for_jobs, groups_of, judged, reconstructed_of, uncertainty
from evaluation.scripts.table_parts import made, read, stamp, table, within

RESULTS = Path(__file__).resolve().parents[2] / "evaluation" / "results"
_PLACE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def written(text: str, results: Path = RESULTS) -> str:
    """``text`` with each of its tables as the results say."""
    return _PLACE.sub(lambda found: found[1] + "\n" + (TABLES | CARDS)[found[2]](results) + "\n\n" + found[3], text)


def _reconstruction(results: Path, name: str) -> str:
    """r, RMSE, coverage and one draw, baselines first."""
    found = read(results, name)
    rows = []
    for which, score in sorted(found["scores"].items(), key=lambda item: "@" in item[0]):
        more = ["", "", ""]
        if "interval" in score:
            more = [f"{score['interval']['coverage']:.3f}", f"{score['single_draw']['r']:.3f}", str(score["draws"])]
        rows.append([made(which, score), within(score, "r"), within(score, "rmse_mv"), *more])
    head = ["", "r", "RMSE (mV)", "coverage of the 90 % interval", "r of one draw", "draws"]
    return table(head, rows) + f"\n\n*{stamp(found)}*"


def _translation(results: Path) -> str:
    """Heart rate, timing and waveform of lead II from a PPG."""
    found = read(results, "ppg")
    rows = []
    for which, score in sorted(found["scores"].items(), key=lambda item: "@" in item[0]):
        rate, moved = score["heart_rate_error"], score["delay_removed"]
        off = f"{rate['median']:.2f} / {rate['mean']:.2f}"
        rows.append([made(which, score), off, *(within(moved, part, 2) for part in ("f1_50", "f1_150", "r"))])
    head = ["", "heart rate off (median / mean per min)", "R-peak F1, 50 ms", "F1, 150 ms", "r"]
    about = f"{found['n']} windows of {len(found['recordings'])} recordings, {found['patients']} patients"
    return table(head, rows) + f"\n\n*{about}; {stamp(found)}*"


def _conditions(results: Path) -> str:
    """A row for each generator, a column for each condition."""
    found = read(results, "conditions")
    columns = list(next(iter(found["scores"].values())))
    rows = []
    for which, row in found["scores"].items():
        cells = [f"{cell['heart_rate_error']:.1f} / {cell['r']:.2f} / {cell['valid']:.2f}" for cell in row.values()]
        rows.append([made(which, {}), *cells])
    models = ", ".join(found["scores"])
    told = f"n {found['n']} of fold 9, seed {found['seed']}, commit `{found['commit']}`, {found['date']}; {models}"
    return table(["", *columns], rows) + f"\n\n*{told}*"


def _speed(results: Path) -> str:
    """Milliseconds of one ECG, by what is given."""
    models = read(results, "sampling")["models"]
    columns = list(next(iter(models.values()))["speed"])
    rows = []
    for name, about in models.items():
        cells = [f"{about['speed'][column]['ms_per_ecg']:.0f} ms" for column in columns]
        evaluations = f"{about['speed'][columns[0]]['evaluations_per_draw']:g}"
        rows.append([f"**{name}**", f"{about['parameters'] / 1e6:.1f} M", evaluations, *cells])
    one = next(iter(models.values()))
    told = f"batches of 64, {one['threads']} threads, commit `{one['commit']}`, {one['date']}"
    return table(["", "parameters", "network evaluations", *columns], rows) + f"\n\n*{told}*"


def _steps(results: Path) -> str:
    """Score against steps."""
    models = read(results, "sampling")["models"]
    rows = []
    for name, about in models.items():
        for given in (["I"], ["II", "V1", "V5"]):
            found = {row["num_steps"]: row for row in about["scores"] if row["given"] == given}
            if len(found) > 1:
                cells = [f"{row['r']:.3f} / {row['single_draw']['r']:.3f}" for row in found.values()]
                rows.append([f"**{name}**, {', '.join(given)}", *cells])
    scored = next(row for about in models.values() for row in about["scores"])
    steps = sorted({row["num_steps"] for about in models.values() for row in about["scores"] if row["num_steps"]})
    told = f"r of the mean of {scored['draws']} draws / r of one draw; n {scored['n']} of fold 9"
    return table(["steps", *map(str, steps)], rows) + f"\n\n*{told}*"


def _text(results: Path) -> str:
    """What the text encoder tells apart."""
    found = read(results, "text_encoder")
    said, near = found["statements"], found["cosine"]
    rows = [
        ["macro AUROC of statements, all 71", within(said, "macro_auroc") if "macro_auroc_interval" in said else ""],
        ["the same, keyword baseline", f"{said['keywords']:.3f}"],
        *([name.replace("_", " "), f"{_mean(value):.2f}"] for name, value in near.items() if _mean(value) is not None),
    ]
    if not rows[0][1]:
        low, high = said["interval"]
        rows[0][1] = f"{said['macro_auroc']:.3f} ({low:.3f}–{high:.3f})"
    told = f"{found['model']}, n {found['n']} reports of fold 9, commit `{found['commit']}`, {found['date']}"
    return table(["", ""], rows) + f"\n\n*{told}*"


def _mean(value: Any) -> float | None:
    return value.get("mean") if isinstance(value, dict) else None


def _classifier(results: Path) -> str:
    """What the classifier tells apart in real records."""
    found = read(results, "evaluators")
    scores, pair = found["scores"], found["pair_scores"]
    low, high = scores["age_error_interval"]
    rows = [
        [f"macro AUROC, {scores[kind]['classes']} {kind}", within(scores[kind], "macro_auroc")]
        for kind in ("superclasses", "subclasses", "statements")
    ]
    each = scores["superclasses"]["each"]
    rows += [
        ["AUROC of each superclass", ", ".join(f"{name} {about['auroc']:.3f}" for name, about in each.items())],
        [
            "AUROC of sex; mean error of age",
            f"{scores['sex_auroc']:.3f}; {scores['age_error']:.1f} ({low:.1f}–{high:.1f}) years",
        ],
        [
            "cosine of an ECG and its own / another report",
            f"{pair['similarity']['own']:.2f} / {pair['similarity']['other']:.2f}",
        ],
        [
            "own report among the nearest 1 / 5 / 10 of 256",
            " / ".join(f"{value:.2f}" for value in pair["retrieval"].values()),
        ],
        ["statements by their description alone, macro AUROC", f"{pair['zero_shot_macro_auroc']:.3f}"],
    ]
    told = f"n {found['n']} of fold 9, {found['patients']} patients, seed {found['seed']}"
    made = f"{found['classifier']}, {found['ecg_text']}, commit `{found['commit']}`, {found['date']}"
    return table(["", ""], rows) + f"\n\n*{told}; {made}*"


def _panel(results: Path, name: str) -> str:
    """What one draw and the mean of many are worth beside each other."""
    found = read(results, name)
    rows = []
    for which, score in sorted(found["scores"].items(), key=lambda item: "@" in item[0]):
        for drawn, section in score["sections"].items():
            scores = {one["name"]: one for one in section["scores"]}
            cells = [_bracketed(scores.get(wanted), digits) for wanted, _, digits in PANEL]
            off = [
                " ± ".join(_plain(scores.get(f"{wanted} (ms): {what}")) for what in ("bias", "SD")) for wanted in OFF
            ]
            rows.append([made(which, score), drawn, *cells, *off, section["verdict"]])
    head = ["", "", *(head for _, head, _ in PANEL), *(f"{wanted} off (ms)" for wanted in OFF), "verdict"]
    return table(head, rows) + f"\n\n*{stamp(found)}*"


PANEL = (
    ("Pearson's r", "r", 2),
    ("variance", "variance, drawn / true", 2),
    ("variance of R in V3", "variance of R in V3", 2),
    ("variance of T in V6", "variance of T in V6", 2),
    ("R peaks within 50 ms", "R peaks, F1 at 50 ms", 2),
)
"""Score, column head and digits of what the table of panels shows."""
OFF = ("PR", "QRS", "QT")
"""Intervals of which it shows bias and standard deviation."""


def _plain(score: dict[str, Any] | None) -> str:
    """A score in ms without its interval."""
    return "–" if score is None or score["value"] is None else f"{score['value']:.1f}"


def _bracketed(score: dict[str, Any] | None, digits: int) -> str:
    """A score with its interval in brackets."""
    if score is None or score["value"] is None:
        return "not measured"
    interval = score["interval"]
    within = f" ({interval[0]:.{digits}f}–{interval[1]:.{digits}f})" if interval else ""
    return f"{score['value']:.{digits}f}{within}"


def _augmentation(results: Path) -> str:
    """What drawn records add to few and to many real ones, over nothing and over the best without a generator."""
    found = read(results, "augmentation")
    rows, alone = [], []
    for which, score in sorted(found["scores"].items(), key=lambda item: "@" in item[0]):
        rows += [[made(which, score), *_fraction(score["points"], best)] for best in score["best_without_generator"]]
        alone += [[made(which, score), arm, *_transfer(moved)] for arm, moved in score["transfer"].items()]
    added = [f"{arm}{over}" for arm in ("synthetic", "variations") for over in ("", ": over that")]
    head = ["", "real records", "alone", "the best without a generator", *added]
    areas = ["", "drawn records", "TRTR", "TSTR", "TRTS", "TSTR / TRTR"]
    settings = found["settings"]
    told = f"{settings['repeats']} repeats, tested on {found['n_test']} records of {found['patients']} patients"
    return f"{table(head, rows)}\n\n{table(areas, alone)}\n\n*{told}; {stamp(found)}*"


def _fraction(points: Sequence[dict[str, Any]], best: dict[str, Any]) -> list[str]:
    """One number of real records: alone, with the best that needs no generator, with as many drawn ones."""
    at = {(point["arm"], point["share"]): point for point in points if point["fraction"] == best["fraction"]}
    plain, top = next(point for point in at.values() if "n_real" in point), at[best["arm"], best["share"]]
    told = f"{top['arm']}, +{top['share']:.0%}: {_changed(top, 'gain')}" if top is not plain else "nothing"
    cells = [f"{plain['n_real']:,}", f"{plain['auroc']:.3f}", told]
    for arm in ("synthetic", "variations"):
        point = at.get((arm, 2.0))
        if point is None:
            cells += ["", ""]
        else:
            cells += [f"+{point['n_added']:,}: {_changed(point, 'gain')}", _above_zero(point)]
    return cells


def _above_zero(point: dict[str, Any]) -> str:
    """The gain over the best without a generator, and in how many repeats anything was gained over nothing."""
    return f"{_changed(point, 'over_best')}; gain in {point['seeds_above']} repeats"


def _changed(point: dict[str, Any], what: str) -> str:
    """A difference in thousandths, with its interval."""
    value, low, high = (1000 * one for one in (point[what], *point[f"{what}_interval"]))
    return f"{value:+.0f} ({low:+.0f} to {high:+.0f})"


def _transfer(moved: dict[str, Any]) -> list[str]:
    """What drawn records are worth alone."""
    return [*(f"{moved[key]['auroc']:.3f}" for key in ("trtr", "tstr", "trts")), within(moved, "tstr_over_trtr")]


def _diagnoses(results: Path) -> str:
    """Which statements each model can draw: how many, the best and the worst."""
    found = read(results, "diagnoses")
    rows = []
    for which, score in sorted(found["scores"].items(), key=lambda item: "@" in item[0]):
        about, classes = score["overall"]["statements"], _measured(score["statements"])
        counts = [str(about["verdicts"][verdict]) for verdict in VERDICTS]
        few = [", ".join(f"{code} {one['auroc']:.2f}" for code, one in part) for part in (classes[:6], classes[-6:])]
        rows.append([made(which, score), f"{about['auroc']:.3f}", f"{about['real']:.3f}", *counts, *few])
    head = ["", "mean AUROC", "of real records", *VERDICTS, "best", "worst"]
    return table(head, rows) + f"\n\n*{found['settings']['n']} ECGs a statement, {stamp(found)}*"


def _measured(classes: dict[str, Any]) -> list[tuple[str, Any]]:
    """Classes with an area, the largest first."""
    return sorted(((name, one) for name, one in classes.items() if "auroc" in one), key=lambda item: -item[1]["auroc"])


def _of_weights(found: dict[str, Any], model: str) -> dict[str, Any] | None:
    """The scores of a shipped checkpoint's present weights; None where they were not measured."""
    return found["scores"].get(f"{model}@{storage.weights_hash(storage.find(model))}")


def _diagnoses_of(results: Path, model: str) -> str:
    """What one model can draw, class by class."""
    found = read(results, "diagnoses")
    score = _of_weights(found, model)
    if score is None:
        return "Not measured for these weights."
    rows = []
    for kind in ("statements", "superclasses"):
        for name, one in _measured(score[kind]):
            asked, real = one["probability"]["requested"], one["real_probability"]["requested"]
            cells = [within({**one, "auroc_interval": one["interval"]}, "auroc", 2), f"{one['real']:.2f}"]
            label = name if kind == "statements" else f"superclass {name}"
            rows.append([label, *cells, f"{asked:.2f} / {real:.2f}", f"{one['training']}", one["verdict"]])
    unknown = [f"{code} ({one['why']})" for code, one in score["statements"].items() if "auroc" not in one]
    head = ["", "AUROC, drawn", "real", "the classifier's probability, drawn / real", "training records", ""]
    left_out = f"\n\nNot measured: {'; '.join(unknown)}." if unknown else ""
    told = f"{found['settings']['n']} ECGs a statement, seed {found['settings']['seed']}, {score['classifier']}"
    return table(head, rows) + left_out + f"\n\n*{told}, commit `{score['commit']}`, {score['date']}*"


def _memorisation(results: Path) -> str:
    """Copies, and whether draws lie nearer to training records than chance would have it."""
    found = read(results, "memorisation")
    rows = []
    for which, score in sorted(found["scores"].items(), key=lambda item: "@" in item[0]):
        scores = {one["name"]: one for one in score["scores"]}
        cells = [_beside_floor(scores[name], digits) for name, _, digits in MEMORY]
        rows.append([made(which, score), *cells, _varied(score), score["verdict"]])
    head = ["", *(head for _, head, _ in MEMORY), f"variations at strength {VARIED}", "verdict"]
    told = f"{found['n']} training and as many held-out records told; by chance in brackets"
    return table(head, rows) + f"\n\n*{told}; {stamp(found)}*"


MEMORY = (
    ("copies of any training record", "copies (of held-out records)", 3),
    ("nearer to training, the classifier's features", "nearer to training (50 % ideal)", 2),
    ("membership inference, the classifier's features", "membership inference, AUROC", 2),
    ("own lender, the classifier's features", "own lender, AUROC", 2),
)
"""Score, column head and digits of what the table of memorisation shows."""
VARIED = "0.8"
"""The strength of the variations that it shows."""


def _beside_floor(score: dict[str, Any], digits: int) -> str:
    """A score beside what chance makes of it."""
    if score["value"] is None:
        return "not measured"
    return f"{score['value']:.{digits}f} ({score['floor']:.{digits}f})"


def _varied(score: dict[str, Any]) -> str:
    """How near variations are to their originals."""
    found = score["variations"].get("strengths", {}).get(VARIED)
    if not found or not found["n"]:
        return "not measured"
    return f"r {found['r']['median']:.2f}, another patient's {found['r_other']['median']:.2f}"


def _memorisation_of(results: Path, model: str) -> str:
    """Whether one model gives back what it was trained on, in words."""
    found = read(results, "memorisation")
    score = _of_weights(found, model)
    if score is None:
        return "Not measured for these weights."
    lines = [f"**{score['verdict']}**: told of {found['n']} training records and of as many that it never saw."]
    for one in score["scores"]:
        if one["value"] is None:
            lines.append(f"{one['name']}: {one['note']}.")
        else:
            chance = f"; by chance {one['floor']:.3f}" if one["floor"] is not None else ""
            lines.append(f"{one['name']}: {_bracketed(one, 3)}{chance} — {one['verdict']}.")
    for strength, one in score["variations"].get("strengths", {}).items():
        if not one["n"]:
            continue
        lines.append(
            f"variation of a given ECG at strength {strength}: r {one['r']['median']:.2f} with its original "
            f"({one['r']['low']:.2f}–{one['r']['high']:.2f}), of which {one['copies']:.0%} count as copies; "
            f"{one['nearer_than_another']:.0%} are nearer to it than any other patient's record is."
        )
    told = f"seed {found['settings']['seed']}, commit `{score['commit']}`, {score['date']}"
    return "\n".join(f"- {line}" for line in lines) + f"\n\n*{told}*"


def _wording(results: Path) -> str:
    """How probable the classifier finds what was asked, by how it was asked."""
    found = read(results, "wording")
    columns = ("said", "paraphrase", "denial", "nothing")
    rows = [
        [made(which, score), *(f"{score['mean'][one]:.2f}" for one in columns)]
        for which, score in found["scores"].items()
    ]
    best = ("CLBBB", "AFIB", "IMI", "LVH")
    for row, score in zip(rows, found["scores"].values(), strict=True):
        row += [f"{score['each'][code]['said']:.2f} / {score['each'][code]['nothing']:.2f}" for code in best]
    return table(["", *columns, *(f"{code}, said / nothing" for code in best)], rows) + f"\n\n*{stamp(found)}*"


def _delineation(results: Path) -> str:
    """Onsets and offsets against experts' marks, beside another library's."""
    found = read(results, "delineation")
    rows = []
    for wave in ("P", "QRS", "T"):
        for mark in ("onset", "offset"):
            ours, theirs = (found[who]["overall"][wave][mark] for who in ("ecggen", "neurokit2"))
            rows.append([f"{wave} {mark}", f"{ours['marks']}", *_marked(ours), *_marked(theirs)])
    columns = ("sensitivity", "PPV", "error (ms)")
    head = ["", "marks", *columns, *(f"NeuroKit2: {column}" for column in columns)]
    told = f"{len(found['records'])} records of LUDB, twelve leads, within {found['tolerance_ms']:.0f} ms"
    speed = f"{found['speed']['records_per_second']:.0f} records a second on one thread"
    return table(head, rows) + f"\n\n*{told}; {speed}; commit `{found['commit']}`, {found['date']}*"


def _marked(found: dict[str, float]) -> tuple[str, str, str]:
    error = f"{found['bias_ms']:+.1f} ± {found['sd_ms']:.1f}"
    return f"{100 * found['sensitivity']:.1f} %", f"{100 * found['ppv']:.1f} %", error


def _generation(results: Path, name: str) -> str:
    """Verdicts of the report's sections, and the scores that are asked for most."""
    found = read(results, name)
    keys = found["settings"]["metrics"]
    rows = []
    for which, score in sorted(found["scores"].items(), key=lambda item: "@" in item[0]):
        parts = score["sections"]
        cells = [_against(parts, *wanted) for wanted in WANTED if wanted[0] in keys]
        rows.append([made(which, score), *cells, *(parts[key]["verdict"] for key in keys)])
    head = ["", *(label for section, _, label, _ in WANTED if section in keys), *keys]
    return table(head, rows) + f"\n\n*{stamp(found)}*"


WANTED = (
    ("distribution", "FID on the classifier's features", "FID (floor)", 1),
    ("distribution", "coverage on the classifier's features", "coverage (floor)", 2),
    ("fidelity", "superclasses: macro AUROC", "diagnosis AUROC (real)", 3),
    ("fidelity", "heart rate: mean absolute error", "heart rate off (/min)", 1),
)
"""Section, score, column head and digits of what the table of generations shows beside the verdicts."""


def _against(parts: dict[str, Any], section: str, name: str, _: str, digits: int) -> str:
    """A score beside its floor."""
    score = next((one for one in parts[section]["scores"] if one["name"] == name), None)
    if score is None or score["value"] is None:
        return "not measured"
    floor = "" if score["floor"] is None else f" ({score['floor']:.{digits}f})"
    return f"{score['value']:.{digits}f}{floor}"


def _mutations(results: Path) -> str:
    """What became of spoilt files, all samples of a reader together."""
    found = read(results, "mutations")
    rows = []
    for reader in dict.fromkeys(one["reader"] for one in found["samples"].values()):
        every = [one for one in found["samples"].values() if one["reader"] == reader]
        total = {name: sum(one.get(name, 0) for one in every) for name in ("inputs", "read", "refused")}
        other = total["inputs"] - total["read"] - total["refused"]
        slowest, most = (max(one[name] for one in every) for name in ("slowest_s", "most_memory_mb"))
        rows.append([reader, *map(str, (len(every), *total.values(), other, f"{slowest:.2f}", most))])
    commits = ", ".join(f"`{one}`" for one in dict.fromkeys(one["commit"] for one in found["samples"].values()))
    head = ["reader", "samples", "inputs", "read", "refused", "anything else", "slowest (s)", "most memory (MB)"]
    return table(head, rows) + f"\n\n*`{found['command']}`, commit {commits}, {found['date']}*"


TABLES: dict[str, Callable[[Path], str]] = {
    "mutations": _mutations,
    "one_lead": lambda results: _reconstruction(results, "one_lead"),
    "three_leads": lambda results: _reconstruction(results, "three_leads"),
    "ppg": _translation,
    "classifier": _classifier,
    "wording": _wording,
    "delineation": _delineation,
    "one_lead_panel": lambda results: _panel(results, "one_lead_panel"),
    "three_leads_panel": lambda results: _panel(results, "three_leads_panel"),
    "augmentation": _augmentation,
    "from_words": lambda results: _generation(results, "text"),
    "unconditional": lambda results: _generation(results, "unconditional"),
    "conditions": _conditions,
    "speed": _speed,
    "steps": _steps,
    "text": _text,
    "diagnoses": _diagnoses,
    "memorisation": _memorisation,
    "which": best_for_jobs,
    "uncertainty": uncertainty,
    "preserved": judged,
}

CARDS: dict[str, Callable[[Path], str]] = {
    **{f"reconstructed_{model}": partial(reconstructed_of, model=model) for model in MODELS},
    **{f"groups_{model}": partial(groups_of, model=model) for model in MODELS},
    **{f"diagnoses_{model}": partial(_diagnoses_of, model=model) for model in MODELS},
    **{f"memorisation_{model}": partial(_memorisation_of, model=model) for model in MODELS},
}
"""Tables of the cards."""


def main() -> None:
    """Write the tables, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="Markdown files with places for tables")
    parser.add_argument("--check", action="store_true", help="change nothing; fail where a table is not as measured")
    words = parser.parse_args()
    stale = []
    for file in words.files:
        text = file.read_text(encoding="utf-8")
        new = written(text)
        if new != text:
            stale.append(str(file))
            if not words.check:
                file.write_text(new, encoding="utf-8")
    if stale and words.check:
        sys.exit(f"error: {', '.join(stale)} does not say what was measured; run python -m evaluation.scripts.tables")


if __name__ == "__main__":
    main()
