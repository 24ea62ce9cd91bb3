"""What the stages of a recipe are given: the recordings, packed once, and the weights of the stage before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from ecggen import data
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.data.pack import Imputer, Pack
from ecggen.training.hearts.material import Report

SHOWN = 5
"""Recordings that are left out, of which the reason is shown."""


@dataclass
class Recordings:
    """Folders of recordings, packed when they are first needed.

    Attributes:
        folders: Folders of training data.
        cache: Folder of packed data sets; None for the default.
        say: Called with lines for the user.
        progress: A context with a function to call with the name of the work and the share of it that is done.
        bars: Whether training shows progress bars.
        outside: Folders of other archives, which no weight is trained on (``ecggen.training.trust``).
    """

    folders: Sequence[Path]
    cache: Path | None
    say: Callable[[str], None]
    progress: Callable[[], AbstractContextManager[Report]]
    bars: bool = True
    outside: Sequence[Path] = ()
    _found: dict[Path, list[data.Recording]] = field(default_factory=dict)
    _packs: dict[str, Pack] = field(default_factory=dict)

    def find(self) -> dict[Path, list[data.Recording]]:
        """The recordings of each folder of training data.

        Raises:
            InputError: If there is no such folder, or no recording in it.
        """
        self._found = self._found or {folder: data.recordings(folder) for folder in self.folders}
        return self._found

    def pack(self, preprocessor: Preprocessor, imputer: Imputer | None = None) -> Pack:
        """All training data in one pack.

        Args:
            preprocessor: Preprocessing of the model.
            imputer: Generates the missing leads of recordings with a PPG; without it they are left out.

        Raises:
            InputError: If no recording can be used.
        """
        name = "" if imputer is None else imputer.name
        if name not in self._packs:
            found = self.find()
            whole = {folder: own for folder, own in found.items() if imputer or not all(one.paired for one in own)}
            parts = []
            for folder, own in (whole or found).items():
                with self.progress() as report:
                    share = _named(report, f"packing {folder.name}")
                    parts.append(data.pack(own, preprocessor, self.cache, share, imputer))
            pack = data.join(parts)
            for one, reason in list(pack.left_out.items())[:SHOWN]:
                self.say(f"left out {one}: {reason}")
            self.say(f"{len(pack)} windows; {len(pack.left_out)} recordings left out")
            self._packs[name] = pack
        return self._packs[name]

    def outside_pack(self, folder: Path, preprocessor: Preprocessor) -> Pack:
        """The recordings of one of the other archives."""
        with self.progress() as report:
            share = _named(report, f"packing {folder.name}")
            return data.pack(data.recordings(folder), preprocessor, self.cache, share)


def _named(report: Report, name: str) -> Callable[[float], None]:
    return lambda share: report(name, share)


@dataclass(frozen=True)
class Job:
    """What a stage is given.

    Attributes:
        before: Checkpoint with the weights so far.
        folder: Folder of the stage, for partial results.
        result: Checkpoint that the stage writes when it is finished, atomically.
        recordings: The recordings.
        earlier: Checkpoints of the finished stages by name.
        imputer: Generator that imputes missing leads; None for those of stages.
        rank: Number of this process; only process 0 writes results.
    """

    before: Path
    folder: Path
    result: Path
    recordings: Recordings
    earlier: Mapping[str, Path]
    imputer: Imputer | None = None
    rank: int = 0

    @property
    def finished(self) -> bool:
        """Whether the stage is finished."""
        return (self.result / "config.json").is_file()
