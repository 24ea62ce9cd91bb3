"""Adversarial fine-tuning of the decoder of latent generators, to restore the amplitude of small waves.

An autoencoder trained with a reconstruction error reproduces an average: P and S waves are too small in
reconstructions, and more so in draws, whose latents differ from those of records. Here only the decoder is trained
further, against a discriminator (hinge loss, feature matching; Larsen et al. 2016, Esser et al. 2021) on records,
reconstructions and draws. The encoder and the latent space do not change, so that the denoiser need not be trained
again. Evaluators are not used, so that metrics based on them remain independent.

``python -m ecggen.training.decoder_finetuning MODEL … --data PTBXL --out RUN`` writes RUN/MODEL for each model; several
models must have the same latent space. ``--resume`` continues an interrupted run.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import lightning
import numpy as np
import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from rich.progress import track
from torch import Tensor, nn
from torch.nn import functional as F

from ecggen import data
from ecggen.core.ecg import INDEPENDENT_LEADS
from ecggen.core.errors import InputError
from ecggen.data import Batch, Pack
from ecggen.data.batches import text_and_metadata
from ecggen.data.pack import subset_of_patients
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.generators.latent import LatentGenerator
from ecggen.networks.latent import Autoencoder
from ecggen.networks.losses import amplitude
from ecggen.training.calibration import random_rows
from ecggen.training.trainer import Plan, Shuffled, cropped, jitter_amplitude, quiet_lightning, rate_at, trainer_for

PLAN = Plan(epochs=4, batch=24, lr=5e-4, weight_decay=0.01, ema_decay=0.998, crop=4.0)
"""Default training options."""
RECORDS, DRAWS, FEATURES = 0.02, 0.03, 4.0
"""Weights of the adversarial loss of reconstructions and of draws, and of feature matching relative to both."""
QUIET = 0.1
"""Fraction of the steps at the start in which the decoder is trained without the adversarial losses."""
SIZE_MV = 0.25
"""Amplitude in mV that corresponds to 1 in the input of the discriminator."""
CHUNK = 64
"""Records per batch when sampling latents."""


def finetune_decoder(
    generators: Sequence[Generator],
    pack: Pack,
    out: Path,
    plan: Plan = PLAN,
    draws: int = 2560,
    resume: bool = False,
    progress: bool = True,
) -> None:
    """Fine-tune the decoder shared by some generators; all of them are updated in place.

    Args:
        generators: Generators with the same latent space.
        pack: Packed data set.
        out: Folder of the run: ``drawn_N.npy`` (sampled latents), ``last.ckpt`` (training state), ``log/`` and
            ``loss.png``.
        plan: Training options; those of validation and parameter groups are ignored.
        draws: Draws for the discriminator, divided equally among the generators.
        resume: Continue from ``last.ckpt``. Use it with your own runs only.
        progress: Show a progress bar.

    Raises:
        InputError: If a generator has no latent space, or one that differs from that of the first generator.
    """
    sharing = [one for one in generators if isinstance(one, LatentGenerator)]
    for one in generators:
        if one not in sharing:
            raise InputError(f"{one.name} is a {type(one).__name__}", "a generator with a latent space was expected")
    for one in sharing:
        if not _same(one.space, sharing[0].space):
            raise InputError(f"the latent spaces of {one.name} and {sharing[0].name} differ", "one was expected")
    quiet_lightning()
    out.mkdir(parents=True, exist_ok=True)
    rows = subset_of_patients(pack, pack.rows(plan.train_folds), plan.share)
    share, sampled = -(-draws // len(sharing)), []
    for at, one in enumerate(sharing):
        stored = out / f"drawn_{at}.npy"
        if not (resume and stored.is_file()):
            part = stored.with_suffix(".part.npy")
            np.save(part, sample_latents(one, pack, random_rows(rows, share, at), progress).numpy())
            part.replace(stored)
        sampled.append(torch.from_numpy(np.load(stored)))
    lightning.seed_everything(plan.seed, verbose=False)
    module = DecoderFinetuning(sharing[0].space, torch.cat(sampled), plan).train()
    trainer = trainer_for(plan, out, len(rows), progress)
    trainer.fit(
        module,
        torch.utils.data.DataLoader(Shuffled(pack, rows, plan, 2, trainer), batch_size=None),
        ckpt_path=str(out / "last.ckpt") if resume and (out / "last.ckpt").is_file() else None,
        weights_only=True,
    )
    for one in sharing:
        one.space.decoder.load_state_dict(module.space.decoder.state_dict())
        one.eval()


def _same(one: Autoencoder, other: Autoencoder) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return all(name in theirs and torch.equal(value, theirs[name]) for name, value in ours.items())


@torch.no_grad()
def sample_latents(generator: LatentGenerator, pack: Pack, rows: np.ndarray, progress: bool = False) -> Tensor:
    """Latents (record, latent, step) sampled given the text and metadata of some records.

    A heart-first model, which would draw these records without latents, is left aside.
    """
    kept: list[Tensor] = []
    hearts, generator.heart_first = generator.heart_first, None
    hook = generator.space.decoder.register_forward_pre_hook(lambda module, given: kept.append(given[0].cpu()))
    try:
        starts = range(0, len(rows), CHUNK)
        for start in track(starts, f"sampling with {generator.name}", disable=not progress):
            generator.sample(text_and_metadata(pack, rows[start : start + CHUNK]), seed=1, first=start)
    finally:
        hook.remove()
        generator.heart_first = hearts
    return torch.cat(kept)


class DecoderFinetuning(lightning.LightningModule):
    """Lightning module of a decoder and its discriminator."""

    def __init__(self, space: Autoencoder, drawn: Tensor, plan: Plan):
        super().__init__()
        self.automatic_optimization = False
        self.space, self.drawn, self.plan = space, drawn, plan
        self.critic = Discriminator()

    def configure_optimizers(self):
        """AdamW for the decoder and for the discriminator, which has twice the learning rate."""
        return [
            torch.optim.AdamW(part.parameters(), self.plan.lr, betas=(0.8, 0.99), weight_decay=self.plan.weight_decay)
            for part in (self.space.decoder, self.critic)
        ]

    def training_step(self, batch: Batch, index: int) -> None:
        """One step of the decoder, and one of the discriminator."""
        rng = np.random.default_rng((self.plan.seed, self.current_epoch, index, self.global_rank))
        lightning.seed_everything(int(rng.integers(2**31)), verbose=False)
        batch = cropped(jitter_amplitude(batch, self.plan.amplitude_jitter, rng), self.plan.crop, rng)
        true = batch.ecg.signal
        with torch.no_grad():
            latent = partly_noisy(self.space.encode(true))
        own = self.space.decode(latent).float()
        drawn = self.space.decode(self._some_drawn(len(true), latent.shape[-1], rng).to(latent)).float()
        fake, real = torch.cat([own, drawn]) / SIZE_MV, true / SIZE_MV

        steps = int(self.trainer.num_training_batches)
        rate = self.plan.lr * rate_at(self.plan, self.current_epoch, index, steps)
        adversarial = self.current_epoch * steps + index >= QUIET * self.plan.epochs * steps
        decoder, critic = self.optimizers()  # type: ignore[misc]
        with decoder.toggle_model():
            losses = {"error": ((own - true).abs() / amplitude(true)).mean()}
            self._step(decoder, rate, losses | (self._decoder_losses(fake, real) if adversarial else {}))
        with critic.toggle_model():
            self._step(critic, 2 * rate, self._critic_losses(fake.detach(), real))

    def _step(self, optimizer: LightningOptimizer, rate: float, losses: dict[str, Tensor]) -> None:
        for param_group in optimizer.param_groups:
            param_group["lr"] = rate
        self.manual_backward(torch.stack(list(losses.values())).sum())
        self.clip_gradients(optimizer, self.plan.clip, "norm")  # type: ignore[arg-type]
        optimizer.step()
        optimizer.zero_grad()
        self.log_dict({name: loss.detach() for name, loss in losses.items()}, prog_bar=True)

    def _some_drawn(self, n: int, steps: int, rng: np.random.Generator) -> Tensor:
        """A random crop (n, latent, step) of random sampled latents."""
        first = int(rng.integers(0, self.drawn.shape[-1] - steps + 1))
        return self.drawn[rng.integers(len(self.drawn), size=n), :, first : first + steps]

    def _decoder_losses(self, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
        """Losses of reconstructions and, after them in the batch, as many draws."""
        scored = self.critic(fake)
        with torch.no_grad():
            true = self.critic(real)
        n = len(real)
        fooled = [-RECORDS * one[-1][:n].mean() - DRAWS * one[-1][n:].mean() for one in scored]
        # Features of a reconstruction are compared with those of its record, those of draws as a set.
        own = [
            (a[:n] - b).abs().mean() for one, other in _levels(scored, true) for a, b in zip(one, other, strict=True)
        ]
        all_drawn = [
            (a[n:].mean((0, 2)) - b.mean((0, 2))).abs().mean()
            for one, other in _levels(scored, true)
            for a, b in zip(one, other, strict=True)
        ]
        return {
            "fooled": torch.stack(fooled).mean(),
            "own_features": FEATURES * RECORDS * torch.stack(own).mean(),
            "drawn_features": FEATURES * DRAWS * torch.stack(all_drawn).mean(),
        }

    def _critic_losses(self, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
        n, unmasked = len(real), []
        for true, drawn in zip(self.critic(real), self.critic(fake), strict=True):
            missed = F.relu(1 + drawn[-1])
            share = (RECORDS * missed[:n].mean() + DRAWS * missed[n:].mean()) / (RECORDS + DRAWS)
            unmasked.append(F.relu(1 - true[-1]).mean() + share)
        return {"unmasked": torch.stack(unmasked).mean()}


def partly_noisy(posterior: tuple[Tensor, Tensor]) -> Tensor:
    """Means plus a random fraction of the posterior's noise in each record, since the noise of draws is in between."""
    mean, log_deviation = posterior
    share = torch.rand(len(mean), 1, 1, device=mean.device)
    return mean + share * log_deviation.exp() * torch.randn_like(mean)


Features = list[list[Tensor]]
"""For each sampling rate: features of each layer, and finally the scores (batch, segment)."""


def _levels(one: Features, other: Features) -> list[tuple[list[Tensor], list[Tensor]]]:
    """Features without scores, for each sampling rate."""
    return [(a[:-1], b[:-1]) for a, b in zip(one, other, strict=True)]


class Discriminator(nn.Module):
    """Multi-scale discriminator: features and scores of waves (batch, 8, time) at two rates (Kong et al. 2020).

    Args:
        channels: Channels of the first layer; the others have twice and four times as many.
    """

    def __init__(self, channels: int = 48):
        super().__init__()
        self.rates = nn.ModuleList(nn.ModuleList(_layers(channels)) for _ in range(2))

    def forward(self, waves: Tensor) -> Features:
        """Features and scores; scores are positive for real records."""
        outputs = []
        for at, layers in enumerate(self.rates):
            x, features = waves if at == 0 else F.avg_pool1d(waves, 2), []
            assert isinstance(layers, nn.ModuleList)
            *convolutions, score = layers
            for convolution in convolutions:
                x = F.leaky_relu(convolution(x), 0.2)
                features.append(x.float())
            outputs.append([*features, score(x)[:, 0].float()])
        return outputs


def _layers(channels: int) -> list[nn.Module]:
    sizes = (
        (len(INDEPENDENT_LEADS), channels, 15, 1, 1),
        (channels, 2 * channels, 9, 2, 1),
        (2 * channels, 4 * channels, 9, 2, 4),
        (4 * channels, 4 * channels, 5, 2, 1),
        (4 * channels, 1, 3, 1, 1),
    )
    return [
        nn.utils.parametrizations.weight_norm(nn.Conv1d(before, after, taps, stride, taps // 2, groups=groups))
        for before, after, taps, stride, groups in sizes
    ]


def main() -> None:
    """Fine-tune the decoder of checkpoints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="checkpoints with the same latent space")
    parser.add_argument("--data", type=Path, required=True, help="PTB-XL folder")
    parser.add_argument("--cache", type=Path, help="folder of packed data sets")
    parser.add_argument("--epochs", type=int, default=PLAN.epochs, help="passes over the training records")
    parser.add_argument("--num-draws", type=int, default=2560, help="draws for the discriminator")
    parser.add_argument("--resume", action="store_true", help="continue an interrupted run")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run and of the checkpoints")
    options = parser.parse_args()
    generators = [checkpoint.load(one) for one in options.models]
    pack = data.pack(data.recordings(options.data), generators[0].preprocessor, options.cache)
    plan = replace(PLAN, epochs=options.epochs)
    finetune_decoder(generators, pack, options.out, plan, options.num_draws, options.resume, not options.quiet)
    for generator in generators:
        print(checkpoint.save(generator, options.out / generator.name.split("@")[0]))


if __name__ == "__main__":
    main()
