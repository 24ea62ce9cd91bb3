"""ecggen: generate electrocardiograms and reconstruct leads.

A generator turns a condition — whatever is known of a heart — into an ECG:

    import ecggen

    watch = ecggen.read("watch.csv")
    known = ecggen.Condition.none(1, watch.seconds).with_leads(watch)
    twelve = ecggen.load("vae").estimate(known).center
    ecggen.write(twelve, "twelve.hea")
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecggen.conditioning.condition import Condition
    from ecggen.core.ecg import ECG
    from ecggen.core.errors import InputError
    from ecggen.generators.base import Generator
    from ecggen.generators.checkpoint import load
    from ecggen.generators.reconstruction import Reconstruction
    from ecggen.io import read, write

__version__ = "0.1.0"
__all__ = ["ECG", "Condition", "Generator", "InputError", "Reconstruction", "load", "read", "write"]

_HOMES = {
    "ECG": "core.ecg",
    "Condition": "conditioning.condition",
    "Reconstruction": "generators.base",
    "Generator": "generators.base",
    "InputError": "core.errors",
    "load": "generators.checkpoint",
    "read": "io",
    "write": "io",
}


def __getattr__(name: str):
    """Import late: torch takes seconds, ``import ecggen`` and ``ecggen --help`` should not."""
    if name not in _HOMES:
        raise AttributeError(f"module 'ecggen' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"ecggen.{_HOMES[name]}"), name)
