"""Judges are trained as generators are: Lightning runs the loop, keeps the moving average and resumes.

A classifier writes one method, ``loss(batch, rng)``. The last weights are kept, not the best on some fold: nothing is
chosen, so that a classifier's scores on fold 9 are no validation scores.
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
    """Train; the folder of the checkpoint is returned.

    Args:
        judge: A classifier or a pair of encoders.
        pack: The packed data set, made with the classifier's preprocessing.
        plan: How long and how; what it says of validation is not used.
        out: Folder of the run: ``checkpoint/``, ``last.ckpt`` (to go on from), ``log/``, ``loss.png``.
        resume: Go on from ``last.ckpt``; to be used on one's own runs only.
        progress: Show a progress bar.
    """
    lightning.seed_everything(plan.seed, verbose=False)
    quiet_lightning()
    rows = pack.rows(plan.train_folds)
    course = Course(evaluator.train(), plan)
    trainer = trainer_for(plan, out, len(rows), progress, gradient_clip_val=plan.clip)
    trainer.fit(
        course,
        torch.utils.data.DataLoader(Shuffled(pack, rows, plan, 1, trainer), batch_size=None),
        ckpt_path=str(out / "last.ckpt") if resume and (out / "last.ckpt").is_file() else None,
        weights_only=True,
    )
    return pretrained.save(course.evaluator.eval(), out / "checkpoint")


class Course(lightning.LightningModule):
    """A classifier on its way through the training records."""

    def __init__(self, evaluator: pretrained.Evaluator, plan: Plan):
        super().__init__()
        self.evaluator, self.plan = evaluator, plan

    def configure_optimizers(self):
        """AdamW over what may move."""
        moving = [parameter for parameter in self.evaluator.parameters() if parameter.requires_grad]
        return torch.optim.AdamW(moving, self.plan.lr, betas=(0.9, 0.98), weight_decay=self.plan.weight_decay)

    def training_step(self, batch: Batch, index: int) -> torch.Tensor:
        """The sum of the classifier's losses."""
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
