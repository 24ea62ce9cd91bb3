"""A condition that does not contradict itself: a heart rate that was given beside one that can be measured."""

from __future__ import annotations

from ecggen.conditioning.condition import METADATA, Condition
from ecggen.conditioning.preprocessing import Preprocessor
from ecggen.core import rhythm
from ecggen.core.ecg import ECG, STANDARD_LEADS

HEART_RATE = list(METADATA).index("heart_rate")


def follow_measured_rate(condition: Condition, preprocessor: Preprocessor) -> tuple[Condition, list[str]]:
    """``condition`` without heart rates that its leads or its PPG contradict, and a note on each that was dropped.

    Args:
        condition: At any rate and length.
        preprocessor: The model's; R peaks are found in what it makes of the leads.
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
    """Heart rate per minute of one record's leads, or else of its PPG; None where neither is observed."""
    leads = record.observed_leads()
    if leads:
        given = ECG(record.leads, STANDARD_LEADS, record.fs).pick(*leads)
        return rhythm.heart_rate(rhythm.r_peaks(preprocessor.ecg(given))[0])
    if bool(record.ppg_mask.any()):
        return rhythm.heart_rate(rhythm.pulse_rises(record.ppg[0, 0].numpy(), record.ppg_fs))
    return None
