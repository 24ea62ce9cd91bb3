"""A generator turns a condition — whatever is known of a heart — into an ECG.

A family of generators writes two methods, ``loss`` and ``draw``. Everything else is the same for all of them
and stands here once: windows over long recordings, agreement with the seen leads, the twelve leads from the
eight, the way back to the recording's own rate, and the band from many draws.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import torch
from torch import Tensor, nn

from ecggen.conditioning import rhythm_prior
from ecggen.conditioning.condition import Condition, project_onto_observed
from ecggen.conditioning.patient_prior import PatientPrior
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, LEAD_MATRIX, STANDARD_LEADS, Provenance, determined_by, resample
from ecggen.core.errors import InputError
from ecggen.core.filters import fit

BATCH = 64
"""Most draws that go through a network at once: what the caches of a CPU hold. The answer does not depend on it."""


MOST_SEEN = 3
"""Independent leads from which on the band is scaled alike."""

VARIATION = "variation of an ECG"
"""How the condition of a varied ECG begins in its provenance."""


class Noise:
    """The random numbers of a batch of draws: each record has its own stream, derived from (seed, index).

    A record is therefore the same whatever the batch, the shard or the machine it is drawn in.

    Args:
        seed: The user's seed.
        indices: The index of each record.
        mirrored: Whether every odd index gets the negative of the one before it: the mean of such pairs lies much
            nearer to the mean of all draws (antithetic variates, Hammersley & Morton 1956).
    """

    def __init__(self, seed: int, indices: Sequence[int], mirrored: bool = False):
        self.indices, self.signs = indices, [-1 if mirrored and index % 2 else 1 for index in indices]
        own = [index - index % 2 if mirrored else index for index in indices]
        self._streams = [np.random.default_rng((abs(seed), int(seed < 0), index)) for index in own]

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers (batch, *shape)."""
        streams = zip(self._streams, self.signs, strict=True)
        drawn = [sign * stream.standard_normal(shape, dtype=np.float32) for stream, sign in streams]
        return torch.from_numpy(np.stack(drawn))

    def __len__(self) -> int:
        return len(self.indices)


@dataclass(frozen=True)
class Sampling:
    """How a generator that draws in many small steps goes about it.

    Attributes:
        steps: Steps of the sampler from noise to ECG.
        guidance: How much more than asked words and facts are followed: 1 as learnt, above 1 to exaggerate (Ho &
            Salimans 2022), 0 not at all. What was measured is never exaggerated.
        seen_steps: Steps where leads are seen, which leave less to be drawn; None for as many.
        coherence: How much more than learnt a draw is one whole: each step is moved away from what the network answers
            where no moment looks at the others (perturbed-attention guidance, Ahn et al. 2024, arXiv 2403.17377). Only
            where words or facts are told and no lead is seen.
        guided_below: Share of noise below which both act: above it, where a draw's whole is decided, they only make
            draws alike (guidance in a limited interval, Kynkäänniemi et al. 2024, arXiv 2404.07724); 1 for always.
    """

    steps: int
    guidance: float = 1.0
    seen_steps: int | None = None
    coherence: float = 0.0
    guided_below: float = 1.0

    def __post_init__(self):
        for steps in (self.steps, self.seen_steps):
            if steps is not None and not 1 <= steps <= 1000:
                raise InputError(f"{steps} steps", "1 to 1000 were expected")
        if not 0 <= self.guidance <= 20:
            raise InputError(f"guidance {self.guidance:g}", "0 to 20 was expected; 1 draws as learnt")
        if not 0 <= self.coherence <= 5:
            raise InputError(f"coherence {self.coherence:g}", "0 to 5 was expected; 0 draws as learnt")
        if not 0 <= self.guided_below <= 1:
            raise InputError(f"guided below {self.guided_below:g}", "a share of noise from 0 to 1 was expected")

    def where(self, seen: bool) -> int:
        """Steps where leads are seen, or are not."""
        return self.seen_steps if seen and self.seen_steps is not None else self.steps

    def used(self, seen: bool, has_text_or_metadata: bool) -> Sampling:
        """What of it has a part where leads are seen, or words or facts told."""
        own = replace(self, steps=self.where(seen), seen_steps=None)
        if not has_text_or_metadata:
            return Sampling(own.steps)
        return replace(own, coherence=0.0) if seen else own

    def describe(self, seen: bool, has_text_or_metadata: bool) -> str:
        """``used`` in words."""
        own = self.used(seen, has_text_or_metadata)
        guided = f", guidance {own.guidance:g}" if has_text_or_metadata else ""
        whole = f", coherence {own.coherence:g}" if own.coherence else ""
        below = f" below {own.guided_below:g} of noise" if own.guided_below < 1 else ""
        return f"{own.steps} steps{guided}{whole}{below}"


@dataclass(frozen=True)
class Drawn:
    """Draws of some records.

    Attributes:
        draws: Those of each record next to each other, (draws · batch, 8, time) mV.
        middle: One answer for each record that was taught to be the mean of hearts, (batch, 8, time) mV; None in a
            family that has none. ``estimate`` joins it to the mean of the draws: both are off, each in its own way.
    """

    draws: Tensor
    middle: Tensor | None = None


@dataclass(frozen=True)
class Reconstruction:
    """One answer with its band.

    Attributes:
        center: The answer that is nearest to the truth on average: the mean of the draws, joined with the family's own
            middle answer where it has one.
        low: Lower end of the band; equal to ``center`` in measured and derived leads.
        high: Upper end of the band.
        level: Share of true samples that the band is meant to hold.
        draws: How many draws it rests on.
    """

    center: ECG
    low: ECG
    high: ECG
    level: float
    draws: int


class Generator(nn.Module, ABC):
    """Base of all generators.

    Attributes:
        preprocessor: What recordings go through before ``loss`` and ``draw`` see them.
        config: The constructor's arguments, as they are saved.
        name: Name and weight hash, for provenance.
        sampling: Steps and guidance; None for a family that draws in one pass.
        people: Who is drawn where nothing is told; None for a generator that has to choose by itself.
        band_scale: Per number of independent leads that are seen (0, 1, 2, 3 or more) and standard lead, what the
            spread of the draws is multiplied by in ``estimate``'s band; set on training records, saved with the
            weights.
        spread: Per number of seen leads and drawn lead, what a draw's distance from the middle answer is multiplied
            by, so that draws vary as hearts do (inflation of an ensemble, as in weather forecasts); set and saved
            likewise.
        middle_share: Per number of seen leads and drawn lead, the share of the middle answer in ``estimate``'s center,
            beside the mean of the draws; set and saved likewise.
    """

    interval_scale: Tensor
    spread: Tensor
    mean_weight: Tensor
    sampling: Sampling | None = None
    patient_prior: PatientPrior | None = None

    def __init__(self):
        super().__init__()
        self.preprocessor = Preprocessor()
        self.config: Mapping[str, Any] = {}
        self.name = type(self).__name__.lower()
        self.register_buffer("band_scale", torch.ones(MOST_SEEN + 1, len(STANDARD_LEADS)))
        self.register_buffer("spread", torch.ones(MOST_SEEN + 1, len(INDEPENDENT_LEADS)))
        self.register_buffer("middle_share", torch.full((MOST_SEEN + 1, len(INDEPENDENT_LEADS)), 0.5))

    def _load_from_state_dict(self, state_dict, prefix, *others) -> None:
        scale = state_dict.get(f"{prefix}band_scale")
        if scale is not None and scale.ndim == 1:  # as in 0.1.0: one for any number of seen leads
            state_dict[f"{prefix}band_scale"] = scale.expand(MOST_SEEN + 1, -1).clone()
        state_dict.setdefault(f"{prefix}spread", torch.ones_like(self.spread))
        state_dict.setdefault(f"{prefix}middle_share", torch.zeros_like(self.mean_weight))
        super()._load_from_state_dict(state_dict, prefix, *others)

    @abstractmethod
    def loss(self, ecg: ECG, condition: Condition, group: str) -> dict[str, Tensor]:
        """Named losses whose sum ``group`` minimises.

        Args:
            ecg: The truth: the eight drawn leads at the model's rate and length.
            condition: What the model may see of it, at the same rate and length.
            player: One of ``parameter_groups()``.
        """

    @abstractmethod
    def draw(self, condition: Condition, noise: Noise) -> Tensor:
        """One draw for each record of the condition: (batch, 8, time) mV in the order of ``INDEPENDENT_LEADS``."""

    def draw_many(self, condition: Condition, noise: Noise) -> Drawn:
        """Several draws for each record, and its middle answer.

        A family may override it to read the condition once for all of them; the draws must be those that ``draw``
        makes of ``condition.repeat(draws)``.
        """
        return Drawn(self.draw(condition.repeat(len(noise) // len(condition)), noise))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """The players of the training game, each with the parameters it may move; one, unless overridden."""
        return {"generator": list(self.parameters())}

    def set_sampling(self, steps: int | None = None, guidance: float | None = None) -> None:
        """Other steps (leads seen or not) or another guidance than the checkpoint's own; None leaves one as it is.

        Raises:
            InputError: Where a number is impossible, or the family draws in one pass and has neither.
        """
        if steps is None and guidance is None:
            return
        if self.sampling is None:
            raise InputError(
                f"{self.name} draws in one pass: it has no steps and no guidance",
                "neither was expected",
                "leave --steps and --guidance out, or choose flow or diffusion",
            )
        own = self.sampling
        how = own if steps is None else replace(own, steps=steps, seen_steps=None)
        self.sampling = how if guidance is None else replace(how, guidance=guidance)

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.interval_scale.device

    @final
    @torch.no_grad()
    def sample(self, condition: Condition, seed: int = 0, first: int = 0, indices: Sequence[int] | None = None) -> ECG:
        """One ECG for each record of the condition; ``condition.repeat(n)`` asks for more.

        Args:
            condition: At any rate and length; the answer has the same.
            seed: The same seed gives the same records, whatever the batch size.
            first: Index of the condition's first record, where it is a part of a larger job.
            indices: Index of each record instead, where they do not follow one another.

        Returns:
            Twelve leads, with seen leads as given, and provenance.
        """
        own = range(first, first + len(condition)) if indices is None else indices
        prepared, wanted = self._prepared(condition, seed, own)
        (eight,) = self._along(
            prepared, lambda window: (torch.cat([part.draws for part in self._draw(window, seed, own)]),)
        )
        return self._answer(rhythm_prior.place(eight, self.preprocessor.fs, wanted), condition, seed)

    @final
    @torch.no_grad()
    def vary(
        self,
        ecg: ECG,
        condition: Condition,
        strength: float = 0.8,
        seed: int = 0,
        indices: Sequence[int] | None = None,
    ) -> ECG:
        """Variations of given ECGs: other hearts that beat when these do, with the words and facts of ``condition``.

        Args:
            ecg: One for each record of the condition: leads from which all twelve follow, no longer than a window.
            condition: Words and facts; the answer has its rate and length. Nothing measured.
            strength: Share of noise that the variation begins with, taken down to the next of the sampler's times: the
                less, the nearer to the ECG; 1 for any heart with these beats. With few steps the least is not small.
            seed: As in ``sample``.
            indices: Index of each record in a larger job; from 0 on if left out.

        Raises:
            InputError: Where the family has no latent to vary, the strength is none, or the ECG lasts too long.
        """
        self.check_variation(strength)
        if ecg.seconds > self.preprocessor.seconds + 0.05:
            most = f"at most {self.preprocessor.seconds:g} s"
            raise InputError(f"the ECG lasts {ecg.seconds:.1f} s", f"{most} were expected", "crop it first")
        original = self.preprocessor.ecg(ecg.to("cpu").standard().pick(*INDEPENDENT_LEADS))
        own = range(len(condition)) if indices is None else indices
        told = self.preprocessor.condition(condition)
        prepared, wanted = rhythm_prior.follow(told, original, self.preprocessor, seed, own)
        samples, parts = self.preprocessor.samples, []
        for start in range(0, len(condition), BATCH):
            part = _pad(prepared[start : start + BATCH], samples).to(self.device)
            given = fit(original.signal[start : start + BATCH], samples).to(self.device)
            varied = self.draw_near(given, strength, part, Noise(seed, own[start : start + BATCH]))
            parts.append(varied.cpu()[..., : prepared.samples])
        answer = self._answer(rhythm_prior.place(torch.cat(parts), self.preprocessor.fs, wanted), condition, seed)
        how = f"{VARIATION}, strength {strength:g}; {condition.describe()}"
        return replace(answer, provenance=replace(answer.provenance, condition=how))  # type: ignore[type-var]

    def draw_near(self, eight: Tensor, strength: float, condition: Condition, noise: Noise) -> Tensor:
        """One draw near each of ``eight`` (batch, 8, time) mV, as ``vary`` asks; a family that can overrides it."""
        raise NotImplementedError

    @property
    def varies(self) -> bool:
        """Whether the family can vary a given ECG."""
        return type(self).draw_near is not Generator.draw_near

    def check_variation(self, strength: float) -> None:
        """An InputError where the family cannot vary a given ECG, or not as strongly."""
        if not self.varies:
            raise InputError(
                f"{self.name} cannot vary a given ECG",
                "a model that draws in many small steps from a latent was expected",
                "choose flow or diffusion",
            )
        if not 0 < strength <= 1:
            raise InputError(f"strength {strength:g}", "above 0 and at most 1 was expected")

    @final
    @torch.no_grad()
    def estimate(
        self,
        condition: Condition,
        draws: int = 32,
        seed: int = 0,
        level: float = 0.9,
        progress: Callable[[float], None] | None = None,
    ) -> Reconstruction:
        """Many draws, one answer with its band.

        Args:
            condition: At any rate and length; the answer has the same.
            draws: Draws per record, at least 2.
            seed: As in ``sample``.
            level: Share of true samples that the band is to hold, between 0 and 1.
            progress: Called with the share done.
        """
        if draws < 2 or not 0 < level < 1:
            raise InputError(f"{draws} draws, level {level:g}", "at least 2 draws and a level between 0 and 1")
        if bool(rhythm_prior.silent(condition).any()):  # each draw then has its own rhythm
            prepared, _ = self._prepared(condition.repeat(draws), seed, range(len(condition) * draws))
        else:
            prepared = self.preprocessor.condition(condition)
        matrix = torch.as_tensor(LEAD_MATRIX, dtype=torch.float32)
        quantiles = _plotting_positions(level, draws)
        scale = _by_seen(self.interval_scale, condition)[:, None]

        def summarise(window: Condition) -> tuple[Tensor, ...]:
            parts, done = [], 0
            shares = _by_seen(self.mean_weight, window)
            drawn: Iterable[Drawn] = self._draw(window, seed, range(len(condition) * draws), mirrored=True)
            if len(window) != len(condition):
                drawn = [Drawn(torch.cat([part.draws for part in drawn]))]
            for part in drawn:
                eight, middle = part.draws.unflatten(0, (-1, draws)), part.middle
                center = eight.mean(1)
                spread = (matrix @ (eight - center[:, None])) * scale[done : done + len(eight)]
                if middle is not None:
                    center = torch.lerp(center, middle, shares[done : done + len(eight)])
                done += len(eight)
                low, high = torch.quantile(spread, quantiles, dim=1)
                parts.append((center, low.clamp(max=0), high.clamp(min=0)))
            return tuple(torch.cat(part) for part in zip(*parts, strict=True))

        eight, below, above = self._along(prepared, summarise, progress)
        center = self._answer(eight, condition, seed)
        # Moving to another rate may ring a little past the center.
        widths = self._at_rate_of(below, condition).clamp(max=0), self._at_rate_of(above, condition).clamp(min=0)
        edges = [ECG(center.signal + width, center.leads, center.fs, center.provenance) for width in widths]
        return Reconstruction(center, edges[0], edges[1], level, draws)

    def _prepared(
        self, condition: Condition, seed: int, indices: Sequence[int]
    ) -> tuple[Condition, rhythm_prior.Wanted]:
        """``condition`` as the model wants it, with a person where nothing is told, and a rhythm where none is seen."""
        prepared = self.preprocessor.condition(condition)
        if self.patient_prior is not None:
            prepared = self.patient_prior.draw(prepared, seed, indices)
        return rhythm_prior.draw(self, prepared, self.preprocessor, seed, indices)

    def _draw(self, window: Condition, seed: int, indices: Sequence[int], mirrored: bool = False) -> Iterator[Drawn]:
        """Draws for one window, agreeing with what it shows, some records at a time.

        The number of draws per record follows from the indices; a short window is padded, and its draws cut.
        """
        draws = len(indices) // len(window)
        padded = _pad(window, self.preprocessor.samples)
        size = max(1, BATCH // draws)
        for start in range(0, len(window), size):
            part = padded[start : start + size].to(self.device)
            drawn = self.draw_many(part, Noise(seed, indices[start * draws : (start + size) * draws], mirrored))
            eight, middle = drawn.draws, drawn.middle
            if middle is not None:
                own, spread = middle.repeat_interleave(draws, 0), _by_seen(self.spread, part).to(self.device)
                eight = own + spread.repeat_interleave(draws, 0) * (eight - own)
                middle = project_onto_observed(middle, part).cpu()[..., : window.samples]
            yield Drawn(project_onto_observed(eight, part.repeat(draws)).cpu()[..., : window.samples], middle)

    def _along(
        self,
        prepared: Condition,
        part: Callable[[Condition], tuple[Tensor, ...]],
        progress: Callable[[float], None] | None = None,
    ) -> list[Tensor]:
        """What ``part`` makes of each window, cross-faded into one; memory grows with the answer only."""
        windows = self.preprocessor.windows(prepared.samples)
        sums: list[Tensor] = []
        weights = torch.zeros(prepared.samples)
        for done, (start, end) in enumerate(windows, 1):
            fade = _fade(end - start, round(self.preprocessor.overlap * self.preprocessor.fs))
            for i, piece in enumerate(part(prepared.during(start, end))):
                if len(sums) <= i:
                    sums.append(piece.new_zeros(*piece.shape[:-1], prepared.samples))
                sums[i][..., start:end] += piece * fade
            weights[start:end] += fade
            if progress is not None:
                progress(done / len(windows))
        return [total / weights for total in sums]

    def _at_rate_of(self, wave: Tensor, condition: Condition) -> Tensor:
        """``wave`` from the model's rate to the condition's rate and length."""
        moved = resample(wave, self.preprocessor.fs, condition.fs)
        lacking = max(0, condition.samples - moved.shape[-1])
        return torch.cat([moved, moved[..., -1:].expand(*moved.shape[:-1], lacking)], -1)[..., : condition.samples]

    def _how(self, condition: Condition) -> str:
        """How it was sampled, for provenance; where nothing is told, somebody's words are."""
        if self.sampling is None:
            return ""
        has_text_or_metadata = bool((condition.has_text_or_metadata() | rhythm_prior.silent(condition)).any())
        return f", {self.sampling.describe(bool(condition.observed_leads()), has_text_or_metadata)}"

    def _answer(self, eight: Tensor, condition: Condition, seed: int) -> ECG:
        """Twelve leads at the condition's rate, with what it shows as it was given."""
        condition = condition.to("cpu")
        eight = project_onto_observed(self._at_rate_of(eight, condition), condition)
        signal = torch.as_tensor(LEAD_MATRIX, dtype=torch.float32) @ eight
        measured = condition.observed_leads()
        known = determined_by(measured)
        provenance = Provenance(
            measured=measured,
            generated=tuple(lead for lead in STANDARD_LEADS if lead not in known),
            model=self.name + self._how(condition),
            seed=seed,
            condition=condition.describe(),
        )
        return ECG(signal, STANDARD_LEADS, condition.fs, provenance)


def independent(condition: Condition) -> Tensor:
    """How many leads each record shows that do not follow from the others, (batch,)."""
    rows = torch.as_tensor(LEAD_MATRIX, dtype=torch.float64) * condition.lead_mask.any(-1).cpu()[..., None]
    return torch.linalg.matrix_rank(rows)


def _by_seen(table: Tensor, condition: Condition) -> Tensor:
    """Each record's row of a table by the number of seen leads: (batch, lead, 1)."""
    return table.cpu()[independent(condition).clamp(max=MOST_SEEN)][..., None]


def _plotting_positions(level: float, draws: int) -> Tensor:
    """Quantiles of so few draws between which a further draw falls with probability ``level`` (Weibull 1939).

    The plain quantiles would hold too little: level · (draws − 1) / (draws + 1).
    """
    tail = ((1 - level) / 2 * (draws + 1) - 1) / (draws - 1)
    return torch.tensor([tail, 1 - tail]).clamp(0, 1)


class LeadImputer:
    """Draws the leads that a recording lacks: how a data set of few leads teaches twelve.

    Args:
        generator: What draws them; its name stands for the answer.
    """

    def __init__(self, generator: Generator):
        self.generator, self.name = generator, generator.name

    def __call__(self, ecg: ECG) -> ECG:
        """Twelve leads, those of ``ecg`` as they are; one draw, always the same."""
        return self.generator.sample(Condition.none(len(ecg), ecg.seconds, ecg.fs).with_leads(ecg))


def truth(ecg: ECG) -> ECG:
    """The eight drawn leads of a twelve-lead ECG, as ``Generator.loss`` wants them."""
    return ecg.standard().pick(*INDEPENDENT_LEADS)


def _pad(window: Condition, samples: int) -> Condition:
    """``window`` with unseen samples after its end."""
    return replace(
        window,
        leads=fit(window.leads, samples),
        lead_mask=fit(window.lead_mask, samples),
        ppg=fit(window.ppg, samples),
        ppg_mask=fit(window.ppg_mask, samples),
    )


def _fade(size: int, overlap: int) -> Tensor:
    """Weights of a window: a straight rise over the overlap, flat, a straight fall."""
    rise = torch.arange(1, size + 1, dtype=torch.float32)
    return torch.minimum(rise, rise.flip(0)).clamp(max=max(1, overlap)) / max(1, overlap)
