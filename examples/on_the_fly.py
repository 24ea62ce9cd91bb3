"""Generate records during training: no folder of synthetic records, and new records in every epoch.

    python examples/on_the_fly.py --real PTBXL --class AFIB

The requests follow the ages, sexes, heart rates and co-occurring findings of the training records of the class.
"""

import argparse

from torch.utils.data import DataLoader

from ecggen.augment.augmenter import Augmenter, Rules
from ecggen.augment.labelled import PackedRecords
from ecggen.augment.mixed import Mixed, Order
from ecggen.augment.on_the_fly import DrawnRecords
from ecggen.data.population import Population
from ecggen.generators import checkpoint


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--real", required=True, help="PTB-XL, or a folder in its format")
    options.add_argument("--class", dest="name", default="AFIB", help="class to generate")
    options.add_argument("--model", default="flow", help="generator: a shipped name or a checkpoint folder")
    options.add_argument("--train-folds", type=int, nargs="+", default=[1])
    options.add_argument("--share", type=float, default=0.05, help="share of synthetic records in an epoch")
    options.add_argument("--epochs", type=int, default=2)
    options.add_argument("--batches", type=int, help="maximum number of batches per epoch")
    options.add_argument("--cache", help="folder of packed data sets")
    args = options.parse_args()

    generator = checkpoint.load(args.model)
    labels = [args.name]
    packing = {"preprocessor": generator.preprocessor, "cache": args.cache}
    real = PackedRecords.of(args.real, args.train_folds, labels, **packing)
    requests = Population.of(real.pack, real.rows).of_class(args.name, 1000, seed=0)
    synthetic_records = DrawnRecords(Augmenter(generator, rules=Rules(max_attempts=2), seed=0), requests, labels)

    mixed = Mixed(real, synthetic_records, args.share)
    order = Order(mixed)
    loader = DataLoader(mixed, batch_size=64, sampler=order)
    for epoch in range(args.epochs):
        order.set_epoch(epoch)
        records = positive = synthetic = 0
        for at, (signal, labels, is_synthetic) in enumerate(loader):
            if at == args.batches:
                break
            # A training step goes here; signal is (record, 12, time) in mV.
            records += len(signal)
            positive += int(labels.sum())
            synthetic += int(is_synthetic.sum())
        print(f"epoch {epoch}: {records} records, {positive} with {args.name}, {synthetic} of them synthetic")


if __name__ == "__main__":
    main()
