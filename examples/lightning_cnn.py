"""Train a small convolutional network with Lightning on real and synthetic records, and test it on real ones.

    ecggen augment --data PTBXL --folds 1 --balance superclasses --out SYNTHETIC
    python examples/lightning_cnn.py --real PTBXL --synthetic SYNTHETIC --train-folds 1

Half of the records of an epoch are synthetic (--share). Without --synthetic, the network is trained on real records.
"""

import argparse
from itertools import pairwise

import lightning
import torch
from torch import nn
from torchmetrics.classification import MultilabelAUROC

from ecggen.augment.datamodule import AugmentedData
from ecggen.augment.labelled import Item
from ecggen.conditioning.preprocessing import Preprocessor


class SmallNetwork(lightning.LightningModule):
    """Twelve leads to labels: four strided convolutions, mean over time, linear layer."""

    def __init__(self, labels: int):
        super().__init__()
        widths = [12, 32, 64, 64, 64]
        stages = [
            nn.Sequential(nn.Conv1d(one, other, 7, stride=3, padding=3), nn.BatchNorm1d(other), nn.ReLU())
            for one, other in pairwise(widths)
        ]
        self.network = nn.Sequential(*stages, nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(widths[-1], labels))
        self.auroc = MultilabelAUROC(labels)

    def training_step(self, batch: Item, index: int) -> torch.Tensor:
        signal, labels, _ = batch
        return nn.functional.binary_cross_entropy_with_logits(self.network(signal), labels)

    def test_step(self, batch: Item, index: int) -> None:
        self.auroc.update(self.network(batch.signal), batch.labels.int())
        self.log("macro AUROC", self.auroc, on_epoch=True)

    validation_step = test_step

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), 2e-3)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--real", required=True, help="PTB-XL, or a folder in its format")
    options.add_argument("--synthetic", help="folder written by ecggen augment")
    options.add_argument("--share", type=float, default=0.5, help="share of synthetic records in an epoch")
    options.add_argument("--train-folds", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6, 7, 8])
    options.add_argument("--epochs", type=int, default=2)
    options.add_argument("--validation-fold", type=int, default=9)
    options.add_argument("--test-fold", type=int, default=10)
    options.add_argument("--seconds", type=float, default=10.0, help="duration of the records")
    options.add_argument("--cache", help="folder of packed data sets")
    args = options.parse_args()

    lightning.seed_everything(0, verbose=False)
    data = AugmentedData(
        args.real,
        args.synthetic,
        share=args.share,
        train_folds=args.train_folds,
        validation_folds=[args.validation_fold],
        test_folds=[args.test_fold],
        preprocessor=Preprocessor(seconds=args.seconds),
        cache=args.cache,
    )
    model = SmallNetwork(len(data.label_names))
    trainer = lightning.Trainer(
        max_epochs=args.epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, data)
    (found,) = trainer.test(model, data, verbose=False)
    print(f"{len(data.train_dataloader().dataset)} records per epoch, {data.synthetic_per_epoch} of them synthetic")
    print(f"macro AUROC on {len(data.test)} real records of fold {args.test_fold}: {found['macro AUROC']:.3f}")


if __name__ == "__main__":
    main()
