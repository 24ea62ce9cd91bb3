"""``ecggen export``: write lead reconstruction as an ONNX file for phones, browsers and servers without Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from ecggen.cli import console
from ecggen.cli.options import Json, Level, Overwrite, Seed, named_leads

if TYPE_CHECKING:
    from ecggen.networks.onnx.graph import Graph

MOST_UV = 1.0
"""Largest accepted difference between the 32-bit file and torch in µV."""


def export(
    model: Annotated[str, Argument(help="Generator that draws in one pass: vae, or a checkpoint folder of a VAE.")],
    out: Annotated[Path, Option(help="Output file, e.g. model.onnx.")],
    leads: Annotated[str, Option(help="Recorded leads, e.g. I or II,V1,V5.")] = "I",
    fs: Annotated[float, Option("--fs", help="Sampling rate of the recordings in Hz.")] = 500,
    num_draws: Annotated[int, Option(help="Number of draws for the point estimate and the prediction interval.")] = 20,
    level: Level = 0.9,
    int8: Annotated[
        bool, Option("--int8", help="Also write a file with weights of 8 bits, a third as large: NAME_int8.onnx.")
    ] = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    as_json: Json = False,
) -> None:
    """Write the reconstruction of twelve leads as one ONNX file, with filter, resampling and derived leads inside.

    The file takes a window of the recording in mV at the stated rate, and gives twelve leads with their prediction
    interval at the same rate. Its metadata state which leads are synthetic, the model, the licence, and each input and
    output. Not for diagnosis. See docs/guides/onnx.md.
    """
    from ecggen.core.errors import InputError
    from ecggen.generators import checkpoint
    from ecggen.generators.base import load
    from ecggen.generators.export.reconstruction import reconstruction_graph
    from ecggen.networks import storage
    from ecggen.networks.onnx import graph as onnx

    if out.suffix != ".onnx":
        raise InputError(f"the output is {out}", "a name that ends with .onnx was expected")
    small = out.with_name(f"{out.stem}_int8.onnx")
    for path in (out, small) if int8 else (out,):
        onnx.check_new(path, overwrite)
    onnx.check_installed()
    licence = checkpoint.licence(storage.find(model))
    graph = reconstruction_graph(load(model), named_leads(leads) or (), fs, num_draws, level, seed, licence)
    with console.progress("exporting", quiet=as_json):
        made = onnx.export(graph)
    files = [_measured(graph, made)]
    if files[0]["largest_difference_uv"] > MOST_UV:
        found = f"the file would differ from torch by {files[0]['largest_difference_uv']:.2g} µV"
        raise InputError(found, f"at most {MOST_UV:g} µV were expected", "use torch for this model")
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


def _measured(graph: Graph, model: Any) -> dict[str, Any]:
    """Largest difference from torch in µV for a simulated recording, and processor time of a run."""
    from ecggen.networks.onnx import graph as onnx

    opened = onnx.session(model)
    found = onnx.run(opened, graph.inputs)
    most = max(float((found[name] - expected).abs().max()) for name, expected in graph.outputs.items())
    return {"largest_difference_uv": 1000 * most, "ms_on_one_core": 1000 * onnx.latency(opened, graph.inputs)}


def as_text(about: dict[str, Any]) -> str:
    """The summary as text."""
    lines = [
        str(about["notice"]),
        f"observed:  {', '.join(about['observed'])}",
        *([f"derived:   {', '.join(about['derived'])}"] if about["derived"] else []),
        f"generated: {', '.join(about['generated'])}",
        f"model:     {about['model']}, {about['num_draws']} draws, seed {about['seed']}, opset {about['opset']}",
        *(f"input:     {name} {text}" for name, text in about["inputs"].items()),
        *(f"output:    {name} {text}" for name, text in about["outputs"].items()),
    ]
    for file in about["files"]:
        lines.append(
            f"file:      {file['file']}, {file['bytes'] / 1e6:.1f} MB, {file['ms_on_one_core']:.0f} ms on one core, "
            f"differs from torch by at most {file['largest_difference_uv']:.2g} µV on a simulated recording"
        )
    return "\n".join(lines)
