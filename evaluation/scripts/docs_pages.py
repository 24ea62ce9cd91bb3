"""Pages of the documentation that are assembled from committed files: ``python -m evaluation.scripts.docs_pages``.

- ``docs/models/index.md``: an overview of the shipped checkpoints, then the text of each model card.
- ``docs/research-notes.md``: ``tried.md`` and ``experiments.md`` of ``evaluation/results``.
- ``docs/benchmarks/*.md``, ``docs/guides/ppg.md``: the tables (``evaluation.scripts.tables``), and the comparison of
  file decoders.
- ``docs/figures``: copies of the figures of ``evaluation/results``.

``--check`` changes nothing and fails where a page or a copy is out of date.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from safetensors import safe_open

from evaluation.scripts import tables
from evaluation.scripts.table_parts import read, table, within

ROOT = Path(__file__).resolve().parents[2]
DOCS, CARDS, RESULTS = ROOT / "docs", ROOT / "checkpoints", ROOT / "evaluation" / "results"
FIGURES = ("conditions.png", "report.png", "augmentation.png", "augmented.png", "peers.png")
"""Figures of ``evaluation/results`` that the documentation shows."""
MODELS = {
    "flow": "Lead reconstruction, PPG to ECG, augmentation; text to ECG; the default of all commands",
    "diffusion": "Text to ECG and unconditional generation; second to `flow` in all",
    "vae": "Long recordings: one network pass instead of several sampler steps",
    "gan": "The fastest draws, also in one network pass",
    "classifier": "SCP statements, sex and age of an ECG; the features of FID, KID and PRDC",
    "ecg_text": "Similarity of ECG and text, retrieval",
    "text_encoder": "Reports, diagnoses and SCP codes as input of the generators",
    "delineator": "Onset, peak and offset of P, QRS and T",
    "lead_consistency": "Exchanged electrodes, and leads that the others contradict",
    "pulse": "Beats of a PPG, for all four generators",
}
"""The shipped checkpoints in the order of the page, and what each is best used for."""
SHARED: dict[str, str] = dict.fromkeys(("diffusion", "gan", "vae"), " + flow")
"""Checkpoints that need the weights of another folder."""
_GENERATED = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_FENCE = re.compile(r"^(```|~~~)")
_LINK = re.compile(r"\[([^\]]*)\]\((?!https?:|#|mailto:)([^)\s]+)\)")
NOTE = "<!-- Written by `python -m evaluation.scripts.docs_pages`; edit the sources instead. -->"


def models_page() -> str:
    """The overview of the checkpoints, followed by their cards."""
    head = f"""# Models

{NOTE}

The repository contains ten checkpoints: four generators and six evaluators or encoders. `ecggen.load(NAME)` loads a
generator. The weights are in `checkpoints/NAME` (16-bit safetensors and JSON, nothing pickled) and are also part of
the wheel. Most are derived from PTB-XL and carry its licence, CC BY 4.0.

{_overview()}

*Scores: [benchmarks](../benchmarks/index.md), PTB-XL fold 9 unless stated otherwise. Time of one ECG (12 leads, 10 s,
500 Hz) in batches of 64: given lead I / given text and metadata; {_speed_stamp()}. `gan`, `vae` and `diffusion` share
weights with `flow`, `ecg_text` shares the architecture of `classifier` and `text_encoder`.*

The sections below are the model cards, `checkpoints/NAME/README.md`.
"""
    return "\n".join([head, *(card(name) for name in MODELS)])


def card(name: str) -> str:
    """The card of a checkpoint as a section of the page."""
    text = (CARDS / name / "README.md").read_text(encoding="utf-8")
    body = text.split("---\n", 2)[2] if text.startswith("---\n") else text
    named = re.sub(r"\A\s*# .*", f"# {name}", body)
    return shifted(_relinked(_unmarked(named), _link_of_card)).strip() + "\n"


def research_notes() -> str:
    """The notes on what was tried, and the table of controlled experiments."""
    parts = [(RESULTS / name).read_text(encoding="utf-8") for name in ("tried.md", "experiments.md")]
    anchor = "-".join(re.findall(r"\w+", parts[1].splitlines()[0].lower()))
    sections = [shifted(_relinked(part, partial(_link_of_notes, anchor=anchor))).strip() + "\n" for part in parts]
    return f"""# Research notes

{NOTE}

Two records of changes to models, training and sampling, with the effect of each and whether it was kept. The first
lists what was tried and observed on PTB-XL fold 9 (`evaluation/results/tried.md`). The second lists controlled
experiments (`evaluation/results/experiments.md`): `python -m evaluation.scripts.experiments --data PTBXL` trains and
compares them; lists and configs are in `evaluation/experiments`.

""" + "\n".join(sections)


def shifted(text: str) -> str:
    """Markdown with every heading one level lower, code blocks left alone."""
    lines, fenced = [], False
    for line in text.splitlines():
        fenced ^= bool(_FENCE.match(line))
        lines.append(f"#{line}" if line.startswith("#") and not fenced else line)
    return "\n".join(lines)


def _unmarked(text: str) -> str:
    """Without the marks that tables are written between."""
    return re.sub(r"<!-- (?:table: \w+|end) -->\n?", "", text)


def _relinked(text: str, link: Callable[[str], str | None]) -> str:
    """With other targets of relative links; where ``link`` gives none, the text stays without a link."""

    def replaced(found: re.Match[str]) -> str:
        target = link(found[2])
        return found[1] if target is None else f"[{found[1]}]({target})"

    return _LINK.sub(replaced, text)


def _link_of_card(target: str) -> str | None:
    name = target.removesuffix("/README.md").rstrip("/").split("/")[-1]
    if name in MODELS:
        return f"#{name}"
    return "../research-notes.md" if name in ("tried.md", "experiments.md") else None


def _link_of_notes(target: str, anchor: str) -> str | None:
    return f"#{anchor}" if target == "experiments.md" else None


def _overview() -> str:
    """Size, use, one score and speed of each checkpoint."""
    speed, rows = read(RESULTS, "sampling")["models"], []
    scores = _scores()
    for name, use in MODELS.items():
        stored = sum(file.stat().st_size for file in (CARDS / name).glob("*.safetensors"))
        size = f"{stored / 1e6:.1f} MB" + SHARED.get(name, "")
        timed = speed.get(name)
        time = "–"
        if timed:
            lead, text = (timed["speed"][key]["ms_per_ecg"] for key in ("lead I", "text and metadata"))
            time = f"{lead:.0f} / {text:.0f} ms"
        rows.append([f"[{name}](#{name})", _parameters(name), size, use, scores[name], time])
    return table(["checkpoint", "parameters", "weights", "use it for", "score", "time of one ECG"], rows)


def _parameters(name: str) -> str:
    """Number of parameters, those in another folder included."""
    found = read(RESULTS, "sampling")["models"].get(name)
    count = found["parameters"] if found else _stored_parameters(CARDS / name)
    return f"{count / 1e6:.1f} M" if count >= 1e6 else f"{count / 1e3:.0f} k"


def _stored_parameters(folder: Path) -> int:
    """Parameters in the weights of a folder; the statistics of batch normalisation are none."""
    with safe_open(folder / "model.safetensors", "np") as file:
        names = [name for name in file.keys() if "running_" not in name and "num_batches" not in name]  # noqa: SIM118
        return sum(math.prod(file.get_slice(name).get_shape()) for name in names)


def _scores() -> dict[str, str]:
    """One score of each checkpoint."""
    lead, text = _of_models(read(RESULTS, "one_lead")), _of_models(read(RESULTS, "text"))
    evaluators, reports, marks = (read(RESULTS, name) for name in ("evaluators", "text_encoder", "delineation"))
    fid = next(
        one
        for one in text["diffusion"]["sections"]["distribution"]["scores"]
        if one["name"] == "FID on the classifier's features"
    )
    leads = read(RESULTS, "lead_consistency")
    beats = read(RESULTS, "pulse_beats")["all"]["beats"]
    qrs, pair = marks["ecggen"]["overall"]["QRS"]["onset"], evaluators["pair_scores"]
    return {
        **{name: f"r {within(lead[name], 'r')} from lead I" for name in ("flow", "vae", "gan")},
        "diffusion": f"FID {fid['value']:.1f} from text (real–real reference {fid['floor']:.1f})",
        "classifier": f"macro AUROC {within(evaluators['scores']['superclasses'], 'macro_auroc')}, 5 superclasses",
        "ecg_text": f"own report first among 256: {next(iter(pair['retrieval'].values())):.2f}",
        "text_encoder": f"macro AUROC {reports['statements']['macro_auroc']:.3f}, 71 statements in reports",
        "delineator": f"QRS onset: sensitivity {100 * qrs['sensitivity']:.1f} %, "
        f"error {qrs['bias_ms']:+.1f} ± {qrs['sd_ms']:.1f} ms (LUDB, cross-validated)",
        "lead_consistency": f"exchanged arms: {100 * leads['exchanges']['RA-LA']['found']:.1f} %, "
        f"false alarms (limb) {100 * leads['false_alarms']['PTB-XL, fold 9']['limb exchange']:.1f} %",
        "pulse": f"{beats['within_50_ms']:.1%} of accepted beats within 50 ms of an R peak (BIDMC and CinC 2015)",
    }


def _of_models(found: dict[str, Any]) -> dict[str, Any]:
    return {name.split("@")[0]: score for name, score in found["scores"].items() if "@" in name}


def _speed_stamp() -> str:
    one = next(iter(read(RESULTS, "sampling")["models"].values()))
    return f"{one['threads']} threads, no GPU, commit `{one['commit']}`, {one['date']}"


def decoders() -> str:
    """Time of a read by each decoder, and what each makes of three damaged copies."""
    found = json.loads((RESULTS / "format_readers.json").read_text(encoding="utf-8"))
    rows = []
    for file, about in found["files"].items():
        for name, measured in about["decoders"].items():
            damaged = [_outcome(measured["damaged"][how]) for how in ("cut", "overwritten", "false size")]
            label = f"{about['format']}, `{file}`, {about['bytes'] / 1000:.0f} kB" if name == "ecggen" else ""
            read_in = (
                ["–", measured["error"]]
                if "error" in measured
                else [f"{measured['ms']:.2f}", f"{measured['values']:,}"]
            )
            rows.append([label, name, *read_in, *damaged])
    head = ["file", "decoder", "ms a read", "values", "cut to 60 %", "64 bytes overwritten", "false size"]
    used = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    return (
        table(head, rows)
        + f"\n\n*`{found['command']}`, n {found['n']} reads, {found['platform']}; {used}; commit `{found['commit']}`, "
        f"{found['date']}*"
    )


def _outcome(measured: dict[str, Any]) -> str:
    """What became of a damaged copy; memory and time where they are large."""
    outcome = measured["outcome"]
    outcome = f"{int(outcome.split()[0]):,} values" if outcome.endswith(" values") else outcome
    more = [f"{measured['grown_mb']} MB"] if measured.get("grown_mb", 0) >= 100 else []
    more += [f"{measured['seconds']:.1f} s"] if measured.get("seconds", 0) >= 1 else []
    return f"{outcome} ({', '.join(more)})" if more else outcome


BLOCKS: dict[str, Callable[[], str]] = {"format_readers": decoders}
"""Blocks of pages in ``docs/benchmarks``, between ``<!-- generated: NAME -->`` and ``<!-- end -->``."""


def benchmark_page(text: str) -> str:
    """A page of benchmarks with its tables and blocks as the results have them."""
    return _GENERATED.sub(
        lambda found: f"{found[1]}\n{BLOCKS[found[2]]()}\n\n{found[3]}", tables.written(text, RESULTS)
    )


def pages() -> dict[Path, bytes]:
    """Every file that this script writes, and its content."""
    texts = {DOCS / "models" / "index.md": models_page(), DOCS / "research-notes.md": research_notes()}
    for page in (*sorted((DOCS / "benchmarks").glob("*.md")), DOCS / "guides" / "ppg.md"):
        texts[page] = benchmark_page(page.read_text(encoding="utf-8"))
    copies = {DOCS / "figures" / name: (RESULTS / name).read_bytes() for name in FIGURES if (RESULTS / name).exists()}
    return {path: text.encode() for path, text in texts.items()} | copies


def stale(wanted: dict[Path, bytes]) -> list[Path]:
    """The files that are missing or differ."""
    return [path for path, content in wanted.items() if not path.exists() or path.read_bytes() != content]


def main(words: Sequence[str] | None = None) -> None:
    """Write the pages, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; fail where a page is out of date")
    options = parser.parse_args(words)
    wanted = pages()
    differing = stale(wanted)
    if options.check and differing:
        names = ", ".join(str(path.relative_to(ROOT)) for path in differing)
        sys.exit(f"error: {names} is out of date; run python -m evaluation.scripts.docs_pages")
    for path in differing:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(wanted[path])


if __name__ == "__main__":
    main()
