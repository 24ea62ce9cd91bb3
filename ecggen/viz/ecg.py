"""An ECG on paper: true millimetres, so that a cardiologist reads it as any other.

What was measured is drawn in ink. What a model made has a colour of its own, its band around it, and a page
that says SYNTHETIC. The order of work: filter for the eye, choose the part, lay out strips, draw each strip.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ecggen.core.ecg import ECG, STANDARD_LEADS, Provenance, determined_by
from ecggen.core.errors import InputError
from ecggen.viz.paper import (
    EYE,
    FAINT,
    INK,
    MADE,
    band,
    blank_page,
    fitted,
    legend,
    line,
    parting,
    stamp,
    watermark,
    write,
    write_name,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LAYOUTS = {"3x4": 40.0, "12x1": 25.0}
"""Each layout with the distance of its rows in mm."""

# Cabrera's order goes round the heart in steps of 30°, hence the inverted aVR.
LIMB = (("I", "II", "III"), ("aVR", "aVL", "aVF"))
CABRERA = (("aVL", "I", "−aVR"), ("II", "aVF", "III"))
CHEST = (("V1", "V2", "V3"), ("V4", "V5", "V6"))
"""The columns of a page: limb leads in the usual or in Cabrera's order, then the chest leads."""

PAGE_SECONDS = 10.0
"""What one page shows."""

LARGEST = 200
"""Most mm to the second and to the mV: a page stays a page."""

PULSE_SECONDS = 0.2
"""Duration of the calibration pulse, which is 1 mV high."""

EDGE = 5.0
"""Paper in mm that stays free right of the traces, above and below the rows."""

NAME = 9.0, 14.0
"""Height in mm of a lead's name above its baseline: usual, and highest where the trace stands in its place."""

Curve = tuple[np.ndarray, np.ndarray]
"""A strip in mm: x (time), y (3, time) of the centre and the lower and upper end of its band."""


@dataclass(frozen=True)
class Strip:
    """One lead's stretch on the page.

    Attributes:
        name: The lead's name as printed; "−aVR" is aVR turned over.
        row: Row on the page, from above.
        at: Where it begins on the page, in seconds from the first trace's beginning.
        start: Where it begins in the part that is shown, in seconds.
        seconds: Its duration.
        rhythm: Whether it is the rhythm strip.
    """

    name: str
    row: int
    at: float
    start: float
    seconds: float
    rhythm: bool = False

    @property
    def lead(self) -> str:
        """The standard lead that it shows."""
        return self.name.removeprefix("−")

    @property
    def sign(self) -> int:
        """−1 where the lead is turned over."""
        return -1 if self.name.startswith("−") else 1


def draw(
    ecg: ECG,
    *,
    low: ECG | None = None,
    high: ECG | None = None,
    level: float | None = None,
    layout: str = "3x4",
    cabrera: bool = False,
    start: float = 0.0,
    speed: float = 25,
    gain: float = 10,
    title: str = "",
    caption: str = "",
    display_filter: tuple[float, float] | None = (0.5, 40.0),
    record: int = 0,
) -> Figure:
    """One page with up to ten seconds of one record.

    Args:
        ecg: Any leads. Up to three are drawn as rows of ten seconds; more are laid out as ``layout`` says.
        low: Lower end of the band, of the leads, rate and shape of ``ecg``; goes with ``high``.
        high: Upper end of the band.
        level: Share of truths that the band is meant to hold (0.9), for the legend.
        layout: "3x4" (columns of 2.5 s over a rhythm strip of lead II) or "12x1" (rows of ten seconds).
        cabrera: Limb leads in Cabrera's order: aVL, I, −aVR, II, aVF, III.
        start: Beginning of the part that is shown, in seconds. Where less than ten seconds follow, all
            columns show the same stretch, instead of one after the other.
        speed: Paper speed in mm/s, at most ``LARGEST``.
        gain: Height of one mV in mm, at most ``LARGEST``.
        title: A line above; no character of it is taken for markup.
        caption: A line below; likewise.
        display_filter: Edges in Hz of the zero-phase band-pass for the eye. 0 leaves out the lower, anything
            from half the sampling rate on the upper one; None shows the raw signal.
        record: Which record of the batch.

    Raises:
        InputError: Where something is asked for that the ECG or the paper cannot give.
    """
    _check_page(ecg, layout, start, speed, gain, record)
    _check_band(ecg, low, high, level)
    wave = _wave_and_band(ecg, low, high, display_filter, record)
    part = wave[..., round(start * ecg.fs) : round((start + PAGE_SECONDS) * ecg.fs) + 1]
    seconds = min(PAGE_SECONDS, ecg.seconds - start)
    strips = arrange(ecg.leads, layout, seconds, cabrera=cabrera)
    curves = [_curve(strip, part[:, ecg.leads.index(strip.lead)], ecg.fs, speed, gain) for strip in strips]
    baselines, height = _baselines(strips, curves, LAYOUTS[layout], gain)
    # Room for the pulse before the traces. 150 mm at least: the title and the stamp need them at any speed.
    left = 5 * math.ceil((PULSE_SECONDS * speed + 10) / 5)
    width = max(150, 5 * math.ceil((left + PAGE_SECONDS * speed + EDGE) / 5))
    figure, axes = blank_page(width, height)
    for row, y in enumerate(baselines):
        _pulse(axes, row, left, y, speed, gain)
    ink = in_ink(ecg.leads, ecg.provenance)
    for strip, (x, y) in zip(strips, curves, strict=True):
        _draw_strip(axes, strip, left + x, baselines[strip.row], y, made=strip.lead not in ink)
    settings = [f"{speed:g} mm/s", f"{gain:g} mm/mV", _filter_words(display_filter, ecg.fs)]
    settings += [f"{ecg.fs:g} Hz", f"{start:.1f}–{start + seconds:.1f} s"]
    if any(strip.at > strip.start for strip in strips):
        settings.append("columns show the same seconds")
    _head(axes, title, ecg, _band_words(low, level))
    _foot(axes, caption, settings, ecg.provenance)
    figure.set_label("; ".join(ecg.provenance.lines()) if ecg.provenance else "")
    return figure


def arrange(leads: Sequence[str], layout: str, seconds: float, *, cabrera: bool = False) -> list[Strip]:
    """The strips of a page that shows ``seconds`` of ``leads``.

    A lead keeps its classic column; columns without a lead are left out and the others share ten seconds.
    """
    columns = [
        [name for name in column if name.removeprefix("−") in leads]
        for column in (*(CABRERA if cabrera else LIMB), *CHEST)
    ]
    columns = [column for column in columns if column]
    if layout == "12x1" or len(leads) <= 3:
        columns = [[name for column in columns for name in column]]
    room = PAGE_SECONDS / len(columns)
    # Half a second may lack in the last column; beyond that, one after the other would leave leads out.
    successive = seconds > PAGE_SECONDS - 0.5
    strips = []
    for i, column in enumerate(columns):
        start = i * room if successive else 0.0
        strips += [Strip(name, row, i * room, start, min(room, seconds - start)) for row, name in enumerate(column)]
    if len(columns) > 1:
        rhythm = "II" if "II" in leads else leads[0]
        strips.append(Strip(rhythm, max(map(len, columns)), 0.0, 0.0, seconds, rhythm=True))
    return strips


def displayed(signal: np.ndarray, fs: float, edges: tuple[float, float] | None) -> np.ndarray:
    """``signal`` (…, time) band-passed for the eye; gaps (NaN) stay gaps."""
    sections = _sections(edges, fs)
    if sections is None or signal.shape[-1] < 3:
        return signal
    from scipy.signal import sosfiltfilt

    known = np.isfinite(signal)
    # Mirrored ends: turned about a sample that happens to lie on an R wave, the ends would lift the baseline.
    pad = min(signal.shape[-1] - 1, round(2 * fs))
    smooth = sosfiltfilt(sections, _bridged(signal), axis=-1, padtype="even", padlen=pad)
    return np.where(known, smooth, np.nan)


def in_ink(leads: tuple[str, ...], provenance: Provenance | None) -> tuple[str, ...]:
    """Which of ``leads`` are measured, or follow exactly from measured ones."""
    if provenance is None or not provenance.generated:
        return leads
    known = determined_by(provenance.recorded)
    return tuple(lead for lead in leads if lead in known and lead not in provenance.generated)


def spoken(leads: tuple[str, ...]) -> str:
    """Lead names in standard order, chest leads in a row as "V1–V6"."""
    runs: list[list[str]] = []
    for lead in (lead for lead in STANDARD_LEADS if lead in leads):
        if lead.startswith("V") and runs and runs[-1][-1] == f"V{int(lead[1]) - 1}":
            runs[-1].append(lead)
        else:
            runs.append([lead])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(run) for run in runs)


def _check_page(ecg: ECG, layout: str, start: float, speed: float, gain: float, record: int) -> None:
    """The errors of ``draw`` about what is to be shown and how."""
    if layout not in LAYOUTS:
        raise InputError(f"the layout is {layout!r}", f"one of {', '.join(LAYOUTS)} was expected")
    for name, value, unit in (("speed", speed, "mm/s"), ("gain", gain, "mm/mV")):
        if not 0 < value <= LARGEST:
            expected = f"more than 0 and at most {LARGEST} {unit} was expected"
            raise InputError(f"the {name} is {value:g} {unit}", expected, "25 mm/s and 10 mm/mV are usual")
    if not 0 <= record < len(ecg):
        raise InputError(f"there is no record {record}", f"the batch has {len(ecg)}, counted from 0")
    if not 0 <= start <= ecg.seconds - 2 / ecg.fs:
        found = f"the part to draw begins at {start:g} s"
        raise InputError(found, f"the recording lasts {ecg.seconds:.3f} s", "choose a start inside it")


def _check_band(ecg: ECG, low: ECG | None, high: ECG | None, level: float | None) -> None:
    """The errors of ``draw`` about its band."""
    if level is not None and not 0 < level < 1:
        raise InputError(f"the band's level is {level:g}", "a number between 0 and 1 was expected")
    if (low is None) != (high is None):
        raise InputError("one edge of the band was given", "both were expected", "give low and high")
    for name, edge in (("low", low), ("high", high)):
        if edge is not None and _form(edge) != _form(ecg):
            expected = f"{_form(ecg)} was expected, as in the ECG"
            raise InputError(f"the band's {name} has {_form(edge)}", expected, "treat the band as the ECG was")


def _form(ecg: ECG) -> str:
    return f"{len(ecg)} × {ecg.samples} samples of {', '.join(ecg.leads)} at {ecg.fs:g} Hz"


def _sections(edges: tuple[float, float] | None, fs: float) -> np.ndarray | None:
    """Butterworth sections of the display filter; None where nothing is to be filtered."""
    from scipy.signal import butter

    if edges is None:
        return None
    lowest, highest = edges
    if not 0 <= lowest < min(highest, fs / 2):
        raise InputError(
            f"the display filter is {lowest:g}–{highest:g} Hz",
            f"two rising edges, the lower one below half the sampling rate ({fs / 2:g} Hz), were expected",
            "0.5–40 Hz is usual; None draws the raw signal",
        )
    wanted = (("highpass", lowest, lowest > 0), ("lowpass", highest, highest < fs / 2))
    parts = [np.asarray(butter(2, edge, kind, output="sos", fs=fs)) for kind, edge, asked in wanted if asked]
    return np.concatenate(parts) if parts else None


def _bridged(signal: np.ndarray) -> np.ndarray:
    """``signal`` with straight lines across its gaps, flat at 0 where a lead has nothing at all."""
    signal = signal.copy()
    time = np.arange(signal.shape[-1])
    for wave in signal.reshape(-1, len(time)):
        known = np.isfinite(wave)
        wave[~known] = np.interp(time[~known], time[known], wave[known]) if known.any() else 0.0
    return signal


def _wave_and_band(
    ecg: ECG, low: ECG | None, high: ECG | None, edges: tuple[float, float] | None, record: int
) -> np.ndarray:
    """What is drawn, in mV: centre, lower and upper end of the band, (3, lead, time).

    The band keeps its width: a filter would narrow it, for the centre errs at all frequencies.
    """
    waves = [each.signal[record].detach().cpu().numpy().astype(float) for each in (ecg, low or ecg, high or ecg)]
    center, *ends = (np.where(np.isfinite(wave), wave, np.nan) for wave in waves)
    shown = displayed(center, ecg.fs, edges)
    return np.stack([shown, *(shown + end - center for end in ends)])


def _curve(strip: Strip, wave: np.ndarray, fs: float, speed: float, gain: float) -> Curve:
    """``wave``, a lead's centre and band (3, time) in mV, as mm from the first trace's beginning and its 0 mV."""
    first, last = round(strip.start * fs), round((strip.start + strip.seconds) * fs)
    inside = strip.sign * wave[:, first : last + 1]
    seconds = strip.at - strip.start + (first + np.arange(inside.shape[1])) / fs
    return seconds * speed, inside * gain


def _baselines(strips: list[Strip], curves: list[Curve], pitch: float, gain: float) -> tuple[list[float], float]:
    """Height in mm of each row's 0 mV, from above, and of the field.

    Rows are ``pitch`` apart. Where two would collide they move apart, at the cost of rows that need less room.
    """
    rows = 1 + max(strip.row for strip in strips)
    up, down = np.full(rows, max(gain, NAME[0] + 2.5)), np.zeros(rows)
    for strip, (_, y) in zip(strips, curves, strict=True):
        up[strip.row] = max(up[strip.row], np.nanmax(y, initial=0))
        down[strip.row] = max(down[strip.row], -np.nanmin(y, initial=0))
    gaps = spread(down[:-1] + up[1:] + 1, pitch)
    # The page grows rather than cut a deep wave off, but not for an artefact.
    above, below = (5 * np.ceil(np.clip(end + 2, EDGE + pitch / 2, 2 * pitch) / 5) for end in (up[0], down[-1]))
    middle = (rows - 1) * pitch
    return [float(y) for y in below + middle - np.cumsum([0, *gaps])], float(above + middle + below)


def spread(needed: np.ndarray, pitch: float) -> np.ndarray:
    """Distances of rows in whole mm that sum to no more than ``pitch`` each on average.

    Even as far as possible: a distance exceeds the common one only where it is ``needed``. No row asks for more
    than twice the pitch (an artefact would), and where all ask for too much, all get less of what they ask.
    """
    needed, room = np.minimum(np.ceil(needed), 2 * pitch), len(needed) * pitch
    for common in np.arange(pitch, pitch / 2, -1):
        gaps = np.maximum(needed, common)
        if gaps.sum() <= room:
            return gaps
    extra = np.maximum(needed - pitch / 2, 0)
    return np.floor(pitch / 2 + extra * min(1, room / 2 / extra.sum()))


def _pulse(axes: Axes, row: int, left: float, y: float, speed: float, gain: float) -> None:
    """1 mV for 200 ms before a row: whoever reads the page can check its scale."""
    rise, fall = (left - PULSE_SECONDS * speed) / 2, (left + PULSE_SECONDS * speed) / 2
    x = np.array([rise - 2, rise, rise, fall, fall, fall + 2])
    line(axes, x, y + gain * np.array([0, 0, 1, 1, 0, 0]), INK, gid=f"pulse-{row + 1}")


def _draw_strip(axes: Axes, strip: Strip, x: np.ndarray, baseline: float, y: np.ndarray, *, made: bool) -> None:
    """One strip at ``x`` mm; ``y`` is centre and band of its lead (3, time), in mm from ``baseline``."""
    color, gid = MADE if made else INK, f"{'rhythm-' if strip.rhythm else ''}{strip.lead}"
    center, low, high = baseline + y
    if np.nanmax(np.abs(high - low), initial=0) > EYE:
        band(axes, x, low, high, color, gid=f"band-{gid}")
    line(axes, x, center, color, gid=f"lead-{gid}")
    if strip.at > 0:
        parting(axes, x[0], baseline)
    # The name steps up where the trace stands in its place; italics still tell when colours are lost.
    above = np.clip(np.nanmax(y[0, x < x[0] + 8], initial=0) + 1, *NAME)
    write_name(axes, x[0] + 1, baseline + float(above), strip.name, color, italic=made)


def _head(axes: Axes, title: str, ecg: ECG, band_words: str) -> None:
    """Title, legend and, where a model made leads, the stamp; a plain recording has a title only."""
    (_, right), (_, top) = axes.get_xlim(), axes.get_ylim()
    origin = ecg.provenance
    if origin is not None and origin.generated:
        right -= stamp(axes, "SYNTHETIC", _extent_words(ecg.leads, origin)) + 5
        watermark(axes, "SYNTHETIC")
        legend(axes, _origins(ecg.leads, origin, band_words))
        top += 4
    lines = fitted(title, 12, right, lines=2, bold=True)
    for row, words in enumerate(reversed(lines)):
        write(axes, 0, top + 4.5 + 5.5 * row, words, 12, weight="bold", gid="title")


def _extent_words(leads: tuple[str, ...], origin: Provenance) -> str:
    """How much of what is shown a model made; a part of a reconstruction may show measured leads only."""
    made = len(leads) - len(in_ink(leads, origin))
    some = f"{made} of {len(leads)} leads generated" if made else "other leads generated"
    return f"{'all leads generated' if made == len(leads) else some} — not for diagnosis"


def _origins(leads: tuple[str, ...], origin: Provenance, band_words: str) -> list[tuple[str, str, bool]]:
    """The legend's entries; an origin without leads is left out."""
    ink = in_ink(leads, origin)
    measured = tuple(lead for lead in ink if lead in origin.recorded)
    derived = tuple(lead for lead in ink if lead not in measured)
    made = tuple(lead for lead in leads if lead not in ink)
    groups = (
        (measured, f"measured: {spoken(measured)}", INK, False),
        (derived, f"derived exactly: {spoken(derived)}", INK, False),
        (made, f"generated: {spoken(made)}{band_words}", MADE, bool(band_words)),
    )
    return [(words, color, banded) for group, words, color, banded in groups if group]


def _band_words(low: ECG | None, level: float | None) -> str:
    if low is None:
        return ""
    return ", with band" if level is None else f", with {100 * level:g} % band"


def _filter_words(edges: tuple[float, float] | None, fs: float) -> str:
    lowest, highest = edges or (0, math.inf)
    if highest < fs / 2:
        return f"display filter {lowest:g}–{highest:g} Hz"
    return f"display filter from {lowest:g} Hz" if lowest > 0 else "no filter"


def _foot(axes: Axes, caption: str, settings: list[str], origin: Provenance | None) -> None:
    """Scale and origin in small print; below it the caption."""
    width = axes.get_xlim()[1]
    if origin is not None and origin.generated:
        settings = [*settings, f"model {origin.model or 'unknown'}"]
        settings += [] if origin.seed is None else [f"seed {origin.seed}"]
    for words in fitted(" · ".join(settings), 7.5, width):
        write(axes, 0, -4.5, words, 7.5, color=FAINT, gid="settings")
    for words in fitted(caption, 7.5, width):
        write(axes, 0, -8.7, words, 7.5, gid="caption")
