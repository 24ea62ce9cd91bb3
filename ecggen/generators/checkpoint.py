"""A generator as a folder: config.json, model.safetensors, preprocessor_config.json, README.md, golden.json; with
people.json, whom it draws where nothing is told.

Nothing in it is code (``ecggen.networks.storage``), and the generator's name can only be a file of ``ecggen/generators``.
``golden.json`` holds one condition's seed and answer, so that a build that draws something else is noticed.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ecggen.conditioning.condition import Condition
from ecggen.conditioning.patient_prior import PatientPrior
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core import config
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.generators import registry
from ecggen.networks import storage

if TYPE_CHECKING:
    from ecggen.generators.base import Generator

FORMAT = 1
"""Version of the folder's form; a folder of another version is refused, never guessed at."""


PEOPLE = "people.json"


def save(generator: Generator, folder: Path | str, card: str = "", half: bool = False) -> Path:
    """Write ``generator`` to a folder, whole or not at all; an older checkpoint there is replaced.

    Args:
        generator: Built by ``registry.generator`` or loaded, so that its ``config`` is known.
        folder: Where to.
        card: Text of README.md; an existing card and golden file stay where none is given.
        half: Store 16-bit numbers, as shipped weights are; they are computed with as 32-bit ones all the same.
    """
    about = {"generator": type(generator).__name__.lower(), "model": dict(generator.config)}
    files = {"config.json": {"format": FORMAT, **about}, "preprocessor_config.json": asdict(generator.preprocessor)}
    if generator.patient_prior is not None:
        files[PEOPLE] = generator.patient_prior.as_json()
    return storage.store(generator, Path(folder), files, card, half)


def load(name: str | Path) -> Generator:
    """The generator in a folder, or a shipped one by its name, ready to draw.

    Args:
        name: A checkpoint folder, or the name of one in ``checkpoints/``.

    Raises:
        InputError: Where the folder is missing, incomplete, truncated, of another format or not safetensors.
    """
    folder = storage.find(name)
    about = storage.read_json(folder / "config.json")
    if about.get("format") != FORMAT:
        raise InputError(
            f"{folder} is a checkpoint of format {about.get('format')!r}",
            f"format {FORMAT} was expected",
            "use the ecggen release it was made with, or train it again",
        )
    made = registry.generator(str(about.get("generator")), about.get("model", {}), f"{folder / 'config.json'}")
    made.preprocessor = config.build(
        Preprocessor,
        storage.read_json(folder / "preprocessor_config.json"),
        f"{folder / 'preprocessor_config.json'}",
    )
    if (folder / PEOPLE).is_file():
        made.patient_prior = PatientPrior.from_json(storage.read_json(folder / PEOPLE), str(folder / PEOPLE))
    storage.fill(made, folder)
    made.name = f"{folder.name}@{storage.weights_hash(folder)}"
    return made.eval()


def copy_weights(name: str | Path, generator: Generator) -> list[str]:
    """Give ``generator`` the weights of a checkpoint, to train on from there; what did not fit is returned.

    Weights go by their names, also from one family to another (the latent families read a condition as the VAE
    does). Where a weight has grown, what both have is copied and the rest stays at its beginning.

    Raises:
        InputError: Where the preprocessing differs, or no weight fits.
    """
    other = load(name)
    if other.preprocessor != generator.preprocessor:
        raise InputError(
            f"the preprocessing of checkpoint {name} is {other.preprocessor}",
            f"{generator.preprocessor} was expected, as in the config",
        )
    theirs = other.state_dict()
    foreign, copied = [], 0
    for key, ours in generator.state_dict().items():
        given = theirs.get(key)
        if given is None or given.ndim != ours.ndim:
            foreign.append(key)
            continue
        both = tuple(slice(min(sizes)) for sizes in zip(given.shape, ours.shape, strict=True))
        ours[both] = given[both]
        copied += ours[both].numel()
        if given.shape != ours.shape:
            foreign.append(key)
    if copied < 0.01 * sum(value.numel() for value in generator.state_dict().values()):
        raise InputError(
            f"checkpoint {name} is a {type(other).__name__} of which no weight fits",
            f"weights that a {type(generator).__name__} can begin with were expected",
        )
    return foreign


def golden_answer(generator: Generator, golden: dict[str, Any]) -> list[list[float]]:
    """What ``generator`` draws for the condition of a golden file: its leads at its samples, in mV.

    The condition is a simulated heart's, so that the file is small and holds nobody's ECG.
    """
    heart = simulate(1, seconds=golden["seconds"], fs=golden["fs"], seed=golden["heart"]).pick(*golden["given"])
    ecg = generator.sample(Condition.none(1, heart.seconds, heart.fs).with_leads(heart), seed=golden["seed"])
    return ecg.signal[0, :, :: golden["every"]].tolist()


def write_golden(folder: Path | str) -> Path:
    """Record what the checkpoint in ``folder`` draws now in its ``golden.json``."""
    folder = Path(folder)
    golden = {"heart": 5, "fs": 250, "seconds": 10, "given": ["I"], "seed": 1, "every": 125, "tolerance_mv": 0.002}
    answer = golden_answer(load(folder), golden)
    golden["answer_mv"] = [[round(value, 5) for value in lead] for lead in answer]
    storage.write_json(folder / "golden.json", golden)
    return folder / "golden.json"
