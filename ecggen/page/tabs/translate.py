"""The tab Translate: a PPG becomes an ECG with the same beats, whose uncertainty is marked."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from nicegui import ui

from ecggen.conditioning import condition as conditions
from ecggen.conditioning import pulse_beats
from ecggen.conditioning.consistency import follow_measured_rate
from ecggen.core.errors import InputWarning
from ecggen.core.pulse_rhythm import Rhythm, rhythm_of
from ecggen.core.rhythm import heart_rate, pulses
from ecggen.generators.reconstruction import Reconstruction
from ecggen.io.ppg import PPG, read_ppg
from ecggen.page import marks
from ecggen.page.controls import message
from ecggen.page.examples import PPGS
from ecggen.page.jobs import Job
from ecggen.page.session import Session
from ecggen.page.tabs.form import LONGEST, Form, Given, trust_card, warn_of_rest
from ecggen.page.viewer import Shown, Viewer

LIMIT = (
    "All leads are synthetic. A PPG shows when the heart beats and hardly how: the beats follow the pulses, the form "
    "is a plausible one. The delay from R peak to pulse is not known, so the whole ECG may be early or late by a "
    "constant. Not for diagnosis."
)


def tab(session: Session, limit: int) -> None:
    """Build the tab."""
    channel, button = "Channel, if not PLETH, PPG or BVP", "Translate to an ECG"
    form = Form(session, limit, PPGS, channels=channel, num_draws=16, button=button)
    form.on_submit("translating", _translate, partial(_show, session))


def _translate(job: Job, given: Given) -> tuple[PPG, Reconstruction]:
    """Read the PPG and translate it."""
    path, channel, options = given.path, given.channels, given.options
    ppg = read_ppg(path, channel=channel, heart_rate=given.condition["heart_rate"], **options)
    if ppg.seconds > LONGEST:
        ppg = read_ppg(path, channel=channel, seconds=LONGEST, **options)
        warn_of_rest("translate")
    generator = given.model()
    wanted = conditions.Condition(ppg=ppg, **given.condition, fs=generator.preprocessor.fs)
    wanted, notes = follow_measured_rate(wanted, generator.preprocessor)
    for note in [*ppg.notes, *notes]:
        warnings.warn(note, InputWarning, stacklevel=2)
    found = generator.reconstruct(wanted, num_draws=given.num_draws, seed=given.seed, progress=job.progress)
    return ppg, found


def _show(session: Session, made: tuple[PPG, Reconstruction], given: Given) -> None:
    """The ECG with marked beats above the PPG."""
    ppg, found = made
    present = torch.isfinite(ppg.wave)[None]
    (own,) = pulse_beats.read(torch.where(present, ppg.wave, 0.0), present, ppg.fs)
    values = zip(own.times.tolist(), own.deviations.tolist(), own.probabilities.tolist(), strict=True)
    beats = [marks.Beat(*one) for one in values]
    with ui.row().classes("gap-2"):
        ui.label(f"recorded: PPG ({ppg.origin})").classes("recorded")
        ui.label("generated: all twelve leads").classes("made")
    Viewer(session, Shown.of(given.path.stem, found, given.about, marks.beat_bands(beats)))
    plot(ppg)
    rhythm = rhythm_of(own.times, own.probabilities, own.missed)
    with trust_card(found):
        ui.label(in_words(beats))
        if (sentence := rate_in_words(rhythm)) is not None:
            ui.label(sentence)
        ui.label(LIMIT)


def in_words(beats: Sequence[marks.Beat]) -> str:
    """The uncertainty of the beats in a sentence.

    Example:
        >>> in_words([marks.Beat(1.0, 0.01, 1.0), marks.Beat(2.0, 0.02, 0.5)])
        '2 beats. 1 of them has a probability below 90 % (red). Two standard deviations of the time of a beat are \
30 ms in the median (a mark to each side).'
    """
    if not beats:
        return "No beats were found in the PPG: do not use this ECG."
    spreads = [beat.spread for beat in beats if np.isfinite(beat.spread)]
    doubtful = sum(beat.share < 0.9 for beat in beats)
    words = {0: "Every one has a probability of at least 90 %.", 1: "1 of them has"}
    some = words.get(doubtful, f"{doubtful} of them have")
    if doubtful:
        some += " a probability below 90 % (red)."
    width = f"{2000 * np.median(spreads):.0f} ms in the median" if spreads else "not known"
    return (
        f"{len(beats)} beats. {some} Two standard deviations of the time of a beat are {width} (a mark to each side)."
    )


def rate_in_words(rhythm: Rhythm) -> str | None:
    """The rate of the pulse with its interval, and a suspected atrial fibrillation; None without a rate.

    Example:
        >>> times = np.cumsum(np.full(30, 0.8))
        >>> rate_in_words(rhythm_of(times, np.ones(30), np.zeros(30)))
        'Heart rate: 75 per minute (90 % interval 75 to 78).'
    """
    if rhythm.rate is None or rhythm.rate_interval is None:
        return None
    low, high = rhythm.rate_interval
    sentence = f"Heart rate: {rhythm.rate:.0f} per minute (90 % interval {low:.0f} to {high:.0f})."
    return sentence + (" Irregular as in atrial fibrillation." if rhythm.fibrillation_suspected else "")


def plot(ppg: PPG) -> None:
    """The PPG with its pulses; it can be zoomed."""
    wave = ppg.longest_part.numpy()
    found = pulses(wave, ppg.fs)
    rate = heart_rate(found.rises)
    times = np.arange(len(wave)) / ppg.fs
    at = np.interp(found.rises, times, wave)
    line = [[round(float(x), 3), round(float(y), 3)] for x, y in zip(times, wave, strict=True)]
    dots = [[round(float(x), 3), round(float(y), 3)] for x, y in zip(found.rises, at, strict=True)]
    with ui.column().classes("card w-full gap-1"):
        ui.label("PPG" if rate is None else f"PPG, {rate:.0f} pulses per minute").classes("head")
        if found.doubt:
            message(found.doubt)
        chart = ui.echart(
            {
                "animation": False,
                "grid": {"left": 36, "right": 12, "top": 12, "bottom": 76},
                "tooltip": {"trigger": "axis"},
                "xAxis": {
                    "type": "value",
                    "name": "s",
                    "max": round(float(times[-1]), 1),
                    "axisLine": {"onZero": False},
                },
                "yAxis": {"type": "value", "show": False, "scale": True},
                "dataZoom": [{"type": "slider", "end": min(100.0, 1000 / max(ppg.seconds, 10))}, {"type": "inside"}],
                "series": [
                    {
                        "type": "line",
                        "data": line,
                        "showSymbol": False,
                        "color": "#16181d",
                        "lineStyle": {"width": 1.2},
                    },
                    {"type": "scatter", "data": dots, "symbolSize": 7, "color": "#1f6fb5"},
                ],
            }
        )
        chart.classes("w-full h-56").props('role="img" aria-label="PPG with the steepest rise of each pulse"')
