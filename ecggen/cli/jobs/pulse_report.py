"""What the PPG of ``translate`` tells about beats and rhythm: values, sentences, a picture, and refused parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ecggen.conditioning.pulse_beats import PulseBeats
    from ecggen.core.ecg import ECG
    from ecggen.generators.reconstruction import Reconstruction
    from ecggen.io.ppg import PPG


def pulse_report(ppg: PPG) -> tuple[PulseBeats, dict[str, Any]]:
    """The beats of a PPG, and what is reported of them.

    Returns:
        The beats, and ``beats`` (times in s, standard deviations in ms, probabilities, early and weak ones),
        ``rhythm`` (``ecggen.core.pulse_rhythm.Rhythm``) and ``refused`` (parts with the reason).
    """
    import torch

    from ecggen.conditioning import pulse_beats
    from ecggen.core import pulse_rhythm

    present = torch.isfinite(ppg.wave)[None]
    wave = torch.where(present, ppg.wave, 0.0)
    (beats,) = pulse_beats.read(wave, present, ppg.fs)
    rhythm = pulse_rhythm.rhythm_of(beats.times, beats.probabilities, beats.missed)
    moved = np.array(ppg.moved) if ppg.moved else None
    refused = pulse_rhythm.refused_parts(ppg.seconds, beats.times, beats.probabilities, moved)
    early = np.flatnonzero(pulse_rhythm.early_beats(beats.times)).tolist()
    weak = np.flatnonzero(pulse_rhythm.weak_pulses(wave[0].numpy(), ppg.fs, beats.times)).tolist()
    about = {
        "by": pulse_beats.name_of(),
        "times_s": _rounded(beats.times, 3),
        "deviation_ms": _rounded(1000 * beats.deviations, 1),
        "probability": _rounded(beats.probabilities, 3),
        "missed_before": _rounded(beats.missed, 3),
        "early": early,
        "weak": weak,
    }
    return beats, {"beats": about, "rhythm": rhythm.rounded(), "refused": [asdict(part) for part in refused]}


def as_lines(about: dict[str, Any]) -> list[str]:
    """The report as lines of a summary."""
    return [_beats_line(about["beats"]), _rhythm_line(about["rhythm"]), *_refused_lines(about["refused"])]


def rate_text(rate: float | None, interval: Sequence[float] | None) -> str:
    """A pulse rate with its interval.

    Example:
        >>> rate_text(75.2, (74.0, 80.0)), rate_text(75.2, (75.0, 76.0)), rate_text(None, None)
        ('75 (PPG, 90 % interval 74 to 80)', '75 (PPG, 90 % interval 75 to 76)', 'none (PPG)')
    """
    if rate is None or interval is None:
        return "none (PPG)"
    return f"{rate:.0f} (PPG, 90 % interval {interval[0]:.0f} to {interval[1]:.0f})"


def rate_line(rhythm: dict[str, Any]) -> str:
    """The pulse rate of a long PPG as a line."""
    return f"pulse rate: {rate_text(rhythm['rate'], rhythm['rate_interval'])}"


def _beats_line(beats: dict[str, Any]) -> str:
    count = len(beats["times_s"])
    if not count:
        return "beats:     none were found"
    sure = sum(one >= 0.9 for one in beats["probability"])
    spread = float(np.median(beats["deviation_ms"]))
    missed = sum(beats["missed_before"])
    kinds = [f"{len(beats[kind])} {kind}" for kind in ("early", "weak") if beats[kind]]
    both = len(set(beats["early"]) & set(beats["weak"]))
    kinds += [f"{both} early with a weak pulse, as premature beats have"] if both else []
    more = f"; {', '.join(kinds)}" if kinds else ""
    return (
        f"beats:     {count}, {sure} of them with a probability of at least 90 %, ±{spread:.0f} ms (median standard "
        f"deviation); expected number of missed beats {missed:.1f}{more}"
    )


def _rhythm_line(rhythm: dict[str, Any]) -> str:
    if rhythm["irregularity"] is None:
        return f"rhythm:    not judged: only {rhythm['intervals']} intervals between certain beats"
    judged = (
        "irregular: atrial fibrillation suspected"
        if rhythm["fibrillation_suspected"]
        else "no irregularity as in atrial fibrillation"
    )
    return (
        f"rhythm:    {judged} (median change between intervals {rhythm['irregularity']:.0%}); pulse intervals: SDNN "
        f"{rhythm['sdnn_ms']:.0f} ms, RMSSD {rhythm['rmssd_ms']:.0f} ms of {rhythm['intervals']} intervals"
    )


def _refused_lines(refused: Sequence[dict[str, Any]]) -> list[str]:
    return [f"refused:   {part['start']:g} to {part['end']:g} s: {part['reason']}" for part in refused]


def share_refused(about: dict[str, Any], ppg: PPG) -> list[str]:
    """A note on the refused parts of a long PPG."""
    parts = about["refused"]
    if not parts:
        return []
    seconds = sum(part["end"] - part["start"] for part in parts)
    first = f"the first from {parts[0]['start']:g} to {parts[0]['end']:g} s, {parts[0]['reason']}"
    share = f"{seconds / ppg.seconds:.0%} of the recording in {len(parts)} parts"
    return [f"refused:   {share}, where nothing is generated ({first})"]


def without_refused(result: ECG | Reconstruction, refused: Sequence[dict[str, Any]]) -> ECG | Reconstruction:
    """A result whose samples are missing (NaN) in refused parts."""
    import torch

    from ecggen.generators.reconstruction import Reconstruction

    def cut(ecg: ECG) -> ECG:
        signal = ecg.signal.clone()
        for part in refused:
            signal[..., round(part["start"] * ecg.fs) : round(part["end"] * ecg.fs)] = torch.nan
        return replace(ecg, signal=signal)

    if not refused:
        return result
    if isinstance(result, Reconstruction):
        return replace(result, mean=cut(result.mean), lower=cut(result.lower), upper=cut(result.upper))
    return cut(result)


def picture(ppg: PPG, beats: PulseBeats, about: dict[str, Any], title: str) -> Figure:
    """The PPG with its beats."""
    from ecggen.viz.pulse import draw_beats

    parts = [(part["start"], part["end"], part["reason"]) for part in about["refused"]]
    every = (beats.times, beats.deviations, beats.probabilities)
    return draw_beats(ppg.wave.numpy(), ppg.fs, *every, parts, title)


def _rounded(values: np.ndarray, digits: int) -> list[float]:
    return [round(float(value), digits) for value in values]
