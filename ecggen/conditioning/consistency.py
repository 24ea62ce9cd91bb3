"""Consistency of a condition: a given heart rate must not contradict the rate measured in the leads or the PPG."""

from __future__ import annotations

from ecggen.conditioning.condition import METADATA, Condition
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core import rhythm
from ecggen.core.ecg import ECG, STANDARD_LEADS

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
        measured = _measured_rate(condition[row : row + 1], preprocessor)
        note = rhythm.contradiction(float(condition.metadata[row, HEART_RATE]), measured)
        if note:
            mask[row, HEART_RATE] = False
            notes.append(note)
    if not notes:
        return condition, []
    return condition.replace(metadata=condition.metadata * mask, metadata_mask=mask), list(dict.fromkeys(notes))


def _measured_rate(record: Condition, preprocessor: Preprocessor) -> float | None:
    """Heart rate in beats per minute in the leads of one record, or else in its PPG; None if neither is observed."""
    leads = record.observed_leads()
    if leads:
        observed = ECG(record.leads, STANDARD_LEADS, record.fs).pick(*leads)
        return rhythm.heart_rate(rhythm.r_peaks(preprocessor.ecg(observed))[0])
    if bool(record.ppg_mask.any()):
        return rhythm.heart_rate(rhythm.pulse_rises(record.ppg[0, 0].numpy(), record.ppg_fs))
    return None
