"""Conduction of atrial flutter: RR intervals are whole numbers of flutter cycles (2:1, 3:1, 4:1).

The flutter waves of a drawn record are part of its median beat, which repeats with every QRS complex. They go on
without a break from beat to beat only if the RR intervals are multiples of their cycle, as in patients, whose
atrioventricular node lets every second, third or fourth wave pass (Page et al., Circulation 2016;133:e506).
"""

from __future__ import annotations

import numpy as np

from ecggen.core.beats import BEFORE, OWN_AFTER, OWN_BEFORE
from ecggen.core.ecg import LEAD_MATRIX, STANDARD_LEADS
from ecggen.generators.hearts.rhythm import RR_RANGE, Rhythm

RATES = (220.0, 360.0)
"""Atrial rates per minute of flutter."""
STEP = 2.0
"""Difference of the rates per minute that are tried."""
SEEN_IN = ("II", "III", "aVF", "V1")
"""Leads in which flutter waves are best seen."""
QRS = (-0.07, 0.10)
"""Seconds around the R peak without flutter waves to be seen."""
CLEAR = 0.3
"""Smallest share of the variance between the QRS complexes that a flutter wave explains."""
FEWEST_SAMPLES = 15
STEADY = 0.08
"""Standard deviation of RR intervals over their mean below which the ratio of conduction is constant."""
UNEVEN = 0.003
"""Largest difference in s of an R peak from a whole number of cycles."""


def flutter_cycle(beat: np.ndarray, rhythm: Rhythm, fs: float) -> float | None:
    """Seconds of a cycle of the flutter waves in a median beat, None if there are none.

    A sinusoid is fitted to the part of the beat outside of the QRS complex, in each lead of ``SEEN_IN``, at the rates
    of ``RATES``; the one that explains most of a lead is the flutter.

    Args:
        beat: (8, time) in mV, from ``BEFORE`` before the R peak.
        rhythm: The rhythm of the record.
        fs: Sampling rate in Hz.

    Example:
        >>> t = np.arange(96) / 100
        >>> beat = np.sin(2 * np.pi * 5 * t) * np.ones((8, 1))
        >>> flutter_cycle(beat, Rhythm(np.arange(0, 10, 0.8), np.zeros(13, int)), 100.0)
        0.2
        >>> flutter_cycle(0 * beat, Rhythm(np.arange(0, 10, 0.8), np.zeros(13, int)), 100.0) is None
        True
    """
    leads = LEAD_MATRIX[[STANDARD_LEADS.index(lead) for lead in SEEN_IN]] @ beat
    t, gap = np.arange(beat.shape[1]) / fs - BEFORE, float(np.median(np.diff(rhythm.times)))
    between = ((t < QRS[0]) | (t > QRS[1])) & (t > -OWN_BEFORE * gap) & (t < OWN_AFTER * gap)
    if between.sum() < FEWEST_SAMPLES:
        return None
    waves = leads[:, between] - leads[:, between].mean(1, keepdims=True)
    energy = (waves**2).sum(1)
    rates = np.arange(RATES[0], RATES[1] + STEP, STEP)
    left = np.stack([((waves - waves @ _projection(t[between], rate)) ** 2).sum(1) for rate in rates])
    explained = ((energy - left) / np.maximum(energy, 1e-6)).max(1)
    best = int(explained.argmax())
    return 60 / float(rates[best]) if explained[best] >= CLEAR else None


def _projection(t: np.ndarray, rate: float) -> np.ndarray:
    """(time, time) projection on the sinusoids of a rate per minute, without their mean."""
    phase = 2 * np.pi * rate / 60 * t
    basis = np.stack([np.cos(phase), np.sin(phase)], 1)
    basis = basis - basis.mean(0)
    return basis @ np.linalg.pinv(basis)


def conducted(rhythm: Rhythm, cycle: float, seconds: float) -> Rhythm:
    """A rhythm whose RR intervals are whole numbers of about ``cycle`` s, with the same mean inside of the record.

    A steady rhythm keeps one ratio, and its cycle is the RR interval over that ratio. Otherwise each QRS complex
    follows the flutter wave that is nearest. R peaks differ from that by ``UNEVEN`` at most.

    Example:
        >>> irregular = Rhythm(np.cumsum([0.0, 0.43, 0.75, 0.42, 0.4]), np.zeros(5, int))
        >>> conducted(irregular, 0.2, 2.0).times.round(1).tolist()
        [0.0, 0.4, 1.2, 1.6, 2.0]
    """
    gaps = np.diff(rhythm.times)
    if not len(gaps):
        return rhythm
    if gaps.std() < STEADY * gaps.mean():
        waves = np.full(len(gaps), np.round(gaps.mean() / cycle))
    else:
        waves = np.diff(np.round(np.cumsum([0.0, *gaps]) / cycle))
    waves = np.maximum(waves, np.ceil(RR_RANGE[0] / cycle))
    even = waves * gaps.sum() / waves.sum()
    uneven = np.concatenate([[0.0], (gaps - even).clip(-UNEVEN, UNEVEN)])
    times = np.concatenate([[0.0], np.cumsum(even)]) + uneven + rhythm.times[0]
    wanted, found = (_mean_gap(one, seconds) for one in (rhythm.times, times))
    return Rhythm(times * wanted / found if wanted and found else times, rhythm.types)


def _mean_gap(times: np.ndarray, seconds: float) -> float | None:
    """Mean RR interval inside of the record."""
    inside = times[(times >= 0) & (times < seconds)]
    return float(np.diff(inside).mean()) if len(inside) > 1 else None
