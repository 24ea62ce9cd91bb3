"""How often a generator runs its networks: the cost of a draw that depends on no machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from ecggen.generators.base import Generator


@contextmanager
def counted(generator: Generator) -> Iterator[dict[str, int]]:
    """Count how many records go through each network of a generator; one that is run on a doubled batch counts twice.

    A network is a part that the generator itself runs; the parts that run inside of it do not count.

    Yields:
        Records by the network's name, filled while the context is open.
    """
    records: dict[str, int] = {}
    depth = 0

    def enter(*_: Any) -> None:
        nonlocal depth
        depth += 1

    def leave(name: str) -> Callable[..., None]:
        def count(part: nn.Module, given: tuple, answer: Any) -> None:
            nonlocal depth
            depth -= 1
            if depth == 0:
                records[name] = records.get(name, 0) + _batch(answer)

        return count

    parts = [(name, part) for name, part in generator.named_modules() if name]
    hooks = [part.register_forward_pre_hook(enter) for _, part in parts]
    hooks += [part.register_forward_hook(leave(name)) for name, part in parts]
    try:
        yield records
    finally:
        for each in hooks:
            each.remove()


def _batch(answer: Any) -> int:
    """Records in what a network answered: the length of its first tensor; 0 where it holds none."""
    if isinstance(answer, Tensor):
        return len(answer)
    parts = answer if isinstance(answer, list | tuple) else vars(answer).values() if hasattr(answer, "__dict__") else ()
    return next((len(part) for part in parts if isinstance(part, Tensor)), 0)
