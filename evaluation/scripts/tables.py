"""Generate the tables of Markdown files from committed results: ``python -m evaluation.scripts.tables README.md``.

The text between ``<!-- table: NAME -->`` and ``<!-- end -->`` is replaced by a table of ``evaluation/results``. With
``--check``, no file is written and the command fails if a table differs from the results.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from ecggen.augment.capabilities import VERDICTS
from ecggen.benchmark.matrix import MODELS
from ecggen.networks import storage
from evaluation.scripts import (
    augmentation_tables,
    between_tables,
    cost_tables,
    gap_tables,
    outside_tables,
    quality_tables,
    trust_tables,
)
from evaluation.scripts.deciding import JOBS, best_for_jobs, groups_of, preserved, reconstructed_of, uncertainty
from evaluation.scripts.pulse_tables import pulse_rates, waveforms
from evaluation.scripts.table_parts import made, read, stamp, table, within

RESULTS = Path(__file__).resolve().parents[2] / "evaluation" / "results"
_PLACE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def written(text: str, results: Path = RESULTS) -> str:
    """``text`` with all of its tables generated from the results."""
    return _PLACE.sub(
        lambda found: found[1] + "\n" + (TABLES | README | CARDS)[found[2]](results) + "\n\n" + found[3], text
    )


def _reconstruction(results: Path, name: str) -> str:
    """r, RMSE, coverage, and r of one draw; baselines first."""
    found = read(results, name)
    rows = []
    for which, score in sorted(found["scores"].items(), key=lambda item: "@" in item[0]):
        more = ["", "", ""]
        if "interval" in score:
            more = [f"{score['interval']['coverage']:.3f}", f"{score['single_draw']['r']:.3f}", str(score["draws"])]
        rows.append([made(which, score), within(score, "r"), within(score, "rmse_mv"), *more])
    head = ["model", "r", "RMSE (mV)", "coverage of the 90 % interval", "r of one draw", "draws"]
    return table(head, rows) + f"\n\n*{stamp(found)}*"


def _translation(results: Path) -> str:
    """Heart rate, R peaks and waveform of lead II translated from a PPG."""
    found = read(results, "ppg")
    rows = []
    for which, score in sorted(found["scores"].items(), key=lambda item: "@" in item[0]):
        rate, moved = score["heart_rate_error"], score["delay_removed"]
        error = f"{rate['median']:.2f} / {rate['mean']:.2f}"
        mean = within(score["point_estimate"]["delay_removed"], "r", 2) if "point_estimate" in score else ""
        rows.append([made(which, score), error, *(within(moved, part, 2) for part in ("f1_50", "f1_150", "r")), mean])
    head = ["model", "heart rate error, median / mean (per min)", "R-peak F1, 50 ms", "R-peak F1, 150 ms"]
    head += ["r, one draw", "r, point estimate"]
    about = f"{found['n']} windows of {len(found['recordings'])} recordings, {found['patients']} patients"
    return table(head, rows) + f"\n\n*{about}; {stamp(found)}*"


def _translation_of(results: Path, model: str) -> str:
    """Table of a card: heart rate, R peaks and waveform of lead II translated from a PPG."""
    found = read(results, "ppg")
    score = _of_weights(found, model, hearts=False)
    if score is None:
        return "Not measured for these weights."
    rate, moved = score["heart_rate_error"], score["delay_removed"]
    cells = [
        f"{rate['median']:.2f}",
        f"{rate['mean']:.2f}",
        *(within(moved, part, 2) for part in ("f1_50", "f1_150", "r")),
    ]
    head = ["heart rate error, median (per min)", "mean (per min)", "R-peak F1, 50 ms", "R-peak F1, 150 ms", "r"]
    about = f"{found['n']} windows of {found['patients']} patients, seed {found['settings']['seed']}"
    return table(head, [cells]) + f"\n\n*{about}; commit `{score['commit']}`, {score['date']}*"


def _conditions(results: Path) -> str:
    """A row for each generator, a column for each condition."""
    found = read(results, "conditions")
    columns = list(next(iter(found["scores"].values())))
    rows = []
    for which, row in found["scores"].items():
        cells = [f"{cell['heart_rate_error']:.1f} / {cell['r']:.2f} / {cell['valid']:.2f}" for cell in row.values()]
        rows.append([made(which, {}), *cells])
    models = ", ".join(found["scores"])
    cell = "median heart rate error (per min) / r / share of valid draws"
    about = f"n {found['n']} of fold 9, seed {found['seed']}, commit `{found['commit']}`, {found['date']}; {models}"
    return table(["given", *columns], rows) + f"\n\n*{cell}; {about}*"


def _speed(results: Path) -> str:
    """Sampling time per ECG, by condition."""
    models = read(results, "sampling")["models"]
    columns = list(next(iter(models.values()))["speed"])
    rows = []
    for name, about in models.items():
        cells = [f"{about['speed'][column]['ms_per_ecg']:.0f} ms" for column in columns]
        evaluations = f"{about['speed'][columns[0]]['evaluations_per_draw']:g}"
        rows.append([f"**{name}**", f"{about['parameters'] / 1e6:.1f} M", evaluations, *cells])
    one = next(iter(models.values()))
    about = f"batches of 64, {one['threads']} threads, commit `{one['commit']}`, {one['date']}"
    head = ["model", "parameters", f"network evaluations, {columns[0]}", *(f"given {column}" for column in columns)]
    return table(head, rows) + f"\n\n*{about}*"


def _models(results: Path) -> str:
    """The shipped generators at a glance: paper, size, one score of each of three tasks, sampling time."""
    measures = [job for job in JOBS if job[2] in ("one_lead", "ppg", "text") and job[0]]
    rows = []
    for name, about in read(results, "sampling")["models"].items():
        scores = []
        for _, _, protocol, _, digits, measure in measures:
            found = read(results, protocol)["scores"]
            scores.append(f"{measure(next(found[key] for key in found if key.startswith(f'{name}@'))):.{digits}f}")
        time = " / ".join(f"{about['speed'][column]['ms_per_ecg']:.0f}" for column in list(about["speed"])[:2])
        rows.append([f"**{name}**", *ABOUT[name], f"{about['parameters'] / 1e6:.1f} M", *scores, time])
    head = ["model", "after", "best for", "parameters"]
    head += [f"{task}: {what}" for task, what, *_ in measures] + ["ms per ECG, lead I / text"]
    return table(head, rows) + f"\n\n*{stamp(read(results, 'one_lead'))}*"


ABOUT = {
    "gan": ("ECGNet", "one pass, small"),
    "vae": ("WearECG", "long recordings: one pass"),
    "flow": ("PPGFlowECG", "`generate`, `reconstruct`, `augment`"),
    "diffusion": ("DiffuSETS", "`translate`; a second opinion: nearly as good in all"),
}
"""The paper that each generator is built after, and the jobs it is the choice for (`which` measures it)."""


def _steps(results: Path) -> str:
    """r by number of sampler steps."""
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
    about = f"r of the mean of {scored['draws']} draws / r of one draw; n {scored['n']} of fold 9"
    return table(["num_steps", *map(str, steps)], rows) + f"\n\n*{about}*"


def _text(results: Path) -> str:
    """Classification of statements by the text encoder, and cosine similarities of texts."""
    found = read(results, "text_encoder")
    scored = found["statements"] | {"macro_auroc_interval": found["statements"]["interval"]}
    rows = [
        ["macro AUROC of all 71 statements", within(scored, "macro_auroc")],
        ["macro AUROC, keyword baseline", f"{scored['keywords']:.3f}"],
    ]
    for name, value in found["cosine"].items():
        if name in SIMILARITIES:
            rows.append([f"cosine similarity with {SIMILARITIES[name]}", f"{value['mean']:.2f}"])
    about = f"{found['model']}, n {found['n']} reports of fold 9, commit `{found['commit']}`, {found['date']}"
    return table(["measure", "value"], rows) + f"\n\n*{about}*"


SIMILARITIES = {
    "paraphrase": "a paraphrase",
    "paraphrase_in_new_form": "a paraphrase in a held-out sentence",
    "negation": "a negation in a held-out sentence",
    "german": "the German wording",
    "swedish": "the Swedish wording",
    "german_negation": "a German negation",
    "unrelated": "another statement",
}
"""Labels of the cosine similarities of the text encoder."""


def _classifier(results: Path) -> str:
    """Scores of the classifier and of the ECG-text encoder on real records."""
    found = read(results, "evaluators")
    scores, ecg_text = found["scores"], found["pair_scores"]
    low, high = scores["age_error_interval"]
    rows = [
        [f"macro AUROC, {scores[kind]['classes']} {kind}", within(scores[kind], "macro_auroc")]
        for kind in ("superclasses", "subclasses", "statements")
    ]
    each = scores["superclasses"]["each"]
    rows += [
        ["AUROC of each superclass", ", ".join(f"{name} {about['auroc']:.3f}" for name, about in each.items())],
        [
            "AUROC of sex; mean absolute error of age",
            f"{scores['sex_auroc']:.3f}; {scores['age_error']:.1f} ({low:.1f}–{high:.1f}) years",
        ],
        [
            "cosine similarity of an ECG and its own / another report",
            f"{ecg_text['similarity']['own']:.2f} / {ecg_text['similarity']['other']:.2f}",
        ],
        [
            "retrieval: own report among the nearest 1 / 5 / 10 of 256",
            " / ".join(f"{value:.2f}" for value in ecg_text["retrieval"].values()),
        ],
        ["zero-shot macro AUROC, by the description of each statement", f"{ecg_text['zero_shot_macro_auroc']:.3f}"],
    ]
    about = f"n {found['n']} of fold 9, {found['patients']} patients, seed {found['seed']}"
    weights = f"{found['classifier']}, {found['ecg_text']}, commit `{found['commit']}`, {found['date']}"
    return table(["measure", "value"], rows) + f"\n\n*{about}; {weights}*"


def _panel(results: Path, name: str) -> str:
    """Report scores of one draw and of the mean of many draws."""
    found = read(results, name)
    rows = []
    for which, score in sorted(found["scores"].items(), key=lambda item: "@" in item[0]):
        for drawn, section in score["sections"].items():
            scores = {one["name"]: one for one in section["scores"]}
            cells = [_bracketed(scores.get(wanted), digits) for wanted, _, digits in PANEL]
            errors = [
                " ± ".join(_plain(scores.get(f"{interval} (ms): {what}")) for what in ("bias", "SD"))
                for interval in INTERVALS
            ]
            rows.append([made(which, score), drawn, *cells, *errors, section["verdict"]])
    errors = [f"{interval} error, mean ± SD (ms)" for interval in INTERVALS]
    head = ["model", "scored", *(head for _, head, _ in PANEL), *errors, "verdict"]
    return table(head, rows) + f"\n\n*{stamp(found)}*"


PANEL = (
    ("Pearson's r", "r", 2),
    ("variance", "variance / true", 2),
    ("variance of R in V3", "variance of R in V3 / true", 2),
    ("variance of T in V6", "variance of T in V6 / true", 2),
    ("R peaks within 50 ms", "R-peak F1, 50 ms", 2),
)
"""Score, column head and digits in the table of panels."""
INTERVALS = ("PR", "QRS", "QT")
"""Intervals with bias and standard deviation in the table of panels."""


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


def _diagnoses(results: Path) -> str:
    """Numbers of statements by verdict for each model, with the best and the worst statements."""
    found = read(results, "diagnoses")
    rows = []
    for which, score in sorted(found["scores"].items(), key=lambda item: "@" in item[0]):
        about, classes = score["overall"]["statements"], _measured(score["statements"])
        counts = [str(about["verdicts"][verdict]) for verdict in VERDICTS]
        few = [", ".join(f"{code} {one['auroc']:.2f}" for code, one in part) for part in (classes[:6], classes[-6:])]
        met = [f"{score['overall']['criteria']['ratio']:.2f}"] if "criteria" in score["overall"] else []
        rows.append([made(which, score), f"{about['auroc']:.3f}", f"{about['real']:.3f}", *counts, *few, *met])
    head = ["model", "mean AUROC", "real records", *VERDICTS, "highest AUROC", "lowest AUROC"]
    head += ["criteria met / real"] if any("criteria" in one["overall"] for one in found["scores"].values()) else []
    return table(head, rows) + f"\n\n*{found['settings']['n']} ECGs per statement, {stamp(found)}*"


def _measured(classes: dict[str, Any]) -> list[tuple[str, Any]]:
    """Classes with an AUROC, the highest first."""
    return sorted(((name, one) for name, one in classes.items() if "auroc" in one), key=lambda item: -item[1]["auroc"])


def _of_weights(found: dict[str, Any], model: str, hearts: bool = True) -> dict[str, Any] | None:
    """Scores of the current weights of a shipped checkpoint; None if not measured.

    With ``hearts``, those of its heart-first model count, which draws without leads and PPG; otherwise the others.
    """
    own = f"{model}@{storage.weights_hash(storage.find(model))}"

    def used(name: str) -> str:
        return f"{model}@{storage.hearts_hash(name)}" if hearts else name.split("+")[0]

    known = {used(name): one for name, one in found["scores"].items() if name.split("@")[0] == model}
    return known.get(used(own))


def _diagnoses_of(results: Path, model: str) -> str:
    """Classifier AUROC of requested classes for one model."""
    found = read(results, "diagnoses")
    score = _of_weights(found, model)
    if score is None:
        return "Not measured for these weights."
    rows = []
    for kind in ("statements", "superclasses"):
        for name, one in _measured(score[kind]):
            requested, real = one["probability"]["requested"], one["real_probability"]["requested"]
            cells = [within({**one, "auroc_interval": one["interval"]}, "auroc", 2), f"{one['real']:.2f}"]
            label = name if kind == "statements" else f"superclass {name}"
            met = [_criterion(one.get("criterion"))] if "criteria" in score["overall"] else []
            rows.append([label, *cells, f"{requested:.2f} / {real:.2f}", *met, f"{one['training']}", one["verdict"]])
    unknown = [f"{code} ({one['why']})" for code, one in score["statements"].items() if "auroc" not in one]
    criterion = ["criterion met, requested / real / real without it"] if "criteria" in score["overall"] else []
    probability = "mean probability, synthetic / real"
    head = ["class", "AUROC, synthetic", "real", probability, *criterion, "training records", "verdict"]
    left_out = f"\n\nNot measured: {'; '.join(unknown)}." if unknown else ""
    about = f"{found['settings']['n']} ECGs per statement, seed {found['settings']['seed']}, {score['classifier']}"
    return table(head, rows) + left_out + f"\n\n*{about}, commit `{score['commit']}`, {score['date']}*"


def _criterion(found: dict[str, Any] | None) -> str:
    """Shares of records that meet a criterion; in brackets where it does not separate real records."""
    if not found:
        return "–"
    shares = " / ".join(f"{100 * found[name]:.0f} %" for name in ("requested", "real", "real_without"))
    return shares if found["usable"] else f"({shares})"


def _memorisation(results: Path) -> str:
    """Copies of training records, nearness to training records and membership inference."""
    found = read(results, "memorisation")
    rows = []
    for which, score in sorted(found["scores"].items(), key=lambda item: "@" in item[0]):
        scores = {one["name"]: one for one in score["scores"]}
        cells = [_with_chance(scores[name], digits) for name, _, digits in MEMORY]
        rows.append([made(which, score), *cells, _varied(score), score["verdict"]])
    head = ["model", *(head for _, head, _ in MEMORY), f"r of variations at strength {VARIED}", "verdict"]
    about = f"conditions of {found['n']} training and {found['n']} held-out records; chance level in brackets"
    return table(head, rows) + f"\n\n*{about}; {stamp(found)}*"


def _kept(results: Path) -> str:
    """What variations keep of a recording: heart, rhythm or both."""
    found, rows = read(results, "kept"), []
    for which, score in found["scores"].items():
        for keep, one in score["keep"].items():
            middle, low = one["heart_r"]
            cells = [
                f"{middle:.3f} (5 %: {low:.3f})",
                f"{100 * one['identified']:.0f} %",
                f"{one['draws_r']:.3f}" if "draws_r" in one else "",
            ]
            rows.append(
                [made(which, {}), keep, *cells, f"{100 * one['r_peaks']:.1f} %", f"{one['rate_difference']:.1f}"]
            )
    head = ["model", "kept", "r of the median beat", "recognised", "r of the median beats of two draws"]
    head += ["R peaks within 20 ms", "difference of the heart rate (per min)"]
    return table(head, rows) + f"\n\n*medians over records, means of shares; {stamp(found)}*"


MEMORY = (
    ("copies of any training record", "copies of training records", 3),
    ("nearer to training, the classifier's features", "nearer to a training record", 2),
    ("membership inference, the classifier's features", "membership inference, AUROC", 2),
    ("own lender, the classifier's features", "membership inference by the own draw, AUROC", 2),
)
"""Score, column head and digits in the table of memorisation."""
VARIED = "0.8"
"""Strength of the variations in the table of memorisation."""
LABELS = {"own lender": "membership inference by the own draw", "one near neighbour": "a single near neighbour"}
"""Labels of scores whose names in the results are not self-explanatory."""


def _with_chance(score: dict[str, Any], digits: int) -> str:
    """A score with its chance level in brackets."""
    if score["value"] is None:
        return "not measured"
    return f"{score['value']:.{digits}f} ({score['floor']:.{digits}f})"


def _varied(score: dict[str, Any]) -> str:
    """Similarity of variations to their originals."""
    found = score["variations"].get("strengths", {}).get(VARIED)
    if not found or not found["n"]:
        return "not measured"
    return f"{found['r']['median']:.2f} to the original, {found['r_other']['median']:.2f} to another patient"


def _memorisation_of(results: Path, model: str) -> str:
    """Memorisation scores of one model as a list."""
    found = read(results, "memorisation")
    score = _of_weights(found, model)
    if score is None:
        return "Not measured for these weights."
    lines = [
        f"**{score['verdict']}**: conditions of {found['n']} training records and of {found['n']} held-out records."
    ]
    for one in score["scores"]:
        measure, _, features = one["name"].partition(", ")
        name = ", ".join(part for part in (LABELS.get(measure, measure), features) if part)
        if one["value"] is None:
            lines.append(f"{name}: {one['note']}.")
        else:
            chance = f"; chance level {one['floor']:.3f}" if one["floor"] is not None else ""
            lines.append(f"{name}: {_bracketed(one, 3)}{chance} — {one['verdict']}.")
    for strength, one in score["variations"].get("strengths", {}).items():
        if not one["n"]:
            continue
        lines.append(
            f"variations of given ECGs at strength {strength}: r {one['r']['median']:.2f} with the original "
            f"({one['r']['low']:.2f}–{one['r']['high']:.2f}); {one['copies']:.0%} count as copies; "
            f"{one['nearer_than_another']:.0%} are nearer to the original than any record of another patient."
        )
    about = f"seed {found['settings']['seed']}, commit `{score['commit']}`, {score['date']}"
    return "\n".join(f"- {line}" for line in lines) + f"\n\n*{about}*"


def _wording(results: Path) -> str:
    """Probability of a finding, by classifier and criterion, and the verdict on negation, by the wording."""
    found = read(results, "wording")
    columns = {
        "said": "description",
        "paraphrase": "paraphrase",
        "sentence": "in a sentence",
        "combined": "with another finding",
        "german": "German",
        "swedish": "Swedish",
        "denial": "negation",
        "nothing": "no text",
    }
    rows = []
    for which, score in found["scores"].items():
        mean, verdict = score["mean"], score["verdicts"]["denial"]
        cells = [f"{mean[one]:.2f} ({mean[f'criterion_{one}']:.2f})" for one in columns]
        rows.append([made(which, score), *cells, f"{verdict}: {mean['denial_above_nothing']:+.2f}".replace("-", "−")])
    head = ["model", *columns.values(), "negation above no text"]
    return table(head, rows) + f"\n\n*{stamp(found)}*"


def _criteria(results: Path) -> str:
    """Sensitivity and specificity of each criterion on PTB-XL and LUDB, with its rule and source."""
    found = read(results, "criteria")
    rows = []
    for code, about in found["rules"].items():
        cells = []
        for name in found["sets"]:
            one = found["sets"][name]["statements"].get(code)
            cells.append(f"{one['sensitivity']:.2f} / {one['specificity']:.2f} ({one['n']})" if one else "")
        if any(cells):
            rows.append([code, about["rule"], *cells, about["source"]])
    sizes = {name: one["n"] for name, one in found["sets"].items()}
    labels = {"ptb-xl": f"PTB-XL, fold 9, {sizes['ptb-xl']} records", "ludb": f"LUDB, {sizes.get('ludb')} records"}
    head = ["statement", "criterion", *(f"{labels[name]}: sensitivity / specificity (n)" for name in sizes), "source"]
    return table(head, rows) + f"\n\n*commit `{found['commit']}`, {found['date']}*"


def _delineation(results: Path) -> str:
    """Onsets and offsets compared with expert marks, for the delineator and NeuroKit2."""
    found = read(results, "delineation")
    rows = []
    for wave in ("P", "QRS", "T"):
        for mark in ("onset", "offset"):
            ours, theirs = (found[who]["overall"][wave][mark] for who in ("ecggen", "neurokit2"))
            rows.append([f"{wave} {mark}", f"{ours['marks']}", *_marked(ours), *_marked(theirs)])
    columns = ("sensitivity", "PPV", "error (ms)")
    head = ["mark", "expert marks", *columns, *(f"NeuroKit2: {column}" for column in columns)]
    about = f"{len(found['records'])} records of LUDB, twelve leads, within {found['tolerance_ms']:.0f} ms"
    speed = f"{found['speed']['records_per_second']:.0f} records per second on one thread"
    return table(head, rows) + f"\n\n*{about}; {speed}; commit `{found['commit']}`, {found['date']}*"


def _long_recordings(results: Path) -> str:
    """Speed and memory of commands on long recordings."""
    found = read(results, "long_recordings")
    columns = ("times_real_time_per_core", "times_real_time", "memory_mb", "written_mb")
    rows = [[name, *(f"{one[column]:.0f}" for column in columns)] for name, one in found["commands"].items()]
    head = ["command", "times real time per core", "by wall clock", "memory (MB)", "written (MB)"]
    rates = f"one lead at {found['fs']} Hz, PPG at {found['ppg_fs']} Hz"
    about = f"{found['hours']:g} h, {rates}, {found['cores']} cores, commit `{found['commit']}`, {found['date']}"
    return table(head, rows) + f"\n\n*{about}*"


def _report_cost(results: Path) -> str:
    """Processor time of each section of a quality report, and its memory."""
    found = read(results, "report_cost")
    steps = sorted(found["steps"].items(), key=lambda item: -item[1]["cpu_seconds"])
    rows = [[name.replace("_", "-"), f"{one['cpu_seconds']:.0f}"] for name, one in steps if one["cpu_seconds"] >= 1]
    rows.append(["all", f"{found['cpu_seconds']:.0f}"])
    sizes = ", ".join(f"{size} {name}" for name, size in found["n"].items())
    about = f"n {sizes}, seed {found['seed']}; {found['threads']} thread; peak memory {found['peak_mb'] / 1000:.1f} GB"
    head = ["section", "processor time (s)"]
    return table(head, rows) + f"\n\n*{about}; commit `{found['commit']}`, {found['date']}*"


def _delineation_by_rhythm(results: Path) -> str:
    """QRS and P waves by rhythm and kind of beat, for the delineator and NeuroKit2, and pacing spikes."""
    found = read(results, "delineation_by_rhythm")
    rows = []
    for group, ours in found["ecggen"].items():
        theirs = found["neurokit2"]["groups"][group]
        cells = [f"{ours['records']}", f"{ours['beats']}", *_of_beats(ours), *_of_beats(theirs)]
        rows.append([group, *cells])
    columns = ("QRS duration (ms)", "P found", "false P per beat")
    head = ["beats", "records", "n, all leads", *columns, *(f"NeuroKit2: {column}" for column in columns)]
    spiked = "; ".join(f"{one['with_spikes']} of {one['records']} {name}" for name, one in found["spikes"].items())
    about = f"n {found['n']} records of LUDB, {found['scored']}; predicted minus expert duration, mean ± SD; records "
    about += f"with pacing spikes: {spiked}"
    return table(head, rows) + f"\n\n*{about}; commit `{found['commit']}`, {found['date']}*"


def _of_beats(found: dict[str, Any]) -> list[str]:
    """Error of the QRS duration, P waves found and false P waves of a group of beats."""
    p = "–" if found["p_found"] is None else f"{100 * found['p_found']:.1f} %"
    mean, deviation = found["duration_ms"]
    return [f"{mean:+.1f} ± {deviation:.1f}", p, f"{found['false_p']:.3f}"]


def _marked(found: dict[str, float]) -> tuple[str, str, str]:
    error = f"{found['bias_ms']:+.1f} ± {found['sd_ms']:.1f}"
    return f"{100 * found['sensitivity']:.1f} %", f"{100 * found['ppv']:.1f} %", error


def _generation(results: Path, name: str) -> str:
    """Verdicts of the report sections, and the main scores."""
    found = read(results, name)
    keys = found["settings"]["metrics"]
    first = next(iter(found["scores"].values()))["sections"]
    wanted = [one for one in WANTED if one[0] in keys and _score(first, one[0], one[1]) is not None]
    rows = []
    for which, score in sorted(found["scores"].items(), key=lambda item: "@" in item[0]):
        parts = score["sections"]
        cells = [_with_floor(parts, *one) for one in wanted]
        rows.append([made(which, score), *cells, *(parts[key]["verdict"] for key in keys)])
    head = ["model", *(label for _, _, label, _ in wanted), *keys]
    return table(head, rows) + f"\n\n*{stamp(found)}*"


WANTED = (
    ("variability", "variance within records / real", "variance within records / real", 2),
    ("variability", "variance between records / real", "variance between records / real", 2),
    ("two_sample", "random convolutions: AUROC", "two-sample AUROC (real)", 2),
    ("distribution", "FID on the classifier's features", "FID (floor)", 1),
    ("distribution", "coverage on the classifier's features", "coverage (floor)", 2),
    ("fidelity", "diagnostic criteria: share of the real share", "criteria met / real", 2),
    ("fidelity", "superclasses: macro AUROC", "diagnosis AUROC (real records)", 3),
    ("fidelity", "heart rate: mean absolute error", "heart rate error (per min)", 1),
)
"""Section, score, column head and digits in the table of generated ECGs."""


def _with_floor(parts: dict[str, Any], section: str, name: str, _: str, digits: int) -> str:
    """A score with its real–real reference (floor) in brackets."""
    score = _score(parts, section, name)
    if score is None or score["value"] is None:
        return "not measured"
    floor = "" if score["floor"] is None else f" ({score['floor']:.{digits}f})"
    return f"{score['value']:.{digits}f}{floor}"


def _score(parts: dict[str, Any], section: str, name: str) -> dict[str, Any] | None:
    """The score of a section whose name begins with ``name``."""
    return next((one for one in parts[section]["scores"] if one["name"].startswith(name)), None)


def _mutations(results: Path) -> str:
    """Outcome of reading corrupted files, all samples of a reader together."""
    found = read(results, "mutations")
    rows = []
    for reader in dict.fromkeys(one["reader"] for one in found["samples"].values()):
        every = [one for one in found["samples"].values() if one["reader"] == reader]
        total = {name: sum(one.get(name, 0) for one in every) for name in ("inputs", "read", "refused")}
        other = total["inputs"] - total["read"] - total["refused"]
        slowest, most = (max(one[name] for one in every) for name in ("slowest_s", "most_memory_mb"))
        rows.append([reader, *map(str, (len(every), *total.values(), other, f"{slowest:.2f}", most))])
    commits = ", ".join(f"`{one}`" for one in dict.fromkeys(one["commit"] for one in found["samples"].values()))
    head = ["reader", "samples", "inputs", "read", "refused", "other outcomes", "longest time (s)", "peak memory (MB)"]
    return table(head, rows) + f"\n\n*`{found['command']}`, commit {commits}, {found['date']}*"


TABLES: dict[str, Callable[[Path], str]] = {
    "mutations": _mutations,
    "one_lead": lambda results: _reconstruction(results, "one_lead"),
    "three_leads": lambda results: _reconstruction(results, "three_leads"),
    "ppg": _translation,
    "outside": outside_tables.archives,
    "hospitals": outside_tables.hospitals,
    "any_leads": outside_tables.any_leads,
    "ppg_icu": outside_tables.ppgs,
    "pulse_beats": outside_tables.pulse_beats,
    "waveforms": waveforms,
    "pulse_rates": pulse_rates,
    "classifier": _classifier,
    "wording": _wording,
    "delineation": _delineation,
    "delineation_by_rhythm": _delineation_by_rhythm,
    "report_cost": _report_cost,
    "long_recordings": _long_recordings,
    **cost_tables.TABLES,
    "criteria": _criteria,
    "one_lead_panel": lambda results: _panel(results, "one_lead_panel"),
    "three_leads_panel": lambda results: _panel(results, "three_leads_panel"),
    "augmentation": augmentation_tables.augmentation,
    "augmentation_rare": augmentation_tables.rare_statements,
    "augmentation_network": partial(augmentation_tables.augmentation, name="augmentation_network"),
    "augmentation_same_part": partial(augmentation_tables.augmentation, name="augmentation_same_part"),
    "from_words": lambda results: _generation(results, "text"),
    "unconditional": lambda results: _generation(results, "unconditional"),
    "appearance": lambda results: _generation(results, "appearance"),
    "conditions": _conditions,
    "speed": _speed,
    "steps": _steps,
    "text": _text,
    "diagnoses": _diagnoses,
    "memorisation": _memorisation,
    "kept": _kept,
    "which": best_for_jobs,
    "uncertainty": uncertainty,
    "preserved": preserved,
    "between": between_tables.between,
    "inflation": between_tables.inflation,
    "strips": gap_tables.strips,
    "gaps": gap_tables.lengths,
    "signal_quality_ecgs": quality_tables.ecgs,
    "signal_quality_others": quality_tables.others,
    "signal_quality_cinc2011": quality_tables.cinc_2011,
    "signal_quality_noise": quality_tables.in_noise,
    "signal_quality_doubts": quality_tables.doubts,
    "widening": trust_tables.widening,
    "local_margin": trust_tables.local_margin,
    "strata": trust_tables.strata,
    "lead_faults": trust_tables.faults,
    "lead_false_alarms": trust_tables.false_alarms,
    "pathology": trust_tables.pathology,
    "recorder_training": trust_tables.recorder_training,
}

README: dict[str, Callable[[Path], str]] = {"models": _models}
"""Tables of the README that stand nowhere else."""

CARDS: dict[str, Callable[[Path], str]] = {
    **{f"reconstructed_{model}": partial(reconstructed_of, model=model) for model in MODELS},
    **{f"translated_{model}": partial(_translation_of, model=model) for model in MODELS},
    **{f"groups_{model}": partial(groups_of, model=model) for model in MODELS},
    **{f"diagnoses_{model}": partial(_diagnoses_of, model=model) for model in MODELS},
    **{f"memorisation_{model}": partial(_memorisation_of, model=model) for model in MODELS},
}
"""Tables of the model cards."""


def main() -> None:
    """Write or check the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path, help="Markdown files with placeholders for tables")
    parser.add_argument("--check", action="store_true", help="write nothing; fail if a table differs from the results")
    arguments = parser.parse_args()
    stale = []
    for file in arguments.files:
        text = file.read_text(encoding="utf-8")
        new = written(text)
        if new != text:
            stale.append(str(file))
            if not arguments.check:
                file.write_text(new, encoding="utf-8")
    if stale and arguments.check:
        sys.exit(f"error: {', '.join(stale)} differs from the results; run python -m evaluation.scripts.tables")


if __name__ == "__main__":
    main()
