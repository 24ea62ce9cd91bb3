"""A small training set in the format of PTB-XL: simulated ECGs that count as real, a rare class, unusual cells."""

from dataclasses import replace
from pathlib import Path

from ecggen.core.simulate import simulate
from ecggen.data.ptb_xl import PtbXlFolder
from ecggen.io.metadata import About

COMMON = (("NORM", "SR"), ("IMI", "SR"), ("NORM", "SBRAD"), ("LVH", "NDT"))
RARE = ("AFIB", "CLBBB")


def training_folder(path: Path, n: int = 40, seconds: float = 4) -> Path:
    """Write ``n`` records of ``n`` patients, of which 2 in 10 have the codes ``RARE``, in folds 1 to 10 in turn."""
    folder, ecgs = PtbXlFolder(path), simulate(n, seconds=seconds, seed=1)
    for at in range(n):
        codes = RARE if at % 10 in (0, 5) else COMMON[at % 4]
        age = 300.0 if at == 0 else 70.0 if codes == RARE else 30.0
        about = About(age, "M" if at % 3 else "F", codes, "ekg nr. " + str(at), str(11000 + at), 1 + at // 4 % 10)
        folder.add(replace(ecgs[at], provenance=None), about)
    return path
