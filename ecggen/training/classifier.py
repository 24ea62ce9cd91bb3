"""Training of evaluators (classifier, ECG-text encoder) with Lightning, as generators are trained.

An evaluator implements ``loss(batch, rng)``. The last weights are kept: there is no model selection, so that fold 9
remains a test fold for evaluators.
"""

from __future__ import annotations

from pathlib import Path

import lightning
import numpy as np
import torch

from ecggen.data import Batch, Pack
from ecggen.evaluators import pretrained
from ecggen.training.trainer import Plan, Shuffled, jitter_amplitude, quiet_lightning, rate_at, trainer_for


def train(
    evaluator: pretrained.Evaluator, pack: Pack, plan: Plan, out: Path, resume: bool = False, progress: bool = True
) -> Path:
    """Train an evaluator.

    Args:
        evaluator: A classifier or an ECG-text encoder.
        pack: Packed data set with the preprocessing of the evaluator.
        plan: Training options; those of validation are ignored.
        out: Folder of the run: ``checkpoint/``, ``last.ckpt`` (training state), ``log/``, ``loss.png``.
        resume: Continue from ``last.ckpt``. Use it with your own runs only.
        progress: Show a progress bar.

    Returns:
        Folder of the checkpoint.
    """
    lightning.seed_everything(plan.seed, verbose=False)
    quiet_lightning()
    rows = pack.rows(plan.train_folds)
    module = EvaluatorModule(evaluator.train(), plan)
    trainer = trainer_for(plan, out, len(rows), progress, gradient_clip_val=plan.clip)
    trainer.fit(
        module,
        torch.utils.data.DataLoader(Shuffled(pack, rows, plan, 1, trainer), batch_size=None),
        ckpt_path=str(out / "last.ckpt") if resume and (out / "last.ckpt").is_file() else None,
        weights_only=True,
    )
    return pretrained.save(module.evaluator.eval(), out / "checkpoint")


class EvaluatorModule(lightning.LightningModule):
    """Lightning module of an evaluator."""

    def __init__(self, evaluator: pretrained.Evaluator, plan: Plan):
        super().__init__()
        self.evaluator, self.plan = evaluator, plan

    def configure_optimizers(self):
        """AdamW for the parameters that require gradients."""
        trainable = [parameter for parameter in self.evaluator.parameters() if parameter.requires_grad]
        return torch.optim.AdamW(trainable, self.plan.lr, betas=(0.9, 0.98), weight_decay=self.plan.weight_decay)

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        """Sum of the losses of the evaluator."""
        rng = np.random.default_rng((self.plan.seed, self.current_epoch, index, self.global_rank))
        lightning.seed_everything(int(rng.integers(2**31)), verbose=False)
        optimizer = self.optimizers(use_pl_optimizer=False)
        for group in optimizer.param_groups:  # type: ignore[union-attr]
            group["lr"] = self.plan.lr * rate_at(self.plan, self.current_epoch, index, self._steps)
        losses = self.evaluator.loss(jitter_amplitude(batch, self.plan.amplitude_jitter, rng), rng)
        self.log_dict({name: loss.detach() for name, loss in losses.items()}, prog_bar=True)
        return torch.stack(list(losses.values())).sum()

    @property
    def _steps(self) -> int:
        return int(self.trainer.num_training_batches)
