"""Stages of the training of a heart-first model: code and model of median beats, rhythm, levels, residual, calibration.

Each stage writes its weights to the folder of the run when it is finished; an interrupted run continues in the stage
in which it stopped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ecggen.core import config
from ecggen.core.errors import InputError
from ecggen.data import Pack
from ecggen.generators import checkpoint
from ecggen.generators.hearts.model import HeartFirst
from ecggen.generators.hearts.rectified_flow import velocity_error
from ecggen.generators.hearts.residual import (
    Levels,
    Whitening,
    beat_channels,
    envelope,
    folded,
    nearest_beat,
)
from ecggen.generators.hearts.rhythm import RR_RANGE, rhythm_details
from ecggen.training.hearts.calibration import calibrate
from ecggen.training.hearts.changes import changed
from ecggen.training.hearts.decomposition import Decomposition
from ecggen.training.hearts.fitting import Schedule, fit
from ecggen.training.hearts.levels import flattened, levels_of_records, parts, relative_gains
from ecggen.training.hearts.material import Material, Report, prepared

MOST_BEATS = 40
"""Most RR intervals of a record from which the rhythm is learnt."""
ECTOPIC_WEIGHT = 1.5


@dataclass(frozen=True)
class Plan:
    """Options of the table [hearts] of a training config.

    Attributes:
        code: Schedule of the autoencoder of median beats.
        heart: Schedule of the model of median beats.
        rhythm: Schedule of the rhythm model.
        levels: Schedule of the model of levels.
        residual: Schedule of the residual's network.
        whitening_records: Records from which the correlations of the leads are estimated.
        calibration_records: Records for which residuals are drawn and compared with the levels asked for.
        shared: Checkpoint with a heart-first model of which all parts but the model of median beats are used; "" to
            train them.
        seed: Random seed.
        train_folds: Training folds.
    """

    code: Schedule = field(default_factory=lambda: Schedule(3000, 320))
    heart: Schedule = field(default_factory=lambda: Schedule(6000, 320, 1e-3, 0.9985))
    rhythm: Schedule = field(default_factory=lambda: Schedule(3000, 256, 2e-3, 0.995, 0.05))
    levels: Schedule = field(default_factory=lambda: Schedule(2500, 256))
    residual: Schedule = field(default_factory=lambda: Schedule(2200, 48, 2e-3))
    whitening_records: int = 4000
    calibration_records: int = 512
    shared: str = ""
    seed: int = 0
    train_folds: Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8)


def read(path: Path | str, overrides: Sequence[str] = ()) -> Plan | None:
    """The table [hearts] of a training config; None if it has none.

    Raises:
        InputError: If it has an unknown or invalid key, or the generator has no heart-first model.
    """
    values = config.read_toml(path, overrides)
    if "hearts" not in values:
        return None
    if "hearts" not in values.get("model", {}):
        raise InputError(
            f"{path} has a table [hearts]", "a table hearts was expected in [model]", "add hearts = {} to [model]"
        )
    return config.build(Plan, values["hearts"], f"[hearts] of {path}")


def train(model: HeartFirst, pack: Pack, plan: Plan, out: Path, cache: Path | None, report: Report) -> None:
    """Train all stages of ``model`` in place.

    Args:
        model: The model.
        pack: Packed data set.
        plan: Options.
        out: Folder of the run, with finished stages and the state of the current one.
        cache: Folder of the decomposition of the pack.
        report: Called with the name of the stage and the share of it that is done.
    """
    out.mkdir(parents=True, exist_ok=True)
    material = prepared(model, pack, plan.train_folds, plan.seed, cache, report)
    if plan.shared:
        _copy_shared(plan.shared, model)
    for name, stage in STAGES.items():
        if plan.shared and name != "heart":
            continue
        file, part = out / f"{name}.safetensors", _part(model, name)
        if file.is_file():
            part.load_state_dict(load_file(file))
            continue
        stage(model, material, plan, out / f"{name}.state", lambda share, _=0.0, name=name: report(name, share))
        making = file.with_suffix(".part")
        save_file({key: value.contiguous() for key, value in part.state_dict().items()}, making)
        making.replace(file)
    model.eval()


def _copy_shared(name: str, model: HeartFirst) -> None:
    """Use all parts of the heart-first model of a checkpoint but the model of median beats."""
    other = checkpoint.load(name).heart_first
    if other is None:
        raise InputError(f"checkpoint {name} has no heart-first model", "one was expected, as shared = names it")
    for stage in STAGES:
        if stage != "heart":
            _part(model, stage).load_state_dict(_part(other, stage).state_dict())


def _part(model: HeartFirst, stage: str) -> nn.Module:
    """The part of the model that a stage trains; those of the calibration are buffers."""
    if stage == "calibration":
        return _Calibrated(model)
    names = {"levels": ("level_map", "levels"), "heart": ("heart",)}.get(stage, (stage,))
    return nn.ModuleDict({name: getattr(model, name) for name in names})


class _Calibrated(nn.Module):
    """The buffers of a model that the calibration sets."""

    def __init__(self, model: HeartFirst):
        super().__init__()
        self.register_buffer("level_bias", model.level_bias)
        self.register_buffer("tilt", model.whitening.tilt)
        self.register_buffer("bursts", model.bursts.line)


def fit_code(model: HeartFirst, material: Material, plan: Plan, state: Path, progress) -> None:
    """Principal components of median beats, normal and ectopic, and the autoencoder."""
    found, (rows, weights) = material.found, _median_beats(material)
    ectopic = found.ectopic[rows[rows >= len(found)] - len(found)]
    model.code.fit(torch.from_numpy(np.concatenate([found.median[rows[rows < len(found)]], ectopic])))

    def loss(network: nn.Module, chosen: np.ndarray, rng: np.random.Generator) -> Tensor:
        beats, _ = changed(_chosen(found, chosen), rng)
        with torch.autocast("cpu", torch.bfloat16):
            return network.loss(beats, torch.randn(len(beats), network.size - 1)).mean()  # type: ignore[operator]

    fit(model.code, loss, rows, weights, plan.code, plan.seed, state, progress)


def fit_heart(model: HeartFirst, material: Material, plan: Plan, state: Path, progress) -> None:
    """The model of median beats, normal and ectopic."""
    found, (rows, weights) = material.found, _median_beats(material)

    def drawn(beats: Tensor) -> Tensor:
        mean, deviation = model.code.posterior(beats)
        return mean + deviation * torch.randn_like(mean)

    def loss(network: nn.Module, chosen: np.ndarray, rng: np.random.Generator) -> Tensor:
        at, is_ectopic = chosen % len(found), torch.from_numpy(chosen >= len(found))[:, None]
        beats, changes = changed(_chosen(found, chosen), rng)
        with torch.no_grad():
            target, normal = drawn(beats), drawn(_chosen(found, at))
        other = torch.where(is_ectopic, normal, torch.zeros(()))
        known = torch.cat([material.known(at, rng), changes, is_ectopic.float(), other], 1)
        with torch.autocast("cpu", torch.bfloat16):
            return network.loss(target, known, model.code.shape_of).mean()  # type: ignore[operator]

    fit(model.heart, loss, rows, weights, plan.heart, plan.seed, state, progress)


def _median_beats(material: Material) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of all median beats and their sampling weights; those of ectopic beats follow those of normal ones."""
    count, rows = len(material.found), material.rows
    numbers = np.concatenate([rows, count + rows[material.found.has_ectopic[rows]]])
    return numbers, material.examples.weights[numbers % count] * np.where(numbers < count, 1.0, ECTOPIC_WEIGHT)


def _chosen(found: Decomposition, numbers: np.ndarray) -> Tensor:
    """Median beats (beat, 8, time) of numbers as in ``_median_beats``."""
    at, ectopic = numbers % len(found), (numbers >= len(found))[:, None, None]
    return torch.from_numpy(np.where(ectopic, found.ectopic[at], found.median[at]))


def fit_rhythm(model: HeartFirst, material: Material, plan: Plan, state: Path, progress) -> None:
    """The rhythm model."""
    ratios, types, mask = _sequences(material)
    rhythms = [material.found.rhythm(row) for row in range(len(material.found))]
    numbers = torch.from_numpy(np.stack([rhythm_details(one, material.seconds) for one in rhythms])).float()
    rows = material.rows[mask[material.rows].sum(1) >= 3]

    def loss(network: nn.Module, chosen: np.ndarray, rng: np.random.Generator) -> Tensor:
        longest = int(mask[chosen].sum(1).max())
        inputs = (ratios[chosen, :longest], types[chosen, : longest + 1], mask[chosen, :longest])
        losses = network.loss(material.examples.features(chosen, rng), numbers[chosen], *inputs)  # type: ignore[operator]
        return torch.stack(list(losses.values())).sum()

    fit(model.rhythm, loss, rows, material.examples.weights[rows], plan.rhythm, plan.seed, state, progress)


def _sequences(material: Material) -> tuple[Tensor, Tensor, Tensor]:
    """Ratios, types and mask of all records, as ``RhythmModel.loss`` takes them."""
    count = len(material.found)
    ratios, mask = np.zeros((count, MOST_BEATS), np.float32), np.zeros((count, MOST_BEATS), bool)
    types = np.zeros((count, MOST_BEATS + 1), np.int64)
    for row in range(count):
        rhythm = material.found.rhythm(row)
        inside = (rhythm.times >= 0) & (rhythm.times < material.seconds)
        gaps, kinds = np.diff(rhythm.times[inside]).clip(*RR_RANGE), rhythm.types[inside]
        if len(gaps) < 3:
            continue
        most = min(len(gaps), MOST_BEATS)
        ratios[row, :most] = np.log(gaps[:most] / gaps.mean())
        types[row, : most + 1], mask[row, :most] = kinds[: most + 1], True
    return torch.from_numpy(ratios), torch.from_numpy(types), torch.from_numpy(mask)


def fit_whitening(model: HeartFirst, material: Material, plan: Plan, state: Path, progress) -> None:
    """Correlations of the leads in the residual and in the gains."""
    rng = np.random.default_rng(plan.seed)
    rows = np.sort(rng.permutation(material.rows)[: plan.whitening_records])
    even = [flattened(material.residual(one), material.beats(one), material.fs)[1] for one in parts(rows)]
    gains = np.concatenate([relative_gains(one.gains)[0] for one in material.beats(rows)])
    model.whitening.fit(even, torch.from_numpy(gains).float())
    progress(1.0)


def fit_levels(model: HeartFirst, material: Material, plan: Plan, state: Path, progress) -> None:
    """Quantiles of the levels, and their model."""
    levels = levels_of_records(model.whitening, material, np.arange(len(material.found)))
    model.level_map.fit(levels[material.rows])
    code, sizes = model.level_map.encode(levels), model.amplitudes(torch.from_numpy(np.array(material.found.median)))

    def loss(network: nn.Module, chosen: np.ndarray, rng: np.random.Generator) -> Tensor:
        known = torch.cat([material.known(chosen, rng), sizes[chosen]], 1)
        return velocity_error(lambda x, time: network(x, time, known), code[chosen]).mean()

    weights = material.examples.weights[material.rows]
    fit(model.levels, loss, material.rows, weights, plan.levels, plan.seed, state, progress)


def fit_residual(model: HeartFirst, material: Material, plan: Plan, state: Path, progress) -> None:
    """The network of the residual and the gains."""
    levels = levels_of_records(model.whitening, material, np.arange(len(material.found)))
    code, sizes = model.level_map.encode(levels), model.amplitudes(torch.from_numpy(np.array(material.found.median)))

    def loss(network: nn.Module, chosen: np.ndarray, rng: np.random.Generator) -> Tensor:
        known = torch.cat([material.known(chosen, rng), sizes[chosen], code[chosen]], 1)
        target, local = _steps(model.whitening, material, chosen, Levels.of(levels[chosen]))
        with torch.autocast("cpu", torch.bfloat16):
            return velocity_error(lambda x, time: network(x, time, local, known), target).mean()

    weights = material.examples.weights[material.rows]
    fit(model.residual, loss, material.rows, weights, plan.residual, plan.seed, state, progress)


def _steps(whitening: Whitening, material: Material, rows: np.ndarray, levels: Levels) -> tuple[Tensor, Tensor]:
    """White residual and gains (row, ``CHANNELS``, step), and the condition along time (row, ``LOCAL``, step)."""
    fs, samples = material.fs, material.pack.preprocessor.samples
    residual, whole, beats = material.residual(rows), material.whole(rows), material.beats(rows)
    gains, along = [], []
    for row, own in zip(rows.tolist(), beats, strict=True):
        gains.append(relative_gains(own.gains)[0][nearest_beat(own.times, samples, fs)])
        along.append(beat_channels(material.found.rhythm(row), samples, fs))
    around = envelope(levels.excess, [one.times for one in beats], samples, fs)
    flat = whitening(residual / around, levels.bands)
    white_gains = whitening.white_gains(torch.from_numpy(np.stack(gains)).float()).transpose(1, 2)
    target = torch.cat([folded(flat), white_gains], 1)
    explained = folded(whitening(whole - residual, levels.bands))
    return target, torch.cat([explained, torch.from_numpy(np.stack(along)).float()], 1)


def fit_calibration(model: HeartFirst, material: Material, plan: Plan, state: Path, progress) -> None:
    """What draws have beyond what was asked for."""
    calibrate(model, material, plan.calibration_records, plan.seed, progress)


STAGES = {
    "code": fit_code,
    "heart": fit_heart,
    "rhythm": fit_rhythm,
    "whitening": fit_whitening,
    "levels": fit_levels,
    "residual": fit_residual,
    "calibration": fit_calibration,
}
