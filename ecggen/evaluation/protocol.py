"""A protocol file run on a checkpoint: everything that a score must say about itself is gathered here."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ecggen import checkpoint, config, data
from ecggen.ecg import ECG
from ecggen.errors import InputError
from ecggen.evaluation import reconstruction, translation
from ecggen.evaluation.baselines import baselines
from ecggen.evaluation.pointwise import free_leads
from ecggen.generator import Generator
from ecggen.io import read


@dataclass(frozen=True)
class Job:
    """A protocol on its way to be run.

    Attributes:
        settings: What the protocol file says.
        where: The protocol file, for messages.
        folder: The recordings.
        generator: The model.
        with_baselines: Whether to score the baselines.
        limit: Most records to score; 0 for as many as the protocol says.
        cache: Where packs are kept.
        report: Called with what is being done and the share done.
    """

    settings: dict[str, Any]
    where: str
    folder: Path
    generator: Generator
    with_baselines: bool
    limit: int
    cache: Path | None
    report: Callable[[str, float], None]


def run(
    path: Path,
    folder: Path,
    model: str,
    with_baselines: bool = True,
    limit: int = 0,
    cache: Path | None = None,
    progress: Callable[[str, float], None] | None = None,
    changes: Mapping[str, Any] | None = None,
    steps: int | None = None,
    guidance: float | None = None,
) -> dict[str, Any]:
    """The results of a protocol file for a model, and for the baselines.

    Args:
        path: The protocol file; its ``kind`` says which of ``KINDS`` it is.
        folder: The recordings.
        model: A checkpoint's name or folder.
        with_baselines: Whether to score the baselines.
        limit: Most records to score; 0 for all.
        cache: Where packs are kept.
        progress: Called with what is being done and the share done.
        changes: Values in the place of the protocol file's, as fewer draws.
        steps: Steps of the sampler, in the place of the checkpoint's own.
        guidance: Likewise.
    """
    settings = config.read_toml(path) | dict(changes or {})
    kind = settings.get("kind")
    if kind not in KINDS:
        raise InputError(f"{path}: the protocol's kind is {kind!r}", f"one of {', '.join(KINDS)} was expected")
    generator = checkpoint.load(model)
    generator.set_sampling(steps, guidance)
    report = progress or (lambda what, share: None)
    about, scores = KINDS[kind](
        Job(settings, str(path), folder, generator, with_baselines, limit, cache, report),
    )
    made = {"commit": commit(), "date": datetime.date.today().isoformat(), "cores": os.cpu_count()}
    sampling = None if generator.sampling is None else asdict(generator.sampling)
    scores[generator.name] |= made | {"sampling": sampling}
    return {"protocol": path.stem, **about, "model": generator.name, **made, "scores": scores}


def added(results: dict[str, Any], earlier: dict[str, Any]) -> dict[str, Any]:
    """``earlier`` results with the scores of another model; both must have scored the same records alike.

    Raises:
        InputError: Where protocol, records or settings (but for the number of draws) differ.
    """
    for what in ("protocol", "n", "patients", "settings"):
        ours, theirs = results[what], earlier.get(what)
        if what == "settings":
            ours, theirs = ({**part, "draws": 0} for part in (ours, theirs or {}))
        if json.dumps(ours) != json.dumps(theirs):
            raise InputError(f"the {what} of the earlier results is {theirs}", f"{ours} was expected, as now")
    return earlier | {"scores": earlier["scores"] | results["scores"]}


def _reconstruction(job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was scored, and the scores, of a reconstruction."""
    protocol = config.build(reconstruction.Protocol, job.settings, job.where)
    generator = job.generator
    recordings = data.recordings(job.folder)
    pack = data.pack(
        recordings, generator.preprocessor, job.cache, lambda share: job.report("packing recordings", share)
    )
    rows = pack.rows(protocol.folds)[: job.limit or protocol.limit or None]
    if not len(rows):
        found = f"folds {list(protocol.folds)} of {job.folder} hold no record"
        raise InputError(found, "records to score were expected")
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
    for baseline in baselines() if job.with_baselines else ():
        job.report(baseline.name, 0.0)
        scores[baseline.name] = reconstruction.score_baseline(baseline, pack, protocol, rows)
    scores[generator.name] = reconstruction.score_generator(
        generator, recording_of, pack, protocol, rows, lambda share: job.report(generator.name, share)
    )
    about = {
        "settings": asdict(protocol),
        "scored_leads": list(free_leads(protocol.given)),
        "definitions": reconstruction.DEFINITIONS,
        "n": len(rows),
        "patients": int(pack.index.patient.iloc[rows].nunique()),
    }
    return about, scores


def _translation(job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was scored, and the scores, of a translation from a PPG."""
    protocol = config.build(translation.Protocol, job.settings, job.where)
    protocol = replace(protocol, limit=job.limit or protocol.limit)
    about, scores = translation.run(
        protocol,
        data.recordings(job.folder),
        job.generator,
        job.generator.preprocessor,
        job.with_baselines,
        job.report,
    )
    return {"settings": asdict(protocol), **about}, scores


KINDS = {"reconstruction": _reconstruction, "translation": _translation}
"""What a protocol file can measure, by its ``kind``."""


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
    return head + ("+" if head and git("status", "--porcelain", "--", ":/ecggen") else "")
