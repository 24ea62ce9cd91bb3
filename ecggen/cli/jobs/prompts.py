"""Notes on prompts that depend on the generator: truncated texts, and conditions sampled from the patient prior."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecggen.data.prompts import Prompt
    from ecggen.generators.base import Generator


def truncation_notes(prompts: Iterable[Prompt], generator: Generator) -> list[str]:
    """Notes on texts with more words than the generator's text encoder reads."""
    from ecggen.networks.text import words_of

    limits = (getattr(module, "words", None) for module in generator.modules())
    most = next((limit for limit in limits if isinstance(limit, int)), math.inf)
    lengths = ((prompt.where, len(words_of(prompt.text or ""))) for prompt in prompts)
    over = ((where, length - most) for where, length in lengths if length > most)
    return [f"{where}the model reads {most} words; the last {more} of the text are ignored" for where, more in over]


def prior_notes(prompts: Iterable[Prompt], generator: Generator) -> list[str]:
    """A note if text and metadata of some records are first sampled from the patient prior."""
    without_text = any(not (prompt.text or "").strip() for prompt in prompts)
    if generator.patient_prior is None or not without_text:
        return []
    return ["without a text, missing findings, age, sex and heart rate are sampled from the patient prior"]
