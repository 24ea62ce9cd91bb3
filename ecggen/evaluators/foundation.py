"""Public foundation models from a folder of the user's: config.json and model.safetensors, nothing else is opened.

Nothing is fetched. The authors publish pickled checkpoints, which can run code when they are opened; ecggen never
opens one, and says how to turn it into safetensors. Every tensor must be known and fit, so that a network that is
half loaded, and answers with noise, cannot pass for the published one.

config.json: {"model": "ecg-founder"} or {"model": "ecg-fm"}; where wanted "leads" (["II"] for the single-lead
ECGFounder), "seconds" (how much of each record), and "network" (sizes other than the released ones).
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ecggen.core import config
from ecggen.core.errors import InputError
from ecggen.evaluators.ecg_fm import ECGFM
from ecggen.evaluators.ecg_founder import ECGFounder
from ecggen.evaluators.window import WindowExtractor
from ecggen.networks.ecg_fm import ECGFMNetwork
from ecggen.networks.ecg_founder import ECGFounderNetwork


@dataclass(frozen=True)
class Release:
    """How a model was published.

    Attributes:
        extractor: What turns ECGs into features.
        network: Its network.
        stored_under: The key of the authors' checkpoint under which the tensors lie.
        prefix: What stands before each name in some of the published files.
        unused: Patterns of tensors that features do not need.
        renamed: Older names of tensors, and those of today.
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
        # The head for 150 diagnoses, and batch normalisation, which is in the file but never run.
        unused=(r"dense\.", r"first_bn\.", r"stage_list\.\d+\.block_list\.\d+\.bn[123]\."),
    ),
    "ecg-fm": Release(
        ECGFM,
        ECGFMNetwork,
        stored_under="model",
        prefix="encoder.",  # of the finetuned release
        # What serves pretraining, and the finetuned head.
        unused=(r"mask_emb$", r"quantizer\.", r"project_q\.", r"final_proj\.", r"proj\."),
        renamed={
            "conv_pos.pos_conv.0.weight_g": "conv_pos.pos_conv.0.parametrizations.weight.original0",
            "conv_pos.pos_conv.0.weight_v": "conv_pos.pos_conv.0.parametrizations.weight.original1",
        },
    ),
}
"""The models that are known here, by their name in config.json."""
KEYS = ("model", "leads", "seconds", "network")
PICKLED = (".pt", ".pth", ".ckpt", ".bin", ".pkl")


def load(folder: Path | str, device: torch.device | str = "cpu", batch: int = 32) -> WindowExtractor:
    """The foundation model in a folder, ready to give features.

    Args:
        folder: Holds config.json and model.safetensors.
        device: Where it computes.
        batch: Records at a time.

    Raises:
        InputError: Where a file is missing, pickled, broken or of another network; it names the first tensors that
            are missing, unknown or of another shape.
    """
    folder = Path(folder)
    _refuse_pickled(folder)
    about = _read_config(folder / "config.json")
    release = RELEASES[about["model"]]
    # On "meta" the network takes no memory and no time until its tensors are there.
    with torch.device("meta"):
        network = config.build(release.network, about.get("network", {}), f'"network" of {folder / "config.json"}')
    file = folder / "model.safetensors"
    tensors = matched(release, _read_tensors(file), network.state_dict(), str(file))
    network.load_state_dict(tensors, assign=True)
    with file.open("rb") as bytes_of:
        digits = hashlib.file_digest(bytes_of, "sha256").hexdigest()[:12]
    name = f"{about['model']}@{digits}"
    return release.extractor(network, name, about.get("leads"), about.get("seconds"), device, batch)


def matched(release: Release, given: dict[str, Tensor], wanted: dict[str, Tensor], where: str) -> dict[str, Tensor]:
    """The tensors of ``wanted``, float32, out of ``given`` under any of the names that were published.

    Raises:
        InputError: Where one is missing, unknown, of another shape or not finite; what features do not need is left.
    """
    prefix = release.prefix if release.prefix + next(iter(wanted)) in given else ""
    bare = {name.removeprefix(prefix): value for name, value in given.items()}
    named = {release.renamed.get(name, name): value for name, value in bare.items()}
    unused = re.compile("|".join(release.unused))
    _complain("lacks", [name for name in wanted if name not in named], release, where)
    _complain("has besides", [name for name in named if name not in wanted and not unused.match(name)], release, where)
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
    """An InputError that tells how to convert where there is a pickled checkpoint instead of safetensors."""
    if folder.is_dir() and not (folder / "model.safetensors").is_file():
        pickled = sorted(path for path in folder.iterdir() if path.suffix in PICKLED)
    else:
        pickled = [folder] if folder.suffix in PICKLED else []
    if pickled:
        keys = " or ".join(f'"{one.stored_under}" ({one.extractor.title})' for one in RELEASES.values())
        raise InputError(
            f"{pickled[0]} is a pickled checkpoint, which can run code when it is opened, so it is not opened",
            "model.safetensors was expected beside config.json",
            "convert it in an environment of your own, if you trust it: load it with PyTorch and write its tensors, "
            f'which lie under {keys}, with safetensors.torch.save_file(tensors, "model.safetensors")',
        )
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", "one with config.json and model.safetensors was expected")


def _read_config(file: Path) -> dict[str, Any]:
    known = f'{{"model": "ecg-founder"}} or {{"model": "ecg-fm"}} was expected, with {", ".join(KEYS[1:])} where wanted'
    try:
        about = json.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read: {error}", known) from error
    if not isinstance(about, dict) or str(about.get("model")) not in RELEASES:
        raise InputError(f"{file} names no model that is known here", known)
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
            "whole safetensors weights were expected",
            "convert or copy them again",
        ) from error
