"""Leads that are observed during a part of the time: their generated parts are matched to their recorded parts.

A generator infers a missing part of a lead from the leads that are observed at that time. The recorded part of the lead
shows what its beats look like in this patient. ``match_beats`` corrects the generated beats by the difference between
the median recorded beat and the median generated beat. ``continue_into_gaps`` removes steps where a part begins or
ends, and continues the baseline of the recording.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.signal import lfilter
from torch import Tensor
from torch.nn import functional as F

from ecggen.conditioning.beat_network import Beats, join_beats, qrs, windows_around
from ecggen.conditioning.condition import Condition
from ecggen.conditioning.projection import determined, project_onto_observed
from ecggen.core.ecg import INDEPENDENT_LEADS, LEAD_MATRIX, STANDARD_LEADS

BEAT = 0.35, 0.55
"""Duration of a beat in seconds before and after its QRS."""
REACH = 0.04
"""Largest correction of the time of a QRS in seconds, to align beats."""
HALF_QRS = 0.12
"""Half of the duration in seconds around a QRS by which beats are aligned."""
ALIGNMENTS = 2
"""Number of times that beats are aligned with their sum."""
COMPLETE = 0.8
"""Share of a median beat that must be recorded for it to be used."""
PRIOR_BEATS = 0.5
"""Weight of no correction, in beats: few generated beats determine their median poorly."""
BASELINE = 0.3
"""Time constant in seconds with which the baseline at the border of a gap is measured."""
SINGULAR = 1e-9
"""Relative weight with which an unobserved direction of the limb leads is set to zero."""
STEP = 0.04
"""Time constant in seconds with which a remaining step at the border of a gap decays."""


def known_leads(condition: Condition) -> Tensor:
    """Which independent leads are observed at a sample, or derived from observed leads, (batch, 8, time) bool."""
    return determined(condition.lead_mask)[:, [STANDARD_LEADS.index(lead) for lead in INDEPENDENT_LEADS]]


def match_beats(eight: Tensor, condition: Condition) -> Tensor:
    """Correct generated beats of partly observed leads by what is known of the beats of that lead.

    Generated beats are compared with recorded ones separately for each set of leads that is observed beside them,
    because the error of a generated lead depends on the leads from which it was inferred.

    Args:
        eight: (batch, 8, time) mV, projected onto the observed leads.
        condition: One record for each.

    Returns:
        (batch, 8, time) mV; observed parts and leads that are never observed are unchanged.
    """
    known = known_leads(condition)
    partly = known.any(-1) & ~known.all(-1)
    rows = partly.any(1).nonzero()[:, 0]
    if not len(rows):
        return eight
    own, known = eight[rows], known[rows]
    beats = _aligned(own, qrs(_as_condition(own, condition.fs)), condition.fs)
    correction = own.new_zeros(len(beats.at), own.shape[1], sum(_sizes(condition.fs)))
    for record in range(len(rows)):
        here = (beats.record == record).nonzero()[:, 0]
        if len(here):
            own_beats = Beats(torch.zeros_like(here), beats.at[here])
            correction[here] = _correction(own[record], known[record], own_beats, condition.fs)
    before, after = _sizes(condition.fs)
    *waves, weight = join_beats(correction, beats, before, after, (len(own), own.shape[-1])).unbind(1)
    corrected = torch.where(known, own, own + torch.stack(waves, 1) * weight[:, None])
    return eight.index_copy(0, rows, torch.where(partly[rows][..., None], corrected, own))


def _correction(eight: Tensor, known: Tensor, beats: Beats, fs: float) -> Tensor:
    """What to add to the generated beats of one record: (beat, 8, sample) mV."""
    before, after = _sizes(fs)
    recorded = _median(_windows(eight, known, beats, before, after))
    generated = _windows(eight, ~known, beats, before, after)
    complete = recorded.isfinite().float().mean(-1, keepdim=True) >= COMPLETE
    recorded, added = recorded.where(complete, torch.nan), torch.zeros_like(generated)
    codes = (known * 2 ** torch.arange(len(known), device=known.device)[:, None]).sum(0)[beats.at]
    for code in codes.unique():
        group = (codes == code).nonzero()[:, 0]
        added[group] = _held(recorded - _median(generated[group])) * len(group) / (len(group) + PRIOR_BEATS)
    return added


def _windows(eight: Tensor, chosen: Tensor, beats: Beats, before: int, after: int) -> Tensor:
    """Windows (beat, 8, sample) of one record, NaN where a sample is not ``chosen`` or outside of the record."""
    waves, inside = (
        windows_around(each[None], beats, before, after) for each in (eight.where(chosen, 0.0), chosen.to(eight))
    )
    return waves.where(inside > 0, torch.nan)


def _median(windows: Tensor) -> Tensor:
    return torch.nanquantile(windows, 0.5, dim=0)


def _held(waves: Tensor) -> Tensor:
    """``waves`` (8, sample) with the nearest number in place of NaN; zero for a row of NaN."""
    found = np.zeros(waves.shape)
    for row, wave in zip(found, waves.double().cpu().numpy(), strict=True):
        at = np.flatnonzero(np.isfinite(wave))
        if len(at):
            row[:] = np.interp(np.arange(len(wave)), at, wave[at])
    return torch.from_numpy(found).to(waves)


def _sizes(fs: float) -> tuple[int, int]:
    return round(BEAT[0] * fs), round(BEAT[1] * fs)


def _as_condition(eight: Tensor, fs: float) -> Condition:
    """Twelve leads, all observed."""
    twelve = eight.new_tensor(LEAD_MATRIX) @ eight
    condition = Condition.none(len(eight), eight.shape[-1] / fs, fs).to(eight.device)
    return condition.replace(leads=twelve, lead_mask=torch.ones_like(twelve, dtype=torch.bool))


def _aligned(eight: Tensor, beats: Beats, fs: float) -> Beats:
    """Beats moved by at most ``REACH`` per round so that the slopes of their QRS match the sum over all beats."""
    half, reach = round(HALF_QRS * fs), round(REACH * fs)
    slope = F.pad(eight.diff(dim=-1), (0, 1))
    slope = slope / (slope.square().mean(-1, keepdim=True).sqrt() + 1e-4)
    at = beats.at
    for _ in range(ALIGNMENTS):
        moving = Beats(beats.record, at)
        windows = windows_around(slope, moving, half + reach, half + reach + 1)
        size = 2 * half + 1
        middle = windows[..., reach : reach + size]
        sums = middle.new_zeros(len(eight), *middle.shape[1:]).index_add_(0, beats.record, middle)[beats.record]
        scores = torch.stack([(windows[..., i : i + size] * sums).sum((1, 2)) for i in range(2 * reach + 1)], 1)
        at = (at + scores.argmax(1) - reach).clamp(0, eight.shape[-1] - 1)
    return Beats(beats.record, at)


def continue_into_gaps(eight: Tensor, condition: Condition, baseline: bool) -> Tensor:
    """Match generated parts to the observed parts beside them: no step at a border, and the same baseline.

    Args:
        eight: (batch, 8, time) mV.
        condition: One record for each.
        baseline: Whether to continue the baseline; else only steps are removed.

    Returns:
        (batch, 8, time) mV, projected onto the observed leads.
    """
    rows = condition.has_gaps().nonzero()[:, 0]
    if not len(rows):
        return project_onto_observed(eight, condition)
    own, given = eight[rows], condition.replace(leads=condition.leads[rows], lead_mask=condition.lead_mask[rows])
    if baseline:
        own = own + _baseline(own, given)
    projected = project_onto_observed(own, given)
    corrected = projected + _decaying(projected - own, known_leads(given), STEP * condition.fs)
    return project_onto_observed(eight, condition).index_copy(0, rows, project_onto_observed(corrected, given))


def _decaying(step: Tensor, known: Tensor, samples: float) -> Tensor:
    """The step at the nearest observed sample on either side, decaying exponentially with the distance from it."""
    time = torch.arange(step.shape[-1], device=step.device).expand(step.shape)
    before = torch.where(known, time, -1).cummax(-1).values
    after = torch.where(known, time, step.shape[-1]).flip(-1).cummin(-1).values.flip(-1)
    parts = [
        step.gather(-1, at.clamp(0, step.shape[-1] - 1)) * torch.exp(-(time - at).abs() / samples) * exists
        for at, exists in ((before, before >= 0), (after, after < step.shape[-1]))
    ]
    return torch.where(known, 0.0, parts[0] + parts[1])


def _baseline(eight: Tensor, condition: Condition) -> Tensor:
    """Difference between recorded and generated leads, averaged over the observed samples near each sample.

    Locally constant weighted least squares with exponential weights: e = argmin Σ w(t − s) |A(s)·e − r(s)|², with A(s)
    the observed rows of the lead matrix and r(s) the difference. Far from observed samples, e is that at the nearest.

    Returns:
        (batch, 8, time) mV.
    """
    matrix = LEAD_MATRIX
    mask = condition.lead_mask.cpu().numpy()
    residual = (condition.leads - eight.new_tensor(matrix) @ eight).cpu().double().numpy() * mask
    decay = float(np.exp(-1 / (BASELINE * condition.fs)))

    def near(values: np.ndarray) -> np.ndarray:
        forward, backward = (np.asarray(lfilter([1.0], [1.0, -decay], each)) for each in (values, values[..., ::-1]))
        return forward + backward[..., ::-1] - values

    found = np.zeros((len(eight), matrix.shape[1], eight.shape[-1]))
    for leads in _coupled():
        rows = np.flatnonzero(np.abs(matrix[:, leads]).any(1))
        a = matrix[rows][:, leads]
        normal = near(np.einsum("ki,kj,bkt->bijt", a, a, mask[:, rows].astype(float)))
        right = near(np.einsum("ki,bkt->bit", a, residual[:, rows]))
        found[:, leads] = _solved(normal, right)
    return torch.from_numpy(found).to(eight)


def _coupled() -> list[list[int]]:
    """Columns of the lead matrix that occur together in a lead: I with II, and each chest lead alone."""
    return [[0, 1], *([column] for column in range(2, LEAD_MATRIX.shape[1]))]


def _solved(normal: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Solutions (batch, n, time) of normal equations of one or two unknowns; the smallest if they are singular."""
    trace = np.maximum(np.trace(normal, axis1=1, axis2=2), np.finfo(float).tiny)[:, None]
    if normal.shape[1] == 1:
        return right / trace
    # Scaled to a trace of 1, because the weights far from observed samples are tiny.
    (a, b), (_, d) = ((normal / trace[:, None])[:, i].swapaxes(0, 1) for i in range(2))
    first, second = (right / trace).swapaxes(0, 1)
    a, d = a + SINGULAR, d + SINGULAR
    return np.stack([d * first - b * second, a * second - b * first], 1) / (a * d - b * b)[:, None]
