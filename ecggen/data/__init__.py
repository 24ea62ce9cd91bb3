"""Data sets: folders of recordings, packed once into arrays that epochs read fast."""

from ecggen.data.batches import Batch, Batches
from ecggen.data.pack import Pack, Recording, join, pack
from ecggen.data.sources import recordings

__all__ = ["Batch", "Batches", "Pack", "Recording", "join", "pack", "recordings"]
