"""Training is a game: each player in turn minimises its own named losses, over its own parameters.

A VAE, a flow or a diffusion model has one player, a GAN two; the trainer does not know the difference. Lightning
runs the loop, keeps the moving average of the weights (EMA) and writes the state from which a killed run goes
on; the best weights are written as a checkpoint folder each time the validation error falls.
"""

from __future__ import annotations

import csv
import logging
import math
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
from ecggen.core.simulate import DOWER, rotation
from ecggen.data import Batch, Batches, Pack
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
    """How long and how a generator is trained.

    Attributes:
        epochs: Passes over the training records.
        batch: Records per step.
        lr: Highest learning rate of AdamW.
        weight_decay: Weight decay of AdamW.
        warmup: Share of the steps in which the rate rises; it then falls along a cosine.
        clip: Largest norm of a player's gradient.
        ema_decay: Decay of the moving average of the weights, once it has forgotten the first ones.
        text_augment_prob: Chance that a record's report gives way to a text written of its statements, in any language.
        amplitude_jitter: Deviation of the logarithm of the random factor on each record's amplitude.
        vcg_rotation: Deviation in rad of the random rotation of each record's heart vector, about each axis (``rotate_vcg``).
        crop: Seconds of each record that a step sees, from a random moment on; 0 for all of them. A heart's beats are
            alike, so that short parts show more hearts in the same time.
        share: Share of the training patients that are learnt from, for learning curves.
        precision: Lightning's precision, as "32-true" or "bf16-mixed".
        devices: GPUs that share the work, each with a batch of its own; 0 for all there are. Without a GPU, processes.
        seed: Seed of order, exposure, latents and first weights.
        train_folds: Folds that are learnt from.
        validation_folds: Folds that choose the best weights.
        validation_records: Most records of them that are used.
        keep: Which weights are kept: the "best" in validation, or the "last" (where validation cannot tell, as for an
            autoencoder whose denoiser is not trained yet).
        groups: Players that are trained, in turn; all of the generator's if empty.
        validation_leads: Conditions that validation scores, as lead names apart by blanks.
        validation_draws: Draws averaged into the point estimate that is scored.
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


def read(path: Path | str, overrides: Sequence[str] = ()) -> tuple[Generator, Plan, Masking]:
    """What a training config says: the generator, its first weights from the plan's seed; the plan; what is shown.

    Args:
        path: A TOML file, as configs/vae.toml.
        overrides: Changes of its values, as ``training.epochs=3``.
    """
    values = config.renamed(config.read_toml(path, overrides), {"exposure": "masking"}, str(path))
    registry.check_tables(values, path)
    plan = config.build(Plan, plan_values(values, path), f"[training] of {path}")
    hidden = config.renamed(values.get("masking", {}), masks.RENAMED, f"[masking] of {path}")
    masking = config.build(Masking, hidden, f"[masking] of {path}")
    preprocessor = config.build(Preprocessor, values.get("preprocessing", {}), f"[preprocessing] of {path}")
    lightning.seed_everything(plan.seed, verbose=False)
    generator = registry.generator(values["generator"], values.get("model", {}), f"[model] of {path}")
    generator.preprocessor = preprocessor
    return generator, plan, masking


def plan_values(values: Mapping[str, Any], path: Path | str) -> dict[str, Any]:
    """The table [training] of a config, under the names that its keys have now."""
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
    """Train; the folder of the best checkpoint is returned.

    Args:
        generator: With the preprocessor that the pack was made with.
        pack: The packed data set.
        plan: How long and how.
        exposure: What of each record is shown.
        out: Folder of the run: ``checkpoint/`` (the best), ``last.ckpt`` (to go on from), ``log/``, ``loss.png``.
        resume: Go on from ``last.ckpt``; to be used on one's own runs only.
        progress: Show a progress bar.
    """
    lightning.seed_everything(plan.seed, verbose=False)
    quiet_lightning()
    validation = pack.rows(plan.validation_folds)[: plan.validation_records]
    rows = some_patients(pack, pack.rows(plan.train_folds), plan.share)
    game = TrainingModule(generator, plan, masking, out)
    trainer = trainer_for(plan, out, len(rows), progress, KeepAveraged())
    batches = Shuffled(pack, rows, plan, len(game.parameter_groups), trainer)
    trainer.fit(
        game,
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
    """Lightning's trainer, as all trainings here use it: averaged weights, logs, and a state from which to go on.

    Args:
        plan: How long and how.
        out: Folder of the run.
        records: Training records.
        progress: Show a progress bar.
        first: Callbacks that act before the weights are averaged.
        more: Further settings of the trainer.
    """
    devices = plan.devices or torch.cuda.device_count() or 1
    return lightning.Trainer(
        max_epochs=plan.epochs,
        precision=plan.precision,  # type: ignore[arg-type]
        accelerator="auto",
        devices=devices,
        # What one player moves gets no gradient in another's part of a step.
        strategy="ddp_find_unused_parameters_true" if devices > 1 else "auto",
        logger=CSVLogger(out, name="log"),  # a folder for each start, so that resuming loses none
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
    """An exponential moving average that forgets its beginning: step n keeps no more than (1 + n) / (10 + n)."""

    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], n: Tensor | int) -> None:
        kept = min(decay, (1 + float(n)) / (10 + float(n)))
        for old, new in zip(averaged, current, strict=True):
            if old.is_floating_point():
                old.lerp_(new.to(old.dtype), 1 - kept)
            else:  # a count
                old.copy_(new)

    return update


def quiet_lightning() -> None:
    """Silence what Lightning says about itself; its real warnings stay."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in (
        ".*IterableDataset.*",
        ".*does not have many workers.*",
        ".*LeafSpec.*",
        ".*exists and is not empty.*",
    ):
        warnings.filterwarnings("ignore", message)


class Shuffled(Batches):
    """Training batches, in the order of the trainer's epoch: a resumed run sees what an unbroken one would."""

    def __init__(self, pack: Pack, rows: np.ndarray, plan: Plan, moves: int, trainer: lightning.Trainer):
        super().__init__(pack, rows, plan.batch, plan.seed, trainer.global_rank, trainer.world_size)
        self.moves, self.trainer = moves, trainer

    def __iter__(self):
        # Counted in moves: when a resumed run asks for its first batch, Lightning's epoch is still the last one.
        self.epoch = self.trainer.global_step // (len(self) * self.moves)
        return super().__iter__()


class TrainingModule(lightning.LightningModule):
    """The training game of a generator."""

    def __init__(self, generator: Generator, plan: Plan, masking: Masking, out: Path):
        super().__init__()
        self.automatic_optimization = False
        self.generator, self.plan, self.masking, self.out = generator, plan, masking, out
        parameter_groups = generator.parameter_groups()
        for name in plan.groups:
            if name not in parameter_groups:
                raise InputError(f"there is no player {name!r}", f"one of {', '.join(parameter_groups)} was expected")
        self.parameter_groups = {name: parameter_groups[name] for name in plan.groups or parameter_groups}
        self.best = math.inf
        self.errors: dict[str, list[Tensor]] = {}

    def configure_optimizers(self):
        """One AdamW for each player."""
        return [
            torch.optim.AdamW(parameters, self.plan.lr, betas=(0.9, 0.98), weight_decay=self.plan.weight_decay)
            for parameters in self.parameter_groups.values()
        ]

    def training_step(self, batch: Batch, index: int) -> None:
        """One move of each player."""
        # Every step's numbers follow from its place: a resumed run draws what an unbroken one would.
        rng = np.random.default_rng((self.plan.seed, self.current_epoch, index, self.global_rank))
        lightning.seed_everything(int(rng.integers(2**31)), verbose=False)
        batch = rotate_vcg(jitter_amplitude(batch, self.plan.amplitude_jitter, rng), self.plan.vcg_rotation, rng)
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
        """Error of the point estimate, on leads that were neither given nor determined."""
        for leads in self.plan.validation_leads:
            given = batch.ecg.standard().pick(*leads.split())
            condition = Condition.none(len(batch), given.seconds, given.fs).to(self.device).with_leads(given)
            center = self._center(condition, range(index * self.plan.batch, index * self.plan.batch + len(batch)))
            free = [i for i, lead in enumerate(INDEPENDENT_LEADS) if lead not in determined_by(given.leads)]
            drawn, true = center[:, free].float(), batch.ecg.signal[:, free]
            name = "_".join(leads.split())
            self.errors.setdefault(f"rmse_{name}", []).append((drawn - true).square().mean(-1))
            r = pearson_corrcoef(drawn.flatten(0, 1).T, true.flatten(0, 1).T)
            self.errors.setdefault(f"r_{name}", []).append(r.nan_to_num())

    def keep(self) -> None:
        """Log the errors of a validation; write the checkpoint where they are the lowest so far."""
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
        """The lowest error goes on with a resumed run."""
        state["best"] = self.best

    def on_load_checkpoint(self, state: dict[str, Any]) -> None:
        """See above."""
        self.best = state["best"]

    def _center(self, condition: Condition, indices: range) -> Tensor:
        draws = [
            project_onto_observed(self.generator.draw(condition, Noise(draw, indices)), condition)
            for draw in range(self.plan.validation_draws)
        ]
        return torch.stack(draws).mean(0)


def rate_at(plan: Plan, epoch: int, step: int, steps: int) -> float:
    """Share of the highest learning rate at a step of an epoch of ``steps``: a straight rise, then half a cosine."""
    done = (epoch * steps + step + 1) / (plan.epochs * steps)
    if done < plan.warmup:
        return done / plan.warmup
    return 0.02 + 0.98 * (1 + math.cos(math.pi * (done - plan.warmup) / (1 - plan.warmup))) / 2


def jitter_amplitude(batch: Batch, deviation: float, rng: np.random.Generator) -> Batch:
    """Each record made louder or fainter by one random factor, in the truth and in the condition alike."""
    factor = torch.as_tensor(np.exp(deviation * rng.standard_normal(len(batch))), dtype=torch.float32)
    factor = factor.to(batch.ecg.signal.device)[:, None, None]
    return replace(
        batch,
        ecg=replace(batch.ecg, signal=batch.ecg.signal * factor),
        condition=batch.condition.replace(leads=batch.condition.leads * factor),
    )


def rotate_vcg(batch: Batch, deviation: float, rng: np.random.Generator) -> Batch:
    """Each record as of a heart that lies a little differently, in the truth and in the condition alike.

    The leads' part that Dower's matrix explains is read as a heart vector, turned, and written back; what a dipole does
    not explain stays as it is.
    """
    if not deviation:
        return batch
    dower, inverse = DOWER, np.linalg.pinv(DOWER)
    angles = deviation * rng.standard_normal((len(batch), 3))
    turns = np.stack([np.eye(8) + dower @ (rotation(one) - np.eye(3)) @ inverse for one in angles])
    eight = torch.as_tensor(turns, dtype=torch.float32).to(batch.ecg.signal.device) @ batch.ecg.signal
    twelve = torch.as_tensor(LEAD_MATRIX, dtype=torch.float32).to(eight.device) @ eight
    condition = batch.condition.replace(leads=twelve * batch.condition.lead_mask)
    return replace(batch, ecg=replace(batch.ecg, signal=eight), condition=condition)


def cropped(batch: Batch, seconds: float, rng: np.random.Generator) -> Batch:
    """``seconds`` of a batch, from one random moment on; 0 for all of it."""
    size = round(seconds * batch.ecg.fs)
    if not 0 < size < batch.ecg.samples:
        return batch
    first = int(rng.integers(0, batch.ecg.samples - size + 1))
    begin, end = first / batch.ecg.fs, (first + size) / batch.ecg.fs
    return replace(
        batch,
        ecg=replace(batch.ecg, signal=batch.ecg.signal[..., first : first + size]),
        condition=batch.condition.during(first, first + size),
        # The pulse of a beat follows it: one that began before the part is seen in it.
        beats=tuple(beats[(beats >= begin - 1) & (beats < end)] - begin for beats in batch.beats),
    )


def some_patients(pack: Pack, rows: np.ndarray, share: float) -> np.ndarray:
    """The rows of a share of the patients among ``rows``: of every smaller share, all are in every larger one."""
    patients = pack.index.patient.iloc[rows].to_numpy()
    names = np.random.default_rng(0).permutation(np.unique(patients))
    return rows[np.isin(patients, names[: max(1, round(share * len(names)))])]


def vary_text(batch: Batch, chance: float, rng: np.random.Generator) -> Batch:
    """Some reports in other words: what the record's statements say, now and then with a denial of one it lacks.

    So that a diagnosis in plain English is followed as closely as the reports that the data set happens to hold.
    """
    texts = list(batch.condition.text)
    for at in np.flatnonzero(rng.random(len(texts)) < chance):
        said = [code for code in batch.codes[at].split() if code in statements.codes()] if batch.codes else []
        if said:
            lacking = [code for code in statements.codes() if code not in said]
            denied = rng.choice(lacking, int(rng.random() < 0.15))
            texts[at] = statements.write_anyhow(said, denied.tolist(), rng)
    if texts == list(batch.condition.text):
        return batch
    return replace(batch, condition=batch.condition.with_text(texts, parse=False))


class KeepAveraged(Callback):
    """Lets the game keep its weights at the end of a validation, while they are still the averaged ones.

    It stands before ``WeightAveraging``, which puts the others back at that moment: before the module's own hook.
    """

    def on_validation_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Log and keep."""
        assert isinstance(pl_module, TrainingModule)
        pl_module.keep()


class LossPlot(Callback):
    """``loss.png`` beside the logs, drawn anew after every epoch."""

    def __init__(self, out: Path):
        self.out = out

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Draw every logged column against the step."""
        if trainer.is_global_zero:
            draw_losses(self.out / "log", self.out / "loss.png")


def logged(logs: Path) -> list[dict[str, str]]:
    """The rows of a run's logs, one start after the other; what a resumed run did again stands once."""
    rows: list[dict[str, str]] = []
    for file in sorted(logs.glob("version_*/metrics.csv"), key=lambda path: int(path.parent.name.split("_")[1])):
        with file.open() as lines:
            found = list(csv.DictReader(lines))
        if found:
            first = int(found[0]["step"])
            rows = [row for row in rows if int(row["step"]) < first] + found
    return rows


def draw_losses(logs: Path, picture: Path) -> None:
    """A panel for the losses and one for the validation errors."""
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
    figure.savefig(picture, dpi=110)
