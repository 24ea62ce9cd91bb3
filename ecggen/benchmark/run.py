"""A protocol file run on a checkpoint: everything that a score must say about itself is gathered here."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ecggen import data
from ecggen.benchmark import diagnoses, generation, memorisation, panels, paraphrases, reconstruction, translation
from ecggen.benchmark.augmentation import measurement as augmentation
from ecggen.benchmark.partial_results import Cells
from ecggen.core import config
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.data.sources import DATABASE, bidmc
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.generators.baselines.baselines import baseline, baselines
from ecggen.io import read
from ecggen.io.results import commit
from ecggen.metrics.functional.waveform import free_leads
from ecggen.report.build import CHAPTERS

DATA = {"ptb-xl": "a PTB-XL folder, or any folder of twelve-lead recordings", "bidmc": "a folder with PPGs, as BIDMC"}
"""What a protocol's ``data`` can name."""


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
        kept: Folder where parts of a long measurement are kept; None keeps nothing.
    """

    settings: dict[str, Any]
    where: str
    folder: Path
    generator: Generator
    with_baselines: bool
    limit: int
    cache: Path | None
    report: Callable[[str, float], None]
    kept: Path | None = None


def run(
    path: Path,
    folders: Sequence[Path],
    model: str,
    with_baselines: bool = True,
    limit: int = 0,
    cache: Path | None = None,
    progress: Callable[[str, float], None] | None = None,
    changes: Mapping[str, Any] | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    kept: Path | None = None,
) -> dict[str, Any]:
    """The results of a protocol file for a model, and for the baselines.

    Args:
        path: The protocol file; its ``kind`` says which of ``KINDS`` it is.
        folders: Folders of recordings, of which the one is taken that the protocol's ``data`` asks for.
        model: A checkpoint's name or folder, or "baseline:" and a baseline's name.
        with_baselines: Whether to score the baselines.
        limit: Most records to score; 0 for all.
        cache: Where packs are kept.
        progress: Called with what is being done and the share done.
        changes: Values in the place of the protocol file's, as fewer draws.
        steps: Steps of the sampler, in the place of the checkpoint's own.
        guidance: Likewise.
        kept: Folder where parts of a long measurement are kept, so that a stopped one goes on; None keeps nothing.
    """
    settings = config.read_toml(path) | dict(changes or {})
    kind = settings.get("kind")
    if kind not in KINDS:
        raise InputError(f"{path}: the protocol's kind is {kind!r}", f"one of {', '.join(KINDS)} was expected")
    report = progress or (lambda what, share: None)
    folder = folder_for(settings.get("data", "ptb-xl"), folders)
    generator = opened(model, folder, settings, cache, report)
    generator = generator.with_sampling(steps, guidance)
    about, scores = KINDS[kind](
        Job(settings, str(path), folder, generator, with_baselines, limit, cache, report, kept),
    )
    made = {"commit": commit(), "date": datetime.date.today().isoformat(), "cores": os.cpu_count()}
    how = generator.sampling
    sampling = None if how is None else asdict(how.used("given" in settings, kind not in WORDLESS))
    scores[generator.name] |= made | {"sampling": sampling}
    return {"protocol": path.stem, **about, "model": generator.name, **made, "scores": scores}


def folder_for(kind: str, folders: Sequence[Path]) -> Path:
    """The folder that holds the data a protocol asks for.

    Raises:
        InputError: Where none does, or nobody knows such data.
    """
    if kind not in DATA:
        raise InputError(f"the protocol's data is {kind!r}", f"one of {', '.join(DATA)} was expected")
    if len(folders) == 1:
        return folders[0]
    for folder in folders:
        if (kind == "bidmc") == (folder.is_dir() and not (folder / DATABASE).is_file() and bool(bidmc(folder))):
            return folder
    raise InputError(f"none of {len(folders)} folders of data is of the kind {kind}", f"{DATA[kind]} was expected")


def opened(
    model: str,
    folder: Path,
    settings: Mapping[str, Any],
    cache: Path | None,
    report: Callable[[str, float], None],
) -> Generator:
    """A checkpoint's generator, or a baseline that learns from the training folds here and now."""
    name = model.removeprefix("baseline:")
    if name == model:
        return checkpoint.load(model)
    made = baseline(name)
    if made.learns:
        pack = _packed(folder, made, cache, report)
        made.fit(pack, pack.rows(settings.get("train_folds", (1, 2, 3, 4, 5, 6, 7, 8))))
    return made


def _packed(folder: Path, generator: Generator, cache: Path | None, report: Callable[[str, float], None]) -> data.Pack:
    recordings = data.recordings(folder)
    return data.pack(recordings, generator.preprocessor, cache, lambda share: report("packing recordings", share))


def added(results: dict[str, Any], earlier: dict[str, Any]) -> dict[str, Any]:
    """``earlier`` results with the scores of another model; both must have scored the same records alike.

    Raises:
        InputError: Where protocol, records or settings (but for the number of draws) differ.
    """
    for what in ("protocol", "n", "patients", "settings"):
        ours, theirs = results[what], earlier.get(what)
        if what == "settings":  # a setting that came later had its default before
            ours = {name: value for name, value in ours.items() if name in (theirs or {})}
            ours, theirs = ({**part, "draws": 0} for part in (ours, theirs or {}))
        if json.dumps(ours) != json.dumps(theirs):
            raise InputError(f"the {what} of the earlier results is {theirs}", f"{ours} was expected, as now")
    return earlier | {"scores": earlier["scores"] | results["scores"]}


def reading(recordings: Sequence[data.Recording], pack: data.Pack) -> Callable[[int], ECG]:
    """Reads the recording of a row of a pack, as its file holds it."""
    paths = {recording.name: recording.path for recording in recordings}

    def recording_of(row: int) -> ECG:
        about = pack.index.iloc[row]
        start, seconds = float(about["start"]), pack.preprocessor.seconds
        return read(paths[about["name"]], start=start, seconds=seconds, check=False, allow_contradiction=True)

    return recording_of


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
    recording_of = reading(recordings, pack)
    scores = {}
    for plain in baselines() if job.with_baselines else ():
        job.report(plain.name, 0.0)
        scores[plain.name] = reconstruction.score_baseline(plain, pack, protocol, rows)
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


def _panel(job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was scored, and the scores, of draws and means of a reconstruction, as the quality report scores them."""
    protocol = config.build(panels.Protocol, job.settings, job.where)
    protocol = replace(protocol, n=job.limit or protocol.n)
    recordings = data.recordings(job.folder)
    pack = _packed(job.folder, job.generator, job.cache, job.report)
    rows = generation.chosen(pack, protocol.folds, protocol.n, protocol.seed)
    found = panels.panel(job.generator, reading(recordings, pack), pack, rows, protocol, job.report)
    patients = int(pack.index.patient.iloc[rows].nunique())
    return {"settings": asdict(protocol), "n": len(rows), "patients": patients}, {job.generator.name: found}


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


def _generation(job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was scored, and the scores, of ECGs out of words or out of nothing."""
    protocol = config.build(generation.Protocol, job.settings, job.where)
    protocol = replace(protocol, n=job.limit or protocol.n)
    pack = _packed(job.folder, job.generator, job.cache, job.report)
    found = generation.run(protocol, pack, job.generator, {part.key: part.make for part in CHAPTERS}, job.report)
    patients = int(
        pack.index.patient.iloc[generation.chosen(pack, protocol.folds, protocol.n, protocol.seed)].nunique()
    )
    return {"settings": asdict(protocol), "n": found["n"], "patients": patients}, {job.generator.name: found}


def _wording(job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was scored, and the scores, of one finding told in several ways."""
    protocol = config.build(paraphrases.Protocol, job.settings, job.where)
    protocol = replace(protocol, n=job.limit or protocol.n)
    found = paraphrases.run(protocol, job.generator)
    return {"settings": asdict(protocol), "n": protocol.n, "patients": 0}, {job.generator.name: found}


def _of_pack(job: Job, kind: Any, *more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What was scored, and the scores, by a module that draws for a pack's records and says what it scored."""
    protocol = config.build(kind.Protocol, job.settings, job.where)
    protocol = replace(protocol, n=job.limit or protocol.n)
    pack = _packed(job.folder, job.generator, job.cache, job.report)
    about, found = kind.run(protocol, pack, job.generator, job.report, *more)
    return {"settings": asdict(protocol), **about}, {job.generator.name: found}


WORDLESS = ("reconstruction", "panel", "translation")
"""Kinds of protocols that tell neither words nor facts."""

KINDS = {
    "reconstruction": _reconstruction,
    "panel": _panel,
    "translation": _translation,
    "generation": _generation,
    "wording": _wording,
    "augmentation": lambda job: _of_pack(job, augmentation, Cells(job.kept)),
    "diagnoses": lambda job: _of_pack(job, diagnoses),
    "memorisation": lambda job: _of_pack(job, memorisation),
}
"""What a protocol file can measure, by its ``kind``."""
