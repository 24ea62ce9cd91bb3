"""Long recordings: from file to files in blocks, resumable, with an overview and pictures of chosen moments."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ecggen.cli import console
from ecggen.cli.jobs.results import mean_of, origins_as_text, requested, trust_as_text
from ecggen.cli.jobs.resuming import same_job
from ecggen.core.errors import InputError

if TYPE_CHECKING:
    from typer import Context

    from ecggen.conditioning.condition import Condition
    from ecggen.core.ecg import ECG, Provenance
    from ecggen.generators.base import Generator
    from ecggen.generators.reconstruction import Reconstruction
    from ecggen.generators.streaming.blocks import Blocks, Options
    from ecggen.io.long_files import LongFile
    from ecggen.io.ppg import PPG
    from ecggen.viz.overview import Moment

LONG = 1800.0
"""Duration in seconds from which a recording is processed in blocks."""
SMALL = {".hea": 0, ".dat": 2**18, ".edf": 2**18, ".bdf": 2**18}
"""Smallest size in bytes of a file that may be long, by suffix; a header says nothing about the size."""
SMALL_OTHER = 2**22
"""The same for other formats, which are decoded as a whole to learn their duration."""
OPENING = 300.0
"""Seconds at the beginning of a recording in which beats are looked for."""
PART = 10.0
"""Seconds of a measured part, and of a picture."""
RATE = "the heart rate was not used: over a long recording it changes, and each part follows its own beats"
"""Note on a heart rate that was given."""
WORKERS = 2
"""Blocks that are computed at the same time."""
JOB, PROGRESS, MOMENTS = "job.json", "progress.json", "moments.jsonl"
BOUNDS = ("mean", "lower", "upper")


def duration(file: Path, **options: Any) -> float | None:
    """Duration in seconds of a recording that is processed in blocks; None for a shorter one.

    Args:
        file: The recording.
        options: Options of ``ecggen.io.reading``.
    """
    from ecggen.io import reading

    if not file.is_file() or file.stat().st_size < SMALL.get(file.suffix.lower(), SMALL_OTHER):
        return None
    start, seconds = options.pop("start", 0.0), options.pop("seconds", None)
    try:
        lasts = reading(file, start=start, seconds=1.0, check=False, gaps=True, **options).lasts
    except InputError:
        return None  # read as usual, with the message for that case
    whole = lasts - start if seconds is None else min(seconds, lasts - start)
    return whole if whole > LONG else None


def refuse_truth(truth: Path | None) -> None:
    """Raise InputError if a truth is given for a long recording."""
    if truth is not None:
        found = f"the recording lasts more than {LONG / 60:g} min"
        raise InputError(found, "a shorter part was expected for --truth", "select one, e.g. --seconds 600")


def job_of(
    context: Context, blocks: Blocks, file: Path, notes: list[str], suffixes: Sequence[str], condition: Condition
) -> Job:
    """The job of the running command, whose options say where the result goes and whether to continue it.

    Args:
        context: Of the running command.
        blocks: The blocks.
        file: The recording.
        notes: Doubts and limitations.
        suffixes: Formats of the leads.
        condition: Text and metadata.
    """
    about = {"model": blocks.generator.name, "requested": settings(context), "notes": notes}
    out, resume, overwrite = (context.params[name] for name in ("out", "resume", "overwrite"))
    return Job(blocks, file.stem, out, about, suffixes, condition, resume, overwrite)


def settings(context: Context) -> dict[str, Any]:
    """Options of the running command that change the result."""
    left_out = {"out", "resume", "overwrite", "as_json", "context", "plot_format"}
    return {name: str(value) for name, value in context.params.items() if name not in left_out and value is not None}


def reader(file: Path, rate: float, start: float, **options: Any) -> Callable[[int, int], ECG]:
    """A function that reads a range of samples of a recording at ``rate`` Hz."""
    from ecggen.io import read

    def part(first: int, last: int) -> ECG:
        ecg = read(file, start=start + first / rate, seconds=(last - first) / rate, check=False, gaps=True, **options)
        if ecg.samples != last - first:
            found = f"{file.name} gave {ecg.samples} samples"
            raise InputError(found, f"{last - first} were expected", "convert it: ecggen convert IN OUT.hea")
        return ecg

    return part


def of_leads(
    file: Path,
    generator: Generator,
    condition: Condition,
    options: Options,
    start: float,
    seconds: float,
    allow_noise: bool,
    **reading: Any,
) -> tuple[Blocks, list[str]]:
    """Blocks of a recording with leads, and doubts about it.

    Args:
        file: The recording.
        generator: The model.
        condition: Text and metadata.
        options: Sampling options.
        start: Start in seconds.
        seconds: Duration in seconds.
        allow_noise: Whether to continue if no beats are certain in its first ``OPENING`` seconds.
        reading: Further options of ``ecggen.io.read``.

    Raises:
        InputError: If it cannot be read, or is no ECG.
    """
    from ecggen.conditioning.gaps import filled
    from ecggen.generators.streaming.blocks import Blocks, LeadRecording
    from ecggen.io import read
    from ecggen.io.files import naming_file
    from ecggen.io.inspection import refuse_noise

    if options.num_draws < 2:
        raise InputError(f"{options.num_draws} draws", "at least 2 were expected for an interval")
    opening = read(file, start=start, seconds=min(OPENING, seconds), gaps=True, **reading)
    with naming_file(file):
        doubts = refuse_noise(filled(opening)[0], allow_noise)
    samples, fs = round(seconds * opening.fs), opening.fs
    reading.pop("allow_contradiction", None)
    recording = LeadRecording(reader(file, fs, start, **reading), samples, fs, condition, generator.preprocessor)
    return Blocks(generator, recording, options), [f"in its first {OPENING / 60:g} min: {doubt}" for doubt in doubts]


def of_pulses(
    generator: Generator, condition: Condition, options: Options, ppg: PPG, refused: Sequence[dict[str, Any]]
) -> Blocks:
    """Blocks of a recording with a PPG, without its refused parts."""
    from ecggen.generators.streaming.blocks import Blocks, PulseRecording

    parts = [(part["start"], part["end"]) for part in refused]
    return Blocks(generator, PulseRecording(ppg.wave, ppg.fs, condition, generator.preprocessor, parts), options)


class Job:
    """A long recording that is being processed, in a folder of its own until it is finished.

    Args:
        blocks: The blocks.
        name: Name of the files, without suffix.
        out: Output folder.
        about: ``model`` and ``requested``, which must agree when the job is resumed.
        suffixes: Formats of the leads.
        condition: What the leads are generated from; its age and sex are written to the files.
        resume: Whether to continue an unfinished job.
        overwrite: Whether to replace an existing folder, or an unfinished job.

    Raises:
        InputError: If the folder exists, or an unfinished job is there and is neither resumed nor replaced.
    """

    def __init__(
        self,
        blocks: Blocks,
        name: str,
        out: Path,
        about: dict[str, Any],
        suffixes: Sequence[str],
        condition: Condition,
        resume: bool,
        overwrite: bool,
    ):
        from ecggen.io.long_files import SUFFIXES

        others = [suffix for suffix in suffixes if suffix not in SUFFIXES]
        if others:
            found = f"a recording of more than {LONG / 60:g} min was to be written as {', '.join(others)}"
            raise InputError(found, "wfdb, edf or csv was expected", "choose --format wfdb, or give --seconds")
        self.blocks, self.name, self.out, self.about, self.suffixes = blocks, name, out, about, suffixes
        self.patient = requested(condition)
        self.folder = out.with_name(f".{out.name}.unfinished")
        if self.folder.exists() and overwrite and not resume:
            shutil.rmtree(self.folder)
        if self.folder.exists():
            if not resume:
                do = "continue it with --resume, or replace it with --overwrite"
                raise InputError(f"an unfinished job for {out} exists", do=do)
            same_job(out, self.folder / JOB, about, "reconstruct or translate")
        else:
            self.folder.mkdir(parents=True)
            _write(self.folder / JOB, about)

    def run(self, progress: Callable[[float], None]) -> dict[str, Any]:
        """Process the remaining blocks, and write all other files.

        Args:
            progress: Receives the share that is done.

        Returns:
            The summary.
        """
        done = json.loads((self.folder / PROGRESS).read_text()) if (self.folder / PROGRESS).is_file() else {}
        start, lines = int(done.get("blocks", 0)), self.folder / MOMENTS
        kept = lines.read_text().splitlines()[:start] if lines.is_file() else []
        lines.write_text("".join(f"{line}\n" for line in kept))
        files: dict[str, LongFile] = {}
        samples = self.blocks.bounds[start - 1][1] if start else 0
        progress(start / len(self.blocks))
        for number, (found, measured) in self.blocks.each(start, WORKERS, self._measured):
            files = files or self._files(found, samples)
            for kind, file in files.items():
                file.append(mean_of(found) if kind == "mean" else getattr(found, kind))
            with lines.open("a") as file:
                file.write(json.dumps(measured) + "\n")
            _write(self.folder / PROGRESS, {"blocks": number + 1})
            progress((number + 1) / len(self.blocks))
        measured = [json.loads(line) for line in lines.read_text().splitlines()]
        files = files or self._files(self.blocks[len(self.blocks) - 1], samples)
        return self._finish(files, measured)

    def _measured(self, number: int, found: Reconstruction | ECG) -> tuple[Reconstruction | ECG, dict[str, Any]]:
        """A block, and what is kept of it: its moments and its provenance."""
        first = self.blocks.bounds[number][0] / mean_of(found).fs
        origin = mean_of(found).provenance
        assert origin is not None
        parts = [(lead, begin + first, end + first) for lead, begin, end in origin.parts]
        kept = asdict(replace(origin, parts=tuple(parts)))
        trust = None if mean_of(found) is found or not found.trust else found.trust[0].as_dict()  # type: ignore[union-attr]
        return found, {"moments": [asdict(one) for one in moments(found, first)], "origin": kept, "trust": trust}

    def _files(self, found: Reconstruction | ECG, samples: int) -> dict[str, LongFile]:
        """Files of the leads, and of the interval if there is one."""
        from ecggen.io.long_files import LongFile

        mean = mean_of(found)
        names = {"mean": self.name} if mean is found else {kind: _of(self.name, kind) for kind in BOUNDS}
        return {
            kind: LongFile(self.folder / f"{name}.hea", mean.leads, mean.fs, samples) for kind, name in names.items()
        }

    def _finish(self, files: dict[str, LongFile], measured: list[dict[str, Any]]) -> dict[str, Any]:
        """Write headers, other formats, pictures and summary, and move the folder to its place."""
        from ecggen.viz.overview import Moment

        origin = _joined([one["origin"] for one in measured])
        for file in files.values():
            file.finish(origin, self.patient)
        every = [Moment(**moment) for one in measured for moment in one["moments"]]
        chosen = choose(every)
        about = self._summary(origin, files, every, [one["trust"] for one in measured if one["trust"]])
        about["moments"] = {what: moment.start for what, moment in chosen.items()}
        self._draw(files, every, chosen, origin)
        for suffix in self.suffixes:
            if suffix != ".hea":
                for file in files.values():
                    file.convert(suffix, origin, self.patient)
        if ".hea" not in self.suffixes:
            for file in files.values():
                file.path.unlink()
                file.data.unlink()
        text = as_text(about)
        (self.folder / f"{self.name}.html").write_text(page(self.name, text, list(chosen)), encoding="utf-8")
        (self.folder / f"{self.name}.txt").write_text(text + "\n", encoding="utf-8")
        _write(self.folder / f"{self.name}.json", about)
        _write(self.folder / f"{self.name}_moments.json", [asdict(moment) for moment in every])
        for file in (JOB, PROGRESS, MOMENTS):
            (self.folder / file).unlink(missing_ok=True)
        self.out.mkdir(parents=True, exist_ok=True)
        for file in self.folder.iterdir():
            file.replace(self.out / file.name)
        self.folder.rmdir()
        return about

    def _summary(
        self, origin: Provenance, files: dict[str, LongFile], every: Sequence[Moment], trust: Sequence[dict[str, Any]]
    ) -> dict[str, Any]:
        from ecggen.generators.trust.widening import Trust, joined

        mean, options = files["mean"], self.blocks.options
        about = {
            "recorded": list(origin.recorded),
            "derived": [lead for lead in mean.leads if lead not in (*origin.recorded, *origin.generated)],
            "generated": list(origin.generated),
            "generated_parts": {},
            "partly_generated": sorted({lead for lead, _, _ in origin.parts}),
            "generated_band_hz": list(origin.band) if origin.band else None,
            "model": origin.model,
            "condition": origin.condition,
            "seed": options.seed,
            "num_draws": options.num_draws,
            "level": options.level if options.num_draws > 1 else None,
            "fs": mean.fs,
            "seconds": mean.samples / mean.fs,
            "trust": joined([Trust.from_dict(one) for one in trust]).as_dict() if trust else None,
            "notes": self.about["notes"],
        }
        for name in ("rate", "irregularity", "certain", "half_width", "widening"):
            values = np.array([getattr(moment, name) for moment in every], float)
            values = values[np.isfinite(values)]
            found = np.percentile(values, [0, 50, 100]) if len(values) else []
            about[name] = [round(float(value), 4) for value in found]
        return about

    def _draw(
        self, files: dict[str, LongFile], every: Sequence[Moment], chosen: dict[str, Moment], origin: Provenance
    ) -> None:
        """The overview, and a picture of each chosen moment."""
        from ecggen import viz
        from ecggen.viz.overview import draw_overview

        figure = draw_overview(every, self.name, [moment.start for moment in chosen.values()])
        figure.savefig(self.folder / f"{self.name}_overview.png")
        for what, moment in chosen.items():
            first = round(moment.start * files["mean"].fs)
            last = min(first + round(PART * files["mean"].fs), files["mean"].samples)
            here = origin.during(moment.start, PART)
            mean, *bounds = (replace(files[kind].part(first, last), provenance=here) for kind in files)
            interval = {}
            if bounds:
                interval = {"lower": bounds[0], "upper": bounds[1], "level": self.blocks.options.level}
            title = f"{self.name}, {what}, {clock(moment.start)}"
            layout = "12x1" if here.parts else "3x4"
            viz.save(
                viz.draw(mean, **interval, layout=layout, title=title), self.folder / _picture(self.name, what), True
            )


def report(job: Job, as_json: bool) -> None:
    """Run a job with a progress bar, and print its summary."""
    with console.progress("generating", quiet=as_json) as share:
        about = job.run(share)
    if as_json:
        console.print_json(about | {"folder": str(job.out)})
        return
    console.print_text(as_text(about))
    files = ", ".join(str(job.out / f"{job.name}{suffix}") for suffix in job.suffixes)
    console.print_text(f"overview:  {job.out / f'{job.name}.html'}\nfiles:     {files}")


def moments(found: Reconstruction | ECG, first: float) -> list[Moment]:
    """Measurements of each ``PART`` of a block that begins at ``first`` seconds.

    Beats are those of the recorded leads, or of the generated lead II if only a PPG was recorded.
    """
    from ecggen.core.rhythm import r_peaks
    from ecggen.io.signal_quality import STEP, signal_quality
    from ecggen.viz.overview import Moment

    mean = mean_of(found)
    assert mean.provenance is not None
    recorded = mean.provenance.recorded
    heard = mean.pick(*(recorded or ("II",)))
    generated = [row for row, lead in enumerate(mean.leads) if lead in mean.provenance.generated]
    width = None if mean is found else (found.upper.signal - found.lower.signal)[0, generated].numpy() / 2  # type: ignore[union-attr]
    score = signal_quality(heard).score if recorded else None
    widening = np.nan if mean is found or not found.trust else found.trust[0].widening  # type: ignore[union-attr]
    size, made = round(PART * mean.fs), []
    for begin in range(0, max(1, mean.samples - size // 2), size):
        end = mean.samples if begin + 1.5 * size > mean.samples else begin + size
        part = replace(heard, signal=heard.signal[..., begin:end])
        peaks = r_peaks(part)[0] if bool(part.signal.isfinite().all()) and part.seconds >= 2 else np.empty(0)
        rr = np.diff(peaks)
        rate = 60 / rr.mean() if len(rr) else np.nan
        irregularity = np.abs(np.diff(rr)).mean() / rr.mean() if len(rr) > 1 else np.nan
        certain = half = np.nan
        if score is not None:
            steps = score[:, round(begin / mean.fs / STEP) : max(1, round(end / mean.fs / STEP))]
            certain = float((steps > 0).any(0).mean()) if steps.size else np.nan
            if certain < 0.5:
                rate = irregularity = np.nan
        if width is not None and np.isfinite(width[:, begin:end]).any():
            half = float(np.nanmean(width[:, begin:end]))
        values = (round(float(value), 4) for value in (rate, irregularity, certain, half, widening))
        made.append(Moment(round(first + begin / mean.fs, 3), *values))
    return made


def choose(every: Sequence[Moment]) -> dict[str, Moment]:
    """The moments that are drawn: fastest, slowest, most irregular, least certain, and a typical one."""
    sure = [one for one in every if np.isfinite(one.rate) and not one.certain < 0.9]
    irregular = [one for one in sure if np.isfinite(one.irregularity)]
    unsure = [one for one in every if np.isfinite(one.half_width) and one.certain < 0.9]
    chosen = {}
    if sure:
        middle = float(np.median([one.rate for one in sure]))
        chosen["typical"] = min(sure, key=lambda one: abs(one.rate - middle))
        chosen["fastest"] = max(sure, key=lambda one: one.rate)
        chosen["slowest"] = min(sure, key=lambda one: one.rate)
    if irregular:
        chosen["most irregular"] = max(irregular, key=lambda one: one.irregularity)
    if unsure:
        chosen["least certain"] = min(unsure, key=lambda one: one.certain)
    return chosen


def as_text(about: dict[str, Any]) -> str:
    """The summary as text."""
    from ecggen.generators.trust.widening import Trust

    def spans(name: str, digits: int) -> str:
        found = about[name]
        return f"{found[1]:.{digits}f} ({found[0]:.{digits}f} to {found[2]:.{digits}f})" if found else "not measured"

    count = "1 draw" if about["num_draws"] == 1 else f"{about['num_draws']} draws"
    lines = [
        "SYNTHETIC leads; not for diagnosis",
        *origins_as_text(about),
        *([f"in part:   {', '.join(about['partly_generated'])}: see the header"] if about["partly_generated"] else []),
        f"condition: {about['condition']}",
        f"model:     {about['model']}, {count}, seed {about['seed']}",
        f"duration:  {clock(about['seconds'])} at {about['fs']:g} Hz",
        *(f"note:      {note}" for note in about["notes"]),
        *([trust_as_text(Trust.from_dict(about["trust"]))] if about["trust"] else []),
        "median of parts of 10 s (smallest to largest):",
        f"  heart rate            {spans('rate', 0)} per min",
        f"  irregularity of RR    {spans('irregularity', 2)}",
        f"  share of certain beats {spans('certain', 2)}",
    ]
    if about["level"]:
        lines.append(f"  half-width of the {about['level']:.0%} prediction interval  {spans('half_width', 3)} mV")
    return "\n".join(lines)


def page(name: str, text: str, chosen: Sequence[str]) -> str:
    """HTML page with the summary, the overview and the pictures, which lie in the same folder."""
    from html import escape

    pictures = "".join(
        f'<h2>{escape(what)}</h2><img src="{escape(_picture(name, what))}" alt="{escape(what)}">' for what in chosen
    )
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(name)}</title>'
        "<style>body{font:15px/1.45 system-ui,sans-serif;max-width:75rem;margin:2rem auto;padding:0 1rem;color:#16181d}"
        "img{max-width:100%}pre{background:#f4f4f2;padding:1rem;overflow:auto}</style>"
        f"<h1>{escape(name)}</h1><pre>{escape(text)}</pre>"
        f'<img src="{escape(name)}_overview.png" alt="overview">{pictures}</html>\n'
    )


def clock(seconds: float) -> str:
    """A time as hours, minutes and seconds.

    Example:
        >>> clock(3725.4)
        '1:02:05'
    """
    return f"{int(seconds) // 3600}:{int(seconds) // 60 % 60:02}:{int(seconds) % 60:02}"


def _joined(origins: Sequence[dict[str, Any]]) -> Provenance:
    """Provenance of the whole recording from those of its blocks."""
    from ecggen.core.ecg import STANDARD_LEADS, Provenance

    leads = {
        kind: tuple(lead for lead in STANDARD_LEADS if any(lead in one[kind] for one in origins))
        for kind in ("recorded", "generated")
    }
    parts: list[tuple[str, float, float]] = []
    last: dict[str, int] = {}
    for lead, first, end in (part for one in origins for part in one["parts"]):
        at = last.get(lead)
        if at is not None and abs(parts[at][2] - first) < 1e-3:
            parts[at] = (lead, parts[at][1], end)
        else:
            last[lead] = len(parts)
            parts.append((lead, first, end))
    one = origins[0]
    same = {name: one[name] for name in ("model", "seed", "condition")}
    return Provenance(**leads, **same, parts=tuple(parts), band=one["band"] and tuple(one["band"]))


def _of(name: str, kind: str) -> str:
    return name if kind == "mean" else f"{name}_{kind}"


def _picture(name: str, what: str) -> str:
    return f"{name}_{what.replace(' ', '_')}.png"


def _write(path: Path, value: Any) -> None:
    """Write JSON atomically."""
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    unfinished.replace(path)
