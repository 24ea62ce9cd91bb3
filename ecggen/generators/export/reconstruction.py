"""Lead reconstruction with the VAE as one graph: from a recording at its own rate to twelve leads with intervals.

The graph computes what ``Generator.reconstruct`` does for one window: filter and resampling of the recording, detection
of beats, condition encoder, draws with the random numbers of seed 0, calibrated point estimate and interval, projection
on the recorded leads, derived limb leads, and resampling to the rate of the recording. The random numbers are constants
of the graph.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from fractions import Fraction

import torch
from torch import Tensor, nn

import ecggen
from ecggen.conditioning.condition import Condition
from ecggen.conditioning.condition_embedding import Context
from ecggen.core.ecg import ECG, LEAD_MATRIX, STANDARD_LEADS, check_rate, determined_by, resample
from ecggen.core.errors import InputError
from ecggen.core.filters import band_pass
from ecggen.core.simulate import simulate
from ecggen.generators.base import Generator
from ecggen.generators.export.beats import FixedBeats
from ecggen.generators.intervals import by_observed, plotting_positions
from ecggen.generators.sampling import Noise
from ecggen.generators.vae import VAE
from ecggen.networks.onnx.graph import Graph
from ecggen.networks.onnx.linear import FixedLength

FORMAT = 1
"""Version of inputs, outputs and metadata of the file."""
MEMORY = 10.0
"""Seconds after which the response of the filter to an impulse is negligible."""
UNKNOWN = -1.0
"""Value of an unknown age or sex."""
ACCEPTED = 1e-3
"""Largest accepted difference from ``Generator.reconstruct`` in mV."""


class ReconstructionGraph(nn.Module):
    """Twelve leads of one window from some leads, with a prediction interval.

    Args:
        generator: A VAE.
        leads: The recorded leads.
        fs: Sampling rate of the recording in Hz.
        num_draws: Draws for the point estimate and the interval.
        level: Nominal coverage of the interval.
        seed: Seed of the draws.

    Raises:
        InputError: If the generator is no VAE, or a value is out of range.
    """

    generator: VAE
    place: Tensor
    matrix: Tensor
    inverse: Tensor
    observed: Tensor
    tokens: Tensor
    token_mask: Tensor
    whole: Tensor
    along: Tensor
    scale: Tensor
    inflation: Tensor
    weight: Tensor

    def __init__(
        self,
        generator: Generator,
        leads: Sequence[str],
        fs: float,
        num_draws: int = 20,
        level: float = 0.9,
        seed: int = 0,
    ):
        super().__init__()
        if not isinstance(generator, VAE):
            found = f"{generator.name} is a {type(generator).__name__}"
            raise InputError(found, "a VAE was expected", "export vae, whose draws take one pass each")
        if num_draws < 2 or not 0 < level < 1:
            found = f"{num_draws} draws at level {level:g}"
            raise InputError(found, "at least 2 draws and a level between 0 and 1 were expected")
        self.leads, self.fs, self.generator = tuple(leads), check_rate(fs), generator
        self.samples, self.draws = round(generator.preprocessor.seconds * self.fs), num_draws
        self.deterministic = bool(generator.weights[2])
        recording = ECG(torch.zeros(1, len(self.leads), self.samples), self.leads, self.fs)
        condition = Condition(recording)
        self.generated = tuple(lead for lead in STANDARD_LEADS if lead not in determined_by(self.leads))
        self._add_processing()
        self._add_leads(condition)
        self._add_constants(condition, level, seed)

    def _add_processing(self) -> None:
        """Filter and resampling to the rate of the model, and back."""
        own, fs = self.generator.preprocessor, self.fs
        ratio = Fraction(own.fs / fs).limit_denominator(1000)

        def prepare(wave: Tensor) -> Tensor:
            return resample(band_pass(wave, fs, own.highpass, own.lowpass, own.order), fs, own.fs)

        self.prepare = FixedLength(
            prepare, self.samples, ratio, round(own.seconds * fs), min(int(fs), self.samples - 1)
        )
        reach = 12 + -(-10 * max(ratio.numerator, ratio.denominator) // ratio.denominator)  # of resample_poly's filter
        self.restore = FixedLength(lambda wave: resample(wave, own.fs, fs), own.samples, 1 / ratio, reach)

    def _add_leads(self, condition: Condition) -> None:
        """Matrices between the recorded, the twelve and the eight leads."""
        observed = condition.lead_mask[0].any(-1)
        rows = [STANDARD_LEADS.index(lead) for lead in self.leads]
        matrix = torch.as_tensor(LEAD_MATRIX, dtype=torch.float64)
        self.register_buffer("place", torch.eye(len(STANDARD_LEADS))[:, rows])
        self.register_buffer("matrix", matrix.float())
        self.register_buffer("inverse", torch.linalg.pinv(observed[:, None] * matrix).float())
        self.register_buffer("observed", observed.float()[:, None])
        own, reader = self.generator.preprocessor, self.generator.reader
        self.beatwise = None
        if reader.beatwise is not None:
            self.beatwise = FixedBeats(reader.beatwise, observed, own.samples, own.fs)

    def _add_constants(self, condition: Condition, level: float, seed: int) -> None:
        """Random numbers, calibration and the tokens of a missing text."""
        own, reader = self.generator, self.generator.reader
        with torch.no_grad():
            prior = reader(own.preprocessor.condition(condition)).prior
            tokens, mask = reader.encoder.text(condition.text, condition.text_mask)
        noise = Noise(seed, range(self.draws), mirrored=True)
        for name, shape in zip(("whole", "along"), prior.shapes(), strict=True):
            self.register_buffer(name, noise.normal(*shape)[None])
        self.register_buffer("tokens", tokens)
        self.register_buffer("token_mask", mask)
        self.register_buffer("scale", by_observed(own.interval_scale, condition)[:, None])
        self.register_buffer("inflation", by_observed(own.ensemble_inflation, condition)[:, None])
        self.register_buffer("weight", by_observed(own.mean_weight, condition))
        self.quantiles = [float(value) * (self.draws - 1) for value in plotting_positions(level, self.draws)]

    def forward(self, recording: Tensor, age: Tensor, sex: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Reconstruct.

        Args:
            recording: (batch, lead, samples) mV: the recorded leads in their order.
            age: (batch,) years, negative if unknown.
            sex: (batch,) 0 male, 1 female, negative if unknown.

        Returns:
            Point estimate and both ends of the interval, (batch, 12, samples) mV.
        """
        twelve = self.place @ self.prepare(recording.flatten(0, 1)).unflatten(0, (-1, len(self.leads)))
        draws, deterministic = self._drawn(twelve, self._metadata(age, sex))
        mean, below, above = self._point_and_interval(draws, deterministic)
        mean = self._projected(self._restored(mean), self.place @ recording)
        twelve = self.matrix @ mean
        return twelve, twelve + self._restored(below).clamp(max=0), twelve + self._restored(above).clamp(min=0)

    def _metadata(self, age: Tensor, sex: Tensor) -> Tensor:
        """Metadata scaled to [−1, 1] and their masks, as in ``ConditionEncoder.numbers``; no heart rate is given."""
        encoder = self.generator.reader.encoder
        values = torch.stack([age, sex, torch.full_like(age, UNKNOWN)], 1)
        mask = (values >= 0).to(values)
        scaled = (torch.minimum(values, encoder.center + encoder.scale) - encoder.center) / encoder.scale
        return torch.cat([scaled * mask, mask], 1)

    def _drawn(self, twelve: Tensor, metadata: Tensor) -> tuple[Tensor, Tensor]:
        """Draws (batch, draw, 8, time) and deterministic prediction (batch, 8, time) at the rate of the model."""
        reader, batch = self.generator.reader, twelve.shape[0]
        mask = self.observed.expand_as(twelve)
        aligned = torch.cat([twelve, mask, torch.zeros_like(twelve[:, :2])], 1)
        context = Context(
            aligned,
            reader.encoder.facts(metadata),
            self.tokens.expand(batch, -1, -1),
            self.token_mask.expand(batch, -1),
        )
        written = None if self.beatwise is None else self.beatwise(twelve, self.inverse @ twelve, metadata)
        once = reader.encode(context, written)
        center = reader.write(once, once.prior.mean())
        prior = once.prior.repeat(self.draws)
        noise = [each.expand(batch, *each.shape[1:]).flatten(0, 1) for each in (self.whole, self.along)]
        draws = reader.write(once, prior.at(*noise), self.draws).unflatten(0, (-1, self.draws))
        if self.deterministic:
            draws = center[:, None] + self.inflation * (draws - center[:, None])
        return self._projected(draws, twelve[:, None]), self._projected(center, twelve)

    def _point_and_interval(self, draws: Tensor, deterministic: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As ``intervals.point_and_interval``."""
        mean = draws.mean(1)
        deviation = (self.matrix @ (draws - mean[:, None])) * self.scale
        ordered = deviation.sort(1).values
        low, high = (_between(ordered, at) for at in self.quantiles)
        if self.deterministic:
            mean = torch.lerp(mean, deterministic, self.weight)
        return mean, low.clamp(max=0), high.clamp(min=0)

    def _projected(self, eight: Tensor, twelve: Tensor) -> Tensor:
        """As ``projection.project_onto_observed``, with the observed leads ``twelve``."""
        return eight + self.inverse @ ((twelve - self.matrix @ eight) * self.observed)

    def _restored(self, wave: Tensor) -> Tensor:
        """Resample (batch, lead, time) to the rate and length of the recording."""
        moved = self.restore(wave.flatten(0, 1)).unflatten(0, (-1, wave.shape[1]))
        lacking = max(0, self.samples - moved.shape[-1])
        return torch.cat([moved, moved[..., -1:].expand(-1, -1, lacking)], -1)[..., : self.samples]


def reconstruction_graph(
    generator: Generator,
    leads: Sequence[str],
    fs: float,
    num_draws: int = 20,
    level: float = 0.9,
    seed: int = 0,
    licence: str = "",
) -> Graph:
    """Lead reconstruction as a graph with an example of its inputs and its facts.

    Args:
        generator: A VAE.
        leads: The recorded leads.
        fs: Sampling rate of the recording in Hz.
        num_draws: Draws for the point estimate and the interval.
        level: Nominal coverage of the interval.
        seed: Seed of the draws.
        licence: Licence of the weights.

    Raises:
        InputError: If the generator is no VAE, or a value is out of range.
    """
    module = ReconstructionGraph(generator, leads, fs, num_draws, level, seed)
    window = f"{module.samples} samples at {module.fs:g} Hz"
    seconds = generator.preprocessor.seconds
    wave = simulate(1, seconds=seconds, fs=module.fs, seed=seed).pick(*module.leads)
    age, sex = 60.0, 1.0
    twelve = f"(1, 12, {module.samples}) float32, mV"
    about = {
        "format": FORMAT,
        "task": "reconstruction of leads",
        "notice": "SYNTHETIC leads; not for diagnosis",
        "observed": module.leads,
        "derived": [lead for lead in determined_by(module.leads) if lead not in module.leads],
        "generated": module.generated,
        "leads": STANDARD_LEADS,
        "fs": module.fs,
        "seconds": seconds,
        "model": generator.name,
        "num_draws": num_draws,
        "seed": seed,
        "level": level,
        "interval": "calibrated for recordings like the training data, and not widened for others",
        "band_hz": [generator.preprocessor.highpass, generator.preprocessor.lowpass],
        "inputs": {
            "recording": f"(1, {len(module.leads)}, {module.samples}) float32, mV: {', '.join(module.leads)}, {window}",
            "age": "(1,) float32, years; negative if unknown",
            "sex": "(1,) float32, 0 male, 1 female; negative if unknown",
        },
        "outputs": {
            "point_estimate": f"{twelve}; observed leads as recorded",
            "lower": f"{twelve}; lower end of the {level:.0%} prediction interval",
            "upper": f"{twelve}; upper end",
        },
        "licence": licence,
        "weights": "32 bits",
        "made_by": f"ecggen {ecggen.__version__}",
    }
    inputs = {"recording": wave.signal, "age": torch.tensor([age]), "sex": torch.tensor([sex])}
    near = copy.copy(generator)
    near.widening = None
    expected = near.reconstruct(wave, age=age, sex="F", num_draws=num_draws, level=level, seed=seed, keep_draws=False)
    outputs = [each.signal for each in (expected.mean, expected.lower, expected.upper)]
    named = dict(zip(about["outputs"], outputs, strict=True))
    return Graph(module, inputs, named, about, dict.fromkeys(named, ACCEPTED))


def _between(ordered: Tensor, at: float) -> Tensor:
    """Value at a position between the sorted draws, interpolated: (batch, lead, time)."""
    first = min(int(at), ordered.shape[1] - 2)
    return torch.lerp(ordered[:, first], ordered[:, first + 1], at - first)
