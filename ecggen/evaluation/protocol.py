"""A protocol file run on a checkpoint: everything that a score must say about itself is gathered here."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ecggen import checkpoint, config, data
from ecggen.ecg import ECG
from ecggen.errors import InputError
from ecggen.evaluation.baselines import baselines
from ecggen.evaluation.pointwise import free_leads
from ecggen.evaluation.reconstruction import DEFINITIONS, Protocol, score_baseline, score_generator
from ecggen.io import read


def run(
    path: Path,
    folder: Path,
    model: str,
    with_baselines: bool = True,
    limit: int = 0,
    cache: Path | None = None,
    progress: Callable[[str, float], None] | None = None,
) -> dict[str, Any]:
    """The results of a protocol file for a model, and for the baselines.

    Args:
        path: The protocol file.
        folder: The recordings.
        model: A checkpoint's name or folder.
        with_baselines: Whether to score the baselines.
        limit: Most records to score; 0 for all.
        cache: Where packs are kept.
        progress: Called with what is being done and the share done.
    """
    report = progress or (lambda what, share: None)
    protocol = config.build(Protocol, config.read_toml(path), str(path))
    generator = checkpoint.load(model)
    recordings = data.recordings(folder)
    pack = data.pack(recordings, generator.preprocessor, cache, lambda share: report("packing recordings", share))
    rows = pack.rows(protocol.folds)[: limit or protocol.limit or None]
    if not len(rows):
        raise InputError(f"folds {list(protocol.folds)} of {folder} hold no record", "records to score were expected")
    paths = {recording.name: recording.path for recording in recordings}

    def recording_of(row: int) -> ECG:
        about = pack.index.iloc[row]
        return read(
            paths[about["name"]],
            start=float(about["start"]),
            seconds=pack.preprocessor.seconds,
            check=False,
            allow_contradiction=True,
        )

    scores = {}
    for baseline in baselines() if with_baselines else ():
        report(baseline.name, 0.0)
        scores[baseline.name] = score_baseline(baseline, pack, protocol, rows)
    scores[generator.name] = score_generator(
        generator, recording_of, pack, protocol, rows, lambda share: report(generator.name, share)
    )
    return {
        "protocol": path.stem,
        "settings": asdict(protocol),
        "scored_leads": list(free_leads(protocol.given)),
        "definitions": DEFINITIONS,
        "n": len(rows),
        "patients": int(pack.index.patient.iloc[rows].nunique()),
        "model": generator.name,
        "commit": commit(),
        "date": datetime.date.today().isoformat(),
        "cores": os.cpu_count(),
        "scores": scores,
    }


def store(results: dict[str, Any], out: Path, overwrite: bool = False) -> None:
    """Write results as JSON, whole or not at all."""
    if out.exists() and not overwrite:
        raise InputError(f"{out} exists", "a new file was expected", "choose another, or pass --overwrite")
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.{os.getpid()}.part")
    unfinished.write_text(json.dumps(results, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(out)


def commit() -> str:
    """The commit of the sources, with "+" where they were changed since; empty outside a checkout."""

    def git(*words: str) -> str:
        here = Path(__file__).resolve().parent
        done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    head = git("rev-parse", "--short=12", "HEAD")
    return head + ("+" if head and git("status", "--porcelain", "--", "ecggen") else "")
