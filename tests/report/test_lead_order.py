"""Validity: a headline that agrees with the verdict, and the order of the leads that would mend broken lead laws."""

from itertools import permutations

import numpy as np
import pytest
from test_sections import as_set

from ecggen.core.ecg import INDEPENDENT_LEADS, STANDARD_LEADS
from ecggen.core.simulate import simulate
from ecggen.report.inputs.cohort import Cohorts, MeasuredSet
from ecggen.report.inputs.load import ReportRequest, read_sets, select_entries
from ecggen.report.inputs.open import FileDefaults
from ecggen.report.lead_order import suggested
from ecggen.report.sections.validity import validity

LIMB = STANDARD_LEADS[:6]
MIMIC = ("I", "II", "III", "aVR", "aVF", "aVL", *STANDARD_LEADS[6:])
CABRERA = ("aVL", "I", "aVR", "II", "aVF", "III", *STANDARD_LEADS[6:])


def named(order, seed, leads=STANDARD_LEADS):
    """Records whose rows are in ``order`` and are called ``leads``."""
    ecg = simulate(60, seconds=5, seed=seed).pick(*order)
    return MeasuredSet(as_set(type(ecg)(ecg.signal, leads, ecg.fs)), None)


def section(synthetic, real):
    return validity(Cohorts(synthetic, real))


def test_every_order_of_the_limb_leads_is_recognised():
    ecg = simulate(2, seconds=4, seed=3)
    for order in permutations(LIMB):
        assert suggested(ecg.pick(*order).signal.numpy(), LIMB) == order


@pytest.mark.parametrize("order", [MIMIC, CABRERA, (*STANDARD_LEADS[6:], *LIMB)])
def test_the_order_of_twelve_leads_is_recognised(order):
    ecg = simulate(2, seconds=4, seed=3)
    found = suggested(ecg.pick(*order).signal.numpy(), STANDARD_LEADS)
    assert found is not None and [lead for lead in found if lead in LIMB] == [lead for lead in order if lead in LIMB]
    assert [found.index(lead) for lead in LIMB] == [order.index(lead) for lead in LIMB]


def test_an_inverted_avr_is_recognised_and_other_leads_are_no_order():
    signal = simulate(2, seconds=4, seed=3).pick(*CABRERA).signal.numpy().copy()
    signal[:, 2] *= -1
    found = suggested(signal, STANDARD_LEADS)
    assert found is not None and found[:6] == ("aVL", "I", "-aVR", "II", "aVF", "III")
    noise = np.random.default_rng(0).normal(size=(2, 12, 400))
    assert suggested(noise, STANDARD_LEADS) is None
    assert suggested(signal[:, :3], ("I", "II", "III")) is None


def test_the_headline_names_the_order_where_the_lead_laws_fail():
    made = section(named(MIMIC, 1), named(STANDARD_LEADS, 2))
    assert made.verdict == "fail"
    assert (
        made.headline.startswith("The lead laws are off by 2.2 mV in the synthetic records")
        and "0 of 60" not in made.headline
    )
    assert "are the leads in another order?" in made.headline
    assert "I, II, III, aVR, aVF, aVL (the order of MIMIC-IV-ECG)" in made.headline
    assert f"--leads {','.join(MIMIC)}" in made.headline


def test_the_headline_of_valid_records_stays():
    made = section(named(STANDARD_LEADS, 1), named(STANDARD_LEADS, 2))
    assert made.verdict == "pass"
    assert made.headline == "0 of 60 synthetic records have values that an electrocardiograph cannot record."


def test_real_records_in_another_order_are_no_silent_reference():
    made = section(named(STANDARD_LEADS, 1), named(CABRERA, 2))
    assert made.verdict == "warn"
    assert "in the real records" in made.headline and "Cabrera's order" in made.headline
    assert "--real-leads" in made.headline
    both = section(named(MIMIC, 1), named(MIMIC, 2))
    assert both.verdict != "pass" and "in the synthetic records" in both.headline and "in the real" in both.headline


def test_leads_of_no_order_are_said_too():
    broken = named(STANDARD_LEADS, 1)
    broken.all.ecg.signal[:, 2] *= 1.5
    made = section(broken, named(STANDARD_LEADS, 2))
    assert made.verdict == "fail" and "No order of the leads would mend it" in made.headline


def test_values_and_laws_are_both_named():
    broken = named(MIMIC, 1)
    broken.all.ecg.signal[:5, 0, 0] = np.nan
    made = section(broken, named(STANDARD_LEADS, 2))
    assert made.verdict == "fail" and "lead laws are off" in made.headline and "5 of 60 synthetic" in made.headline


# Eight leads against twelve


def sets(tmp_path, leads, real_leads="", columns=INDEPENDENT_LEADS):
    np.save(tmp_path / "ours.npy", simulate(3, seconds=5, seed=1).pick(*columns).signal.numpy())
    np.save(tmp_path / "theirs.npy", simulate(3, seconds=5, seed=2).signal.numpy())
    request = ReportRequest(
        tmp_path / "ours.npy",
        tmp_path / "theirs.npy",
        defaults=FileDefaults.of(100, "mV", leads),
        real_leads=FileDefaults.of(None, None, real_leads).leads,
    )
    notes: list[str] = []
    return read_sets(select_entries(request, notes), request, lambda *_: None, notes), notes


@pytest.mark.parametrize("leads", ["standard", ",".join(INDEPENDENT_LEADS)])
def test_arrays_of_eight_and_of_twelve_leads_are_compared(tmp_path, leads):
    found, notes = sets(tmp_path, leads, "standard")
    assert found["synthetic"].ecg.leads == found["real"].ecg.leads == STANDARD_LEADS
    assert found["synthetic"].derived == {"III", "aVR", "aVL", "aVF"} and not found["real"].derived
    assert any("synthetic 8 leads, 100 Hz, 5 s; real 12 leads" in note for note in notes)
    assert any("derived from the other leads" in line for line in found["synthetic"].changed)
    assert np.allclose(found["real"].ecg.signal, simulate(3, seconds=5, seed=2).signal)


def test_any_subset_is_compared_on_the_common_leads(tmp_path):
    found, _ = sets(tmp_path, "V5,II", "standard", columns=("V5", "II"))
    assert found["synthetic"].ecg.leads == found["real"].ecg.leads == ("II", "V5")


def test_other_numbers_of_leads_say_how_to_name_them(tmp_path):
    with pytest.raises(Exception, match="name the leads of the real set with --real-leads"):
        sets(tmp_path, "V5,II", columns=("V5", "II"))


def test_derived_leads_are_no_evidence_for_the_lead_laws(tmp_path):
    found, _ = sets(tmp_path, "standard")
    made = section(MeasuredSet(found["synthetic"], None), MeasuredSet(found["real"], None))
    assert made.scores[1].verdict == "not measured"
