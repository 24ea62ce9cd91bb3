"""Tables of exported files, of the start of commands, and of other tools that make ECGs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from evaluation.scripts.table_parts import read, table, within

SCORES = {
    "FID": ("distribution", "FID on the classifier's features"),
    "precision": ("distribution", "precision on the classifier's features"),
    "recall": ("distribution", "recall on the classifier's features"),
}
"""Columns of the table of other tools: section and score of the report."""
NOT_RUN = (
    "*Not run yet: the command below writes the results, and `python -m evaluation.scripts.docs_pages` this table.*"
)


def _if_run(name: str, made: Callable[[Path], str]) -> Callable[[Path], str]:
    """A table, or a note if its results do not exist."""
    return lambda results: made(results) if (results / f"{name}.json").exists() else NOT_RUN


def _onnx(results: Path) -> str:
    """r, RMSE, coverage, difference from torch, size and time of an exported file with 32 and with 8 bits."""
    found, rows = read(results, "onnx"), []
    for kind, one in found["files"].items():
        cells = [within(one, "r", 4), f"{one['rmse_mv']:.4f}", f"{one['coverage']:.3f}", "", "", ""]
        if "megabytes" in one:
            cells[3:] = [
                f"{one['largest_difference_uv']:.2g} µV",
                f"{one['megabytes']:.1f} MB",
                f"{one['ms_on_one_core']:.0f} ms",
            ]
        rows.append([kind, *cells])
    head = ["", "r", "RMSE (mV)", "coverage", "largest difference from torch", "size", "time of 10 s"]
    about = f"{found['model']}, lead {', '.join(found['leads'])} at {found['fs']:g} Hz, {found['num_draws']} draws"
    about += f"; n {found['n']} of fold {found['fold']}, seed {found['seed']}; onnxruntime {found['onnxruntime']}"
    return table(head, rows) + f"\n\n*{about}; commit `{found['commit']}`, {found['date']}*"


def _start(results: Path) -> str:
    """Time and memory of short commands in a new process."""
    found = read(results, "start")
    rows = [
        [name, f"{one['wall_s']:.1f}", f"{one['processor_s']:.1f}", f"{one['memory_mb']:.0f}"]
        for name, one in found["commands"].items()
    ]
    load = f"load of the machine {found['load']:g}" if "load" in found else "load of the machine unknown"
    about = f"median of {found['runs']} runs, {found['cores']} cores, {found['threads'] or 'all'} threads, {load}"
    head = ["command", "wall clock (s)", "processor time (s)", "memory (MB)"]
    return table(head, rows) + f"\n\n*{about}; commit `{found['commit']}`, {found['date']}*"


def _peers(results: Path) -> str:
    """What the report says about the ECGs of each tool, and the time of one."""
    found, rows = read(results, "peers"), []
    for name, one in found["tools"].items():
        if "report" not in one:
            made = [str(one["leads"]), f"{one['ms_per_ecg']:.0f}"] if "leads" in one else ["–", "–"]
            rows.append([_named(name, one), *made, *["–"] * (len(SCORES) + 3)])
            continue
        sections = one["report"]
        count = [str(sum(each["verdict"] == verdict for each in sections.values())) for verdict in ("pass", "fail")]
        scores = [sections[section]["scores"].get(score) for section, score in SCORES.values()]
        cells = ["–" if score is None else f"{score:.2f}" if abs(score) < 10 else f"{score:.0f}" for score in scores]
        auroc = max((score for key, score in sections["two_sample"]["scores"].items() if "AUROC" in key), default=None)
        shown = "–" if auroc is None else f"{auroc:.3f}"
        rows.append([_named(name, one), str(one["leads"]), f"{one['ms_per_ecg']:.0f}", *count, shown, *cells])
    head = [
        "tool",
        "leads",
        "ms per ECG",
        "sections: pass",
        "fail",
        "told from real: AUROC",
        *SCORES,
    ]
    about = f"n {found['n']} of each tool, seed {found['seed']}, 1 thread, commit `{found['commit']}`, {found['date']}"
    figure = ""
    if (results / "peers.png").exists():
        figure = "\n\n![Three ECGs of each tool](../figures/peers.png)\n\n"
        figure += "*The first three ECGs of each tool, 5 s of lead II (black) and V2 (blue), in mV.*"
    return table(head, rows) + f"\n\n*{about}*{figure}"


def _peers_claims(results: Path) -> str:
    """What each other tool says that it makes, and why nothing was drawn."""
    rows = []
    for name, one in read(results, "peers")["tools"].items():
        if one["package"]:
            rows.append([_named(name, one), one["claims"], one["reason"] or "drawn"])
    return table(["tool", "makes, by its own documentation", "here"], rows)


def _named(name: str, one: dict) -> str:
    return f"{name} {one['version']}" if "version" in one else f"**{name}**"


TABLES = {
    "onnx": _if_run("onnx", _onnx),
    "start": _if_run("start", _start),
    "peers": _if_run("peers", _peers),
    "peers_claims": _if_run("peers", _peers_claims),
}
