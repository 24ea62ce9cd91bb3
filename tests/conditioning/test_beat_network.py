"""What is written beat by beat: QRS where they are, no voice to what is unseen, the truth put together again."""

import numpy as np
import pytest
import torch

from ecggen.conditioning.beat_network import Beatwise, qrs
from ecggen.conditioning.condition import Condition
from ecggen.conditioning.encoder import Reader
from ecggen.core.ecg import INDEPENDENT_LEADS, STANDARD_LEADS
from ecggen.core.rhythm import r_peaks
from ecggen.core.simulate import simulate

NOTHING = torch.zeros(3, 6)


def condition_of(hearts, *leads) -> Condition:
    return Condition.none(len(hearts), hearts.seconds, hearts.fs).with_leads(hearts.pick(*leads))


@pytest.fixture
def hearts():
    return simulate(3, seconds=6, seed=8)


@pytest.fixture
def writer():
    torch.manual_seed(0)
    made = Beatwise([35, 55, 16, 1]).eval()
    torch.nn.init.normal_(made.network.leave.weight)
    return made


@pytest.mark.parametrize("lead", STANDARD_LEADS)
def test_each_lead_alone_tells_where_the_qrs_are(lead, hearts):
    found = qrs(condition_of(hearts, lead))
    for record, peaks in enumerate(r_peaks(hearts)):
        inner = peaks[(peaks > 0.3) & (peaks < hearts.seconds - 0.3)]
        at = found.at[found.record == record].numpy() / hearts.fs
        assert np.abs(inner[:, None] - at).min(1).max() < 0.05
        assert abs(len(at) - len(peaks)) <= 1


def test_a_short_recording_has_the_beats_it_would_have_in_a_window_of_its_own(hearts):
    """What is unseen has no voice in what is usual: a T wave must not pass for a QRS."""
    alone = condition_of(hearts.crop(0, 2.5), "I")
    padded = alone.replace(
        leads=torch.nn.functional.pad(alone.leads, (0, 750)),
        lead_mask=torch.nn.functional.pad(alone.lead_mask, (0, 750)),
    )
    own, within = qrs(alone), qrs(padded)
    assert torch.equal(own.record, within.record) and torch.equal(own.at, within.at)


def test_nothing_is_written_where_no_lead_is_seen(hearts, writer):
    assert not writer(Condition.none(3, hearts.seconds), NOTHING).any()
    half = condition_of(hearts, "I")
    seen = half.lead_mask.clone()
    seen[..., 300:] = False
    written = writer(half.replace(leads=half.leads * seen, lead_mask=seen), NOTHING)
    assert written[..., :250].any() and not written[..., 300 + 55 :].any()


def test_beats_that_are_put_together_are_the_recording(hearts, writer):
    known, eight = condition_of(hearts, "II"), hearts.pick(*INDEPENDENT_LEADS).signal
    beats = qrs(known)
    joined = writer._joined(writer._around(eight, beats), beats, known)
    there = joined[:, -1:] > 0.999
    assert there.float().mean() > 0.7
    assert ((joined[:, :-1] - eight) * there).abs().max() < 1e-5


def test_a_record_is_written_alike_in_any_batch(hearts, writer):
    known = condition_of(hearts, "II", "V5")
    alone = torch.cat([writer(known[i : i + 1], NOTHING[:1]) for i in range(3)])
    torch.testing.assert_close(writer(known, NOTHING), alone, atol=1e-5, rtol=1e-5)


def test_louder_hearts_are_written_as_much_louder(hearts, writer):
    """All but the little that the quietest amplitude and the logarithm of loudness change."""
    known = condition_of(hearts, "II", "V2")
    doubled = known.replace(leads=2 * known.leads)
    one, two = writer(known, NOTHING)[:, :-1], writer(doubled, NOTHING)[:, :-1]
    assert torch.cosine_similarity(one.flatten(1), two.flatten(1)).min() > 0.99
    assert 1.7 < (two.norm() / one.norm()) < 2.3


def test_the_error_is_least_for_the_truth(hearts, writer):
    eight, known = hearts.pick(*INDEPENDENT_LEADS).signal, condition_of(hearts, "I", "II", *INDEPENDENT_LEADS[2:])
    first = writer.error(eight, known, NOTHING).item()
    moving = torch.optim.Adam(writer.parameters(), 1e-2)
    for _ in range(60):
        moving.zero_grad()
        writer.error(eight, known, NOTHING).backward()
        moving.step()
    assert writer.error(eight, known, NOTHING).item() < 0.3 * first


def test_a_reader_without_training_writes_the_beats_as_they_are(hearts, writer):
    """The corrections begin at nothing, so that a part that has learnt is not unlearnt."""
    torch.manual_seed(1)
    reader = Reader((8, 8), (1, 2), 8, 4, 2, 5, beats=[35, 55, 16, 1]).eval()
    reader.beatwise = writer
    known = condition_of(hearts, "II")
    with torch.no_grad():
        read = reader(known)
        eight = reader.write(read, read.prior.mean())
    there = read.beatwise[:, -1:] == 1
    assert there.any()
    assert torch.equal(eight * there, read.beatwise[:, :-1] * there)


def test_players_share_the_reader_out():
    reader = Reader((8, 8), (1, 2), 8, 4, 2, 5, beats=[35, 55, 16, 1])
    parameter_groups = reader.parameter_groups("reader")
    assert list(parameter_groups) == ["beats", "reader"]
    held = [id(one) for own in parameter_groups.values() for one in own]
    assert sorted(held) == sorted(id(one) for one in reader.parameters())
