"""Guidance of median beats by finding: texts with findings that are drawn too rarely are guided more strongly.

Guidance makes a draw more typical of its text, and draws of one text more alike. Most findings are drawn as often as
they are recorded with little guidance. Those of ``RARELY_DRAWN`` are small or rare, and need more of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ecggen.generators.sampling import Sampling

RARELY_DRAWN = frozenset(
    {"1AVB", "LPR", "LAO/LAE", "RAO/RAE", "IRBBB", "LNGQT", "QWAVE", "INVT", "ALMI", "LPFB", "HVOLT", "VCLVH"}
)
"""Statements whose criterion fewer draws meet than recordings, with all generators or most, and with more guidance more
of them do (fold 9)."""


def guidance_groups(
    texts: Sequence[str], guided: Tensor, affirmed: Callable[[str], frozenset[str]], how: Sampling
) -> list[tuple[Tensor, float]]:
    """Records that are drawn with the same guidance scale: masks (record,) and scales.

    Args:
        texts: Text of each record.
        guided: (record,) whether it is guided at all.
        affirmed: Codes of the statements that a text affirms.
        how: Sampling options.

    Example:
        >>> how = Sampling(8, 1.25, stronger_scale=2.25)
        >>> read = {"long PR interval": frozenset({"LPR"}), "normal ECG": frozenset({"NORM"}), "": frozenset()}
        >>> groups = guidance_groups(list(read), torch.tensor([True, True, False]), read.__getitem__, how)
        >>> [(mask.tolist(), scale) for mask, scale in groups]
        [([True, False, False], 2.25), ([False, True, False], 1.25), ([False, False, True], 1.0)]
    """
    if how.stronger_scale is None:
        return [(guided, how.guidance_scale), (~guided, 1.0)]
    asked = [one and bool(affirmed(text) & RARELY_DRAWN) for text, one in zip(texts, guided.tolist(), strict=True)]
    strongly = torch.tensor(asked, dtype=torch.bool)
    return [(strongly, how.stronger_scale), (guided & ~strongly, how.guidance_scale), (~guided, 1.0)]
