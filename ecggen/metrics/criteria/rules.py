"""Textbook criteria of ECG statements, each with its rule and its source.

A criterion is a rule on measurements that a reader could check with callipers. Rules are imperfect on real records as
well: they decide by one threshold where a cardiologist weighs many signs. Compare the share of synthetic records that
meet a rule with the share of real records that carry the statement, not with 1.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from ecggen.metrics.criteria.measurements import Measurements

CONDUCTION = "AHA/ACCF/HRS 2009 part III (Surawicz et al., Circulation 2009;119:e235)"
REPOLARISATION = "AHA/ACCF/HRS 2009 part IV (Rautaharju et al., Circulation 2009;119:e241)"
HYPERTROPHY = "AHA/ACCF/HRS 2009 part V (Hancock et al., Circulation 2009;119:e251)"
ISCHAEMIA = "AHA/ACCF/HRS 2009 part VI (Wagner et al., Circulation 2009;119:e262)"
INFARCTION = "Fourth universal definition of myocardial infarction (Thygesen et al., Circulation 2018;138:e618)"
MINNESOTA = "Minnesota code (Prineas et al., 2nd edition, 2010)"
FIBRILLATION = "ESC 2020 guidelines on atrial fibrillation (Hindricks et al., Eur Heart J 2021;42:373)"
TACHYCARDIA = "ACC/AHA/HRS 2015 guideline on supraventricular tachycardia (Page et al., Circulation 2016;133:e506)"

INFERIOR, LATERAL, ANTERIOR = ("II", "III", "aVF"), ("I", "aVL", "V5", "V6"), ("V1", "V2", "V3", "V4")
CHEST = ("V1", "V2", "V3", "V4", "V5", "V6")
LIMB = ("I", "II", "III", "aVR", "aVL", "aVF")
CONTIGUOUS = (("II", "III", "aVF"), ("aVL", "I"), ("V1", "V2", "V3", "V4", "V5", "V6"))
"""Leads in anatomical order within each group; neighbours are contiguous (III and aVF, aVF and II are neighbours)."""

Rule = Callable[[Measurements], np.ndarray]


@dataclass(frozen=True)
class Criterion:
    """A rule for one statement.

    Attributes:
        code: SCP-ECG statement.
        rule: The rule in words.
        source: Where it is from.
        met: (record,) of bool from measurements; a measurement that is NaN meets no rule.
    """

    code: str
    rule: str
    source: str
    met: Rule


def _sinus(m: Measurements) -> np.ndarray:
    return m.p_share >= 0.5


def _q(m: Measurements, lead: str, amplitude: float = 0.1, seconds: float = 0.03) -> np.ndarray:
    """A pathological Q wave, or a QS complex, in a lead."""
    wide = (m.lead("q", lead) >= amplitude) & (m.lead("q_seconds", lead) >= seconds)
    return wide | ((m.lead("qs", lead) == 1) & (m.lead("s", lead) >= amplitude))


def _count(found: list[np.ndarray]) -> np.ndarray:
    return np.sum(found, axis=0)


def _inferior_q(m: Measurements) -> np.ndarray:
    return (_count([_q(m, lead) for lead in INFERIOR]) >= 2) & _narrow_or_right(m)


def _septal_q(m: Measurements) -> np.ndarray:
    """Q or QS, or hardly any R, in V2 and V3, or in V1 and V2 with a small R in V3."""
    q = {lead: _q(m, lead, 0.05, 0.02) | _poor_r(m, lead) for lead in ("V1", "V2", "V3")}
    return ((q["V2"] & q["V3"]) | (q["V1"] & q["V2"] & (m.lead("r", "V3") <= 0.3))) & ~_left_block(m) & (m.qrs_ms < 140)


def _poor_r(m: Measurements, lead: str) -> np.ndarray:
    return (m.lead("r", lead) < 0.1) & (m.lead("s", lead) > 0.3)


def _anterior_q(m: Measurements) -> np.ndarray:
    return (
        (_count([_q(m, lead, 0.05, 0.02) | _poor_r(m, lead) for lead in ("V2", "V3", "V4")]) >= 2)
        & ~_left_block(m)
        & (m.qrs_ms < 140)
    )


def _lateral_q(m: Measurements) -> np.ndarray:
    return (_count([_q(m, lead) for lead in LATERAL]) >= 2) & _narrow_or_right(m)


def _narrow_or_right(m: Measurements) -> np.ndarray:
    """No left bundle branch block, pre-excitation or pacing, in which Q waves do not show an infarction."""
    return ~_left_block(m) & ~_pre_excited(m)


def _contiguous(condition: Callable[[str], np.ndarray]) -> np.ndarray:
    """Whether a condition holds in two neighbouring leads."""
    pairs = [pair for group in CONTIGUOUS for pair in pairwise(group)]
    return np.any([condition(a) & condition(b) for a, b in pairs], axis=0)


def _left_block(m: Measurements) -> np.ndarray:
    return (m.qrs_ms >= 120) & _left_pattern(m)


def _left_pattern(m: Measurements) -> np.ndarray:
    """Mainly negative V1 with a small r, and an R without Q and with hardly any S in I and V6 (or V5)."""
    v1 = (m.lead("s", "V1") > 0.5) & (m.lead("r", "V1") < 0.35 * m.lead("s", "V1")) & (m.lead("r2", "V1") < 0.1)
    left = m.lead("r", "V5", "V6").max(1)
    no_s = np.minimum(m.lead("s", "V6"), m.lead("s", "I")) < 0.35 * np.maximum(left, m.lead("r", "I"))
    no_q = np.minimum(m.lead("q", "I"), m.lead("q", "V6")) < 0.06
    return v1 & no_s & no_q & (np.maximum(left, m.lead("r", "I")) > 0.3)


def _right_pattern(m: Measurements) -> np.ndarray:
    """R′ (or a broad R) in V1 or V2, and an S in I or V6."""
    second = (m.lead("r2", "V1", "V2") > 0.08).any(1)
    only_r = (m.lead("r", "V1") > 0.3) & (m.lead("s", "V1") < 0.4 * m.lead("r", "V1"))
    return (second | only_r) & ((m.lead("s", "I") > 0.08) | (m.lead("s", "V6") > 0.08))


def _right_block(m: Measurements) -> np.ndarray:
    return (m.qrs_ms >= 120) & _right_pattern(m) & ~_left_pattern(m)


def _incomplete_right(m: Measurements) -> np.ndarray:
    second = (m.lead("r2", "V1", "V2") > 0.05).any(1)
    return (m.qrs_ms < 120) & (m.qrs_ms >= 80) & second & ((m.lead("s", "I") > 0.05) | (m.lead("s", "V6") > 0.05))


def _incomplete_left(m: Measurements) -> np.ndarray:
    no_q = (m.lead("q", "I", "V5", "V6") < 0.05).all(1)
    return (m.qrs_ms >= 108) & (m.qrs_ms < 130) & _left_pattern(m) & no_q


def _unspecific_delay(m: Measurements) -> np.ndarray:
    return (m.qrs_ms > 110) & ~_left_block(m) & ~_right_block(m)


def _left_anterior(m: Measurements) -> np.ndarray:
    axis = (m.axis_deg <= -30) & (m.axis_deg >= -95)
    rs = (m.lead("r", *INFERIOR) > 0).all(1) & (m.lead("s", "II") > m.lead("r", "II"))
    return axis & rs & (m.lead("r", "aVL") > m.lead("s", "aVL")) & ~_left_block(m)


def _left_posterior(m: Measurements) -> np.ndarray:
    axis = (m.axis_deg >= 90) | (m.axis_deg <= -170)
    rs = (m.lead("s", "I") > m.lead("r", "I")) & (m.lead("s", "aVL") > m.lead("r", "aVL"))
    return axis & rs & (m.lead("r", "III") > m.lead("s", "III"))


def _left_hypertrophy(m: Measurements) -> np.ndarray:
    sokolow = m.lead("s", "V1") + m.lead("r", "V5", "V6").max(1) >= 3.5
    cornell = m.lead("r", "aVL") + m.lead("s", "V3") > m.for_men(2.8, 2.0)
    return (sokolow | cornell | (m.lead("r", "aVL") > 1.1)) & ~_left_block(m) & ~_pre_excited(m)


def _left_voltage(m: Measurements) -> np.ndarray:
    return _left_hypertrophy(m) & ~_strain(m)


def _strain(m: Measurements) -> np.ndarray:
    return _count([(m.lead("st", lead) < -0.05) & (m.lead("t_negative", lead) > 0.1) for lead in LATERAL]) >= 2


def _right_hypertrophy(m: Measurements) -> np.ndarray:
    tall = (m.lead("r", "V1") > 0.6) & (m.lead("r", "V1") > m.lead("s", "V1"))
    both = m.lead("r", "V1") + m.lead("s", "V5", "V6").max(1) > 1.05
    right = (m.axis_deg > 90) | (m.axis_deg < -150)
    return tall | (both & right) | (right & (m.lead("r2", "V1") > 0.3))


def _left_atrium(m: Measurements) -> np.ndarray:
    return (m.p_ms >= 120) | (m.p_terminal <= -0.04)


def _right_atrium(m: Measurements) -> np.ndarray:
    return (m.lead("p", *INFERIOR).max(1) > 0.25) | (m.lead("p", "V1") > 0.15)


def _fibrillation(m: Measurements) -> np.ndarray:
    return (m.p_share < 0.5) & (m.irregularity > 0.08)


def _flutter(m: Measurements) -> np.ndarray:
    regular_waves = (m.flutter > 0.45) & (m.flutter_rate >= 220) & (m.flutter_rate <= 360)
    return regular_waves & (m.p_share < 0.5) & (m.rate < 0.75 * m.flutter_rate)


def _pre_excited(m: Measurements) -> np.ndarray:
    return (m.pr_ms < 145) & (m.qrs_ms >= 105) & (m.upstroke >= 0.36)


def _paced(m: Measurements) -> np.ndarray:
    """A spike, or at rates at which spikes are not recorded, a wide QRS that no bundle branch block explains."""
    spike = m.spikes >= 0.4
    wide = (m.qrs_ms >= 125) & (_left_pattern(m) | (m.lead("qs", "V1") == 1) | (m.axis_deg < -30))
    negative = (m.lead("s", "V5") > m.lead("r", "V5")) | (m.lead("s", "V6") > m.lead("r", "V6"))
    return spike | (wide & (negative | (m.qrs_ms >= 140)))


def _elevated(m: Measurements) -> np.ndarray:
    def high(lead: str) -> np.ndarray:
        limit = m.for_men(0.2, 0.15) if lead in ("V2", "V3") else 0.1
        return (m.lead("j", lead) >= limit) & (m.lead("st", lead) >= limit)

    return _contiguous(high) & ~_left_block(m) & ~_paced(m)


def _depressed(m: Measurements) -> np.ndarray:
    return _contiguous(lambda lead: (m.lead("st", lead) <= -0.05) & (m.lead("j", lead) <= -0.03))


def _ischaemic_t(leads: tuple[str, ...], least: int = 2) -> Rule:
    def met(m: Measurements) -> np.ndarray:
        inverted = [
            (m.lead("t_negative", lead) >= 0.1) & (m.lead("t_negative", lead) > m.lead("t", lead)) for lead in leads
        ]
        return (_count(inverted) >= least) & (m.qrs_ms < 120)

    return met


def _low_t(m: Measurements) -> np.ndarray:
    leads = ("I", "II", "V4", "V5", "V6")
    low = [
        (m.lead("t", lead) < 0.1 * m.lead("r", lead)) & (m.lead("t_negative", lead) < 0.1) & (m.lead("r", lead) > 0.3)
        for lead in leads
    ]
    return _count(low) >= 2


def _low_voltage(m: Measurements) -> np.ndarray:
    limb: np.ndarray = np.all(m.lead("size", *LIMB) <= 0.5, axis=1)
    chest: np.ndarray = np.all(m.lead("size", *CHEST) <= 1.0, axis=1)
    return limb | chest


def _high_voltage(m: Measurements) -> np.ndarray:
    return (m.lead("r", *LIMB) > 2.0).any(1) | (m.lead("size", *CHEST) > 4.0).any(1) | _left_hypertrophy(m)


def _abnormal_q(m: Measurements) -> np.ndarray:
    return _contiguous(lambda lead: _q(m, lead)) & ~_left_block(m)


def _normal(m: Measurements) -> np.ndarray:
    intervals = (m.rate >= 50) & (m.rate <= 100) & _sinus(m) & (m.pr_ms <= 210) & (m.qrs_ms < 115) & (m.qtc_ms <= 460)
    quiet = (m.premature_ventricular == 0) & (m.axis_deg > -32) & (m.axis_deg < 100)
    shape = _left_hypertrophy(m) | _inferior_q(m) | _septal_q(m) | _depressed(m) | _ischaemic_t(LATERAL)(m)
    return intervals & quiet & ~shape


CRITERIA: tuple[Criterion, ...] = (
    Criterion("NORM", "rate 50–100, P waves, PR ≤ 210, QRS < 115, QTc ≤ 460 ms, axis −32 to 100°, and no criterion of "
              "hypertrophy, inferior or anteroseptal Q waves, ST depression or lateral T inversion", CONDUCTION,
              _normal),
    Criterion("SR", "P waves before most beats, rate 50–100", TACHYCARDIA,
              lambda m: _sinus(m) & (m.rate >= 50) & (m.rate <= 100)),
    Criterion("SBRAD", "P waves before most beats, rate < 60", TACHYCARDIA, lambda m: _sinus(m) & (m.rate < 60)),
    Criterion("STACH", "rate > 100, regular (irregularity < .08)", TACHYCARDIA,
              lambda m: (m.rate > 100) & (m.irregularity < 0.08) & ~_flutter(m)),
    Criterion("SARRH", "P waves before most beats, RR intervals differ by more than 120 ms", MINNESOTA,
              lambda m: _sinus(m) & (m.rr_range_s > 0.12) & (m.irregularity > 0.025)),
    Criterion("AFIB", "no P wave in most beats, irregularity of RR > .08", FIBRILLATION, _fibrillation),
    Criterion("AFLT", "a regular rhythm of 220–360 per minute between the QRS complexes in II, III, aVF or V1, no P "
              "waves in most beats", TACHYCARDIA, _flutter),
    Criterion("PAC", "a beat earlier than 86 % of the usual RR with the QRS of the other beats", MINNESOTA,
              lambda m: (m.premature_atrial >= 1) & (m.p_share >= 0.35)),
    Criterion("PVC", "a beat whose QRS deviates from the others (r < .75), early or wider than 110 ms", MINNESOTA,
              lambda m: m.premature_ventricular >= 1),
    Criterion("BIGU", "every second beat premature or deviating (three quarters of the beats fit)", MINNESOTA,
              lambda m: m.bigeminy >= 0.75),
    Criterion("TRIGU", "every third beat premature or deviating (85 % of the beats fit)", MINNESOTA,
              lambda m: (m.trigeminy >= 0.85) & (m.premature_ventricular + m.premature_atrial >= 2)),
    Criterion("1AVB", "PR > 200 ms", CONDUCTION, lambda m: m.pr_ms > 200),
    Criterion("LPR", "PR > 200 ms", CONDUCTION, lambda m: m.pr_ms > 200),
    Criterion("WPW", "PR < 145 ms, QRS ≥ 105 ms, slurred upstroke (36 % of the QRS before half of the largest spatial "
              "velocity)", CONDUCTION, _pre_excited),
    Criterion("PACE", "a spike before the QRS, or QRS ≥ 140 ms (≥ 125 ms with S > R in V5 or V6) with left bundle "
              "branch block, QS in V1 or left axis", CONDUCTION, _paced),
    Criterion("CLBBB", "QRS ≥ 120 ms, rS or QS in V1, R without Q and S in I or V6", CONDUCTION, _left_block),
    Criterion("ILBBB", "QRS 108–130 ms with the shape of left bundle branch block, no Q in I, V5, V6", CONDUCTION,
              _incomplete_left),
    Criterion("CRBBB", "QRS ≥ 120 ms, R′ or broad R in V1 or V2, S in I or V6", CONDUCTION, _right_block),
    Criterion("IRBBB", "QRS 80–120 ms, R′ in V1 or V2, S in I or V6", CONDUCTION, _incomplete_right),
    Criterion("IVCD", "QRS > 110 ms without bundle branch block", CONDUCTION, _unspecific_delay),
    Criterion("LAFB", "axis −30 to −95°, rS in II, III, aVF, R > S in aVL", CONDUCTION, _left_anterior),
    Criterion("LPFB", "axis ≥ 90°, rS in I and aVL, R > S in III", CONDUCTION, _left_posterior),
    Criterion("LVH", "Sokolow–Lyon (S V1 + R V5/V6 ≥ 3.5 mV), Cornell (R aVL + S V3 > 2.8 mV, women 2.0) or R aVL > "
              "1.1 mV", HYPERTROPHY, _left_hypertrophy),
    Criterion("VCLVH", "voltage of LVH without ST depression and T inversion in lateral leads", HYPERTROPHY,
              _left_voltage),
    Criterion("HVOLT", "R > 2 mV in a limb lead, QRS > 4 mV in a chest lead, or LVH", HYPERTROPHY, _high_voltage),
    Criterion("RVH", "R > .6 mV and > S in V1, R V1 + S V5/V6 > 1.05 mV with right axis, or R′ V1 > .3 mV with right "
              "axis", HYPERTROPHY, _right_hypertrophy),
    Criterion("LAO/LAE", "P ≥ 120 ms, or terminal force of P in V1 ≤ −.04 mm·s", HYPERTROPHY, _left_atrium),
    Criterion("RAO/RAE", "P > .25 mV in II, III or aVF, or > .15 mV in V1", HYPERTROPHY, _right_atrium),
    Criterion("LVOLT", "QRS ≤ .5 mV in all limb leads or ≤ 1 mV in all chest leads", MINNESOTA, _low_voltage),
    Criterion("IMI", "Q ≥ .1 mV and ≥ 30 ms, or QS, in two of II, III, aVF", INFARCTION, _inferior_q),
    Criterion("ASMI", "Q ≥ 20 ms, QS or R < .1 mV in V2 and V3, or in V1 and V2 with R ≤ .3 mV in V3", INFARCTION,
              _septal_q),
    Criterion("AMI", "Q ≥ 20 ms, QS or R < .1 mV in two of V2–V4", INFARCTION, _anterior_q),
    Criterion("ALMI", "anterior criterion, or Q ≥ .1 mV and ≥ 30 ms in two of I, aVL, V5, V6", INFARCTION,
              lambda m: _anterior_q(m) | _lateral_q(m)),
    Criterion("LMI", "Q ≥ .1 mV and ≥ 30 ms, or QS, in two of I, aVL, V5, V6", INFARCTION, _lateral_q),
    Criterion("ILMI", "inferior criterion", INFARCTION, _inferior_q),
    Criterion("QWAVE", "Q ≥ .1 mV and ≥ 30 ms, or QS, in two neighbouring leads", INFARCTION, _abnormal_q),
    Criterion("STE_", "J and J + 60 ms ≥ .1 mV (V2, V3: .2, women .15) in two neighbouring leads", ISCHAEMIA,
              _elevated),
    Criterion("STD_", "J + 60 ms ≤ −.05 mV in two neighbouring leads", ISCHAEMIA, _depressed),
    Criterion("INVT", "T inverted by ≥ .1 mV in two of I, II, aVL, V2–V6", REPOLARISATION,
              _ischaemic_t(("I", "II", "aVL", "V2", "V3", "V4", "V5", "V6"))),
    Criterion("ISCAL", "T inverted by ≥ .1 mV in two of I, aVL, V3–V6", REPOLARISATION,
              _ischaemic_t(("I", "aVL", "V3", "V4", "V5", "V6"))),
    Criterion("ISCIN", "T inverted by ≥ .1 mV in two of II, III, aVF", REPOLARISATION, _ischaemic_t(INFERIOR)),
    Criterion("LOWT", "T below a tenth of R in two of I, II, V4–V6", REPOLARISATION, _low_t),
    Criterion("LNGQT", "QTc > 450 ms, women 460 (Fridericia)", REPOLARISATION,
              lambda m: m.qtc_ms > m.for_men(450, 460)),
    Criterion("SVTAC", "rate > 140, regular, no P waves in most beats, QRS < 120 ms", TACHYCARDIA,
              lambda m: (m.rate > 140) & (m.irregularity < 0.08) & (m.p_share < 0.5) & (m.qrs_ms < 120)),
)  # fmt: skip
"""All criteria."""

CODES = tuple(one.code for one in CRITERIA)
"""The statements that have a criterion."""


def criteria_met(measured: Measurements) -> dict[str, np.ndarray]:
    """(record,) of bool for each statement of ``CODES``: whether a record meets its criterion.

    Example:
        >>> from ecggen.core.simulate import simulate
        >>> from ecggen.metrics.criteria.measurements import measure
        >>> found = criteria_met(measure(simulate(2, fs=250, heart_rate=50, seed=0)))
        >>> found["STACH"].tolist(), found["SBRAD"].tolist()
        ([False, False], [True, True])
    """
    with np.errstate(invalid="ignore"):
        return {one.code: np.asarray(one.met(measured), bool) for one in CRITERIA}
