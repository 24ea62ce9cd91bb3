"""A generator turns a condition (leads, PPG, text, metadata) into an ECG.

A generator's file writes two methods, ``loss`` and ``draw``. Everything else is the same for all of them and stands
here once: windows over long recordings, projection onto the observed leads, twelve leads from eight, the way back to
the recording's own rate, and the prediction interval from many draws.
"""

from __future__ import annotations

import copy
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, final

import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from ecggen.conditioning import rhythm_prior
from ecggen.conditioning.condition import Condition, Waveform
from ecggen.conditioning.consistency import follow_measured_rate
from ecggen.conditioning.patient_prior import PatientPrior
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.conditioning.projection import project_onto_observed
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, LEAD_MATRIX, STANDARD_LEADS, Provenance, determined_by, resample
from ecggen.core.errors import InputError, InputWarning
from ecggen.core.filters import fit
from ecggen.generators import checkpoint
from ecggen.generators.reconstruction import Reconstruction
from ecggen.generators.sampling import Noise, Sampling

BATCH = 64
"""Most draws that go through a network at once: what the caches of a CPU hold. The answer does not depend on it."""

MAX_OBSERVED = 3
"""Number of independent observed leads from which on the interval is scaled alike."""

VARIATION = "variation of an ECG"
"""How the condition of a varied ECG begins in its provenance."""

STORED = {"interval_scale": "band_scale", "ensemble_inflation": "spread", "mean_weight": "middle_share"}
"""Buffers and their names in the weights of checkpoint format 1."""


@dataclass(frozen=True)
class Draws:
    """Draws of some records.

    Attributes:
        draws: Those of each record next to each other, (draws · batch, 8, time) mV.
        deterministic: A prediction of the conditional mean for each record by the condition encoder, (batch, 8, time)
            mV; None in a generator that has none. ``reconstruct`` combines it with the mean of the draws.
    """

    draws: Tensor
    deterministic: Tensor | None = None


class Generator(nn.Module, ABC):
    """Base of all generators.

    Attributes:
        preprocessor: What recordings go through before ``loss`` and ``draw`` see them.
        config: The constructor's arguments, as they are saved.
        name: Name and weight hash, for provenance.
        sampling: The checkpoint's sampling options; None for a generator that draws in one pass.
        patient_prior: Metadata and statements for unconditional generation; None for a generator without one.
        interval_scale: (0, 1, 2, 3 or more independent observed leads; 12 leads): factor on the distance of the draws
            from their mean in the prediction interval. Calibrated on training records, saved with the weights.
        ensemble_inflation: (the same; 8 leads): factor on a draw's distance from the deterministic prediction, so that
            draws vary as records do (as the inflation of an ensemble in weather forecasts). Calibrated likewise.
        mean_weight: (the same; 8 leads): weight of the deterministic prediction in the point estimate, beside the mean
            of the draws. Calibrated likewise.
    """

    interval_scale: Tensor
    ensemble_inflation: Tensor
    mean_weight: Tensor
    sampling: Sampling | None = None
    patient_prior: PatientPrior | None = None

    def __init__(self):
        super().__init__()
        self.preprocessor = Preprocessor()
        self.config: Mapping[str, Any] = {}
        self.name = type(self).__name__.lower()
        self.register_buffer("interval_scale", torch.ones(MAX_OBSERVED + 1, len(STANDARD_LEADS)))
        self.register_buffer("ensemble_inflation", torch.ones(MAX_OBSERVED + 1, len(INDEPENDENT_LEADS)))
        self.register_buffer("mean_weight", torch.full((MAX_OBSERVED + 1, len(INDEPENDENT_LEADS)), 0.5))
        self.register_state_dict_post_hook(_under_stored_names)

    def _load_from_state_dict(self, state_dict, prefix, *others) -> None:
        for name, stored in STORED.items():
            if prefix + stored in state_dict:
                state_dict[prefix + name] = state_dict.pop(prefix + stored)
        scale = state_dict.get(f"{prefix}interval_scale")
        if scale is not None and scale.ndim == 1:  # as in the first release: one for any number of observed leads
            state_dict[f"{prefix}interval_scale"] = scale.expand(MAX_OBSERVED + 1, -1).clone()
        state_dict.setdefault(f"{prefix}ensemble_inflation", torch.ones_like(self.ensemble_inflation))
        state_dict.setdefault(f"{prefix}mean_weight", torch.zeros_like(self.mean_weight))
        super()._load_from_state_dict(state_dict, prefix, *others)

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Self:
        """The generator in a checkpoint folder, or a shipped one by its name, ready to draw.

        Args:
            name: A folder with config.json and model.safetensors, or one of "gan", "vae", "flow", "diffusion".

        Raises:
            InputError: Where the folder is missing, incomplete or of another format, or holds another generator.

        Example:
            >>> Generator.from_pretrained("vae").preprocessor.fs
            100.0
        """
        loaded = checkpoint.load(name)
        if not isinstance(loaded, cls):
            found = f"checkpoint {name} is a {type(loaded).__name__}"
            raise InputError(found, f"a {cls.__name__} was expected", "call Generator.from_pretrained, or ecggen.load")
        return loaded

    def save_pretrained(self, folder: str | Path, card: str = "") -> Path:
        """Write the generator to a folder, whole or not at all: weights, config, preprocessing and card.

        Args:
            folder: Where to; an older checkpoint there is replaced.
            card: Text of README.md.
        """
        return checkpoint.save(self, Path(folder), card)

    @abstractmethod
    def loss(self, ecg: ECG, condition: Condition, group: str) -> dict[str, Tensor]:
        """Named losses whose sum is minimised over the parameters of one group.

        Args:
            ecg: The target: the eight independent leads at the model's rate and length.
            condition: What the model is given of it, at the same rate and length.
            group: One of ``parameter_groups()``.
        """

    @abstractmethod
    def draw(self, condition: Condition, noise: Noise) -> Tensor:
        """One draw for each record of the condition: (batch, 8, time) mV in the order of ``INDEPENDENT_LEADS``."""

    def draw_many(self, condition: Condition, noise: Noise) -> Draws:
        """Several draws for each record, and its deterministic prediction.

        A generator may override it to encode the condition once for all of them; the draws must be those that ``draw``
        makes of ``condition.repeat(draws)``.
        """
        return Draws(self.draw(condition.repeat(len(noise) // len(condition)), noise))

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """The parameter groups, each optimised by its own losses; one, unless overridden."""
        return {"generator": list(self.parameters())}

    def with_sampling(self, num_steps: int | None = None, guidance_scale: float | None = None) -> Self:
        """The same generator with other sampling options; the weights are shared, and this one stays as it is.

        Args:
            num_steps: Steps of the sampler, with and without observed leads; None for the checkpoint's own.
            guidance_scale: How strongly text and metadata are followed; None for the checkpoint's own.

        Raises:
            InputError: Where a number is impossible, or the generator draws in one pass and has neither.
        """
        if num_steps is None and guidance_scale is None:
            return self
        if self.sampling is None:
            raise InputError(
                f"{self.name} draws in one pass: it has no steps and no guidance",
                "neither was expected",
                "leave num_steps and guidance_scale out, or choose flow or diffusion",
            )
        changed = copy.copy(self)
        changed.sampling = self.sampling.changed(num_steps, guidance_scale)
        return changed

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.interval_scale.device

    @final
    def generate(
        self,
        text: str | Sequence[str] | None = None,
        n: int | None = None,
        *,
        age: float | Sequence[float | None] | None = None,
        sex: str | Sequence[str | None] | None = None,
        heart_rate: float | Sequence[float | None] | None = None,
        seconds: float = 10.0,
        fs: float = 500.0,
        num_steps: int | None = None,
        guidance_scale: float | None = None,
        seed: int = 0,
    ) -> ECG:
        """ECGs from text and metadata, or from nothing.

        Args:
            text: What the ECG is to show, in words; age, sex and heart rate in it are read. One text for all records,
                or one each.
            n: Number of records.
            age: Years; wins over the text, as do sex and heart rate.
            sex: "M" or "F".
            heart_rate: Beats per minute.
            seconds: Duration of each record.
            fs: Sampling rate in Hz.
            num_steps: As in ``with_sampling``.
            guidance_scale: As in ``with_sampling``.
            seed: The same seed gives the same records.

        Returns:
            Twelve leads in mV, marked as generated.

        Raises:
            InputError: Where a value is out of range.

        Example:
            >>> ecgs = Generator.from_pretrained("gan").generate("74-year-old woman, sinus rhythm", n=2, fs=100)
            >>> ecgs.signal.shape, ecgs.provenance.condition
            (torch.Size([2, 12, 1000]), 'text 74-year-old woman, sinus rhythm; age 74; sex F')
        """
        condition = Condition(text=text, age=age, sex=sex, heart_rate=heart_rate, n=n, seconds=seconds, fs=fs)
        return self.sample(condition, seed, num_steps=num_steps, guidance_scale=guidance_scale)

    @final
    def translate(
        self,
        ppg: ArrayLike | Waveform,
        fs: float | None = None,
        *,
        text: str | Sequence[str] | None = None,
        age: float | Sequence[float | None] | None = None,
        sex: str | Sequence[str | None] | None = None,
        heart_rate: float | None = None,
        output_fs: float | None = None,
        num_steps: int | None = None,
        guidance_scale: float | None = None,
        seed: int = 0,
    ) -> ECG:
        """One draw of an ECG for each PPG: the beats follow the pulses, the waveform is drawn.

        Args:
            ppg: (time,), (batch, time) or (batch, 1, time), any unit; or what ``ecggen.read_ppg`` returns.
            fs: Its rate in Hz; not needed with ``read_ppg``.
            text: As in ``generate``.
            age: As in ``generate``.
            sex: As in ``generate``.
            heart_rate: Beats per minute; the rate of the pulses is followed where both contradict.
            output_fs: Rate of the ECG in Hz; the model's own if left out.
            num_steps: As in ``with_sampling``.
            guidance_scale: As in ``with_sampling``.
            seed: The same seed gives the same ECG.

        Returns:
            Twelve leads in mV, marked as generated.

        Raises:
            InputError: Where the PPG is too short or not finite, or a value is out of range.

        Example:
            >>> pulses = torch.sin(2 * torch.pi * 1.2 * torch.arange(1250) / 125)
            >>> Generator.from_pretrained("gan").translate(pulses, fs=125).signal.shape
            torch.Size([1, 12, 1000])
        """
        condition = Condition(
            ppg=ppg,
            ppg_fs=fs,
            text=text,
            age=age,
            sex=sex,
            heart_rate=heart_rate,
            fs=self.preprocessor.fs if output_fs is None else output_fs,
        )
        condition, notes = follow_measured_rate(condition, self.preprocessor)
        for note in notes:
            warnings.warn(note, InputWarning, stacklevel=2)
        return self.sample(condition, seed, num_steps=num_steps, guidance_scale=guidance_scale)

    @final
    @torch.no_grad()
    def sample(
        self,
        condition: Condition,
        seed: int = 0,
        first: int = 0,
        indices: Sequence[int] | None = None,
        *,
        num_steps: int | None = None,
        guidance_scale: float | None = None,
    ) -> ECG:
        """One draw for each record of the condition; ``condition.repeat(n)`` asks for more.

        Args:
            condition: At any rate and length; the ECG has the same.
            seed: The same seed gives the same records, whatever the batch size.
            first: Index of the condition's first record, where it is a part of a larger job.
            indices: Index of each record instead, where they do not follow one another.
            num_steps: As in ``with_sampling``.
            guidance_scale: As in ``with_sampling``.

        Returns:
            Twelve leads, observed leads as given, and provenance.
        """
        generator = self.with_sampling(num_steps, guidance_scale)
        own = range(first, first + len(condition)) if indices is None else indices
        prepared, wanted = generator._prepared(condition, seed, own)
        (eight,) = generator._along(
            prepared, lambda window: (torch.cat([part.draws for part in generator._draw(window, seed, own)]),)
        )
        return generator._answer(rhythm_prior.place(eight, self.preprocessor.fs, wanted), condition, seed)

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
    def reconstruct(
        self,
        given: ECG | Condition,
        *,
        text: str | Sequence[str] | None = None,
        age: float | Sequence[float | None] | None = None,
        sex: str | Sequence[str | None] | None = None,
        heart_rate: float | Sequence[float | None] | None = None,
        num_draws: int = 32,
        level: float = 0.9,
        num_steps: int | None = None,
        guidance_scale: float | None = None,
        seed: int = 0,
        keep_draws: bool = True,
        progress: Callable[[float], None] | None = None,
    ) -> Reconstruction:
        """Twelve leads from some leads (or from any condition): many draws, a point estimate, a prediction interval.

        Args:
            given: The recorded leads, at any rate and length; or a condition, which may be a batch.
            text: What else is known, in words; as in ``generate``.
            age: Years.
            sex: "M" or "F".
            heart_rate: Beats per minute; what the leads show is followed where both contradict.
            num_draws: Draws per record, at least 2.
            level: Share of true samples that the interval is to hold, between 0 and 1.
            num_steps: As in ``with_sampling``.
            guidance_scale: As in ``with_sampling``.
            seed: The same seed gives the same draws.
            keep_draws: Return the draws as well; False saves memory on long recordings.
            progress: Called with the share done.

        Raises:
            InputError: Where a number is out of range, or a condition and text or metadata beside it are given.

        Example:
            >>> from ecggen.core.simulate import simulate
            >>> watch = simulate(1, seconds=10, fs=250, seed=0).pick("I")
            >>> twelve = Generator.from_pretrained("gan").reconstruct(watch, age=74, sex="F", num_draws=4)
            >>> twelve.mean.leads[:3], twelve.mean.fs, twelve.draws.signal.shape
            (('I', 'II', 'III'), 250.0, torch.Size([4, 12, 2500]))
            >>> bool((twelve.lower.signal <= twelve.upper.signal).all())
            True
        """
        if num_draws < 2 or not 0 < level < 1:
            raise InputError(f"{num_draws} draws, level {level:g}", "at least 2 draws and a level between 0 and 1")
        beside = {"text": text, "age": age, "sex": sex, "heart_rate": heart_rate}
        notes: list[str] = []
        if isinstance(given, Condition):
            named = [name for name, value in beside.items() if value is not None]
            if named:
                found = f"a condition and {', '.join(named)} beside it were given"
                raise InputError(found, "one of them was expected", "put all of it into the condition")
            condition = given
        else:
            condition, notes = follow_measured_rate(Condition(given, **beside), self.preprocessor)
        generator = self.with_sampling(num_steps, guidance_scale)
        found = generator._estimated(condition, num_draws, level, seed, keep_draws, progress)
        return replace(found, notes=tuple(notes))

    def _estimated(
        self,
        condition: Condition,
        num_draws: int,
        level: float,
        seed: int,
        keep_draws: bool,
        progress: Callable[[float], None] | None,
    ) -> Reconstruction:
        """Point estimate and interval of a condition, window by window."""
        draws = num_draws
        if bool(rhythm_prior.without_waveforms(condition).any()):  # each draw then has its own rhythm
            prepared, _ = self._prepared(condition.repeat(draws), seed, range(len(condition) * draws))
        else:
            prepared = self.preprocessor.condition(condition)
        matrix = torch.as_tensor(LEAD_MATRIX, dtype=torch.float32)
        quantiles = _plotting_positions(level, draws)
        scale = _by_observed(self.interval_scale, condition)[:, None]

        def summarise(window: Condition) -> tuple[Tensor, ...]:
            parts, done = [], 0
            weights = _by_observed(self.mean_weight, window)
            drawn: Iterable[Draws] = self._draw(window, seed, range(len(condition) * draws), mirrored=True)
            if len(window) != len(condition):
                drawn = [Draws(torch.cat([part.draws for part in drawn]))]
            for part in drawn:
                eight, deterministic = part.draws.unflatten(0, (-1, draws)), part.deterministic
                mean = eight.mean(1)
                spread = (matrix @ (eight - mean[:, None])) * scale[done : done + len(eight)]
                if deterministic is not None:
                    mean = torch.lerp(mean, deterministic, weights[done : done + len(eight)])
                done += len(eight)
                low, high = torch.quantile(spread, quantiles, dim=1)
                kept = (part.draws.unflatten(0, (-1, draws)).flatten(1, 2),) if keep_draws else ()
                parts.append((mean, low.clamp(max=0), high.clamp(min=0), *kept))
            return tuple(torch.cat(part) for part in zip(*parts, strict=True))

        eight, below, above, *kept = self._along(prepared, summarise, progress)
        mean = self._answer(eight, condition, seed)
        # Moving to another rate may ring a little past the point estimate.
        widths = self._at_rate_of(below, condition).clamp(max=0), self._at_rate_of(above, condition).clamp(min=0)
        edges = [ECG(mean.signal + width, mean.leads, mean.fs, mean.provenance) for width in widths]
        single = None
        if keep_draws:
            each = kept[0].unflatten(1, (draws, -1)).flatten(0, 1)
            single = self._answer(each, condition.repeat(draws), seed)
        return Reconstruction(mean, edges[0], edges[1], level, draws, single)

    def _prepared(
        self, condition: Condition, seed: int, indices: Sequence[int]
    ) -> tuple[Condition, rhythm_prior.Wanted]:
        """``condition`` as the model wants it, with a person where nothing is told, and a rhythm where none is seen."""
        prepared = self.preprocessor.condition(condition)
        if self.patient_prior is not None:
            prepared = self.patient_prior.draw(prepared, seed, indices)
        return rhythm_prior.draw(self, prepared, self.preprocessor, seed, indices)

    def _draw(self, window: Condition, seed: int, indices: Sequence[int], mirrored: bool = False) -> Iterator[Draws]:
        """Draws for one window, agreeing with what it shows, some records at a time.

        The number of draws per record follows from the indices; a short window is padded, and its draws cut.
        """
        draws = len(indices) // len(window)
        padded = _pad(window, self.preprocessor.samples)
        size = max(1, BATCH // draws)
        for start in range(0, len(window), size):
            part = padded[start : start + size].to(self.device)
            drawn = self.draw_many(part, Noise(seed, indices[start * draws : (start + size) * draws], mirrored))
            eight, middle = drawn.draws, drawn.deterministic
            if middle is not None:
                own, spread = (
                    middle.repeat_interleave(draws, 0),
                    _by_observed(self.ensemble_inflation, part).to(self.device),
                )
                eight = own + spread.repeat_interleave(draws, 0) * (eight - own)
                middle = project_onto_observed(middle, part).cpu()[..., : window.samples]
            yield Draws(project_onto_observed(eight, part.repeat(draws)).cpu()[..., : window.samples], middle)

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
        told = bool((condition.has_text_or_metadata() | rhythm_prior.without_waveforms(condition)).any())
        return f", {self.sampling.describe(bool(condition.observed_leads()), told)}"

    def _answer(self, eight: Tensor, condition: Condition, seed: int) -> ECG:
        """Twelve leads at the condition's rate, with what it shows as it was given."""
        condition = condition.to("cpu")
        eight = project_onto_observed(self._at_rate_of(eight, condition), condition)
        signal = torch.as_tensor(LEAD_MATRIX, dtype=torch.float32) @ eight
        measured = condition.observed_leads()
        known = determined_by(measured)
        provenance = Provenance(
            recorded=measured,
            generated=tuple(lead for lead in STANDARD_LEADS if lead not in known),
            model=self.name + self._how(condition),
            seed=seed,
            condition=condition.describe(),
        )
        return ECG(signal, STANDARD_LEADS, condition.fs, provenance)


def num_observed(condition: Condition) -> Tensor:
    """How many leads each record shows that do not follow from the others, (batch,)."""
    rows = torch.as_tensor(LEAD_MATRIX, dtype=torch.float64) * condition.lead_mask.any(-1).cpu()[..., None]
    return torch.linalg.matrix_rank(rows)


def _by_observed(table: Tensor, condition: Condition) -> Tensor:
    """Each record's row of a table by the number of seen leads: (batch, lead, 1)."""
    return table.cpu()[num_observed(condition).clamp(max=MAX_OBSERVED)][..., None]


def _plotting_positions(level: float, draws: int) -> Tensor:
    """Quantiles of so few draws between which a further draw falls with probability ``level`` (Weibull 1939).

    The plain quantiles would hold too little: level · (draws − 1) / (draws + 1).
    """
    tail = ((1 - level) / 2 * (draws + 1) - 1) / (draws - 1)
    return torch.tensor([tail, 1 - tail]).clamp(0, 1)


def independent_leads(ecg: ECG) -> ECG:
    """The eight drawn leads of a twelve-lead ECG, as ``Generator.loss`` wants them."""
    return ecg.standard().pick(*INDEPENDENT_LEADS)


def _pad(window: Condition, samples: int) -> Condition:
    """``window`` with unseen samples after its end."""
    return window.replace(
        leads=fit(window.leads, samples),
        lead_mask=fit(window.lead_mask, samples),
        ppg=fit(window.ppg, samples),
        ppg_mask=fit(window.ppg_mask, samples),
    )


def _fade(size: int, overlap: int) -> Tensor:
    """Weights of a window: a straight rise over the overlap, flat, a straight fall."""
    rise = torch.arange(1, size + 1, dtype=torch.float32)
    return torch.minimum(rise, rise.flip(0)).clamp(max=max(1, overlap)) / max(1, overlap)


def _under_stored_names(_: nn.Module, state_dict: dict[str, Tensor], prefix: str, __: Any) -> None:
    """Buffers go into weights under the names of checkpoint format 1."""
    for name, stored in STORED.items():
        state_dict[prefix + stored] = state_dict.pop(prefix + name)
