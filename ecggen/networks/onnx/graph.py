"""A network with its inputs, outputs and facts, as it is written to an ONNX file, and the runtime that reads it."""

from __future__ import annotations

import json
import logging
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ecggen.core.errors import InputError, argument

OPSET = 18
"""Version of the operator set: that of onnxruntime 1.14 (2023) and later, also for mobile devices and browsers."""
FEWEST_WEIGHTS = 4096
"""Weights of a layer from which on the 8-bit variant stores it with 8 bits."""
KEPT = ("prepare", "restore")
"""Parts of a network whose names begin so are not stored with 8 bits: filters, whose errors would reach the output."""


@dataclass(frozen=True)
class Graph:
    """What is exported.

    Attributes:
        module: The network, in evaluation mode; its forward takes the inputs in their order and returns the outputs.
        inputs: Example of each input by name. Their shapes are those of the file: runtimes of phones need fixed shapes.
        outputs: Each output by name for these inputs, as the library computes it without the graph.
        facts: What the metadata of the file state, each value a text, a number, or a list or mapping of them.
        accepted: Largest accepted difference of each output from that of the library, in its unit.
    """

    module: nn.Module
    inputs: Mapping[str, Tensor]
    outputs: Mapping[str, Tensor]
    facts: Mapping[str, Any]
    accepted: Mapping[str, float]


def check_installed() -> None:
    """Raise an InputError if the packages of the extra ``onnx`` are not installed."""
    with _needed():
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401


def export(graph: Graph) -> Any:
    """The graph as ``onnx.ModelProto`` with its facts as metadata.

    Raises:
        InputError: If onnx is not installed.
    """
    check_installed()
    from onnx import helper

    module = graph.module.eval().requires_grad_(False)
    with _silent(), torch.no_grad():
        program = torch.onnx.export(
            module,
            tuple(each.clone() for each in graph.inputs.values()),  # the exporter merges inputs that are one tensor
            input_names=list(graph.inputs),
            output_names=list(graph.outputs),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    helper.set_model_props(model, {name: _text(value) for name, value in graph.facts.items()})
    return model


def save(model: Any, path: Path, overwrite: bool = False) -> int:
    """Write a model to a file, atomically.

    Returns:
        Size in bytes.

    Raises:
        InputError: If the file exists and ``overwrite`` is False.
    """
    check_new(path, overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        unfinished.write_bytes(model.SerializeToString())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path.stat().st_size


def check_new(path: Path, overwrite: bool) -> None:
    """Raise an InputError if a file exists that must not be replaced."""
    if path.exists() and not overwrite:
        do = f"choose another name, or pass {argument(overwrite=True)}"
        raise InputError(f"{path} exists", "a new file was expected", do)


def with_8_bit_weights(model: Any) -> Any:
    """A copy of a model whose large weights are stored with 8 bits and one scale for each output channel.

    They are converted back when the file is loaded, so that a device computes with 32 bits as before: the file is
    smaller, and not slower.
    """
    from onnx import ModelProto, helper, numpy_helper

    found = ModelProto()
    found.CopyFrom(model)
    consumers = {name: (node, at) for node in model.graph.node for at, name in enumerate(node.input)}
    stored, nodes = [], []
    for weight in found.graph.initializer:
        values = numpy_helper.to_array(weight)
        node, _ = consumers.get(weight.name, (None, 0))
        if not _large(weight.name, values) or node is None or node.op_type not in _AXES:
            stored.append(weight)
            continue
        axis = _AXES[node.op_type](node, values)
        others = tuple(other for other in range(values.ndim) if other != axis)
        scale = np.maximum(np.abs(values).max(others) / 127, np.float32(1e-12)).astype(np.float32)
        shape = [-1 if other == axis else 1 for other in range(values.ndim)]
        eight = np.clip(np.rint(values / scale.reshape(shape)), -127, 127).astype(np.int8)
        names = [f"{weight.name}_8_bit", f"{weight.name}_scale"]
        stored += [numpy_helper.from_array(each, name) for each, name in zip((eight, scale), names, strict=True)]
        nodes.append(helper.make_node("DequantizeLinear", names, [weight.name], axis=axis))
    del found.graph.initializer[:]
    found.graph.initializer.extend(stored)
    others = list(found.graph.node)
    del found.graph.node[:]
    found.graph.node.extend([*nodes, *others])
    helper.set_model_props(found, {**facts(model), "weights": "8 bits, one scale for each output channel"})
    return found


def facts(model: Any) -> dict[str, str]:
    """Metadata of a model."""
    return {each.key: each.value for each in model.metadata_props}


def session(model: Any) -> Any:
    """An onnxruntime session on one core for a model in memory.

    Raises:
        InputError: If onnxruntime is not installed.
    """
    check_installed()
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(opened: Any, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Outputs of a session by name."""
    found = opened.run(None, {name: each.numpy() for name, each in inputs.items()})
    return {about.name: torch.from_numpy(each) for about, each in zip(opened.get_outputs(), found, strict=True)}


def latency(opened: Any, inputs: Mapping[str, Tensor], runs: int = 5) -> float:
    """Median processor time of one run in s, after one that is not counted: the time on one core that is free."""
    times = []
    for _ in range(runs + 1):
        started = time.process_time()
        run(opened, inputs)
        times.append(time.process_time() - started)
    return float(np.median(times[1:]))


def _large(name: str, values: np.ndarray) -> bool:
    return values.dtype == np.float32 and values.size >= FEWEST_WEIGHTS and not name.startswith(KEPT)


def _transposed(node: Any) -> bool:
    return any(each.name == "transB" and each.i for each in node.attribute)


_AXES = {
    "Conv": lambda node, values: 0,
    "ConvTranspose": lambda node, values: 1,
    "Gemm": lambda node, values: 0 if _transposed(node) else 1,
    "MatMul": lambda node, values: values.ndim - 1,
}
"""Axis of the output channels in the weights of an operator."""


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@contextmanager
def _silent() -> Iterator[None]:
    """Context without the exporter's messages, which concern its own code."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def _needed() -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise InputError(
            f"the package {error.name} is not installed", "it is needed for ONNX", "pip install 'ecggen[onnx]'"
        ) from error
