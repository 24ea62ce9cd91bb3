"""Consistency of a condition: a given heart rate must not contradict the rate measured in the leads or the PPG."""

from __future__ import annotations

from ecggen.conditioning import pulse_beats
from ecggen.conditioning.condition import METADATA, Condition
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core import rhythm
from ecggen.core.ecg import ECG, STANDARD_LEADS
from ecggen.core.gaps import longest_run

HEART_RATE = list(METADATA).index("heart_rate")


def follow_measured_rate(condition: Condition, preprocessor: Preprocessor) -> tuple[Condition, list[str]]:
    """Mask heart rates that contradict the rate measured in the leads, or else in the PPG.

    Args:
        condition: At any rate and length.
        preprocessor: Preprocessing of the model; R peaks are detected in the preprocessed leads.

    Returns:
        The condition, and one note for each distinct contradiction.
    """
    mask, notes = condition.metadata_mask.clone(), []
    for row in mask[:, HEART_RATE].nonzero()[:, 0].tolist():
        given = float(condition.metadata[row, HEART_RATE])
        note = rhythm.contradiction(given, _measured_rate(condition[row : row + 1], preprocessor, given))
        if note:
            mask[row, HEART_RATE] = False
            notes.append(note)
    if not notes:
        return condition, []
    return condition.replace(metadata=condition.metadata * mask, metadata_mask=mask), list(dict.fromkeys(notes))


def _measured_rate(record: Condition, preprocessor: Preprocessor, given: float) -> float | None:
    """Heart rate per minute in the leads of one record, or else in its PPG; None if neither is observed.

    The given rate decides whether a second wave in each beat of a PPG is a dicrotic wave.
    """
    leads = record.observed_leads()
    if leads and bool(record.has_gaps().any()):
        # Samples in gaps are zero: use the longest part with leads, filtered with regard to the gaps.
        prepared = preprocessor.condition(record)
        first, last = longest_run(prepared.lead_mask[0].any(0).numpy())
        return rhythm.heart_rate(rhythm.r_peaks(ECG(prepared.leads[..., first:last], STANDARD_LEADS, prepared.fs))[0])
    if leads:
        observed = ECG(record.leads, STANDARD_LEADS, record.fs).pick(*leads)
        return rhythm.heart_rate(rhythm.r_peaks(preprocessor.ecg(observed))[0])
    if bool(record.ppg_mask.any()):
        (beats,) = pulse_beats.read(record.ppg[:, 0], record.ppg_mask[:, 0], record.ppg_fs)
        if (found := rhythm.heart_rate(beats.times)) is not None:
            return found
        first, last = longest_run(record.ppg_mask[0, 0].numpy())
        return rhythm.heart_rate(rhythm.pulse_rises(record.ppg[0, 0, first:last].numpy(), record.ppg_fs, given))
    return None
