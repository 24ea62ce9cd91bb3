"""Notes on prompts: what was understood, truncated texts, and conditions sampled from the patient prior."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ecggen.conditioning.understanding import Understanding
    from ecggen.data.prompts import Prompt
    from ecggen.generators.base import Generator


MOST_SHOWN = 20
"""Most texts whose understanding is reported."""


def read_words(prompts: Sequence[Prompt]) -> tuple[dict[str, str], list[str]]:
    """What was understood of each text, and warnings on words and values that the models cannot follow.

    Returns:
        The statements with polarity by text, for the first ``MOST_SHOWN`` texts; and warnings on all prompts.
    """
    from ecggen.conditioning import text_encoder
    from ecggen.conditioning.understanding import out_of_range, understand

    texts = list(dict.fromkeys(prompt.text for prompt in prompts if prompt.text))
    found = dict(zip(texts, understand(texts, text_encoder.load()) if texts else [], strict=True))
    warnings = [
        prompt.where + warning
        for prompt in prompts
        for warning in [
            *(found[prompt.text].warnings if prompt.text and not _has_metadata_only(prompt, found) else []),
            *out_of_range(prompt.age, prompt.heart_rate),
        ]
    ]
    return {text: str(found[text]) or "no finding" for text in texts[:MOST_SHOWN]}, list(dict.fromkeys(warnings))


def _has_metadata_only(prompt: Prompt, found: Mapping[str, Understanding]) -> bool:
    """Whether a text holds no word beside age, sex and heart rate."""
    own, stated = found[str(prompt.text)], (prompt.age, prompt.sex, prompt.heart_rate)
    return not (own.unknown or own.beyond or own.present) and any(value is not None for value in stated)


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
