"""Checkpoints of generators: a folder with config.json, model.safetensors, preprocessor_config.json and README.md.

``people.json`` holds the patient prior, if there is one, ``trust.json`` the widening of prediction intervals
(``ecggen.generators.trust``), and ``beat_inflation.json`` the factors of ``ecggen.generators.beat_inflation``.
``golden.json`` holds the expected draw for one condition and seed, as a regression test. A checkpoint contains no code
(``ecggen.networks.storage``), and its generator must be in ``ecggen.generators.registry``.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from ecggen.conditioning.condition import Condition
from ecggen.conditioning.patient_prior import PatientPrior
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core import config
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.generators import beat_inflation, registry
from ecggen.generators.trust import widening
from ecggen.networks import storage

FORMAT = 1
"""Version of the checkpoint format; other versions are refused."""

PEOPLE = "people.json"
"""File of the patient prior."""


def save(generator: Any, folder: Path | str, card: str = "", half: bool = False) -> Path:
    """Write ``generator`` to a folder, atomically; an existing checkpoint in it is replaced.

    Args:
        generator: Built by ``registry.generator`` or loaded, so that its ``config`` is complete.
        folder: Output folder.
        card: Model card, written to README.md. If it is empty, an existing card and golden file are kept.
        half: Store float16 weights, as in the shipped checkpoints; computations stay in float32.

    Returns:
        The folder.
    """
    about = {"generator": type(generator).__name__.lower(), "model": dict(generator.config)}
    files = {"config.json": {"format": FORMAT, **about}, "preprocessor_config.json": asdict(generator.preprocessor)}
    if generator.patient_prior is not None:
        files[PEOPLE] = generator.patient_prior.as_json()
    if generator.widening is not None:
        files[widening.FILE] = generator.widening.as_json()
    if generator.beat_inflation is not None:
        files[beat_inflation.FILE] = generator.beat_inflation.as_json()
    return storage.store(generator, Path(folder), files, card, half)


def load(name: str | Path) -> Any:
    """Load a generator from a checkpoint folder, or a shipped one by its name, in evaluation mode.

    ``ecggen.generators.base.load`` is the same with the type ``Generator``, which this module must not import.

    Args:
        name: A checkpoint folder, or "gan", "vae", "flow" or "diffusion".

    Raises:
        InputError: If the folder is missing, incomplete, truncated or in another format.

    Example:
        >>> load("vae").preprocessor.seconds
        10.0
    """
    folder = storage.find(name)
    values = storage.read_json(folder / "config.json")
    if values.get("format") != FORMAT:
        raise InputError(
            f"{folder} is a checkpoint of format {values.get('format')!r}",
            f"format {FORMAT} was expected",
            "use the ecggen release it was made with, or train it again",
        )
    with storage.Unfilled():
        loaded = registry.generator(str(values.get("generator")), values.get("model", {}), f"{folder / 'config.json'}")
    loaded.preprocessor = config.build(
        Preprocessor,
        storage.read_json(folder / "preprocessor_config.json"),
        f"{folder / 'preprocessor_config.json'}",
    )
    if (folder / PEOPLE).is_file():
        loaded.patient_prior = PatientPrior.from_json(storage.read_json(folder / PEOPLE), str(folder / PEOPLE))
    if (folder / widening.FILE).is_file():
        trust = folder / widening.FILE
        loaded.widening = widening.Widening.from_json(storage.read_json(trust), str(trust))
    if (folder / beat_inflation.FILE).is_file():
        factors = folder / beat_inflation.FILE
        loaded.beat_inflation = beat_inflation.BeatInflation.from_json(storage.read_json(factors), str(factors))
    storage.fill(loaded, folder)
    loaded.name = f"{folder.name}@{storage.weights_hash(folder)}"
    return loaded.eval()


def copy_weights(name: str | Path, generator: Any) -> list[str]:
    """Initialise ``generator`` with the weights and the patient prior of a checkpoint, to continue training.

    Weights are matched by name, also between different generators, which share the condition encoder. If shapes
    differ, the common part is copied and the rest keeps its initial values.

    Args:
        name: A checkpoint folder, or a shipped one by its name.
        generator: Its weights are changed in place.

    Returns:
        Names of the weights that were not copied, or only in part.

    Raises:
        InputError: If the preprocessing differs, or no weight matches.
    """
    other = load(name)
    if other.preprocessor != generator.preprocessor:
        raise InputError(
            f"the preprocessing of checkpoint {name} is {other.preprocessor}",
            f"{generator.preprocessor} was expected, as in the config",
        )
    generator.patient_prior = generator.patient_prior or other.patient_prior
    source = other.state_dict()
    unmatched, copied = [], 0
    for key, target in generator.state_dict().items():
        value = source.get(key)
        if value is None or value.ndim != target.ndim:
            unmatched.append(key)
            continue
        common = tuple(slice(min(sizes)) for sizes in zip(value.shape, target.shape, strict=True))
        target[common] = value[common]
        copied += target[common].numel()
        if value.shape != target.shape:
            unmatched.append(key)
    if copied < 0.01 * sum(value.numel() for value in generator.state_dict().values()):
        raise InputError(
            f"no weight of checkpoint {name}, a {type(other).__name__}, matches this {type(generator).__name__}",
            "a checkpoint with weights of the same names was expected",
        )
    return unmatched


def golden_answer(generator: Any, golden: dict[str, Any]) -> list[list[float]]:
    """Draw of ``generator`` for the condition of a golden file, at its samples: twelve lists in mV.

    The condition is a text, or leads that are simulated, so that the file is small and contains no patient data.
    """
    seconds, fs = golden["seconds"], golden["fs"]
    if "text" in golden:
        condition = Condition(text=golden["text"], seconds=seconds, fs=fs)
    else:
        condition = Condition(simulate(1, seconds=seconds, fs=fs, seed=golden["heart"]).pick(*golden["given"]))
    ecg = generator.sample(condition, seed=golden["seed"])
    return ecg.signal[0, :, :: golden["every"]].tolist()


def write_golden(folder: Path | str) -> list[Path]:
    """Write ``golden.json`` with the current draw of the checkpoint in ``folder`` for a lead, and, with a heart-first
    model, ``golden_hearts.json`` with that for a text."""
    folder = Path(folder)
    generator = load(folder)
    common = {"fs": 250, "seconds": 10, "seed": 1, "every": 125}
    files = {"golden.json": {"heart": 5, **common, "given": ["I"], "tolerance_mv": 0.002}}
    if generator.heart_first is not None:
        text = "atrial fibrillation with premature ventricular complexes, 74-year-old woman"
        files["golden_hearts.json"] = {"text": text, **common, "tolerance_mv": 0.02}
    for name, golden in files.items():
        answer = golden_answer(generator, golden)
        golden["answer_mv"] = [[round(value, 5) for value in lead] for lead in answer]
        storage.write_json(folder / name, golden)
    return [folder / name for name in files]


def licence(folder: Path) -> str:
    """The licence of a checkpoint and of what it computes, as its model card states it; "" if it states none.

    Args:
        folder: Folder of the checkpoint.
    """
    card = folder / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace").lower() if card.is_file() else ""
    if "license: odc-by" in text:
        source = " M. A. F. Pimentel et al., BIDMC, IEEE TBME 2016;64:1914." if "bidmc" in text else ""
        return f"ODC-By 1.0, as stated in the model card; name the training data.{source}"
    if "cc-by-4.0" not in text and "cc by 4.0" not in text:
        return ""
    source = " P. Wagner et al., PTB-XL, doi 10.13026/kfzx-aw45." if "ptb-xl" in text else ""
    return f"CC BY 4.0, as stated in the model card; name the training data.{source}"
