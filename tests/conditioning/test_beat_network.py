"""The beat network: QRS detection, no effect of masked samples, and reassembly of beats."""

import numpy as np
import pytest
import torch

from ecggen.conditioning.beat_network import Beatwise, qrs, steepest
from ecggen.conditioning.condition import Condition
from ecggen.conditioning.encoder import Reader
from ecggen.core.ecg import INDEPENDENT_LEADS, STANDARD_LEADS
from ecggen.core.recorders import coloured
from ecggen.core.rhythm import r_peaks
from ecggen.core.simulate import simulate

NOTHING = torch.zeros(3, 6)


def condition_of(ecgs, *leads) -> Condition:
    return Condition.none(len(ecgs), ecgs.seconds, ecgs.fs).with_leads(ecgs.pick(*leads))


@pytest.fixture
def ecgs():
    return simulate(3, seconds=6, seed=8)


@pytest.fixture
def network():
    torch.manual_seed(0)
    made = Beatwise([35, 55, 16, 1]).eval()
    torch.nn.init.normal_(made.network.leave.weight)
    return made


@pytest.mark.parametrize("lead", STANDARD_LEADS)
def test_qrs_are_found_in_each_lead_alone(lead, ecgs):
    found = qrs(condition_of(ecgs, lead))
    for record, peaks in enumerate(r_peaks(ecgs)):
        inner = peaks[(peaks > 0.3) & (peaks < ecgs.seconds - 0.3)]
        at = found.at[found.record == record].numpy() / ecgs.fs
        assert np.abs(inner[:, None] - at).min(1).max() < 0.05
        assert abs(len(at) - len(peaks)) <= 1


def test_padding_does_not_change_the_beats_of_a_short_recording(ecgs):
    """Masked samples do not affect the threshold; otherwise T waves could be detected as QRS."""
    alone = condition_of(ecgs.crop(0, 2.5), "I")
    padded = alone.replace(
        leads=torch.nn.functional.pad(alone.leads, (0, 750)),
        lead_mask=torch.nn.functional.pad(alone.lead_mask, (0, 750)),
    )
    own, within = qrs(alone), qrs(padded)
    assert torch.equal(own.record, within.record) and torch.equal(own.at, within.at)


def test_output_is_zero_where_no_lead_is_observed(ecgs, network):
    assert not network(Condition.none(3, ecgs.seconds), NOTHING).any()
    half = condition_of(ecgs, "I")
    seen = half.lead_mask.clone()
    seen[..., 300:] = False
    written = network(half.replace(leads=half.leads * seen, lead_mask=seen), NOTHING)
    assert written[..., :250].any() and not written[..., 300 + 55 :].any()


def test_joined_beats_equal_the_recording(ecgs, network):
    known, eight = condition_of(ecgs, "II"), ecgs.pick(*INDEPENDENT_LEADS).signal
    beats = qrs(known)
    joined = network._joined(network._around(eight, beats), beats, known)
    there = joined[:, -1:] > 0.999
    assert there.float().mean() > 0.7
    assert ((joined[:, :-1] - eight) * there).abs().max() < 1e-5


def test_the_output_for_a_record_does_not_depend_on_the_batch(ecgs, network):
    known = condition_of(ecgs, "II", "V5")
    alone = torch.cat([network(known[i : i + 1], NOTHING[:1]) for i in range(3)])
    torch.testing.assert_close(network(known, NOTHING), alone, atol=1e-5, rtol=1e-5)


def test_the_output_scales_with_the_amplitude(ecgs, network):
    """Except for small effects of the offset and of the logarithm of the amplitude."""
    known = condition_of(ecgs, "II", "V2")
    doubled = known.replace(leads=2 * known.leads)
    one, two = network(known, NOTHING)[:, :-1], network(doubled, NOTHING)[:, :-1]
    assert torch.cosine_similarity(one.flatten(1), two.flatten(1)).min() > 0.99
    assert 1.7 < (two.norm() / one.norm()) < 2.3


def test_training_reduces_the_error(ecgs, network):
    eight, known = ecgs.pick(*INDEPENDENT_LEADS).signal, condition_of(ecgs, "I", "II", *INDEPENDENT_LEADS[2:])
    first = network.error(eight, known, NOTHING).item()
    moving = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(60):
        moving.zero_grad()
        network.error(eight, known, NOTHING).backward()
        moving.step()
    assert network.error(eight, known, NOTHING).item() < 0.3 * first


def test_an_untrained_condition_encoder_returns_the_beats_unchanged(ecgs, network):
    """Corrections are initialised with zero, to preserve a trained beat network."""
    torch.manual_seed(1)
    reader = Reader((8, 8), (1, 2), 8, 4, 2, 5, beats=[35, 55, 16, 1]).eval()
    reader.beatwise = network
    known = condition_of(ecgs, "II")
    with torch.no_grad():
        read = reader(known)
        eight = reader.write(read, read.prior.mean())
    there = read.beatwise[:, -1:] == 1
    assert there.any()
    assert torch.equal(eight * there, read.beatwise[:, :-1] * there)


def test_parameter_groups_partition_the_condition_encoder():
    reader = Reader((8, 8), (1, 2), 8, 4, 2, 5, beats=[35, 55, 16, 1])
    parameter_groups = reader.parameter_groups("reader")
    assert list(parameter_groups) == ["beats", "reader"]
    held = [id(one) for own in parameter_groups.values() for one in own]
    assert sorted(held) == sorted(id(one) for one in reader.parameters())


def test_noise_adds_few_beats_and_clean_records_keep_theirs(ecgs):
    """With 6 dB of noise, nearly all beats are found where they are without noise, and little else is."""
    clean, rng = condition_of(ecgs, "I"), np.random.default_rng(3)
    power = clean.leads[:, :1].std(-1, keepdim=True) * 10 ** (-6 / 20)
    noise = torch.from_numpy(coloured(rng, (len(clean), 1, clean.samples), clean.fs, 3, 40, 0.5)).float() * power
    noisy = clean.replace(leads=clean.leads + noise * clean.lead_mask)
    known, found = qrs(clean), qrs(noisy)
    matched = sum(
        int(((known.at[known.record == i][:, None] - found.at[found.record == i]).abs().min(1).values <= 3).sum())
        for i in range(len(clean))
    )
    assert matched > 0.9 * len(known.at) and matched > 0.9 * len(found.at)


def test_a_beat_of_a_noisy_record_is_at_its_steepest_sample():
    steep = torch.zeros(2, 1, 60)
    steep[0, 0, 30], steep[1, 0, 0] = 1.0, 1.0
    found = steepest(steep, 100.0)
    assert (found[0, 26:35] == 30).all() and found[0, 25] != 30 and found[0, 35] != 30
    assert (found[1, :5] == 0).all() and found.min() >= 0 and found.max() <= 59
