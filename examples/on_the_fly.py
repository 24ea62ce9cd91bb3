"""Records that a generator draws while a network is trained: no folder, and new ones in every epoch.

    python examples/on_the_fly.py --real PTBXL --class AFIB

What is asked for follows the ages, sexes, heart rates and other findings of the training records with that class.
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
    options.add_argument("--real", required=True, help="PTB-XL, or a folder of its form")
    options.add_argument("--class", dest="name", default="AFIB", help="the class that is drawn")
    options.add_argument("--model", default="flow", help="a generator's checkpoint")
    options.add_argument("--train-folds", type=int, nargs="+", default=[1])
    options.add_argument("--share", type=float, default=0.05, help="share of an epoch's records that is synthetic")
    options.add_argument("--epochs", type=int, default=2)
    options.add_argument("--batches", type=int, help="stop each epoch after so many")
    options.add_argument("--cache", help="where packed folders are kept")
    given = options.parse_args()

    generator = checkpoint.load(given.model)
    labels = [given.name]
    packing = {"preprocessor": generator.preprocessor, "cache": given.cache}
    real = PackedRecords.of(given.real, given.train_folds, labels, **packing)
    asks = Population.of(real.pack, real.rows).of_class(given.name, 1000, seed=0)
    drawn = DrawnRecords(Augmenter(generator, rules=Rules(tries=2), seed=0), asks, labels)

    mixed = Mixed(real, drawn, given.share)
    order = Order(mixed)
    loader = DataLoader(mixed, batch_size=64, sampler=order)
    for epoch in range(given.epochs):
        order.set_epoch(epoch)
        records = positive = synthetic = 0
        for at, (signal, labels, made) in enumerate(loader):
            if at == given.batches:
                break
            # Here a network would take its step: signal is (record, 12, time) in mV.
            records += len(signal)
            positive += int(labels.sum())
            synthetic += int(made.sum())
        print(f"epoch {epoch}: {records} records, {positive} with {given.name}, {synthetic} of them synthetic")


if __name__ == "__main__":
    main()
