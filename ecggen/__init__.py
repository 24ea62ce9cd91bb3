"""ecggen generates electrocardiograms and reconstructs leads: a generator turns a condition into an ECG.

    import ecggen

    watch = ecggen.read("watch.csv")
    model = ecggen.load("flow")
    twelve = model.reconstruct(watch, age=74, sex="F")
    ecggen.write(twelve.mean, "twelve.hea")

``load`` gives a shipped generator ("gan", "vae", "flow", "diffusion") or one in a folder. A ``Generator`` has
``reconstruct``, ``generate``, ``translate``, ``vary`` and ``sample``. ``ecggen.metrics`` holds the evaluation metrics.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecggen import metrics
    from ecggen.conditioning.condition import Condition
    from ecggen.core.ecg import ECG
    from ecggen.core.errors import InputError, InputWarning
    from ecggen.generators.base import Generator, load
    from ecggen.generators.reconstruction import Reconstruction
    from ecggen.io import read, write
    from ecggen.io.ppg import read_ppg

__version__ = "0.2.0.dev0"
__all__ = [
    "ECG",
    "Condition",
    "Generator",
    "InputError",
    "InputWarning",
    "Reconstruction",
    "load",
    "metrics",
    "read",
    "read_ppg",
    "write",
]

_HOMES = {
    "ECG": "core.ecg",
    "Condition": "conditioning.condition",
    "Generator": "generators.base",
    "InputError": "core.errors",
    "InputWarning": "core.errors",
    "Reconstruction": "generators.reconstruction",
    "load": "generators.base",
    "metrics": "metrics",
    "read": "io",
    "read_ppg": "io.ppg",
    "write": "io",
}


def __getattr__(name: str):
    """Import late: torch takes seconds, ``import ecggen`` and ``ecggen --help`` should not."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ecggen' has no attribute {name!r}")
    from importlib import import_module

    home = import_module(f"ecggen.{_HOMES[name]}")
    return home if home.__name__ == f"ecggen.{name}" else getattr(home, name)
