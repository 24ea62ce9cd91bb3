"""Shared test helpers: a pack of flat records, a tiny evaluator, and the message of an InputError."""

import numpy as np
import pandas
import pytest
import torch
from conftest import ROOT

from ecggen import InputError
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core import config
from ecggen.data import Pack
from ecggen.evaluators import pretrained

CODES = ["NORM SR"] * 12 + ["AFIB ISC_"] * 5 + ["IMI SR"] * 3 + ["AFIB LVH"]


def packed(codes=CODES, **columns) -> Pack:
    """A pack of flat records, for tests of its index."""
    n = len(codes)
    index = {
        "name": [f"{row:05d}" for row in range(n)],
        "patient": [str(row // 2) for row in range(n)],
        "fold": 1 + np.arange(n) // 2 % 8,
        "age": 40.0 + np.arange(n),
        "sex": np.arange(n) % 2 * 1.0,
        "report": ["a person's own words"] * n,
        "codes": codes,
        "heart_rate": 60.0 + np.arange(n),
    }
    own = Preprocessor(seconds=4)
    signal = np.zeros((n, 8, own.samples), np.int16)
    return Pack(signal, np.zeros((n, own.samples), np.float16), pandas.DataFrame(index | columns), own, {})


def tiny_evaluator(kind: str, **changes):
    """A tiny evaluator with random weights."""
    values = config.read_toml(ROOT / "configs" / "tiny" / f"{kind}.toml")
    torch.manual_seed(0)
    return pretrained.new(values["evaluator"], values["model"] | changes, kind).eval()


def refusal(action, *args, **options) -> str:
    with pytest.raises(InputError) as caught:
        action(*args, **options)
    return str(caught.value)
