"""A finish of the decoder of a latent family, in which small waves get their size back.

An autoencoder that learnt by errors alone writes what is likely on average: P and S waves come out too small, in
records that went through it and the more in draws, whose latents lie beside those of records. Here the decoder alone
learns on, against a critic of waves (hinge loss, matched features; Larsen et al. 2016, Esser et al. 2021) that sees
records, records that went through the latent space, and draws of the generator. The encoder and the latent space stay
as they are, so that whatever learnt to find its way there needs not learn anew. No judge takes part: its distances
stay a judgement.

``python -m ecggen.training.decoder_finetuning MODEL … --data PTBXL --out RUN`` writes RUN/MODEL for each; several have to have one and
the same latent space. A run that was stopped goes on with ``--resume``.
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
from ecggen.data.batches import telling
from ecggen.generators import checkpoint
from ecggen.generators.base import Generator
from ecggen.generators.latent import LatentGenerator
from ecggen.networks.latent import Autoencoder
from ecggen.networks.losses import amplitude
from ecggen.training.calibration import some
from ecggen.training.trainer import Plan, Shuffled, cropped, jitter_amplitude, quiet_lightning, rate_at, trainer_for

PLAN = Plan(epochs=4, batch=24, lr=5e-4, weight_decay=0.01, ema_decay=0.998, crop=4.0)
"""How long and how, unless asked otherwise."""
RECORDS, DRAWS, FEATURES = 0.02, 0.03, 4.0
"""Weight of the critic's word on decoded records and on draws; what features weigh beside it."""
QUIET = 0.1
"""Share of the steps in which the critic learns and the decoder does not listen yet."""
SIZE_MV = 0.25
"""What the critic takes for one."""
CHUNK = 64
"""Records that are drawn at a time."""


def sharpen(
    generators: Sequence[Generator],
    pack: Pack,
    out: Path,
    plan: Plan = PLAN,
    draws: int = 2560,
    resume: bool = False,
    progress: bool = True,
) -> None:
    """Let the decoder that ``generators`` share learn on; all of them get it.

    Args:
        generators: Those that share one latent space.
        pack: The packed data set.
        out: Folder of the run: ``drawn_N.npy`` (latents that were drawn), ``last.ckpt`` (to go on from), ``log/`` and
            ``loss.png``.
        plan: How long and how; what it says of validation and players is not used.
        draws: Draws that the critic sees, in equal parts of each generator.
        resume: Go on from ``last.ckpt``; to be used on one's own runs only.
        progress: Show a progress bar.

    Raises:
        InputError: Where a generator has no latent space, or another than the first.
    """
    sharing = [one for one in generators if isinstance(one, LatentGenerator)]
    for one in generators:
        if one not in sharing:
            raise InputError(f"{one.name} is a {type(one).__name__}", "a family with a latent space was expected")
    for one in sharing:
        if not _same(one.space, sharing[0].space):
            raise InputError(f"the latent spaces of {one.name} and {sharing[0].name} differ", "one was expected")
    quiet_lightning()
    out.mkdir(parents=True, exist_ok=True)
    rows, share, found = pack.rows(plan.train_folds), -(-draws // len(sharing)), []
    for at, one in enumerate(sharing):
        known = out / f"drawn_{at}.npy"
        if not (resume and known.is_file()):
            part = known.with_suffix(".part.npy")
            np.save(part, drawn_latents(one, pack, some(rows, share, at), progress).numpy())
            part.replace(known)
        found.append(torch.from_numpy(np.load(known)))
    lightning.seed_everything(plan.seed, verbose=False)
    course = Sharpening(sharing[0].space, torch.cat(found), plan).train()
    trainer = trainer_for(plan, out, len(rows), progress)
    trainer.fit(
        course,
        torch.utils.data.DataLoader(Shuffled(pack, rows, plan, 2, trainer), batch_size=None),
        ckpt_path=str(out / "last.ckpt") if resume and (out / "last.ckpt").is_file() else None,
        weights_only=True,
    )
    for one in sharing:
        one.space.decoder.load_state_dict(course.space.decoder.state_dict())
        one.eval()


def _same(one: Autoencoder, other: Autoencoder) -> bool:
    ours, theirs = one.state_dict(), other.state_dict()
    return all(name in theirs and torch.equal(value, theirs[name]) for name, value in ours.items())


@torch.no_grad()
def drawn_latents(generator: LatentGenerator, pack: Pack, rows: np.ndarray, progress: bool = False) -> Tensor:
    """(record, latent, step): what ``generator`` draws when it is told the words and facts of some records."""
    kept: list[Tensor] = []
    hook = generator.space.decoder.register_forward_pre_hook(lambda module, given: kept.append(given[0].cpu()))
    try:
        starts = range(0, len(rows), CHUNK)
        for start in track(starts, f"drawing with {generator.name}", disable=not progress):
            generator.sample(telling(pack, rows[start : start + CHUNK]), seed=1, first=start)
    finally:
        hook.remove()
    return torch.cat(kept)


class Sharpening(lightning.LightningModule):
    """The game of a decoder and its critic."""

    def __init__(self, space: Autoencoder, drawn: Tensor, plan: Plan):
        super().__init__()
        self.automatic_optimization = False
        self.space, self.drawn, self.plan = space, drawn, plan
        self.critic = Critic()

    def configure_optimizers(self):
        """AdamW for the decoder, and one for the critic, who learns twice as fast."""
        return [
            torch.optim.AdamW(part.parameters(), self.plan.lr, betas=(0.8, 0.99), weight_decay=self.plan.weight_decay)
            for part in (self.space.decoder, self.critic)
        ]

    def training_step(self, batch: Batch, index: int) -> None:
        """A move of the decoder, and one of the critic."""
        rng = np.random.default_rng((self.plan.seed, self.current_epoch, index, self.global_rank))
        lightning.seed_everything(int(rng.integers(2**31)), verbose=False)
        batch = cropped(jitter_amplitude(batch, self.plan.amplitude_jitter, rng), self.plan.crop, rng)
        true = batch.ecg.signal
        with torch.no_grad():
            latent = somewhat_noisy(self.space.encode(true))
        own = self.space.decode(latent).float()
        drawn = self.space.decode(self._some_drawn(len(true), latent.shape[-1], rng).to(latent)).float()
        fake, real = torch.cat([own, drawn]) / SIZE_MV, true / SIZE_MV

        steps = int(self.trainer.num_training_batches)
        rate = self.plan.lr * rate_at(self.plan, self.current_epoch, index, steps)
        listens = self.current_epoch * steps + index >= QUIET * self.plan.epochs * steps
        decoder, critic = self.optimizers()  # type: ignore[misc]
        with decoder.toggle_model():
            losses = {"error": ((own - true).abs() / amplitude(true)).mean()}
            self._move(decoder, rate, losses | (self._decoder_losses(fake, real) if listens else {}))
        with critic.toggle_model():
            self._move(critic, 2 * rate, self._critic_losses(fake.detach(), real))

    def _move(self, optimizer: LightningOptimizer, rate: float, losses: dict[str, Tensor]) -> None:
        for param_group in optimizer.param_groups:
            param_group["lr"] = rate
        self.manual_backward(torch.stack(list(losses.values())).sum())
        self.clip_gradients(optimizer, self.plan.clip, "norm")  # type: ignore[arg-type]
        optimizer.step()
        optimizer.zero_grad()
        self.log_dict({name: loss.detach() for name, loss in losses.items()}, prog_bar=True)

    def _some_drawn(self, n: int, steps: int, rng: np.random.Generator) -> Tensor:
        """(n, latent, step) of the draws, from one random moment on."""
        first = int(rng.integers(0, self.drawn.shape[-1] - steps + 1))
        return self.drawn[rng.integers(len(self.drawn), size=n), :, first : first + steps]

    def _decoder_losses(self, fake: Tensor, real: Tensor) -> dict[str, Tensor]:
        """Of decoded records and, behind them, as many draws."""
        seen = self.critic(fake)
        with torch.no_grad():
            true = self.critic(real)
        n = len(real)
        fooled = [-RECORDS * one[-1][:n].mean() - DRAWS * one[-1][n:].mean() for one in seen]
        # A decoded record is held against its own; draws, which have none, as a set.
        own = [(a[:n] - b).abs().mean() for one, other in _levels(seen, true) for a, b in zip(one, other, strict=True)]
        all_drawn = [
            (a[n:].mean((0, 2)) - b.mean((0, 2))).abs().mean()
            for one, other in _levels(seen, true)
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


def somewhat_noisy(posterior: tuple[Tensor, Tensor]) -> Tensor:
    """From no noise to all of the posterior's, record by record: draws lie in between."""
    mean, log_deviation = posterior
    share = torch.rand(len(mean), 1, 1, device=mean.device)
    return mean + share * log_deviation.exp() * torch.randn_like(mean)


Seen = list[list[Tensor]]
"""Of each rate: features of each layer, and the verdict (batch, stretch) last."""


def _levels(one: Seen, other: Seen) -> list[tuple[list[Tensor], list[Tensor]]]:
    """Features alone, rate by rate."""
    return [(a[:-1], b[:-1]) for a, b in zip(one, other, strict=True)]


class Critic(nn.Module):
    """Waves (batch, 8, time) → features and verdicts at the full rate and at half of it (Kong et al. 2020).

    Args:
        channels: Channels of the first layer; the others have twice and four times as many.
    """

    def __init__(self, channels: int = 48):
        super().__init__()
        self.rates = nn.ModuleList(nn.ModuleList(_layers(channels)) for _ in range(2))

    def forward(self, waves: Tensor) -> Seen:
        """See ``Seen``: verdicts above 0 for real."""
        found = []
        for at, layers in enumerate(self.rates):
            x, seen = waves if at == 0 else F.avg_pool1d(waves, 2), []
            assert isinstance(layers, nn.ModuleList)
            *convolutions, verdict = layers
            for convolution in convolutions:
                x = F.leaky_relu(convolution(x), 0.2)
                seen.append(x.float())
            found.append([*seen, verdict(x)[:, 0].float()])
        return found


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
    """Sharpen checkpoints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", help="checkpoints that share one latent space")
    parser.add_argument("--data", type=Path, required=True, help="the PTB-XL folder")
    parser.add_argument("--cache", type=Path, help="where packed data sets are kept")
    parser.add_argument("--epochs", type=int, default=PLAN.epochs, help="passes over the training records")
    parser.add_argument("--num-draws", type=int, default=2560, help="draws that the critic sees")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    parser.add_argument("--out", type=Path, required=True, help="folder of the run and of the checkpoints")
    words = parser.parse_args()
    generators = [checkpoint.load(one) for one in words.models]
    pack = data.pack(data.recordings(words.data), generators[0].preprocessor, words.cache)
    plan = replace(PLAN, epochs=words.epochs)
    sharpen(generators, pack, words.out, plan, words.num_draws, words.resume, not words.quiet)
    for generator in generators:
        print(checkpoint.save(generator, words.out / generator.name.split("@")[0]))


if __name__ == "__main__":
    main()
