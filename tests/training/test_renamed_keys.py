"""Configs and protocols of release 0.1 work for one release, with a warning that names the new key."""

import pytest
from conftest import ROOT

from ecggen.benchmark import run
from ecggen.core import config
from ecggen.core.errors import InputError, InputWarning
from ecggen.training import trainer
from ecggen.training.masking import RENAMED as MASKING
from ecggen.training.trainer import RENAMED as TRAINING

OLD = """
generator = "vae"

[exposure]
shown = { I = 1.0 }
silent = 0.25

[training]
rate = 0.5
average = 0.75
players = ["generator"]
"""


def test_a_training_config_of_release_01_is_read(tmp_path):
    (tmp_path / "old.toml").write_text(OLD)
    with pytest.warns(InputWarning) as warned:
        _, plan, masking = trainer.read(tmp_path / "old.toml")
    assert (plan.lr, plan.ema_decay, list(plan.groups)) == (0.5, 0.75, ["generator"])
    assert masking.lead_masks == {"I": 1.0} and masking.uncond_prob == 0.25
    messages = [str(warning.message) for warning in warned]
    for old, new in (("exposure", "masking"), ("shown", "lead_masks"), ("rate", "lr"), ("players", "groups")):
        assert any(f"{old!r}, which is now called {new!r}" in message for message in messages)


@pytest.mark.filterwarnings("ignore::ecggen.core.errors.InputWarning")
def test_an_old_override_changes_one_value_of_the_new_table(tmp_path):
    file = ROOT / "configs" / "tiny" / "vae.toml"
    _, plan, masking = trainer.read(file, ["exposure.silent=0.5", "training.rate=0.125"])
    _, before, unchanged = trainer.read(file)
    assert masking.uncond_prob == 0.5 and masking.lead_masks == unchanged.lead_masks
    assert plan.lr == 0.125 and plan.epochs == before.epochs


@pytest.mark.parametrize(("names", "fields"), [(MASKING, "Masking"), (TRAINING, "Plan")])
def test_every_renamed_key_leads_to_a_present_one(names, fields):
    from ecggen.training import masking

    kind = masking.Masking if fields == "Masking" else trainer.Plan
    assert set(names.values()) <= set(kind.__dataclass_fields__)
    assert not set(names) & set(kind.__dataclass_fields__)


def test_a_protocol_of_release_01_is_read(tmp_path):
    (tmp_path / "old.toml").write_text('kind = "generation"\ntold = ["age"]\njudge = "none here"\nfolds = [9]\n')
    with (
        pytest.warns(InputWarning, match="'told', which is now called 'conditions'"),
        pytest.raises(InputError) as caught,
    ):
        run.run(tmp_path / "old.toml", [], "vae")
    assert "told" not in str(caught.value)


def test_other_keys_are_still_refused(tmp_path):
    (tmp_path / "odd.toml").write_text('generator = "vae"\n[training]\nrates = 1\n')
    with pytest.raises(InputError, match="has 'rates'"):
        trainer.read(tmp_path / "odd.toml")
    assert config.renamed({"a": {"x": 1}, "b": 2}, {"c": "a"}, "a file") == {"a": {"x": 1}, "b": 2}
