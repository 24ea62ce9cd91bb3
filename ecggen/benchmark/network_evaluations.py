"""Number of network evaluations of a generator: a hardware-independent cost of a draw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ecggen.generators.base import Generator


@contextmanager
def counted(generator: Generator) -> Iterator[dict[str, int]]:
    """Count the records that pass through each network of a generator; a doubled batch counts twice.

    Only modules that the generator itself calls are counted, not their submodules.

    Yields:
        Number of records by network name, updated while the context is open.
    """
    records: dict[str, int] = {}
    depth = 0

    def enter(*_: Any) -> None:
        nonlocal depth
        depth += 1

    def leave(name: str) -> Callable[..., None]:
        def count(part: nn.Module, given: tuple, output: Any) -> None:
            nonlocal depth
            depth -= 1
            if depth == 0:
                records[name] = records.get(name, 0) + _batch(output)

        return count

    parts = [(name, part) for name, part in generator.named_modules() if name]
    hooks = [part.register_forward_pre_hook(enter) for _, part in parts]
    hooks += [part.register_forward_hook(leave(name)) for name, part in parts]
    try:
        yield records
    finally:
        for hook in hooks:
            hook.remove()


def _batch(output: Any) -> int:
    """Batch size of a network's output: the length of its first tensor; 0 without a tensor."""
    if isinstance(output, Tensor):
        return len(output)
    parts = output if isinstance(output, list | tuple) else vars(output).values() if hasattr(output, "__dict__") else ()
    return next((len(part) for part in parts if isinstance(part, Tensor)), 0)
