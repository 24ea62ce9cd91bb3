"""A generator turns a condition (leads, PPG, text, metadata) into an ECG.

A subclass implements two methods, ``loss`` and ``draw``. ``Generator`` implements everything else for all of them:
windows over long recordings, projection onto the observed leads, twelve leads from eight, resampling to the rate of the
condition, and the prediction interval from many draws.
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

from ecggen.conditioning import pulse_beats, rhythm_prior
from ecggen.conditioning.condition import Condition, Waveform
from ecggen.conditioning.consistency import follow_measured_rate
from ecggen.conditioning.gaps import bridged
from ecggen.conditioning.patient_prior import PatientPrior
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.conditioning.projection import determined, project_onto_observed
from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, LEAD_MATRIX, STANDARD_LEADS, Provenance, determined_by, resample
from ecggen.core.errors import InputError, InputWarning, argument
from ecggen.core.filters import fit
from ecggen.core.gaps import runs
from ecggen.generators import checkpoint
from ecggen.generators.beat_inflation import BeatInflation
from ecggen.generators.hearts.model import HeartFirst
from ecggen.generators.hearts.unnamed_rhythm import with_rhythms
from ecggen.generators.hearts.variation import KEEP, Keep, Recorded
from ecggen.generators.hearts.variation import draw as draw_variations
from ecggen.generators.intervals import MAX_OBSERVED, by_observed, plotting_positions, point_and_interval
from ecggen.generators.partial_leads import continue_into_gaps, match_beats
from ecggen.generators.reconstruction import Reconstruction
from ecggen.generators.sampling import Noise, Sampling, guidance_groups
from ecggen.generators.trust.margin import Margin, identity
from ecggen.generators.trust.widening import Trust, Widening, Window, summarised
from ecggen.generators.windows import over_windows, pad
from ecggen.io.signal_quality import signal_quality

BATCH = 64
"""Maximum number of draws in one forward pass, chosen for the caches of a CPU. The result does not depend on it."""

RECORDS = 48
"""Number of records whose conditions are encoded at once; their weights are large, their activations small."""

VARIATION = "variation of an ECG"
"""Prefix of ``Provenance.condition`` in ECGs made by ``Generator.vary``."""

STRENGTH = 0.8
"""Default strength of ``Generator.vary`` through the latent."""

HEART_SAMPLING = Sampling(num_steps=8, guidance_scale=1.25, stronger_scale=2.25)
"""Default sampling options of a heart-first model."""

REDRAWS, ANOTHER = 3, 1_000_003
"""Largest number of times that a draw is repeated whose R peaks are not those of its PPG, and the step of its seed."""

STORED = {"interval_scale": "band_scale", "ensemble_inflation": "spread", "mean_weight": "middle_share"}
"""Buffers and their names in the state dict of checkpoint format 1."""


@dataclass(frozen=True)
class Draws:
    """Draws for a batch of conditions.

    Attributes:
        draws: (batch · draws, 8, time) mV; the draws of one record are consecutive.
        deterministic: Prediction of the conditional mean by the condition encoder, (batch, 8, time) mV; None for a
            generator without one. ``reconstruct`` combines it with the mean of the draws.
        samples: As ``draws``, with ``Generator.beat_inflation``: what is returned as possible ECGs, while the point
            estimate and interval follow from ``draws``. None if they are the same.
    """

    draws: Tensor
    deterministic: Tensor | None = None
    samples: Tensor | None = None

    def possible(self) -> Tensor:
        """The draws that are returned as possible ECGs."""
        return self.draws if self.samples is None else self.samples


class Generator(nn.Module, ABC):
    """Base of all generators.

    Attributes:
        preprocessor: Filter, rate and window applied to recordings before ``loss`` and ``draw``.
        config: Arguments of the constructor, as saved in config.json.
        name: Name and weight hash, for provenance.
        sampling: The checkpoint's sampling options; None for a generator that draws in one pass.
        heart_first: Model that draws records without leads and PPG as a rhythm, a median beat and a residual
            (``ecggen.generators.hearts``); None if such records are drawn like all others.
        heart_sampling: Sampling options of ``heart_first``.
        patient_prior: Source of metadata and statements for unconditional generation; None if there is none.
        interval_scale: (4, 12), one row for 0, 1, 2 and at least 3 independent observed leads, one column per lead:
            factor on the distance of the draws from their mean in the prediction interval. Calibrated on training
            records and saved with the weights.
        ensemble_inflation: (4, 8), same rows: factor on a draw's distance from the deterministic prediction, so that
            the variance of draws matches that of records (ensemble inflation, as in weather forecasting).
        mean_weight: (4, 8), same rows: weight of the deterministic prediction in the point estimate; the mean of the
            draws has the remaining weight.
        beat_inflation: Takes the place of ``ensemble_inflation`` in draws that are returned, not in point estimates and
            intervals; None for none.
        widening: Widens prediction intervals for recordings that are unlike the training data; None for none.
        margin: Factor on prediction intervals that was calibrated on records of the user's own; None for none.
    """

    interval_scale: Tensor
    ensemble_inflation: Tensor
    mean_weight: Tensor
    sampling: Sampling | None = None
    heart_sampling: Sampling = HEART_SAMPLING
    patient_prior: PatientPrior | None = None
    beat_inflation: BeatInflation | None = None
    widening: Widening | None = None
    margin: Margin | None = None

    def __init__(self):
        super().__init__()
        self.preprocessor = Preprocessor()
        self.config: Mapping[str, Any] = {}
        self.name = type(self).__name__.lower()
        self.heart_first: HeartFirst | None = None
        self.register_buffer("interval_scale", torch.ones(MAX_OBSERVED + 1, len(STANDARD_LEADS)))
        self.register_buffer("ensemble_inflation", torch.ones(MAX_OBSERVED + 1, len(INDEPENDENT_LEADS)))
        self.register_buffer("mean_weight", torch.full((MAX_OBSERVED + 1, len(INDEPENDENT_LEADS)), 0.5))
        self.register_state_dict_post_hook(_rename_buffers)

    def _load_from_state_dict(self, state_dict, prefix, *others) -> None:
        for name, stored in STORED.items():
            if prefix + stored in state_dict:
                state_dict[prefix + name] = state_dict.pop(prefix + stored)
        scale = state_dict.get(f"{prefix}interval_scale")
        if scale is not None and scale.ndim == 1:  # release 0.1: one row for any number of observed leads
            state_dict[f"{prefix}interval_scale"] = scale.expand(MAX_OBSERVED + 1, -1).clone()
        state_dict.setdefault(f"{prefix}ensemble_inflation", torch.ones_like(self.ensemble_inflation))
        state_dict.setdefault(f"{prefix}mean_weight", torch.zeros_like(self.mean_weight))
        super()._load_from_state_dict(state_dict, prefix, *others)

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Self:
        """Load a generator from a checkpoint folder, or a shipped one by its name, in evaluation mode.

        Args:
            name: A folder with config.json and model.safetensors, or one of "gan", "vae", "flow", "diffusion".

        Raises:
            InputError: If the folder is missing, incomplete or in another format, or holds another class of generator.

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
        """Save weights, config, preprocessing and model card to a folder, atomically.

        Args:
            folder: Output folder; an existing checkpoint in it is replaced.
            card: Model card, written to README.md; an existing card is kept if this is empty.

        Returns:
            The folder.
        """
        return checkpoint.save(self, Path(folder), card)

    @abstractmethod
    def loss(self, ecg: ECG, condition: Condition, group: str) -> dict[str, Tensor]:
        """Named scalar losses; their sum is minimised over the parameters of one group.

        Args:
            ecg: Target: the eight independent leads at the model's rate and length.
            condition: Condition derived from the target, at the same rate and length.
            group: Key of ``parameter_groups()``.
        """

    @abstractmethod
    def draw(self, condition: Condition, noise: Noise) -> Tensor:
        """One draw for each record of the condition: (batch, 8, time) mV in the order of ``INDEPENDENT_LEADS``."""

    def draw_many(self, condition: Condition, noise: Noise) -> Draws:
        """Several draws per record, and the deterministic prediction.

        ``len(noise)`` is a multiple of the number of records. A subclass may override this method to encode the
        condition only once; its draws must equal those of ``draw`` for ``condition.repeat(draws)``.
        """
        return Draws(self.draw(condition.repeat(len(noise) // len(condition)), noise))

    def draw_parts(self, condition: Condition, noises: Sequence[Noise]) -> Iterator[Draws]:
        """Draws of consecutive parts of the records, one for each of ``noises``, as ``draw_many`` gives them.

        A subclass may override this method to encode the condition of all parts at once, which takes less time.
        """
        draws, done = sum(map(len, noises)) // len(condition), 0
        for noise in noises:
            part = slice(done, done := done + len(noise) // draws)
            yield self.draw_many(condition[part], noise)

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        """Parameter groups by name, each optimised with its own losses. By default one group holds all parameters."""
        return {"generator": list(self.parameters())}

    def with_sampling(self, num_steps: int | None = None, guidance_scale: float | None = None) -> Self:
        """A generator with other sampling options that shares the weights; this one is not changed.

        Args:
            num_steps: Number of sampler steps, with and without observed leads; None for the checkpoint's default.
            guidance_scale: Weight of classifier-free guidance by text and metadata (Ho & Salimans 2022); 1 disables
                guidance; None for the checkpoint's default.

        Raises:
            InputError: If a value is out of range, or the generator draws in one pass and has no such options.
        """
        if num_steps is None and guidance_scale is None:
            return self
        if self.sampling is None and self.heart_first is None:
            raise InputError(
                f"{self.name} draws in one pass: it has no steps and no guidance",
                "neither was expected",
                "leave num_steps and guidance_scale out, or choose flow or diffusion",
            )
        changed = copy.copy(self)
        changed.sampling = None if self.sampling is None else self.sampling.changed(num_steps, guidance_scale)
        changed.heart_sampling = self.heart_sampling.changed(num_steps, guidance_scale)
        return changed

    def with_margin(self, margin: Margin | str | Path | None) -> Self:
        """A generator with a margin of the user's own that shares the weights; this one is not changed.

        ``reconstruct`` and ``stream`` then give intervals that are wider or narrower by this factor, and refuse
        observed leads and levels for which it was not calibrated. See docs/concepts/uncertainty.md.

        Args:
            margin: A margin, or a file of ``ecggen calibrate``; None for none.

        Raises:
            InputError: If the file cannot be read, or the margin was calibrated for another model.
        """
        found = Margin.read(margin) if isinstance(margin, str | Path) else margin
        if found is not None:
            found.check_model(identity(self))
        changed = copy.copy(self)
        changed.margin = found
        return changed

    def check_margin(self, leads: Sequence[str], level: float) -> None:
        """Check that the margin, if there is one, is for this generator, the observed leads and a level.

        Raises:
            InputError: If it is for others.
        """
        if self.margin is not None:
            self.margin.check(identity(self), leads, level)

    @property
    def sampling_from_text(self) -> Sampling | None:
        """The sampling options that are used without leads and PPG, where texts are given."""
        return self.sampling if self.heart_first is None else self.heart_sampling

    def sampling_without_leads(self, text: str | None) -> Sampling | None:
        """The sampling options that are used for a text (None if none is given), without leads and PPG."""
        if self.heart_first is None:
            return self.sampling
        how = self.heart_sampling.used(observed=False, text_or_metadata=text is not None)
        affirmed = self.heart_first.features.affirmed
        groups = guidance_groups([text or ""], torch.tensor([text is not None]), affirmed, how)
        (scale,) = [scale for mask, scale in groups if bool(mask)]
        return replace(how, guidance_scale=scale, stronger_scale=None)

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
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
        """Generate ECGs from text and metadata, or unconditionally.

        Args:
            text: Report or diagnosis, for all records or one each. Age, sex and heart rate stated in it are used as
                metadata.
            n: Number of records; inferred from the other arguments if left out.
            age: Years, for all records or one each; overrides the text, as do ``sex`` and ``heart_rate``.
            sex: "M" or "F".
            heart_rate: Beats per minute.
            seconds: Duration of each record.
            fs: Sampling rate in Hz.
            num_steps: As in ``with_sampling``.
            guidance_scale: As in ``with_sampling``.
            seed: Random seed; the same seed gives the same records.

        Returns:
            (n, 12, time) ECG in mV; its provenance lists the generated leads.

        Raises:
            InputError: If a value is out of range.

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
        """Translate each PPG to one ECG, whose beats follow the pulses.

        Args:
            ppg: (time,), (batch, time) or (batch, 1, time), any unit; or a PPG from ``ecggen.read_ppg``.
            fs: Sampling rate of the PPG in Hz; not needed with ``read_ppg``.
            text: As in ``generate``.
            age: As in ``generate``.
            sex: As in ``generate``.
            heart_rate: Beats per minute. If it contradicts the pulse rate, it is ignored with an ``InputWarning``.
            output_fs: Sampling rate of the ECG in Hz; that of the model if left out.
            num_steps: As in ``with_sampling``.
            guidance_scale: As in ``with_sampling``.
            seed: Random seed; the same seed gives the same ECG.

        Returns:
            (batch, 12, time) ECG in mV; its provenance lists the generated leads.

        Raises:
            InputError: If the PPG is too short or not finite, or a value is out of range.

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
        """Draw one ECG for each record of a condition. For several draws per record, pass ``condition.repeat(n)``.

        Args:
            condition: At any rate and length; the ECG has the same rate and length.
            seed: Random seed. A record depends on the seed and its index only, not on the batch size.
            first: Index of the first record, if the condition is a part of a larger job.
            indices: Index of each record, if they are not consecutive.
            num_steps: As in ``with_sampling``.
            guidance_scale: As in ``with_sampling``.

        Returns:
            (batch, 12, time) ECG in mV with provenance. Observed leads are returned unchanged.

        Example:
            >>> condition = Condition(text="atrial fibrillation", n=2, seconds=5, fs=250)
            >>> Generator.from_pretrained("gan").sample(condition, seed=1).signal.shape
            torch.Size([2, 12, 1250])
        """
        generator = self.with_sampling(num_steps, guidance_scale)
        own = range(first, first + len(condition)) if indices is None else indices
        return generator._twelve_leads(generator._draw_whole(condition, seed, own), condition, seed)

    def _draw_whole(self, condition: Condition, seed: int, indices: Sequence[int]) -> Tensor:
        """One draw for each record at the model's rate, (batch, 8, time) mV."""
        bare = rhythm_prior.without_waveforms(condition)
        if self.heart_first is not None and bool(bare.all()):
            return self._draw_hearts(condition, seed, indices)
        if self.heart_first is not None and bool(bare.any()):
            each = enumerate(indices)
            return torch.cat([self._draw_whole(condition[row : row + 1], seed, [index]) for row, index in each])
        prepared, wanted = self._prepare(condition, seed, indices)

        pulses = pulse_beats.rows_of(condition)

        def draw(window: Condition) -> tuple[Tensor]:
            return (self._draw_with_beats(window, seed, indices, pulses),)

        (eight,) = over_windows(prepared, self.preprocessor, draw)
        return rhythm_prior.place(eight, self.preprocessor.fs, wanted)

    def _draw_with_beats(self, window: Condition, seed: int, indices: Sequence[int], pulses: Sequence[int]) -> Tensor:
        """One draw (batch, 8, time) of each record in a window; of some, whose R peaks are those of their pulses.

        Args:
            window: At the model's rate.
            seed: Random seed.
            indices: Index of each record.
            pulses: Rows with identical pulses as PPG. R peaks are moved to the times of their pulses. A draw with other
                R peaks in lead II is repeated, at most ``REDRAWS`` times; the one that agrees best is kept. Beats that
                still have no R peak there get the QRS complex of another beat (``rhythm_prior.complete``).
        """
        eight = torch.cat([part.possible() for part in self._draw_window(window, seed, indices, possible=True)])
        fs, lead = self.preprocessor.fs, INDEPENDENT_LEADS.index("II")
        wanted = {row: pulse_beats.times_of_train(window.ppg[row, 0].cpu().numpy(), fs) for row in pulses}
        eight = rhythm_prior.place(eight, fs, wanted)
        best = rhythm_prior.agreement(eight[:, lead], fs, wanted)
        for attempt in range(1, REDRAWS + 1):
            rows = [row for row, agree in best.items() if agree < rhythm_prior.AGREEMENT]
            if not rows:
                break
            some = Condition.cat([window[row : row + 1] for row in rows])
            other = seed + attempt * ANOTHER if seed >= 0 else seed - attempt * ANOTHER
            drawn = self._draw_window(some, other, [indices[row] for row in rows], possible=True)
            again = torch.cat([part.possible() for part in drawn])
            theirs = {at: wanted[row] for at, row in enumerate(rows)}
            again = rhythm_prior.place(again, fs, theirs)
            found = rhythm_prior.agreement(again[:, lead], fs, theirs)
            for at, row in enumerate(rows):
                if found[at] > best[row]:
                    eight[row], best[row] = again[at], found[at]
        return rhythm_prior.complete(eight, fs, wanted)

    def _draw_hearts(
        self, condition: Condition, seed: int, indices: Sequence[int], recorded: Recorded | None = None
    ) -> Tensor:
        """One draw of the heart-first model for each record without leads and PPG, (batch, 8, time) mV.

        Only texts that are given are guided, not those of the patient prior: nobody asked for what these say. A text
        that only denies findings is replaced by that of a patient without them; one that names no rhythm is completed.
        With ``recorded``, each draw varies one recording, which takes the place of the prior.
        """
        assert self.heart_first is not None
        prepared, how = self.preprocessor.condition(condition), self.heart_sampling
        features, guided = self.heart_first.features, prepared.text_mask.cpu()
        if self.patient_prior is not None and recorded is None:
            denied = features.denied_only(
                [text if given else "" for text, given in zip(prepared.text, guided.tolist(), strict=True)]
            )
            guided = guided & ~torch.tensor([bool(codes) for codes in denied])
            prepared = self.patient_prior.draw(prepared, seed, indices, denied, features.affirmed)
        if recorded is None:
            prepared = with_rhythms(prepared, guided, features.statements, seed, indices)
        prepared = prepared.to(self.device)
        drawn = torch.zeros(len(prepared), len(INDEPENDENT_LEADS), prepared.samples)
        for group, scale in guidance_groups(prepared.text, guided, features.affirmed, how):
            places = group.nonzero()[:, 0].tolist()
            for rows in (places[start : start + BATCH] for start in range(0, len(places), BATCH)):
                some = Condition.cat([prepared[row : row + 1] for row in rows])
                own, model = [indices[row] for row in rows], self.heart_first
                if recorded is None:
                    drawn[rows] = model.draw(some, seed, own, scale, how.num_steps).cpu()
                else:
                    drawn[rows] = draw_variations(model, recorded[rows], some, seed, own, scale, how.num_steps).cpu()
        return drawn

    @final
    @torch.no_grad()
    def vary(
        self,
        ecg: ECG,
        condition: Condition,
        strength: float | None = None,
        seed: int = 0,
        indices: Sequence[int] | None = None,
        *,
        keep: Keep | None = None,
        num_steps: int | None = None,
        guidance_scale: float | None = None,
    ) -> ECG:
        """Vary given ECGs: keep their heart, their rhythm or both; or resemble them, through the latent.

        What is not kept is drawn from text and metadata (``ecggen.generators.hearts.variation``). Without ``keep``, R
        peaks are kept and the waveform is drawn near the given one (SDEdit, Meng et al. 2022, arXiv 2108.01073), with
        generators that have a latent.

        Args:
            ecg: One record for each of the condition, or one for all: leads that determine all twelve, at most one
                window long without ``keep``.
            condition: Text and metadata, without leads or PPG. The result has its rate and length, which is that of the
                ECG if the rhythm is kept. Without a text that names a rhythm, a kept heart gets a rhythm like its own.
            strength: Without ``keep``: noise level at which sampling starts, in (0, 1], rounded down to a time step of
                the sampler; ``STRENGTH`` if left out. A small value stays near the given ECG; 1 keeps only its R peaks.
                The smallest effective strength depends on the number of steps.
            seed: As in ``sample``.
            indices: As in ``sample``; from 0 on if left out.
            keep: "heart": its median beats (its QT interval follows the heart rate); "rhythm": its R peaks and types of
                beats; "both": all but the size of each beat and the residual.
            num_steps: As in ``with_sampling``.
            guidance_scale: As in ``with_sampling``.

        Returns:
            (batch, 12, time) ECG in mV, all leads generated.

        Raises:
            InputError: If the generator has no latent or no heart-first model, an option is out of range, the ECG is
                too long, has another length than a rhythm to be kept, or shows fewer than three beats to be kept.

        Example:
            >>> from ecggen.core.simulate import simulate
            >>> recorded = simulate(1, seconds=10, fs=100, heart_rate=60, seed=0)
            >>> faster = Condition(heart_rate=90, n=2, seconds=10, fs=100)
            >>> Generator.from_pretrained("gan").vary(recorded, faster, keep="heart").provenance.condition
            'variation of an ECG, heart kept; heart rate 90'
        """
        self.check_variation(strength, keep)
        if len(ecg) not in (1, len(condition)):
            found = f"{len(ecg)} ECGs and {len(condition)} records of the condition"
            raise InputError(found, "one ECG for each, or one for all, was expected")
        if not bool(rhythm_prior.without_waveforms(condition).all()):
            raise InputError("the condition has leads or a PPG", "text and metadata were expected")
        own = range(len(condition)) if indices is None else indices
        original = ecg.to("cpu").standard().pick(*INDEPENDENT_LEADS)
        generator = self.with_sampling(num_steps, guidance_scale)
        if len(ecg) < len(condition):
            original = replace(original, signal=original.signal.expand(len(condition), -1, -1))
        if keep is None:
            strength = STRENGTH if strength is None else strength
            eight = generator._latent_variation(original, condition, strength, seed, own)
            what = f"strength {strength:g}"
        else:
            recorded = Recorded.of(self.preprocessor.ecg(original), keep, condition.seconds)
            eight, what = generator._draw_hearts(condition, seed, own, recorded), f"{recorded.kept} kept"
        result = generator._twelve_leads(eight, condition, seed)
        description = f"{VARIATION}, {what}; {condition.describe()}"
        return replace(result, provenance=replace(result.provenance, condition=description))  # type: ignore[type-var]

    def _latent_variation(
        self, ecg: ECG, condition: Condition, strength: float, seed: int, indices: Sequence[int]
    ) -> Tensor:
        """One draw at the model's rate through the latent near each ECG, with its R peaks; (batch, 8, time) mV."""
        if ecg.seconds > self.preprocessor.seconds + 0.05:
            most = f"at most {self.preprocessor.seconds:g} s"
            raise InputError(f"the ECG lasts {ecg.seconds:.1f} s", f"{most} were expected", "crop it first")
        original = self.preprocessor.ecg(ecg)
        prepared, wanted = rhythm_prior.follow(
            self.preprocessor.condition(condition), original, self.preprocessor, seed, indices
        )
        samples, parts = self.preprocessor.samples, []
        for start in range(0, len(condition), BATCH):
            part = pad(prepared[start : start + BATCH], samples).to(self.device)
            target = fit(original.signal[start : start + BATCH], samples).to(self.device)
            varied = self.draw_near(target, strength, part, Noise(seed, indices[start : start + BATCH]))
            parts.append(varied.cpu()[..., : prepared.samples])
        return rhythm_prior.place(torch.cat(parts), self.preprocessor.fs, wanted)

    def draw_near(self, eight: Tensor, strength: float, condition: Condition, noise: Noise) -> Tensor:
        """One draw near each ECG in ``eight`` (batch, 8, time) mV, for ``vary``; overridden by latent generators."""
        raise NotImplementedError

    @property
    def varies(self) -> bool:
        """Whether ``vary`` is available through a latent."""
        return type(self).draw_near is not Generator.draw_near

    def check_variation(self, strength: float | None, keep: str | None = None) -> None:
        """Raise an InputError if ``vary`` is not available, or ``strength`` or ``keep`` is out of range."""
        if keep is not None and (keep not in KEEP or strength is not None):
            found = f"{argument('keep')} is {keep!r}" + ("" if strength is None else f" with a {argument('strength')}")
            raise InputError(found, f"one of {', '.join(KEEP)} without a strength was expected")
        if keep is not None and self.heart_first is None:
            raise InputError(
                f"{self.name} has no heart-first model",
                "one was expected to keep a heart or a rhythm",
                "choose a shipped generator, or train one with a table [hearts]",
            )
        if keep is None and not self.varies:
            raise InputError(
                f"{self.name} cannot vary a given ECG through a latent",
                "a generator that samples a latent in several steps was expected",
                f"choose flow or diffusion, or one of {', '.join(KEEP)} with {argument('keep')}",
            )
        if strength is not None and not 0 < strength <= 1:
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
        """Reconstruct twelve leads from some leads, or from any condition: draws, point estimate, prediction interval.

        An ``InputWarning`` is issued for leads without certain heartbeats (noise, or not an ECG).

        Args:
            given: The recorded leads, at any rate and length; or a condition. Both may be a batch. In leads, missing
                samples are NaN: gaps of at most 0.03 s are interpolated, longer ones are generated, and
                ``Reconstruction.notes`` says which (``ecggen.conditioning.gaps``).
            text: Report or diagnosis, as in ``generate``.
            age: Years.
            sex: "M" or "F".
            heart_rate: Beats per minute. If it contradicts the rate measured in the leads, it is ignored and
                ``Reconstruction.notes`` says so.
            num_draws: Draws per record, at least 2.
            level: Nominal coverage of the prediction interval, between 0 and 1.
            num_steps: As in ``with_sampling``.
            guidance_scale: As in ``with_sampling``.
            seed: Random seed; the same seed gives the same draws.
            keep_draws: Whether to return the draws; False saves memory on long recordings.
            progress: Callback that receives the fraction done.

        Raises:
            InputError: If a value is out of range, text or metadata are given in addition to a condition, or too little
                is left of a recording with gaps.

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
        known = {"text": text, "age": age, "sex": sex, "heart_rate": heart_rate}
        notes: list[str] = []
        if isinstance(given, Condition):
            named = [name for name, value in known.items() if value is not None]
            if named:
                found = f"a condition and {', '.join(named)} were given"
                raise InputError(found, "one of them was expected", "put all of it into the condition")
            condition = given
        else:
            whole, notes_on_gaps = bridged(given)
            _warn_of_noise(whole)
            condition, notes = follow_measured_rate(Condition(whole, **known), self.preprocessor)
            notes = [*notes_on_gaps, *notes]
        generator = self.with_sampling(num_steps, guidance_scale)
        found = generator._reconstruct(condition, num_draws, level, seed, keep_draws, progress)
        return replace(found, notes=tuple(notes))

    @final
    def stream(
        self,
        chunks: Iterable[ECG],
        *,
        text: str | None = None,
        age: float | None = None,
        sex: str | None = None,
        num_draws: int = 20,
        level: float = 0.9,
        seed: int = 0,
        num_steps: int | None = None,
        guidance_scale: float | None = None,
    ) -> Iterator[Reconstruction]:
        """Reconstruct twelve leads of a live recording, part by part, with a fixed latency.

        Two seconds of signal are awaited first. Then a sample is returned at most 2 s after it has arrived, plus the
        computing time of one window (``ecggen.generators.streaming.live.LATENCY``). The parts join without a step, and
        do not depend on the sizes of the chunks. The memory does not depend on the duration.

        Args:
            chunks: Consecutive parts of one recording, of any duration, with the same leads and rate.
            text: As in ``generate``.
            age: As in ``generate``.
            sex: As in ``generate``.
            num_draws: As in ``reconstruct``.
            level: As in ``reconstruct``.
            seed: As in ``reconstruct``.
            num_steps: As in ``with_sampling``.
            guidance_scale: As in ``with_sampling``.

        Yields:
            Consecutive parts of the twelve leads, mostly of one second.

        Raises:
            InputError: If chunks differ in leads or rate, the rate is no simple ratio of the model's, or the recording
                lasts less than 2 s.

        Example:
            >>> from ecggen.core.simulate import simulate
            >>> watch = simulate(1, seconds=4, fs=250).pick("I")
            >>> chunks = (watch.crop(second / 2, 0.5) for second in range(8))
            >>> parts = list(Generator.from_pretrained("vae").stream(chunks, num_draws=4))
            >>> [part.mean.seconds for part in parts]
            [1.0, 1.0, 1.0, 1.0]
        """
        from ecggen.generators.streaming.blocks import Options
        from ecggen.generators.streaming.live import reconstruct

        if num_draws < 2 or not 0 < level < 1:
            found = f"{num_draws} draws at level {level:g}"
            raise InputError(found, "at least 2 draws and a level between 0 and 1 were expected")
        known = Condition(text=text, age=age, sex=sex, n=1)
        generator = self.with_sampling(num_steps, guidance_scale)
        return reconstruct(generator, chunks, known, Options(num_draws, level, seed))

    def _reconstruct(
        self,
        condition: Condition,
        num_draws: int,
        level: float,
        seed: int,
        keep_draws: bool,
        progress: Callable[[float], None] | None,
    ) -> Reconstruction:
        """Point estimate and prediction interval of a condition, window by window."""
        if self.margin is not None:
            for leads in {condition[record : record + 1].observed_leads() for record in range(len(condition))}:
                self.check_margin(leads, level)
        draws = num_draws
        bare = rhythm_prior.without_waveforms(condition)
        quantiles = plotting_positions(level, draws)
        scale = by_observed(self.interval_scale, condition)[:, None]
        if self.heart_first is not None and bool(bare.all()):
            drawn = self._draw_hearts(condition.repeat(draws), seed, range(len(condition) * draws))
            weights = by_observed(self.mean_weight, condition)
            eight = drawn.unflatten(0, (-1, draws))
            found = point_and_interval(eight, None, weights, scale, quantiles)
            return self._summarised([*found, eight.flatten(1, 2)], condition, num_draws, level, seed, keep_draws)
        unlike: list[Window] = []
        if bool(bare.any()):  # each draw has its own rhythm
            prepared, _ = self._prepare(condition.repeat(draws), seed, range(len(condition) * draws))
        else:
            prepared = pulse_beats.follow(condition, self.preprocessor.condition(condition), self.preprocessor)

        def summarise(window: Condition) -> tuple[Tensor, ...]:
            parts, done = [], 0
            weights = by_observed(self.mean_weight, window)
            own = range(len(condition) * draws)
            drawn: Iterable[Draws] = self._draw_window(window, seed, own, mirrored=True, possible=keep_draws)
            if len(window) != len(condition):
                each = list(drawn)
                whole, returned = (
                    torch.cat(part) for part in zip(*((d.draws, d.possible()) for d in each), strict=True)
                )
                drawn = [Draws(whole, samples=returned)]
            for part in drawn:
                eight = part.draws.unflatten(0, (-1, draws))
                own = slice(done, done := done + len(eight))
                found = point_and_interval(eight, part.deterministic, weights[own], scale[own], quantiles)
                kept = part.possible().unflatten(0, (-1, draws)).flatten(1, 2)
                parts.append((*found, kept) if keep_draws else found)
            eight, below, above, *kept = (torch.cat(part) for part in zip(*parts, strict=True))
            if len(window) == len(condition):
                below, above, found = self._widened(below, above, window, level)
                unlike.extend([] if found is None else [found])
            return eight, below, above, *kept

        summary = over_windows(prepared, self.preprocessor, summarise, progress)
        trust = summarised(unlike) if unlike else ()
        return self._summarised(summary, condition, num_draws, level, seed, keep_draws, trust)

    def _widened(
        self, below: Tensor, above: Tensor, window: Condition, level: float
    ) -> tuple[Tensor, Tensor, Window | None]:
        """Ends of the interval after widening and with the margin, and how unlike the training data the window is."""
        found = None
        if self.widening is not None:
            below, above, found = self.widening.widened(below, above, window, level)
        if self.margin is not None:
            below, above = self.margin.margin * below, self.margin.margin * above
        return below, above, found

    def _summarised(
        self,
        summary: list[Tensor],
        condition: Condition,
        draws: int,
        level: float,
        seed: int,
        keep_draws: bool,
        trust: tuple[Trust, ...] = (),
    ) -> Reconstruction:
        """Reconstruction from the point estimate, the edges of its interval relative to it, and the draws, if kept."""
        eight, below, above, *kept = summary
        mean = self._twelve_leads(eight, condition, seed)
        # Resampling may overshoot, so that an end of the interval would cross the point estimate.
        widths = [self._resampled(below, condition).clamp(max=0), self._resampled(above, condition).clamp(min=0)]
        if bool(condition.has_gaps().any()):
            widths = [width.masked_fill(determined(condition.lead_mask).cpu(), 0.0) for width in widths]
        edges = [ECG(mean.signal + width, mean.leads, mean.fs, mean.provenance) for width in widths]
        single = None
        if keep_draws:
            each = kept[0].unflatten(1, (draws, -1)).flatten(0, 1)
            single = self._twelve_leads(each, condition.repeat(draws), seed)
        return Reconstruction(mean, edges[0], edges[1], level, draws, single, trust, margin=self.margin)

    def _prepare(
        self, condition: Condition, seed: int, indices: Sequence[int]
    ) -> tuple[Condition, rhythm_prior.Wanted]:
        """Preprocess a condition, find the beats of its PPGs, and sample from the priors what it lacks.

        Records without any condition get metadata and statements from the patient prior; records without leads and PPG
        get a rhythm from the rhythm prior.
        """
        prepared = self.preprocessor.condition(condition)
        if self.patient_prior is not None:
            prepared = self.patient_prior.draw(prepared, seed, indices)
        prepared = pulse_beats.follow(condition, prepared, self.preprocessor)
        return rhythm_prior.draw(self, prepared, self.preprocessor, seed, indices)

    def _draw_window(
        self,
        window: Condition,
        seed: int,
        indices: Sequence[int],
        mirrored: bool = False,
        possible: bool = False,
    ) -> Iterator[Draws]:
        """Draws for one window, projected onto its observed leads, in batches of at most ``BATCH`` draws.

        The number of draws per record follows from the number of indices. A short window is padded and its draws are
        cropped. ``samples`` of the draws are computed if they are wanted as ``possible`` ECGs.
        """
        draws = len(indices) // len(window)
        padded = pad(window, self.preprocessor.samples)
        size = max(1, BATCH // draws)
        together = max(1, RECORDS // size) * size
        for first in range(0, len(window), together):
            some = padded[first : first + together].to(self.device)
            parts = [slice(start, min(start + size, len(some))) for start in range(0, len(some), size)]
            own = indices[first * draws :]
            noises = [Noise(seed, own[part.start * draws : part.stop * draws], mirrored) for part in parts]
            for part, drawn in zip(parts, self.draw_parts(some, noises), strict=True):
                drawn = self._inflated(drawn, some[part], possible)
                optional = (drawn.deterministic, drawn.samples)
                yield Draws(
                    _fitted(drawn.draws, some[part], window.samples),
                    *(None if one is None else _fitted(one, some[part], window.samples) for one in optional),
                )

    def _inflated(self, drawn: Draws, condition: Condition, possible: bool) -> Draws:
        """``drawn`` with ``ensemble_inflation``, and, if wanted and known, ``samples`` with ``beat_inflation``."""
        if drawn.deterministic is None:
            return drawn
        center = drawn.deterministic[:, None]
        distance = drawn.draws.unflatten(0, (len(condition), -1)) - center
        inflated = center + by_observed(self.ensemble_inflation, condition).to(self.device)[:, None] * distance
        samples = None
        if possible and self.beat_inflation is not None and condition.observed_leads():
            scaled, enough = self.beat_inflation.draws(distance, center, condition)
            samples = torch.where(enough[:, None, None, None], scaled, inflated).flatten(0, 1)
        return replace(drawn, draws=inflated.flatten(0, 1), samples=samples)

    def _resampled(self, wave: Tensor, condition: Condition) -> Tensor:
        """Resample ``wave`` from the model's rate to the rate and length of the condition."""
        moved = resample(wave, self.preprocessor.fs, condition.fs)
        lacking = max(0, condition.samples - moved.shape[-1])
        return torch.cat([moved, moved[..., -1:].expand(*moved.shape[:-1], lacking)], -1)[..., : condition.samples]

    def _sampling_description(self, condition: Condition) -> str:
        """Sampling options for provenance. Without any condition, metadata and statements come from the prior."""
        if self.heart_first is not None and bool(rhythm_prior.without_waveforms(condition).all()):
            return f", {self.heart_sampling.describe(observed=False, text_or_metadata=bool(condition.text_mask.any()))}"
        if self.sampling is None:
            return ""
        guided = bool((condition.has_text_or_metadata() | rhythm_prior.without_waveforms(condition)).any())
        return f", {self.sampling.describe(bool(condition.observed_leads()), guided)}"

    def _twelve_leads(self, eight: Tensor, condition: Condition, seed: int) -> ECG:
        """Twelve leads at the condition's rate with provenance; observed leads are returned unchanged."""
        condition = condition.to("cpu")
        eight = continue_into_gaps(self._resampled(eight, condition), condition, baseline=True)
        signal = torch.as_tensor(LEAD_MATRIX, dtype=torch.float32) @ eight
        generated, parts = _generated(condition)
        provenance = Provenance(
            recorded=condition.observed_leads(),
            generated=generated,
            model=self.name + self._sampling_description(condition) + _beats_description(condition),
            seed=seed,
            condition=condition.describe(),
            parts=parts,
            band=(self.preprocessor.highpass, self.preprocessor.lowpass),
        )
        return ECG(signal, STANDARD_LEADS, condition.fs, provenance)


def _fitted(eight: Tensor, condition: Condition, samples: int) -> Tensor:
    """Project draws onto the observed leads, match partly observed leads to their observed parts, and crop."""
    own, eight = condition.during(0, samples), project_onto_observed(eight, condition)[..., :samples]
    if bool(own.has_gaps().any()):
        own = own.repeat(len(eight) // len(own))
        eight = continue_into_gaps(match_beats(eight, own), own, baseline=False)
    return eight.cpu()


def independent_leads(ecg: ECG) -> ECG:
    """The eight independent leads of a twelve-lead ECG, as expected by ``Generator.loss``."""
    return ecg.standard().pick(*INDEPENDENT_LEADS)


def _generated(condition: Condition) -> tuple[tuple[str, ...], tuple[tuple[str, float, float], ...]]:
    """Leads that are generated completely or in part, and the generated parts of the latter, as in ``Provenance``."""
    if not bool(condition.has_gaps().any()):
        known = determined_by(condition.observed_leads())
        return tuple(lead for lead in STANDARD_LEADS if lead not in known), ()
    rows = (~determined(condition.lead_mask)).any(0).cpu().numpy()  # in any record
    generated = {lead: row for lead, row in zip(STANDARD_LEADS, rows, strict=True) if row.any()}
    parts = [(lead, part) for lead, row in generated.items() if not row.all() for part in runs(row)]
    return tuple(generated), tuple((lead, first / condition.fs, last / condition.fs) for lead, (first, last) in parts)


def _beats_description(condition: Condition) -> str:
    """For provenance: the network that finds the beats of a PPG, if there is one without leads."""
    return f", beats {pulse_beats.name_of()}" if bool(pulse_beats.rows_of(condition)) else ""


def _warn_of_noise(ecg: ECG) -> None:
    """Issue an ``InputWarning`` for each record that shows no certain heartbeats in any lead."""
    for record in range(len(ecg)):
        if not signal_quality(ecg[record]).is_ecg:
            which = f"record {record}" if len(ecg) > 1 else "the ECG"
            warnings.warn(f"{which} shows no certain heartbeats: is it noise?", InputWarning, stacklevel=3)


def _rename_buffers(_: nn.Module, state_dict: dict[str, Tensor], prefix: str, __: Any) -> None:
    """Rename buffers in a state dict to their names in checkpoint format 1."""
    for name, stored in STORED.items():
        state_dict[prefix + stored] = state_dict.pop(prefix + name)


def load(name: str | Path) -> Generator:
    """Load a generator from a checkpoint folder, or a shipped one by its name, ready to draw.

    The same as ``Generator.from_pretrained``.

    Example:
        >>> load("vae").preprocessor.seconds
        10.0
    """
    return Generator.from_pretrained(name)
