"""Training of generators: in each step, every parameter group minimises its own losses.

The trainer is the same for one parameter group and for several, as in a GAN. Lightning runs the loop, averages the
weights (EMA) and saves the training state, from which an interrupted run can continue. The checkpoint is written each
time the validation error decreases.
"""

from __future__ import annotations

import csv
import logging
import math
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import Callback, ModelCheckpoint, RichProgressBar, WeightAveraging
from lightning.pytorch.loggers import CSVLogger
from torch import Tensor
from torchmetrics.functional import pearson_corrcoef

from ecggen.conditioning import rhythm_prior, statements
from ecggen.conditioning.condition import Condition
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.conditioning.projection import project_onto_observed
from ecggen.core import config
from ecggen.core.ecg import INDEPENDENT_LEADS, LEAD_MATRIX, determined_by
from ecggen.core.errors import InputError
from ecggen.core.filters import band_pass
from ecggen.core.recorders import STEPS, check_steps, simulate_recorder
from ecggen.core.simulate import DOWER, rotation
from ecggen.data import Batch, Batches, Pack
from ecggen.data.pack import subset_of_patients
from ecggen.generators import checkpoint, registry
from ecggen.generators.base import Generator
from ecggen.generators.sampling import Noise
from ecggen.training import calibration
from ecggen.training import masking as masks
from ecggen.training.masking import Masking

RENAMED = {
    "rate": "lr",
    "decay": "weight_decay",
    "average": "ema_decay",
    "reworded": "text_augment_prob",
    "louder": "amplitude_jitter",
    "turned": "vcg_rotation",
    "players": "groups",
}
"""Keys of the table [training] in release 0.1; they work for one release, with a warning."""


@dataclass(frozen=True)
class Plan:
    """Training options.

    Attributes:
        epochs: Passes over the training records.
        batch: Records per step and device.
        lr: Peak learning rate of AdamW.
        weight_decay: Weight decay of AdamW.
        warmup: Fraction of the steps with linear warm-up; cosine decay follows.
        clip: Maximum gradient norm of a parameter group.
        ema_decay: Decay of the exponential moving average of the weights; it is smaller in the first steps.
        text_augment_prob: Probability that a report is replaced by a text written from the statements of the record, in
            a random language.
        amplitude_jitter: Standard deviation of the logarithm of the random gain of each record.
        vcg_rotation: Standard deviation in rad of the random rotation of the heart vector of each record about each
            axis (``rotate_vcg``).
        recorder_prob: Probability that a record is seen as a random other recorder would have recorded it
            (``rerecord``).
        recorder_steps: Steps that these recorders may have: "electrodes", "filters", "gain", "noise", "quantisation".
        crop: Duration of a random crop of each record in s; 0 for whole records. Beats of a record resemble each other,
            so that short crops of more records are more efficient.
        share: Fraction of the training patients that is used, for learning curves.
        precision: Precision in Lightning, as "32-true" or "bf16-mixed".
        devices: Number of GPUs (processes if there is no GPU), each with its own batches; 0 for all GPUs.
        seed: Random seed of order, masking, latents and initial weights.
        train_folds: Training folds.
        validation_folds: Folds for the selection of weights.
        validation_records: Maximum number of validation records.
        keep: Weights to keep: "best" in validation, or "last" (if validation is not informative, as for an autoencoder
            whose denoiser is not yet trained).
        groups: Parameter groups to be trained; all if empty.
        validation_leads: Observed leads in validation, each a string of lead names separated by spaces.
        validation_draws: Number of draws averaged to the point estimate in validation.
    """

    epochs: int = 20
    batch: int = 64
    lr: float = 1e-3
    weight_decay: float = 0.02
    warmup: float = 0.05
    clip: float = 1.0
    ema_decay: float = 0.999
    text_augment_prob: float = 0.0
    amplitude_jitter: float = 0.1
    vcg_rotation: float = 0.0
    recorder_prob: float = 0.0
    recorder_steps: Sequence[str] = STEPS
    crop: float = 0.0
    share: float = 1.0
    precision: str = "bf16-mixed"
    devices: int = 0
    seed: int = 0
    train_folds: Sequence[int] = (1, 2, 3, 4, 5, 6, 7, 8)
    validation_folds: Sequence[int] = (9,)
    validation_records: int = 512
    validation_leads: Sequence[str] = ("I", "II V1 V5")
    validation_draws: int = 4
    keep: Literal["best", "last"] = "best"
    groups: Sequence[str] = ()

    def __post_init__(self):
        check_steps(self.recorder_steps)


def read(path: Path | str, overrides: Sequence[str] = ()) -> tuple[Generator, Plan, Masking]:
    """Read a training config.

    Args:
        path: A TOML file, as configs/vae.toml.
        overrides: Changes of its values, as ``training.epochs=3``.

    Returns:
        The generator with initial weights from the seed, the training options, and the masking.

    Raises:
        InputError: If the file is missing, or has an unknown or invalid key.
    """
    values = config.renamed(config.read_toml(path, overrides), {"exposure": "masking"}, str(path))
    registry.check_tables(values, path)
    plan = config.build(Plan, plan_values(values, path), f"[training] of {path}")
    masking_values = config.renamed(values.get("masking", {}), masks.RENAMED, f"[masking] of {path}")
    masking = config.build(Masking, masking_values, f"[masking] of {path}")
    preprocessor = config.build(Preprocessor, values.get("preprocessing", {}), f"[preprocessing] of {path}")
    lightning.seed_everything(plan.seed, verbose=False)
    generator = registry.generator(values["generator"], values.get("model", {}), f"[model] of {path}")
    generator.preprocessor = preprocessor
    return generator, plan, masking


def plan_values(values: Mapping[str, Any], path: Path | str) -> dict[str, Any]:
    """The table [training] of a config, with old keys renamed."""
    return config.renamed(values.get("training", {}), RENAMED, f"[training] of {path}")


def train(
    generator: Generator,
    pack: Pack,
    plan: Plan,
    masking: Masking,
    out: Path,
    resume: bool = False,
    progress: bool = True,
) -> Path:
    """Train a generator.

    Args:
        generator: Its preprocessor must be that of the pack.
        pack: Packed data set.
        plan: Training options.
        masking: Masking of conditions.
        out: Folder of the run: ``checkpoint/``, ``last.ckpt`` (training state), ``log/``, ``loss.png``.
        resume: Continue from ``last.ckpt``. Use it with your own runs only.
        progress: Show a progress bar.

    Returns:
        Folder of the checkpoint.
    """
    lightning.seed_everything(plan.seed, verbose=False)
    quiet_lightning()
    validation = pack.rows(plan.validation_folds)[: plan.validation_records]
    rows = subset_of_patients(pack, pack.rows(plan.train_folds), plan.share)
    module = TrainingModule(generator, plan, masking, out)
    trainer = trainer_for(plan, out, len(rows), progress, KeepAveraged())
    batches = Shuffled(pack, rows, plan, len(module.parameter_groups), trainer)
    trainer.fit(
        module,
        torch.utils.data.DataLoader(batches, batch_size=None),
        torch.utils.data.DataLoader(Batches(pack, validation, plan.batch), batch_size=None),
        ckpt_path=str(out / "last.ckpt") if resume and (out / "last.ckpt").is_file() else None,
        weights_only=True,
    )
    if trainer.is_global_zero and rhythm_prior.encoder_of(generator) is not None:
        best = checkpoint.load(out / "checkpoint")
        calibration.fit_rhythm_prior(best, pack, rows, plan.seed)
        calibration.fit_patient_prior(best, pack, rows, seed=plan.seed)
        checkpoint.save(best, out / "checkpoint")
    return out / "checkpoint"


def trainer_for(
    plan: Plan, out: Path, records: int, progress: bool, *first: Callback, **more: Any
) -> lightning.Trainer:
    """Lightning trainer with averaged weights, logs and saved training state, for all kinds of training.

    Args:
        plan: Training options.
        out: Folder of the run.
        records: Number of training records.
        progress: Show a progress bar.
        first: Callbacks that are called before the one that averages weights.
        more: Further arguments of the trainer.
    """
    devices = plan.devices or torch.cuda.device_count() or 1
    return lightning.Trainer(
        max_epochs=plan.epochs,
        precision=plan.precision,  # type: ignore[arg-type]
        accelerator="auto",
        devices=devices,
        num_nodes=int(os.environ.get("GROUP_WORLD_SIZE", 1)),  # as torchrun sets it
        # Each parameter group is without gradient in the steps of the others.
        strategy="ddp_find_unused_parameters_true" if devices > 1 else "auto",
        logger=CSVLogger(out, name="log"),  # a new folder for each start, so that resuming keeps the old logs
        enable_progress_bar=progress,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        log_every_n_steps=min(20, max(1, records // (plan.batch * devices))),
        callbacks=[
            *first,
            WeightAveraging(multi_avg_fn=moving_average(plan.ema_decay)),
            ModelCheckpoint(out, filename="last", enable_version_counter=False, save_on_train_epoch_end=True),
            LossPlot(out),
            *([RichProgressBar()] if progress else []),
        ],
        **more,
    )


def moving_average(decay: float) -> Callable[[Sequence[Tensor], Sequence[Tensor], Tensor | int], None]:
    """Exponential moving average with warm-up: the decay at step n is at most (1 + n) / (10 + n)."""

    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], n: Tensor | int) -> None:
        kept = min(decay, (1 + float(n)) / (10 + float(n)))
        for old, new in zip(averaged, current, strict=True):
            if old.is_floating_point():
                old.lerp_(new.to(old.dtype), 1 - kept)
            else:  # integer buffer
                old.copy_(new)

    return update


def quiet_lightning() -> None:
    """Silence informational messages of Lightning; other warnings are kept."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in (
        ".*IterableDataset.*",
        ".*does not have many workers.*",
        ".*LeafSpec.*",
        ".*exists and is not empty.*",
    ):
        warnings.filterwarnings("ignore", message)


class Shuffled(Batches):
    """Training batches in the order of the trainer's epoch, so that a resumed run equals an uninterrupted one.

    Args:
        pack: Packed data set.
        rows: Training records.
        plan: Training options.
        moves: Optimiser steps per batch.
        trainer: The trainer.
    """

    def __init__(self, pack: Pack, rows: np.ndarray, plan: Plan, moves: int, trainer: lightning.Trainer):
        super().__init__(pack, rows, plan.batch, plan.seed, trainer.global_rank, trainer.world_size)
        self.moves, self.trainer = moves, trainer

    def __iter__(self):
        # From the number of optimiser steps, as current_epoch is not yet updated in the first batch after resuming.
        self.epoch = self.trainer.global_step // (len(self) * self.moves)
        return super().__iter__()


class TrainingModule(lightning.LightningModule):
    """Lightning module of a generator with manual optimisation of its parameter groups."""

    def __init__(self, generator: Generator, plan: Plan, masking: Masking, out: Path):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.plan, self.masking, self.out = generator, plan, masking, out
        self.parameter_groups = parameter_groups(generator, plan)
        self.best = math.inf
        self.errors: dict[str, list[Tensor]] = {}

    def configure_optimizers(self):
        """One AdamW for each parameter group."""
        return [
            torch.optim.AdamW(parameters, self.plan.lr, betas=(0.9, 0.98), weight_decay=self.plan.weight_decay)
            for parameters in self.parameter_groups.values()
        ]

    def training_step(self, batch: Batch, index: int) -> None:
        """One optimiser step of each parameter group."""
        # Random numbers depend on epoch and step only, so that a resumed run equals an uninterrupted one.
        rng = np.random.default_rng((self.plan.seed, self.current_epoch, index, self.global_rank))
        lightning.seed_everything(int(rng.integers(2**31)), verbose=False)
        batch = rotate_vcg(jitter_amplitude(batch, self.plan.amplitude_jitter, rng), self.plan.vcg_rotation, rng)
        batch = rerecord(batch, self.plan, self.generator.preprocessor, rng)
        batch = vary_text(cropped(batch, self.plan.crop, rng), self.plan.text_augment_prob, rng)
        condition = self.masking(batch.condition, rng, batch.beats, self.generator.preprocessor)
        optimizers = self.optimizers(use_pl_optimizer=True)
        steps = int(self.trainer.num_training_batches)
        for group, optimizer in zip(
            self.parameter_groups, optimizers if isinstance(optimizers, list) else [optimizers], strict=True
        ):
            for param_group in optimizer.param_groups:
                param_group["lr"] = self.plan.lr * rate_at(self.plan, self.current_epoch, index, steps)
            self.toggle_optimizer(optimizer)
            losses = self.generator.loss(batch.ecg, condition, group)
            self.manual_backward(torch.stack(list(losses.values())).sum())
            self.clip_gradients(optimizer, self.plan.clip, "norm")  # type: ignore[arg-type]
            optimizer.step()
            optimizer.zero_grad()
            self.untoggle_optimizer(optimizer)
            self.log_dict({f"{group}_{name}": loss.detach() for name, loss in losses.items()}, prog_bar=True)

    def validation_step(self, batch: Batch, index: int) -> None:
        """Errors of the point estimate in generated leads."""
        for leads in self.plan.validation_leads:
            observed = batch.ecg.standard().pick(*leads.split())
            condition = Condition.none(len(batch), observed.seconds, observed.fs).to(self.device).with_leads(observed)
            estimate = self._estimate(condition, range(index * self.plan.batch, index * self.plan.batch + len(batch)))
            free = [i for i, lead in enumerate(INDEPENDENT_LEADS) if lead not in determined_by(observed.leads)]
            predicted, true = estimate[:, free].float(), batch.ecg.signal[:, free]
            name = "_".join(leads.split())
            self.errors.setdefault(f"rmse_{name}", []).append((predicted - true).square().mean(-1))
            r = pearson_corrcoef(predicted.flatten(0, 1).T, true.flatten(0, 1).T)
            self.errors.setdefault(f"r_{name}", []).append(r.nan_to_num())

    def keep(self) -> None:
        """Log the validation errors; write the checkpoint if the error is the lowest so far."""
        found = {}
        for name, values in self.errors.items():
            value = torch.cat(values)
            found[name] = (value.mean(0).sqrt() if name.startswith("rmse") else value).mean()
        self.errors.clear()
        found["rmse"] = torch.stack([value for name, value in found.items() if name.startswith("rmse")]).mean()
        self.log_dict(found, prog_bar=True, sync_dist=True)
        if found["rmse"] < self.best or self.plan.keep == "last":
            self.best = float(found["rmse"])
            if self.trainer.is_global_zero:
                checkpoint.save(self.generator, self.out / "checkpoint")

    def on_save_checkpoint(self, state: dict[str, Any]) -> None:
        """Save the lowest error."""
        state["best"] = self.best

    def on_load_checkpoint(self, state: dict[str, Any]) -> None:
        """Restore the lowest error."""
        self.best = state["best"]

    def _estimate(self, condition: Condition, indices: range) -> Tensor:
        """Mean of some draws, projected onto the observed leads."""
        draws = [
            project_onto_observed(self.generator.draw(condition, Noise(draw, indices)), condition)
            for draw in range(self.plan.validation_draws)
        ]
        return torch.stack(draws).mean(0)


def parameter_groups(generator: Generator, plan: Plan) -> dict[str, list[torch.nn.Parameter]]:
    """The parameter groups that are trained.

    Raises:
        InputError: If the plan names one that the generator does not have.
    """
    known = generator.parameter_groups()
    for name in plan.groups:
        if name not in known:
            found = f"there is no parameter group {name!r}"
            raise InputError(found, f"one of {', '.join(known)} was expected", config.nearest(name, list(known)))
    return {name: known[name] for name in plan.groups or known}


def rate_at(plan: Plan, epoch: int, step: int, steps: int) -> float:
    """Learning rate relative to its peak, at a step of an epoch of ``steps`` steps: linear warm-up, cosine decay."""
    done = (epoch * steps + step + 1) / (plan.epochs * steps)
    if done < plan.warmup:
        return done / plan.warmup
    return 0.02 + 0.98 * (1 + math.cos(math.pi * (done - plan.warmup) / (1 - plan.warmup))) / 2


def jitter_amplitude(batch: Batch, deviation: float, rng: np.random.Generator) -> Batch:
    """Multiply each record, target and condition, by a random log-normal factor."""
    factor = torch.as_tensor(np.exp(deviation * rng.standard_normal(len(batch))), dtype=torch.float32)
    factor = factor.to(batch.ecg.signal.device)[:, None, None]
    return replace(
        batch,
        ecg=replace(batch.ecg, signal=batch.ecg.signal * factor),
        condition=batch.condition.replace(leads=batch.condition.leads * factor),
    )


def rotate_vcg(batch: Batch, deviation: float, rng: np.random.Generator) -> Batch:
    """Rotate the heart vector of each record, in target and condition, by random angles.

    The part of the leads in the range of Dower's matrix is transformed to a vectorcardiogram, rotated, and transformed
    back; the rest, which a dipole does not explain, is not changed.
    """
    if not deviation:
        return batch
    dower, inverse = DOWER, np.linalg.pinv(DOWER)
    angles = deviation * rng.standard_normal((len(batch), 3))
    rotations = np.stack([np.eye(8) + dower @ (rotation(one) - np.eye(3)) @ inverse for one in angles])
    eight = torch.as_tensor(rotations, dtype=torch.float32).to(batch.ecg.signal.device) @ batch.ecg.signal
    twelve = torch.as_tensor(LEAD_MATRIX, dtype=torch.float32).to(eight.device) @ eight
    condition = batch.condition.replace(leads=twelve * batch.condition.lead_mask)
    return replace(batch, ecg=replace(batch.ecg, signal=eight), condition=condition)


def rerecord(batch: Batch, plan: Plan, preprocessor: Preprocessor, rng: np.random.Generator) -> Batch:
    """Change random records as other recorders would have recorded them (``ecggen.core.recorders``).

    Displaced electrodes, filters and gain change target and condition, because all leads of a recorder have them. Noise
    and quantisation change the condition only, so that a generator learns to see through them; they are filtered as the
    preprocessing filters a recording.

    Args:
        batch: At the rate of the preprocessing.
        plan: Training options: ``recorder_prob`` and ``recorder_steps``.
        preprocessor: Preprocessing of the model.
        rng: Random number generator.
    """
    if not plan.recorder_prob:
        return batch
    fs, signal = batch.ecg.fs, batch.ecg.signal
    chosen = np.flatnonzero(rng.random(len(batch)) < plan.recorder_prob).tolist()
    if not chosen:
        return batch
    made = [simulate_recorder(wave, rng, fs, plan.recorder_steps) for wave in signal[chosen].cpu().numpy()]
    clean, given = (torch.from_numpy(np.stack([getattr(one, name) for one in made])) for name in ("clean", "signal"))
    noise = band_pass(given - clean, fs, preprocessor.highpass, preprocessor.lowpass, preprocessor.order)
    eight, leads = signal.clone(), batch.condition.leads.clone()
    eight[chosen] = clean.to(signal)
    leads[chosen] = torch.as_tensor(LEAD_MATRIX).to(signal) @ (clean + noise).to(signal)
    condition = batch.condition.replace(leads=leads * batch.condition.lead_mask)
    return replace(batch, ecg=replace(batch.ecg, signal=eight), condition=condition)


def cropped(batch: Batch, seconds: float, rng: np.random.Generator) -> Batch:
    """Random crop of a batch to ``seconds``, the same for all records; 0 for no crop."""
    size = round(seconds * batch.ecg.fs)
    if not 0 < size < batch.ecg.samples:
        return batch
    first = int(rng.integers(0, batch.ecg.samples - size + 1))
    begin, end = first / batch.ecg.fs, (first + size) / batch.ecg.fs
    return replace(
        batch,
        ecg=replace(batch.ecg, signal=batch.ecg.signal[..., first : first + size]),
        condition=batch.condition.during(first, first + size),
        # Pulses follow their beats: keep beats up to 1 s before the crop.
        beats=tuple(beats[(beats >= begin - 1) & (beats < end)] - begin for beats in batch.beats),
    )


def vary_text(batch: Batch, probability: float, rng: np.random.Generator) -> Batch:
    """Replace random reports by texts written from the statements of the record, some with a negated absent statement.

    It makes generators follow texts that differ in style from the reports of the data set.
    """
    texts = list(batch.condition.text)
    for at in np.flatnonzero(rng.random(len(texts)) < probability):
        said = [code for code in batch.codes[at].split() if code in statements.codes()] if batch.codes else []
        if said:
            absent = [code for code in statements.codes() if code not in said]
            denied = rng.choice(absent, int(rng.random() < 0.15))
            texts[at] = statements.write_in_random_language(said, denied.tolist(), rng)
    if texts == list(batch.condition.text):
        return batch
    return replace(batch, condition=batch.condition.with_text(texts, parse=False))


class KeepAveraged(Callback):
    """Calls ``TrainingModule.keep`` at the end of validation, while the averaged weights are in place.

    It must precede ``WeightAveraging``, which restores the other weights in the same hook, before that of the module.
    """

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Log and keep."""
        assert isinstance(pl_module, TrainingModule)
        pl_module.keep()


class LossPlot(Callback):
    """Plots the logs to ``loss.png`` after every epoch."""

    def __init__(self, out: Path):
        self.out = out

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Plot every logged column against the step."""
        if trainer.is_global_zero:
            draw_losses(self.out / "log", self.out / "loss.png")


def logged(logs: Path) -> list[dict[str, str]]:
    """Rows of the logs of a run. Steps that a resumed run repeated are included once."""
    rows: list[dict[str, str]] = []
    for file in sorted(logs.glob("version_*/metrics.csv"), key=lambda path: int(path.parent.name.split("_")[1])):
        with file.open() as lines:
            found = list(csv.DictReader(lines))
        if found:
            first = int(found[0]["step"])
            rows = [row for row in rows if int(row["step"]) < first] + found
    return rows


def draw_losses(logs: Path, path: Path) -> None:
    """Plot losses and validation errors."""
    from matplotlib.figure import Figure

    rows = logged(logs)
    columns = sorted({name for row in rows for name in row} - {"step", "epoch"})
    figure = Figure((9, 6), layout="constrained")
    losses, errors = figure.subplots(2, 1)
    for name in columns:
        points = [(int(row["step"]), float(row[name])) for row in rows if row.get(name)]
        if not points:
            continue
        panel = errors if name.startswith(("r_", "rmse")) else losses
        panel.plot(*zip(*points, strict=True), label=name, marker="." if panel is errors else None)
    losses.set(yscale="log", ylabel="loss")
    errors.set(xlabel="step", ylabel="validation: r, RMSE in mV")
    for panel in (losses, errors):
        panel.grid(alpha=0.3)
        if panel.lines:
            panel.legend(fontsize=7, ncols=4)
    figure.savefig(path, dpi=110)
