"""What would correct leads that contradict each other: the cause is named, an offset as an offset."""

from dataclasses import replace

import pytest

from ecggen.core.ecg import STANDARD_LEADS
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.io.quality import check_laws

LIMB = STANDARD_LEADS[:6]


def advice(offsets: dict[str, float], factors: dict[str, float] | None = None, leads=LIMB) -> str:
    ecg = simulate(1, seed=2).pick(*leads)
    signal = ecg.signal.clone()
    for row, lead in enumerate(leads):
        signal[0, row] = signal[0, row] * (factors or {}).get(lead, 1.0) + offsets.get(lead, 0.0)
    with pytest.raises(InputError) as caught:
        check_laws(replace(ecg, signal=signal))
    return caught.value.do.partition(" would correct it")[0]


@pytest.mark.parametrize("lead", LIMB)
def test_an_offset_of_one_lead_is_named_with_its_lead(lead):
    assert advice({lead: 0.6}) == f"subtracting an offset of 0.60 mV from {lead}"


def test_offsets_of_several_leads_are_named():
    text = "subtracting an offset of 0.40 mV from I, -0.70 mV from aVL"
    assert advice({"I": 0.4, "aVL": -0.7}) == text
    many = advice({"I": 0.5, "III": 0.35, "aVF": -1.0, "aVR": 0.8})
    assert many == "subtracting its mean from each lead" and "1.00" not in many


def test_an_offset_among_three_leads_cannot_be_ascribed():
    leads = ("I", "II", "III")
    text = "subtracting an offset of 0.50 mV from III (or from another of the leads)"
    assert advice({"III": 0.5}, leads=leads) == text


def test_gains_are_still_named_as_gains():
    text = "multiplying II by 0.25, III by 1.00, aVR by 1.00, aVL by 1.00, aVF by 0.50 (are the gains right?)"
    assert advice({}, {"II": 4.0, "aVF": 2.0}) == text
