"""Data sets: reading PTB-XL, MIMIC-IV-ECG, BIDMC and LUDB, packing recordings into arrays, and requests for records."""

from ecggen.data.batches import Batch, Batches
from ecggen.data.pack import Pack, Recording, join, pack
from ecggen.data.sources import recordings

__all__ = ["Batch", "Batches", "Pack", "Recording", "join", "pack", "recordings"]
