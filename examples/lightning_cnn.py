"""A small convolutional network, trained by Lightning on real and synthetic records, tested on real ones.

    ecggen augment --data PTBXL --folds 1 --balance superclasses --out MADE
    python examples/lightning_cnn.py --real PTBXL --synthetic MADE --train-folds 1

Half of each epoch's records are synthetic (--share). Without --synthetic it is the same network on real records alone.
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
    """Twelve leads → labels: four strided convolutions and a mean over time."""

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
    options.add_argument("--real", required=True, help="PTB-XL, or a folder of its form")
    options.add_argument("--synthetic", help="what ecggen augment wrote")
    options.add_argument("--share", type=float, default=0.5, help="share of an epoch's records that is synthetic")
    options.add_argument("--train-folds", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6, 7, 8])
    options.add_argument("--epochs", type=int, default=2)
    options.add_argument("--validation-fold", type=int, default=9)
    options.add_argument("--test-fold", type=int, default=10)
    options.add_argument("--seconds", type=float, default=10.0, help="length of the records")
    options.add_argument("--cache", help="where packed folders are kept")
    given = options.parse_args()

    lightning.seed_everything(0, verbose=False)
    data = AugmentedData(
        given.real,
        given.synthetic,
        share=given.share,
        train_folds=given.train_folds,
        validation_folds=[given.validation_fold],
        test_folds=[given.test_fold],
        preprocessor=Preprocessor(seconds=given.seconds),
        cache=given.cache,
    )
    model = SmallNetwork(len(data.label_names))
    trainer = lightning.Trainer(
        max_epochs=given.epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, data)
    (found,) = trainer.test(model, data, verbose=False)
    print(f"{len(data.train_dataloader().dataset)} records an epoch, of which {data.synthetic_an_epoch} are synthetic")
    print(f"macro AUROC on {len(data.test)} real records of fold {given.test_fold}: {found['macro AUROC']:.3f}")


if __name__ == "__main__":
    main()
