"""Plot of an ECG on standard paper, in true millimetres.

Recorded and derived leads are drawn in black. Generated leads, and generated parts of a recorded lead, have another
colour and a prediction interval, and their page is marked SYNTHETIC. The steps are: display filter, selection of the
segment, layout of the strips, and drawing of each strip.
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
    GENERATED,
    INK,
    blank_page,
    fitted,
    interval,
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
"""Distance of the rows in mm for each layout."""

# Cabrera's order follows the frontal axis in steps of 30°, hence the inverted aVR.
LIMB = (("I", "II", "III"), ("aVR", "aVL", "aVF"))
CABRERA = (("aVL", "I", "−aVR"), ("II", "aVF", "III"))
CHEST = (("V1", "V2", "V3"), ("V4", "V5", "V6"))
"""Columns of a page: limb leads in standard or Cabrera order, then the chest leads."""

PAGE_SECONDS = 10.0
"""Duration of a page in seconds."""

LARGEST = 200
"""Largest paper speed in mm/s and gain in mm/mV, which limit the size of a page."""

PULSE_SECONDS = 0.2
"""Duration in seconds of the calibration pulse, which is 1 mV high."""

EDGE = 5.0
"""Margin in mm right of the traces, and above and below the rows."""

NAME = 9.0, 14.0
"""Height in mm of a lead's name above its baseline: default, and largest if the trace takes that place."""

Curve = tuple[np.ndarray, np.ndarray]
"""A strip in mm: x (time,), and y (3, time) with the signal and the bounds of its prediction interval."""


@dataclass(frozen=True)
class Strip:
    """A segment of one lead on the page.

    Attributes:
        name: Printed name of the lead; "−aVR" is inverted aVR.
        row: Row on the page, from above.
        at: Position on the page, in seconds from the start of the first trace.
        start: Start in the segment that is shown, in seconds.
        seconds: Duration.
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
        """Name of the standard lead."""
        return self.name.removeprefix("−")

    @property
    def sign(self) -> int:
        """−1 if the lead is inverted, else 1."""
        return -1 if self.name.startswith("−") else 1


def draw(
    ecg: ECG,
    *,
    lower: ECG | None = None,
    upper: ECG | None = None,
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
    """Draw one page with up to ten seconds of one record.

    Args:
        ecg: An ECG with any leads. Up to three leads are drawn as rows of ten seconds; more are arranged by ``layout``.
        lower: Lower bound of the prediction interval, with the leads, rate and shape of ``ecg``; requires ``upper``.
        upper: Upper bound of the prediction interval.
        level: Level of the prediction interval (such as 0.9), for the legend.
        layout: "3x4" (columns of 2.5 s above a rhythm strip of lead II) or "12x1" (rows of ten seconds).
        cabrera: Whether to draw the limb leads in Cabrera's order: aVL, I, −aVR, II, aVF, III.
        start: Start of the segment in seconds. If less than ten seconds follow, all columns show the same seconds
            instead of successive ones.
        speed: Paper speed in mm/s, at most ``LARGEST``.
        gain: Height of 1 mV in mm, at most ``LARGEST``.
        title: A line above the page, as plain text.
        caption: A line below the page, as plain text.
        display_filter: Cutoff frequencies in Hz of a zero-phase band-pass filter. 0 omits the lower one, a value from
            half the sampling rate on the upper one; None draws the raw signal.
        record: Index of the record in the batch.

    Returns:
        A matplotlib figure.

    Raises:
        InputError: If an argument is out of range, or the bounds of the interval do not match the ECG.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> figure = draw(simulate(1, fs=250, seconds=10), title="Simulated ECG")
        >>> [round(25.4 * inches) for inches in figure.get_size_inches()]  # mm
        [297, 210]
    """
    _check_page(ecg, layout, start, speed, gain, record)
    _check_interval(ecg, lower, upper, level)
    wave = _wave_and_interval(ecg, lower, upper, display_filter, record)
    part = wave[..., round(start * ecg.fs) : round((start + PAGE_SECONDS) * ecg.fs) + 1]
    seconds = min(PAGE_SECONDS, ecg.seconds - start)
    strips = arrange(ecg.leads, layout, seconds, cabrera=cabrera)
    curves = [_curve(strip, part[:, ecg.leads.index(strip.lead)], ecg.fs, speed, gain) for strip in strips]
    baselines, height = _baselines(strips, curves, LAYOUTS[layout], gain)
    left = trace_start(speed)
    # At least 150 mm, which the title and the stamp need at any speed.
    width = max(150, 5 * math.ceil((left + PAGE_SECONDS * speed + EDGE) / 5))
    figure, axes = blank_page(width, height)
    for row, y in enumerate(baselines):
        _pulse(axes, row, left, y, speed, gain)
    generated = _generated(ecg)[:, round(start * ecg.fs) :]
    for strip, (x, y) in zip(strips, curves, strict=True):
        first = round(strip.start * ecg.fs)
        marked = generated[ecg.leads.index(strip.lead), first : first + y.shape[-1]]
        _draw_strip(axes, strip, left + x, baselines[strip.row], y, marked)
    settings = [f"{speed:g} mm/s", f"{gain:g} mm/mV", _filter_text(display_filter, ecg.fs)]
    settings += [f"{ecg.fs:g} Hz", f"{start:.1f}–{start + seconds:.1f} s"]
    if any(strip.at > strip.start for strip in strips):
        settings.append("columns show the same seconds")
    _head(axes, title, ecg, _interval_text(lower, level))
    _foot(axes, caption, settings, ecg.provenance)
    figure.set_label("; ".join(ecg.provenance.lines()) if ecg.provenance else "")
    return figure


def trace_start(speed: float = 25) -> int:
    """Distance in mm from the left edge of the ruled field to the traces: room for the calibration pulse.

    Example:
        >>> trace_start()
        15
    """
    return 5 * math.ceil((PULSE_SECONDS * speed + 10) / 5)


def arrange(leads: Sequence[str], layout: str, seconds: float, *, cabrera: bool = False) -> list[Strip]:
    """Strips of a page that shows ``seconds`` of ``leads``.

    A lead keeps its standard column; columns without a lead are omitted and the others share ten seconds.
    """
    columns = [
        [name for name in column if name.removeprefix("−") in leads]
        for column in (*(CABRERA if cabrera else LIMB), *CHEST)
    ]
    columns = [column for column in columns if column]
    if layout == "12x1" or len(leads) <= 3:
        columns = [[name for column in columns for name in column]]
    room = PAGE_SECONDS / len(columns)
    # The last column may be half a second shorter; beyond that, successive columns would omit leads.
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
    """Apply the display filter with cutoffs ``edges`` in Hz to ``signal`` (…, time); gaps (NaN) are kept."""
    sections = _sections(edges, fs)
    if sections is None or signal.shape[-1] < 3:
        return signal
    from scipy.signal import sosfiltfilt

    known = np.isfinite(signal)
    # Even padding: with odd padding about a sample on an R wave, the ends would shift the baseline.
    pad = min(signal.shape[-1] - 1, round(2 * fs))
    smooth = sosfiltfilt(sections, _bridged(signal), axis=-1, padtype="even", padlen=pad)
    return np.where(known, smooth, np.nan)


def in_ink(leads: tuple[str, ...], provenance: Provenance | None) -> tuple[str, ...]:
    """The leads that were recorded, or follow exactly from recorded ones, and are therefore drawn in black."""
    if provenance is None or not provenance.generated:
        return leads
    known = determined_by(provenance.recorded)
    return tuple(lead for lead in leads if lead in known and lead not in provenance.generated)


def _generated(ecg: ECG) -> np.ndarray:
    """Which samples are drawn as generated, (lead, time) bool."""
    real, at = in_ink(ecg.leads, ecg.provenance), ecg.is_generated().numpy()
    partly = in_part(ecg.leads, ecg.provenance)
    return at | np.array([[lead not in real and lead not in partly] for lead in ecg.leads])


def in_part(leads: tuple[str, ...], provenance: Provenance | None) -> tuple[str, ...]:
    """The leads of which a part was generated."""
    partly = {lead for lead, _, _ in provenance.parts} if provenance else set()
    return tuple(lead for lead in leads if lead in partly)


def abbreviated(leads: tuple[str, ...]) -> str:
    """Lead names in standard order, with consecutive chest leads abbreviated as "V1–V6".

    Example:
        >>> abbreviated(("V3", "V1", "V2", "II"))
        'II, V1–V3'
    """
    runs: list[list[str]] = []
    for lead in (lead for lead in STANDARD_LEADS if lead in leads):
        if lead.startswith("V") and runs and runs[-1][-1] == f"V{int(lead[1]) - 1}":
            runs[-1].append(lead)
        else:
            runs.append([lead])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(run) for run in runs)


def _check_page(ecg: ECG, layout: str, start: float, speed: float, gain: float, record: int) -> None:
    """Check the arguments of ``draw`` that concern the page."""
    if layout not in LAYOUTS:
        raise InputError(f"the layout is {layout!r}", f"one of {', '.join(LAYOUTS)} was expected")
    for name, value, unit in (("speed", speed, "mm/s"), ("gain", gain, "mm/mV")):
        if not 0 < value <= LARGEST:
            expected = f"more than 0 and at most {LARGEST} {unit} was expected"
            raise InputError(f"the {name} is {value:g} {unit}", expected, "25 mm/s and 10 mm/mV are standard")
    if not 0 <= record < len(ecg):
        raise InputError(f"there is no record {record}", f"the batch has {len(ecg)}, counted from 0")
    if not 0 <= start <= ecg.seconds - 2 / ecg.fs:
        found = f"the segment to draw starts at {start:g} s"
        raise InputError(found, f"the recording lasts {ecg.seconds:.3f} s", "choose a start inside it")


def _check_interval(ecg: ECG, lower: ECG | None, upper: ECG | None, level: float | None) -> None:
    """Check the arguments of ``draw`` that concern the prediction interval."""
    if level is not None and not 0 < level < 1:
        found = f"the level of the prediction interval is {level:g}"
        raise InputError(found, "a number between 0 and 1 was expected")
    if (lower is None) != (upper is None):
        found = "one bound of the prediction interval was given"
        raise InputError(found, "both were expected", "give lower and upper")
    for name, bound in (("lower", lower), ("upper", upper)):
        if bound is not None and _shape(bound) != _shape(ecg):
            found = f"the {name} bound of the prediction interval has {_shape(bound)}"
            expected = f"{_shape(ecg)} was expected, as in the ECG"
            raise InputError(found, expected, "process the bounds in the same way as the ECG")


def _shape(ecg: ECG) -> str:
    return f"{len(ecg)} × {ecg.samples} samples of {', '.join(ecg.leads)} at {ecg.fs:g} Hz"


def _sections(edges: tuple[float, float] | None, fs: float) -> np.ndarray | None:
    """Second-order sections of the display filter; None if nothing is filtered."""
    from scipy.signal import butter

    if edges is None:
        return None
    lowest, highest = edges
    if not 0 <= lowest < min(highest, fs / 2):
        raise InputError(
            f"the display filter is {lowest:g}–{highest:g} Hz",
            f"two rising cutoffs, the lower one below half the sampling rate ({fs / 2:g} Hz), were expected",
            "0.5–40 Hz is standard; None draws the raw signal",
        )
    designs = (("highpass", lowest, lowest > 0), ("lowpass", highest, highest < fs / 2))
    parts = [np.asarray(butter(2, edge, kind, output="sos", fs=fs)) for kind, edge, used in designs if used]
    return np.concatenate(parts) if parts else None


def _bridged(signal: np.ndarray) -> np.ndarray:
    """``signal`` with gaps filled by linear interpolation; a lead without any sample is 0."""
    signal = signal.copy()
    time = np.arange(signal.shape[-1])
    for wave in signal.reshape(-1, len(time)):
        known = np.isfinite(wave)
        wave[~known] = np.interp(time[~known], time[known], wave[known]) if known.any() else 0.0
    return signal


def _wave_and_interval(
    ecg: ECG, lower: ECG | None, upper: ECG | None, edges: tuple[float, float] | None, record: int
) -> np.ndarray:
    """Filtered signal and bounds of the prediction interval in mV, (3, lead, time).

    The display filter is applied to the signal only, and the interval keeps its width. A filter would narrow it,
    because the errors of the signal lie at all frequencies.
    """
    waves = [each.signal[record].detach().cpu().numpy().astype(float) for each in (ecg, lower or ecg, upper or ecg)]
    mean, *bounds = (np.where(np.isfinite(wave), wave, np.nan) for wave in waves)
    filtered = displayed(mean, ecg.fs, edges)
    return np.stack([filtered, *(filtered + bound - mean for bound in bounds)])


def _curve(strip: Strip, wave: np.ndarray, fs: float, speed: float, gain: float) -> Curve:
    """Convert ``wave``, signal and interval (3, time) of a lead in mV, to mm from the first trace's start and 0 mV."""
    first, last = round(strip.start * fs), round((strip.start + strip.seconds) * fs)
    segment = strip.sign * wave[:, first : last + 1]
    seconds = strip.at - strip.start + (first + np.arange(segment.shape[1])) / fs
    return seconds * speed, segment * gain


def _baselines(strips: list[Strip], curves: list[Curve], pitch: float, gain: float) -> tuple[list[float], float]:
    """Heights in mm of the baselines of the rows, from top to bottom, and height of the ruled field.

    Rows are ``pitch`` mm apart. Rows that would overlap move apart, at the cost of rows that need less room.
    """
    rows = 1 + max(strip.row for strip in strips)
    up, down = np.full(rows, max(gain, NAME[0] + 2.5)), np.zeros(rows)
    for strip, (_, y) in zip(strips, curves, strict=True):
        up[strip.row] = max(up[strip.row], np.nanmax(y, initial=0))
        down[strip.row] = max(down[strip.row], -np.nanmin(y, initial=0))
    gaps = spread(down[:-1] + up[1:] + 1, pitch)
    # The page grows to hold a deep wave, but not without limit, as artifacts would require.
    above, below = (5 * np.ceil(np.clip(end + 2, EDGE + pitch / 2, 2 * pitch) / 5) for end in (up[0], down[-1]))
    middle = (rows - 1) * pitch
    return [float(y) for y in below + middle - np.cumsum([0, *gaps])], float(above + middle + below)


def spread(needed: np.ndarray, pitch: float) -> np.ndarray:
    """Distances between rows in whole mm, at most ``pitch`` on average.

    Distances are equal unless a larger one is ``needed``. A needed distance is limited to twice the pitch (an
    artifact would need more). If the needed distances do not fit, all are reduced.
    """
    needed, room = np.minimum(np.ceil(needed), 2 * pitch), len(needed) * pitch
    for common in np.arange(pitch, pitch / 2, -1):
        gaps = np.maximum(needed, common)
        if gaps.sum() <= room:
            return gaps
    extra = np.maximum(needed - pitch / 2, 0)
    return np.floor(pitch / 2 + extra * min(1, room / 2 / extra.sum()))


def _pulse(axes: Axes, row: int, left: float, y: float, speed: float, gain: float) -> None:
    """Draw the calibration pulse of a row: 1 mV for 200 ms."""
    rise, fall = (left - PULSE_SECONDS * speed) / 2, (left + PULSE_SECONDS * speed) / 2
    x = np.array([rise - 2, rise, rise, fall, fall, fall + 2])
    line(axes, x, y + gain * np.array([0, 0, 1, 1, 0, 0]), INK, gid=f"pulse-{row + 1}")


def _draw_strip(axes: Axes, strip: Strip, x: np.ndarray, baseline: float, y: np.ndarray, generated: np.ndarray) -> None:
    """Draw one strip at ``x`` mm.

    Args:
        axes: The page.
        strip: The strip.
        x: (time,) mm.
        baseline: Height of its baseline in mm.
        y: Signal and interval of its lead (3, time), in mm from ``baseline``.
        generated: (time,) bool, True where the signal is generated.
    """
    whole, gid = bool(generated.all()), f"{'rhythm-' if strip.rhythm else ''}{strip.lead}"
    color = GENERATED if whole else INK
    mean, lower, upper = baseline + y
    if np.nanmax(np.abs(upper - lower), initial=0) > EYE:
        mixed = generated.any() and not whole
        low, high = (np.where(generated, edge, np.nan) if mixed else edge for edge in (lower, upper))
        interval(axes, x, low, high, GENERATED if mixed else color, gid=f"band-{gid}")
    line(axes, x, mean if whole else np.where(generated, np.nan, mean), color, gid=f"lead-{gid}")
    if generated.any() and not whole:
        # From the last sample before a generated part to the first one after it, so that the trace is not broken.
        reach = np.convolve(generated, [1, 1, 1], "same") > 0
        line(axes, x, np.where(reach, mean, np.nan), GENERATED, gid=f"generated-{gid}")
    if strip.at > 0:
        parting(axes, x[0], baseline)
    # The name moves up if the trace takes its place. Italics mark generated leads in print without colour.
    above = np.clip(np.nanmax(y[0, x < x[0] + 8], initial=0) + 1, *NAME)
    write_name(axes, x[0] + 1, baseline + float(above), strip.name, color, italic=bool(generated.any()))


def _head(axes: Axes, title: str, ecg: ECG, interval_text: str) -> None:
    """Draw the title and, if leads are generated, legend, stamp and watermark."""
    (_, right), (_, top) = axes.get_xlim(), axes.get_ylim()
    origin = ecg.provenance
    if origin is not None and origin.generated:
        right -= stamp(axes, "SYNTHETIC", _extent_text(ecg.leads, origin)) + 5
        watermark(axes, "SYNTHETIC")
        legend(axes, _origins(ecg.leads, origin, interval_text))
        top += 4
    lines = fitted(title, 12, right, lines=2, bold=True)
    for row, text in enumerate(reversed(lines)):
        write(axes, 0, top + 4.5 + 5.5 * row, text, 12, weight="bold", gid="title")


def _extent_text(leads: tuple[str, ...], origin: Provenance) -> str:
    """How many of the leads on the page are generated; none if only recorded leads of a reconstruction are drawn."""
    partly = len(in_part(leads, origin))
    generated = len(leads) - len(in_ink(leads, origin)) - partly
    if partly:
        whole = f"{generated} leads generated, " if generated else ""
        return f"{whole}{partly} of {len(leads)} leads generated in part — not for diagnosis"
    some = f"{generated} of {len(leads)} leads generated" if generated else "other leads generated"
    return f"{'all leads generated' if generated == len(leads) else some} — not for diagnosis"


def _origins(leads: tuple[str, ...], origin: Provenance, interval_text: str) -> list[tuple[str, str, bool]]:
    """Entries of the legend; an origin without leads is omitted."""
    real = in_ink(leads, origin)
    recorded = tuple(lead for lead in real if lead in origin.recorded)
    derived = tuple(lead for lead in real if lead not in recorded)
    partly = in_part(leads, origin)
    generated = tuple(lead for lead in leads if lead not in real and lead not in partly)
    groups = (
        (recorded, f"recorded: {abbreviated(recorded)}", INK, False),
        (derived, f"derived exactly: {abbreviated(derived)}", INK, False),
        (partly, f"generated in part: {abbreviated(partly)}{interval_text}", GENERATED, bool(interval_text)),
        (generated, f"generated: {abbreviated(generated)}{interval_text}", GENERATED, bool(interval_text)),
    )
    return [(text, color, has_interval) for group, text, color, has_interval in groups if group]


def _interval_text(lower: ECG | None, level: float | None) -> str:
    if lower is None:
        return ""
    return ", with prediction interval" if level is None else f", with {100 * level:g} % prediction interval"


def _filter_text(edges: tuple[float, float] | None, fs: float) -> str:
    lowest, highest = edges or (0, math.inf)
    if highest < fs / 2:
        return f"display filter {lowest:g}–{highest:g} Hz"
    return f"display filter from {lowest:g} Hz" if lowest > 0 else "no filter"


def _foot(axes: Axes, caption: str, settings: list[str], origin: Provenance | None) -> None:
    """Draw scale and origin in small print, and the caption below."""
    width = axes.get_xlim()[1]
    if origin is not None and origin.generated:
        settings += [f"generated leads hold {origin.band[0]:g}–{origin.band[1]:g} Hz"] if origin.band else []
        settings = [*settings, f"model {origin.model or 'unknown'}"]
        settings += [] if origin.seed is None else [f"seed {origin.seed}"]
    for text in fitted(" · ".join(settings), 7.5, width):
        write(axes, 0, -4.5, text, 7.5, color=FAINT, gid="settings")
    for text in fitted(caption, 7.5, width):
        write(axes, 0, -8.7, text, 7.5, gid="caption")
