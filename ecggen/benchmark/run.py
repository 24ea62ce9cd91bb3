"""Runs a protocol file on a checkpoint, and collects scores with settings, versions and provenance."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ecggen import data
from ecggen.benchmark import diagnoses, generation, memorisation, panels, paraphrases, reconstruction, translation
from ecggen.benchmark.augmentation import measurement as augmentation
from ecggen.benchmark.augmentation import rare
from ecggen.benchmark.partial_results import Cells
from ecggen.core import config
from ecggen.core.ecg import ECG
from ecggen.core.errors import InputError
from ecggen.data.challenges import hospital
from ecggen.data.sources import DATABASE, PAIRED, archive
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.generators.baselines.baselines import baseline, baselines
from ecggen.io.results import commit
from ecggen.metrics.functional.waveform import free_leads
from ecggen.report.build import CHAPTERS

DATA = {
    "ptb-xl": "a PTB-XL folder, or any folder of twelve-lead recordings",
    "outside": "a folder of twelve-lead recordings that are not PTB-XL",
    "bidmc": "a folder with PPGs, as BIDMC",
    "cinc2015": "a folder with PPGs, the Challenge 2015",
}
"""Values of a protocol's ``data``."""


@dataclass(frozen=True)
class Job:
    """A protocol with all arguments of its run.

    Attributes:
        settings: Content of the protocol file.
        where: The protocol file, for messages.
        folder: The recordings.
        folders: All folders that were given; for ``data = "outside"``, baselines are fitted on the one with PTB-XL.
        generator: The model.
        with_baselines: Whether to score the baselines.
        limit: Largest number of scored records; 0 for the protocol's.
        cache: Folder of packs.
        report: Called with the current step and the fraction done.
        kept: Folder of partial results of a long measurement; None for no cache.
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
    folders: tuple[Path, ...] = ()


RENAMED = {"told": "conditions", "judge": "classifier", "pair": "ecg_text"}
"""Keys of protocols in release 0.1; they work for one release, with a warning."""


def run(
    path: Path,
    folders: Sequence[Path],
    model: str,
    with_baselines: bool = True,
    limit: int = 0,
    cache: Path | None = None,
    progress: Callable[[str, float], None] | None = None,
    changes: Mapping[str, Any] | None = None,
    num_steps: int | None = None,
    guidance_scale: float | None = None,
    kept: Path | None = None,
) -> dict[str, Any]:
    """The results of a protocol file for a model, and for the baselines.

    Args:
        path: The protocol file; its ``kind`` is one of ``KINDS``.
        folders: Folders of recordings; the one for the protocol's ``data`` is used.
        model: Name or folder of a checkpoint, or "baseline:" and the name of a baseline.
        with_baselines: Whether to score the baselines.
        limit: Largest number of scored records; 0 for all.
        cache: Folder of packs.
        progress: Called with the current step and the fraction done.
        changes: Values that replace those of the protocol file, such as fewer draws.
        num_steps: Number of sampler steps; the checkpoint's by default.
        guidance_scale: Guidance scale; the checkpoint's by default.
        kept: Folder of partial results, from which an interrupted run continues; None for no cache.
    """
    settings = config.renamed(config.read_toml(path), RENAMED, str(path)) | dict(changes or {})
    kind = settings.get("kind")
    if kind not in KINDS:
        raise InputError(f"{path}: the protocol's kind is {kind!r}", f"one of {', '.join(KINDS)} was expected")
    report = progress or (lambda what, share: None)
    folder = folder_for(settings.get("data", "ptb-xl"), folders)
    generator = opened(model, folder, settings, cache, report)
    generator = generator.with_sampling(num_steps, guidance_scale)
    about, scores = KINDS[kind](
        Job(settings, str(path), folder, generator, with_baselines, limit, cache, report, kept, tuple(folders)),
    )
    made = {"commit": commit(), "date": datetime.date.today().isoformat(), "cores": os.cpu_count()}
    how = generator.sampling if "given" in settings or kind == "translation" else generator.sampling_from_text
    sampling = None if how is None else asdict(how.used("given" in settings, kind not in WORDLESS))
    scores = {name: score | made for name, score in scores.items()}
    scores[generator.name] |= {"sampling": sampling}
    return {"protocol": path.stem, **about, "model": generator.name, **made, "scores": scores}


def folder_for(kind: str, folders: Sequence[Path]) -> Path:
    """The folder with the data of a protocol.

    Raises:
        InputError: If there is none, or the kind of data is unknown.
    """
    if kind not in DATA:
        raise InputError(f"the protocol's data is {kind!r}", f"one of {', '.join(DATA)} was expected")
    if kind == "outside":
        others = outside(folders)
        if len(others) == 1:
            return others[0]
        found = f"{len(others)} of the folders hold twelve-lead recordings that are not PTB-XL"
        raise InputError(found, f"{DATA[kind]} was expected")
    if len(folders) == 1:
        return folders[0]
    held = [archive(folder) for folder in folders]
    if kind in held:
        return folders[held.index(kind)]
    plain = next((folder for folder, name in zip(folders, held, strict=True) if name not in PAIRED), None)
    if kind in PAIRED or plain is None:
        raise InputError(f"none of {len(folders)} folders has data of the kind {kind}", f"{DATA[kind]} was expected")
    return plain


def outside(folders: Sequence[Path]) -> list[Path]:
    """The folders for ``data = "outside"``: twelve-lead recordings that are not PTB-XL."""
    return [folder for folder in folders if archive(folder) not in ("ptb-xl", *PAIRED)]


def archive_name(folder: Path) -> str:
    """Name of an archive in the name of its results: as in ``ARCHIVES``, or the name of the folder."""
    return archive(folder) or folder.resolve().name


def opened(
    model: str,
    folder: Path,
    settings: Mapping[str, Any],
    cache: Path | None,
    report: Callable[[str, float], None],
) -> Generator:
    """The generator of a checkpoint, or a baseline fitted on the training folds."""
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
    """``earlier`` results with the scores of another model on the same records with the same settings.

    The header (model, commit, date, cores) is that of the newest score.

    Raises:
        InputError: If protocol, records or settings (except the number of draws) differ.
    """
    for what in ("protocol", "archive", "n", "patients", "settings"):
        ours, theirs = results.get(what), earlier.get(what)
        if what == "settings":  # a setting that was added later had its default before
            ours = {name: value for name, value in (ours or {}).items() if name in (theirs or {})}
            ours, theirs = ({**part, "draws": 0} for part in (ours, theirs or {}))
        if json.dumps(ours) != json.dumps(theirs):
            raise InputError(f"the {what} of the earlier results is {theirs}", f"{ours} was expected, as now")
    newest = {what: results[what] for what in ("model", "commit", "date", "cores") if what in results}
    return earlier | newest | {"scores": earlier["scores"] | results["scores"]}


def reading(recordings: Sequence[data.Recording], pack: data.Pack) -> Callable[[int], ECG]:
    """A function that reads the original recording of a row of a pack."""
    by_name = {recording.name: recording for recording in recordings}

    def recording_of(row: int) -> ECG:
        about = pack.index.iloc[row]
        start, seconds = float(about["start"]), pack.preprocessor.seconds
        return by_name[about["name"]].read(start, seconds)

    return recording_of


def _reconstruction(job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
    """Description and scores of a reconstruction protocol."""
    protocol = config.build(reconstruction.Protocol, job.settings, job.where)
    generator = job.generator
    recordings = data.recordings(job.folder)
    pack = data.pack(
        recordings, generator.preprocessor, job.cache, lambda share: job.report("packing recordings", share)
    )
    rows, hospitals = _scored(job, pack, protocol)
    if not len(rows):
        found = f"folds {list(protocol.folds)} of {job.folder} have no record"
        raise InputError(found, "records to score were expected")
    recording_of = reading(recordings, pack)
    scores = {}
    train = _training_pack(job, pack, protocol)
    if job.with_baselines and train is not None:
        for plain in baselines():
            job.report(plain.name, 0.0)
            scores[plain.name] = reconstruction.score_baseline(plain, pack, protocol, rows, train, hospitals)
    scores[generator.name] = reconstruction.score_generator(
        generator, recording_of, pack, protocol, rows, lambda share: job.report(generator.name, share), hospitals
    )
    about = {
        "settings": asdict(protocol),
        "scored_leads": list(free_leads(protocol.given)),
        "definitions": reconstruction.DEFINITIONS,
        "n": len(rows),
        "patients": int(pack.index.patient.iloc[rows].nunique()),
    }
    if protocol.data == "outside":
        about |= {"archive": archive_name(job.folder), "left_out": pack.left_out}
    return about, scores


def _scored(job: Job, pack: data.Pack, protocol: reconstruction.Protocol) -> tuple[np.ndarray, list[str]]:
    """The rows that are scored, and their hospitals if the archive has several.

    For ``data = "outside"``, the first window of each record is scored, so that long records do not count more.
    """
    rows = pack.rows(protocol.folds)
    hospitals = np.array([hospital(name) for name in pack.index.name], object)
    if protocol.data == "outside":
        own = hospitals[rows] == "PTB-XL"  # it is part of the Challenge 2021
        rows = rows[(pack.index.start.to_numpy(float)[rows] == 0) & ~own]
    rows = rows[: job.limit or protocol.limit or None]
    return rows, hospitals[rows].tolist() if archive(job.folder) == "cinc2021" else []


def _training_pack(job: Job, pack: data.Pack, protocol: reconstruction.Protocol) -> data.Pack | None:
    """The records on which baselines are fitted: PTB-XL for ``data = "outside"``, None if it was not given."""
    if protocol.data != "outside":
        return pack
    inside = [folder for folder in job.folders if (folder / DATABASE).is_file()]
    return _packed(inside[0], job.generator, job.cache, job.report) if inside else None


def _panel(job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
    """Description and scores of a panel protocol: the report's section for single draws and means."""
    protocol = config.build(panels.Protocol, job.settings, job.where)
    protocol = replace(protocol, n=job.limit or protocol.n)
    recordings = data.recordings(job.folder)
    pack = _packed(job.folder, job.generator, job.cache, job.report)
    rows = generation.chosen(pack, protocol.folds, protocol.n, protocol.seed)
    found = panels.panel(job.generator, reading(recordings, pack), pack, rows, protocol, job.report)
    patients = int(pack.index.patient.iloc[rows].nunique())
    return {"settings": asdict(protocol), "n": len(rows), "patients": patients}, {job.generator.name: found}


def _translation(job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
    """Description and scores of a translation protocol."""
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
    """Description and scores of a generation protocol."""
    protocol = config.build(generation.Protocol, job.settings, job.where)
    protocol = replace(protocol, n=job.limit or protocol.n)
    pack = _packed(job.folder, job.generator, job.cache, job.report)
    found = generation.run(protocol, pack, job.generator, {part.key: part.make for part in CHAPTERS}, job.report)
    patients = int(
        pack.index.patient.iloc[generation.chosen(pack, protocol.folds, protocol.n, protocol.seed)].nunique()
    )
    return {"settings": asdict(protocol), "n": found["n"], "patients": patients}, {job.generator.name: found}


def _wording(job: Job) -> tuple[dict[str, Any], dict[str, Any]]:
    """Description and scores of a wording protocol."""
    protocol = config.build(paraphrases.Protocol, job.settings, job.where)
    protocol = replace(protocol, n=job.limit or protocol.n)
    found = paraphrases.run(protocol, job.generator, lambda share: job.report("generating", share))
    return {"settings": asdict(protocol), "n": protocol.n, "patients": 0}, {job.generator.name: found}


def _of_pack(job: Job, kind: Any, *more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Description and scores of a protocol whose module runs on a pack."""
    protocol = config.build(kind.Protocol, job.settings, job.where)
    protocol = replace(protocol, n=job.limit or protocol.n)
    pack = _packed(job.folder, job.generator, job.cache, job.report)
    about, found = kind.run(protocol, pack, job.generator, job.report, *more)
    return {"settings": asdict(protocol), **about}, {job.generator.name: found}


WORDLESS = ("reconstruction", "panel", "translation")
"""Kinds of protocols without text and metadata."""

KINDS = {
    "reconstruction": _reconstruction,
    "panel": _panel,
    "translation": _translation,
    "generation": _generation,
    "wording": _wording,
    "augmentation": lambda job: _of_pack(job, augmentation, Cells(job.kept)),
    "rare_statements": lambda job: _of_pack(job, rare, Cells(job.kept)),
    "diagnoses": lambda job: _of_pack(job, diagnoses),
    "memorisation": lambda job: _of_pack(job, memorisation),
}
"""Function of each ``kind`` of protocol."""
