"""``ecggen export``: write a network as an ONNX file for phones, browsers and servers without Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Context, Option

from ecggen.cli import console
from ecggen.cli.options import Json, Level, Overwrite, Seed, named_leads

if TYPE_CHECKING:
    from ecggen.networks.onnx.graph import Graph


def export(
    context: Context,
    model: Annotated[
        str,
        Argument(help="vae, whose draws take one pass, or a checkpoint folder of a VAE; pulse for the beats of a PPG."),
    ],
    out: Annotated[Path, Option(help="Output file, e.g. model.onnx.")],
    leads: Annotated[str, Option(help="Recorded leads, e.g. I or II,V1,V5.")] = "I",
    fs: Annotated[
        float | None, Option("--fs", help="Sampling rate of the recordings in Hz (default: 500; 125 for a PPG).")
    ] = None,
    seconds: Annotated[float, Option(help="Duration of the PPG in seconds.")] = 30,
    num_draws: Annotated[int, Option(help="Number of draws for the point estimate and the prediction interval.")] = 20,
    level: Level = 0.9,
    int8: Annotated[
        bool, Option("--int8", help="Also write a file with weights of 8 bits, which is smaller: NAME_int8.onnx.")
    ] = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write the reconstruction of twelve leads, or the beats of a PPG, as one ONNX file.

    The file of a VAE takes a window of the recording in mV at the stated rate, and gives twelve leads with their
    prediction interval at the same rate: filter, resampling and derived leads are inside. The file of pulse takes a
    PPG, and gives the times of R peaks with their uncertainty. Metadata of the file state what is synthetic, the
    model, the licence, and each input and output. Not for diagnosis. See docs/guides/onnx.md.
    """
    from ecggen.core.errors import InputError
    from ecggen.networks.onnx import graph as onnx

    if out.suffix != ".onnx":
        raise InputError(f"the output is {out}", "a name that ends with .onnx was expected")
    small = out.with_name(f"{out.stem}_int8.onnx")
    for path in (out, small) if int8 else (out,):
        onnx.check_new(path, overwrite)
    onnx.check_installed()
    graph = _graph(context, model, leads, fs, seconds, num_draws, level, seed)
    with console.progress("exporting", quiet=as_json):
        made = onnx.export(graph)
    files = [_measured(graph, made)]
    _refuse_difference(graph, files[0]["largest_difference"])
    models = {out: made}
    if int8:
        models[small] = onnx.with_8_bit_weights(made)
        files.append(_measured(graph, models[small]))
    for (path, each), about in zip(models.items(), files, strict=True):
        about |= {"bytes": onnx.save(each, path, overwrite), "file": str(path)}
    about = {**graph.facts, "opset": onnx.OPSET, "files": files}
    if as_json:
        console.print_json(about)
    else:
        console.print_text(as_text(about))


def _graph(
    context: Context,
    model: str,
    leads: str,
    fs: float | None,
    seconds: float,
    num_draws: int,
    level: float,
    seed: int,
) -> Graph:
    """What is exported: the beats of a PPG for a pulse network, or else lead reconstruction."""
    from ecggen.generators import checkpoint
    from ecggen.generators.base import load
    from ecggen.generators.export.pulse_beats import pulse_beats_graph
    from ecggen.generators.export.reconstruction import reconstruction_graph
    from ecggen.networks import storage

    folder = storage.find(model)
    licence = checkpoint.licence(folder)
    if storage.read_json(folder / "config.json").get("kind") == "pulse":
        _refuse_given(context, model, "leads", "num_draws", "level", "seed")
        return pulse_beats_graph(model, 125 if fs is None else fs, seconds, licence)
    _refuse_given(context, model, "seconds")
    generator, rate = load(model), 500 if fs is None else fs
    return reconstruction_graph(generator, named_leads(leads) or (), rate, num_draws, level, seed, licence)


def _refuse_given(context: Context, model: str, *names: str) -> None:
    """Raise InputError if an option is given that does not concern a model."""
    from ecggen.core.errors import InputError

    for option in (one for one in context.command.params if one.name in names):
        source = context.get_parameter_source(option.name or "")
        if source is not None and source.name == "COMMANDLINE":
            raise InputError(f"{option.opts[0]} is given", f"it does not concern {model}", "leave it out")


def _refuse_difference(graph: Graph, differences: dict[str, float]) -> None:
    """Raise InputError if the file with 32 bits would differ from torch."""
    from ecggen.core.errors import InputError

    for name, most in graph.accepted.items():
        if differences[name] > most:
            found = f"{name} of the file would differ from torch by {differences[name]:.2g}"
            raise InputError(found, f"at most {most:g} was expected", "use torch for this model")


def _measured(graph: Graph, model: Any) -> dict[str, Any]:
    """Largest difference of each output from torch for a simulated recording, and processor time of a run."""
    from ecggen.networks.onnx import graph as onnx

    opened = onnx.session(model)
    found = onnx.run(opened, graph.inputs)
    most = {name: float((found[name] - expected).abs().max()) for name, expected in graph.outputs.items()}
    return {"largest_difference": most, "ms_on_one_core": 1000 * onnx.latency(opened, graph.inputs)}


def as_text(about: dict[str, Any]) -> str:
    """The summary as text."""
    draws = f", {about['num_draws']} draws, seed {about['seed']}" if "num_draws" in about else ""
    lists = {
        f"{name}:": f"{', '.join(about[name])}" for name in ("observed", "derived", "generated") if about.get(name)
    }
    lines = [
        str(about["notice"]),
        *(f"{name:10} {leads}" for name, leads in lists.items()),
        *([f"timing:    {about['timing']}"] if "timing" in about else []),
        f"model:     {about['model']}{draws}, opset {about['opset']}",
        *(f"input:     {name} {text}" for name, text in about["inputs"].items()),
        *(f"output:    {name} {text}" for name, text in about["outputs"].items()),
    ]
    for file in about["files"]:
        lines.append(
            f"file:      {file['file']}, {file['bytes'] / 1e6:.1f} MB, {file['ms_on_one_core']:.0f} ms on one core, "
            f"differs from torch by at most {_difference(file['largest_difference'])} on a simulated recording"
        )
    return "\n".join(lines)


def _difference(most: dict[str, float]) -> str:
    """Differences from torch as text: of the leads, or of the times and probabilities of beats."""
    if "time" in most:
        return f"{1000 * most['time']:.2g} ms and a probability of {most['probability']:.2g}"
    return f"{1000 * max(most.values()):.2g} µV"
