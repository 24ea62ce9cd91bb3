"""Public foundation models as feature extractors: ECG-FM and ECGFounder, from weights in a local folder.

The folder holds config.json and model.safetensors; no other file is opened and nothing is downloaded. The authors
publish pickled checkpoints, which can run code when they are opened. ecggen never opens one; the error message explains
the conversion to safetensors. Every tensor must be known and have the expected shape, so that a partly loaded network
cannot be mistaken for the published one.

config.json: {"model": "ecg-founder"} or {"model": "ecg-fm"}; optional keys are "leads" (["II"] for the single-lead
ECGFounder), "seconds" (length that is used of each record) and "network" (sizes other than the released ones).

ECG-FM (McKeen et al. 2024, arXiv 2408.05178; MIT licence): 768 features of 5 s, pretrained without labels on
MIMIC-IV-ECG and the PhysioNet 2021 challenge. PTB-XL is part of that challenge, so its records are training data of
this model. Published preprocessing: 500 Hz, each lead scaled to mean 0 and deviation 1, windows of 5 s, no filter.
The features therefore depend on noise and bandwidth: compare sets of one sampling rate. A flat lead becomes zeros,
which the model knows from pretraining as a masked lead.

ECGFounder (Li et al., NEJM AI 2025, arXiv 2410.04133; MIT licence): 1,024 features of 10 s, trained on 150 diagnoses of
ten million ECGs, with twelve leads or lead I alone. Published preprocessing at 500 Hz: notch filter at 50 Hz, band-pass
of 0.67 to 40 Hz, running median subtracted, all leads of a record together scaled to mean 0 and deviation 1, so that
the leads keep their proportions.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from scipy.signal import butter, filtfilt, iirnotch, medfilt, sosfiltfilt
from torch import Tensor

from ecggen.core import config
from ecggen.core.errors import InputError
from ecggen.evaluators.window import WindowExtractor
from ecggen.networks.ecg_fm import ECGFMNetwork
from ecggen.networks.ecg_founder import ECGFounderNetwork

NOTCH = 50.0
"""ECGFounder: frequency of the notch filter in Hz; its quality factor is 30."""
BAND = (0.67, 40.0)
"""ECGFounder: corner frequencies in Hz of a zero-phase Butterworth filter of order 4."""
BASELINE = 0.4
"""ECGFounder: length in s of the running median that is subtracted as the baseline."""


class ECGFM(WindowExtractor):
    """Features of ECG-FM; see ``WindowExtractor`` for the arguments and ``load`` for its weights.

    The authors scale records of 10 s and then split them into two windows. ``seconds=10`` does the same and returns the
    mean of both.
    """

    title = "ECG-FM"
    window = 5.0
    least_rate = 100.0
    scaled_over = (2,)

    def _filter(self, waves: np.ndarray) -> np.ndarray:
        return waves

    def _filtering(self) -> dict[str, Any]:
        return {"filter": "none: bandwidth counts, so compare sets of one sampling rate"}


class ECGFounder(WindowExtractor):
    """Features of ECGFounder; see ``WindowExtractor`` for the arguments and ``load`` for its weights."""

    title = "ECGFounder"
    window = 10.0
    least_rate = 100.0
    scaled_over = (1, 2)

    def _filter(self, waves: np.ndarray) -> np.ndarray:
        notched = filtfilt(*iirnotch(NOTCH, 30, self.rate), waves)
        filtered = sosfiltfilt(butter(4, BAND, "bandpass", fs=self.rate, output="sos"), notched)
        taps = int(BASELINE * self.rate) // 2 * 2 + 1
        flat = filtered.reshape(-1, filtered.shape[-1])
        return filtered - np.stack([medfilt(wave, taps) for wave in flat]).reshape(filtered.shape)

    def _filtering(self) -> dict[str, Any]:
        return {"notch_hz": NOTCH, "band_hz": list(BAND), "median_baseline_s": BASELINE}


@dataclass(frozen=True)
class Release:
    """How a model was published.

    Attributes:
        extractor: Its extractor class.
        network: Its network class.
        stored_under: Key of the tensors in the authors' checkpoint.
        prefix: Prefix of the tensors' names in some of the published files.
        unused: Patterns of tensors that are not needed for features.
        renamed: Old names of tensors and their present names.
    """

    extractor: type[WindowExtractor]
    network: type[ECGFounderNetwork] | type[ECGFMNetwork]
    stored_under: str
    prefix: str
    unused: tuple[str, ...]
    renamed: dict[str, str] = field(default_factory=dict)


RELEASES = {
    "ecg-founder": Release(
        ECGFounder,
        ECGFounderNetwork,
        stored_under="state_dict",
        prefix="module.",
        # The head for 150 diagnoses, and batch normalisation, which is in the file but never applied.
        unused=(r"dense\.", r"first_bn\.", r"stage_list\.\d+\.block_list\.\d+\.bn[123]\."),
    ),
    "ecg-fm": Release(
        ECGFM,
        ECGFMNetwork,
        stored_under="model",
        prefix="encoder.",  # of the finetuned release
        # Parts for pretraining only, and the finetuned head.
        unused=(r"mask_emb$", r"quantizer\.", r"project_q\.", r"final_proj\.", r"proj\."),
        renamed={
            "conv_pos.pos_conv.0.weight_g": "conv_pos.pos_conv.0.parametrizations.weight.original0",
            "conv_pos.pos_conv.0.weight_v": "conv_pos.pos_conv.0.parametrizations.weight.original1",
        },
    ),
}
"""Known models by their name in config.json."""
KEYS = ("model", "leads", "seconds", "network")
PICKLED = (".pt", ".pth", ".ckpt", ".bin", ".pkl")


def load(folder: Path | str, device: torch.device | str = "cpu", batch: int = 32) -> WindowExtractor:
    """Load the foundation model in a folder as an extractor.

    Args:
        folder: Holds config.json and model.safetensors.
        device: Device of the network.
        batch: Records per forward pass.

    Raises:
        InputError: If a file is missing, pickled, broken or of another network; the message names the first tensors
            that are missing, unknown or of another shape.
    """
    folder = Path(folder)
    _refuse_pickled(folder)
    about = _read_config(folder / "config.json")
    release = RELEASES[about["model"]]
    # On "meta" the network needs no memory and no initialisation before its tensors are assigned.
    with torch.device("meta"):
        network = config.build(release.network, about.get("network", {}), f'"network" of {folder / "config.json"}')
    file = folder / "model.safetensors"
    tensors = matched(release, _read_tensors(file), network.state_dict(), str(file))
    network.load_state_dict(tensors, assign=True)
    with file.open("rb") as stream:
        digits = hashlib.file_digest(stream, "sha256").hexdigest()[:12]
    name = f"{about['model']}@{digits}"
    return release.extractor(network, name, about.get("leads"), about.get("seconds"), device, batch)


def matched(release: Release, given: dict[str, Tensor], wanted: dict[str, Tensor], where: str) -> dict[str, Tensor]:
    """The tensors of ``wanted``, float32, taken from ``given`` under any of their published names.

    Raises:
        InputError: If one is missing, unknown, of another shape or not finite; ``release.unused`` tensors are ignored.
    """
    prefix = release.prefix if release.prefix + next(iter(wanted)) in given else ""
    bare = {name.removeprefix(prefix): value for name, value in given.items()}
    named = {release.renamed.get(name, name): value for name, value in bare.items()}
    unused = re.compile("|".join(release.unused))
    _complain("lacks", [name for name in wanted if name not in named], release, where)
    _complain(
        "has in addition", [name for name in named if name not in wanted and not unused.match(name)], release, where
    )
    shapes = [
        f"{name} {tuple(named[name].shape)} for {tuple(value.shape)}"
        for name, value in wanted.items()
        if named[name].shape != value.shape
    ]
    _complain("has in another shape", shapes, release, where)
    broken = [name for name in wanted if not bool(torch.isfinite(named[name]).all())]
    _complain("has missing or infinite numbers in", broken, release, where)
    return {name: named[name].float() for name in wanted}


def _complain(what: str, names: list[str], release: Release, where: str) -> None:
    if names:
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        raise InputError(
            f"{where} {what} {', '.join(names[:3])}{more}",
            f"the tensors of {release.extractor.title} in the size of config.json were expected",
            "convert the authors' checkpoint again, with their names",
        )


def _refuse_pickled(folder: Path) -> None:
    """Raise InputError with instructions for the conversion if the folder holds a pickled checkpoint only."""
    if folder.is_dir() and not (folder / "model.safetensors").is_file():
        pickled = sorted(path for path in folder.iterdir() if path.suffix in PICKLED)
    else:
        pickled = [folder] if folder.suffix in PICKLED else []
    if pickled:
        keys = " or ".join(f'"{one.stored_under}" ({one.extractor.title})' for one in RELEASES.values())
        raise InputError(
            f"{pickled[0]} is a pickled checkpoint, which can run code when it is opened, so it is not opened",
            "model.safetensors was expected next to config.json",
            "convert it in an environment of your own, if you trust it: load it with PyTorch and write its tensors, "
            f'which lie under {keys}, with safetensors.torch.save_file(tensors, "model.safetensors")',
        )
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", "one with config.json and model.safetensors was expected")


def _read_config(file: Path) -> dict[str, Any]:
    known = f'{{"model": "ecg-founder"}} or {{"model": "ecg-fm"}} was expected, optionally with {", ".join(KEYS[1:])}'
    try:
        about = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read: {error}", known) from error
    if not isinstance(about, dict) or str(about.get("model")) not in RELEASES:
        raise InputError(f"{file} names no known model", known)
    kinds = {"leads": list, "seconds": (int, float), "network": dict}
    for key, value in about.items():
        if key not in KEYS or not isinstance(value, kinds.get(key, str)):
            raise InputError(f"{file} has {key!r}: {value!r}", known)
    return about


def _read_tensors(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise InputError(
            f"{file} cannot be loaded: {' '.join(str(error).split())[:200]}",
            "complete safetensors weights were expected",
            "convert or copy them again",
        ) from error
