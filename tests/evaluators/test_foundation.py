"""Foundation models: preprocessing is independent of order, rate and derived leads; invalid input is rejected."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from scipy.signal import butter, filtfilt, iirnotch, medfilt
from torch import nn
from torch.nn import functional as F

from ecggen.core.ecg import ECG, INDEPENDENT_LEADS, STANDARD_LEADS
from ecggen.core.errors import InputError
from ecggen.core.simulate import simulate
from ecggen.evaluators import foundation
from ecggen.evaluators.extractor import Extractor
from ecggen.networks.ecg_fm import ECGFMNetwork, Layer
from ecggen.networks.ecg_founder import Block, ECGFounderNetwork, SamePadding

SIZES = {
    "ecg-founder": {"base": 8, "filters": [8, 16, 16], "blocks": [1, 2, 1], "group_width": 4},
    "ecg-fm": {
        **{"conv_width": 16, "width": 32, "layers": 2, "heads": 4, "inner": 64},
        **{"position_kernel": 16, "position_groups": 4},
    },
}
NETWORKS = {"ecg-founder": ECGFounderNetwork, "ecg-fm": ECGFMNetwork}
WIDTHS = {"ecg-founder": 16, "ecg-fm": 32}
BOTH = pytest.mark.parametrize("model", NETWORKS)


def written(folder, model, change=None, **about):
    """A folder with a small network of random weights; ``change`` alters its tensors before they are written."""
    torch.manual_seed(1)
    sizes = {**SIZES[model], **about.pop("network", {})}
    tensors = {name: value.clone() for name, value in NETWORKS[model](**sizes).state_dict().items()}
    folder.mkdir(exist_ok=True)
    save_file({**tensors, **(change(tensors) if change else {})}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model": model, "network": sizes, **about}))
    return folder


@pytest.fixture(scope="module")
def extractors(tmp_path_factory):
    folder = tmp_path_factory.mktemp("extractors")
    return {model: foundation.load(written(folder / model, model)) for model in NETWORKS}


@pytest.fixture(scope="module")
def ten_seconds():
    """Five simulated ecgs at 500 Hz, 10 s."""
    return simulate(5, fs=500, seed=7)


def distance(one, other):
    """Largest difference of two sets of features, relative to the differences between records."""
    return np.abs(one - other).max() / np.abs(one - one.mean(0)).max()


def assert_rejected(action, *words):
    with pytest.raises(InputError) as error:
        action()
    assert all(word in str(error.value) for word in words), error.value


# Invariance of the features


@BOTH
def test_features_of_every_record(extractors, ten_seconds, model):
    evaluator = extractors[model]
    features = evaluator.features(ten_seconds)
    assert isinstance(evaluator, Extractor)
    assert features.shape == (5, evaluator.width) == (5, WIDTHS[model]) and features.dtype == np.float64
    assert np.isfinite(features).all() and np.ptp(features, 0).min() > 0
    assert re.fullmatch(model + "@[0-9a-f]{12}", evaluator.name)
    json.dumps(evaluator.preprocessing)


@BOTH
def test_order_of_leads_and_derived_leads_do_not_matter(extractors, ten_seconds, model):
    evaluator = extractors[model]
    expected = evaluator.features(ten_seconds)
    assert distance(expected, evaluator.features(ten_seconds.pick(*reversed(STANDARD_LEADS)))) == 0
    assert distance(expected, evaluator.features(ten_seconds.pick(*INDEPENDENT_LEADS))) < 1e-3


@BOTH
def test_names_of_leads_do_matter(extractors, ten_seconds, model):
    """Leads under wrong names are another ECG, so the test above does not pass by insensitivity to order."""
    swapped = replace(ten_seconds, leads=("II", "I", *STANDARD_LEADS[2:]))
    assert distance(extractors[model].features(ten_seconds), extractors[model].features(swapped)) > 0.05


@BOTH
@pytest.mark.parametrize("fs", [100, 250, 360, 1000])
def test_rate_does_not_matter(extractors, ten_seconds, model, fs):
    expected = extractors[model].features(ten_seconds)
    assert distance(expected, extractors[model].features(simulate(5, fs=fs, seed=7))) < 0.01


@BOTH
def test_batches_and_neighbours_do_not_matter(extractors, ten_seconds, model):
    evaluator = extractors[model]
    one_by_one = np.concatenate([evaluator.features(ten_seconds[i]) for i in range(5)])
    assert distance(evaluator.features(ten_seconds), one_by_one) < 1e-3


@BOTH
def test_only_the_first_seconds_count(extractors, model):
    evaluator, long = extractors[model], simulate(3, seconds=14, fs=500, seed=7)
    assert distance(evaluator.features(long.crop(0, 10)), evaluator.features(long)) == 0
    assert distance(evaluator.features(long), evaluator.features(long.crop(2))) > 0.05


@BOTH
def test_gain_does_not_matter_and_offsets_neither(extractors, ten_seconds, model):
    louder = replace(ten_seconds, signal=2.5 * ten_seconds.signal + 0.3)
    assert distance(extractors[model].features(ten_seconds), extractors[model].features(louder)) < 0.01


def test_proportions_of_leads_are_kept_or_not_as_published(extractors, ten_seconds):
    louder = replace(ten_seconds, signal=ten_seconds.signal * torch.tensor([3.0] + 11 * [1.0])[:, None])
    assert distance(extractors["ecg-fm"].features(ten_seconds), extractors["ecg-fm"].features(louder)) < 1e-3
    assert distance(extractors["ecg-founder"].features(ten_seconds), extractors["ecg-founder"].features(louder)) > 0.05


def test_single_lead(tmp_path, ten_seconds):
    folder = written(tmp_path / "one", "ecg-founder", network={"channels": 1})
    first = foundation.load(folder).features(ten_seconds)
    assert distance(first, foundation.load(folder).features(ten_seconds.pick("V3", "I"))) == 0
    second = foundation.load(written(folder, "ecg-founder", network={"channels": 1}, leads=["II"]))
    assert second.preprocessing["leads"] == ["II"]
    assert distance(first, second.features(ten_seconds)) > 0.05
    assert_rejected(lambda: second.features(ten_seconds.pick("I", "V1")), "leads I, V1, from which II do not follow")


# The network's input


def test_founder_has_the_published_preprocessing(extractors, ten_seconds):
    """Independent implementation of the published steps with scipy, in the authors' order."""
    mains = 0.2 * torch.sin(2 * torch.pi * 50 * torch.arange(5000) / 500)
    noisy = replace(ten_seconds, signal=ten_seconds.signal + mains)
    for record, prepared in zip(
        noisy.signal.double().numpy(), extractors["ecg-founder"].prepare(noisy).numpy(), strict=True
    ):
        quiet = filtfilt(*iirnotch(50, 30, 500), record)
        banded = filtfilt(*butter(4, [0.67, 40], "bandpass", fs=500), quiet)
        level = banded - np.stack([medfilt(lead, 201) for lead in banded])
        np.testing.assert_allclose(prepared, (level - level.mean()) / level.std(), atol=1e-4)


def test_fm_scales_each_lead_and_masks_a_flat_one(extractors, ten_seconds):
    flat = replace(ten_seconds, signal=ten_seconds.signal * (torch.arange(12) != 4)[:, None] + 0.4)
    prepared = extractors["ecg-fm"].prepare(flat)
    assert prepared.shape == (5, 12, 2500) and not prepared[:, 4].any()
    others = [lead for lead in range(12) if lead != 4]
    first = flat.signal[:, others, :2500]
    deviation = first.std(-1, correction=0, keepdim=True)
    torch.testing.assert_close(
        prepared[:, others], (first - first.mean(-1, keepdim=True)) / deviation, atol=1e-4, rtol=0
    )
    assert np.isfinite(extractors["ecg-fm"].features(flat)).all()


def test_two_windows_are_scaled_together_and_averaged(tmp_path, ten_seconds):
    evaluator = foundation.load(written(tmp_path / "two", "ecg-fm", seconds=10))
    prepared = evaluator.prepare(ten_seconds)
    assert prepared.shape == (5, 12, 5000) and evaluator.preprocessing["windows"] == 2
    with torch.inference_mode():
        halves = [evaluator._model(half) for half in (prepared[..., :2500], prepared[..., 2500:])]
    np.testing.assert_allclose(evaluator.features(ten_seconds), (halves[0] + halves[1]).numpy() / 2, atol=1e-5)


# Rejected input


@BOTH
def test_invalid_ecgs_are_rejected(extractors, ten_seconds, model):
    evaluator, signal = extractors[model], ten_seconds.signal

    def loading(changed, **other):
        return lambda: evaluator.features(replace(ten_seconds, signal=changed, **other))

    broken, flat = signal.clone(), signal.clone()
    broken[3, 2, 100], flat[4] = torch.nan, 0.7
    title, seconds = evaluator.title, f"{evaluator.seconds:g} s"
    assert_rejected(loading(signal[:0]), "there is no record; at least one was expected")
    assert_rejected(
        loading(signal[:, :3], leads=("I", "II", "III")), "V1, V2, V3, V4, V5, V6 do not follow", title, "reconstruct"
    )
    assert_rejected(loading(signal[..., :900], fs=90), "the sampling rate is 90 Hz", "at least 100 Hz", title)
    assert_rejected(loading(signal[..., :2400]), "the records last 4.8 s", f"{title} takes {seconds} and pads nothing")
    assert_rejected(loading(broken), "record 3 (counted from 0) has missing values", "repair or omit it")
    assert_rejected(loading(flat), "record 4 (counted from 0) is flat", "a signal that can be scaled to unit deviation")
    assert_rejected(loading(1e-3 * signal), "record 0 (counted from 0) is flat", "is it in volts?")
    assert_rejected(loading(1e3 * signal), "record 0 (counted from 0) reaches beyond 50 mV", "is it in microvolts?")


@BOTH
def test_records_are_numbered_across_batches(extractors, model):
    ecgs = simulate(40, fs=100, seed=2)
    ecgs.signal[38] = 0
    assert_rejected(lambda: extractors[model].features(ecgs), "record 38 (counted from 0) is flat")


def test_samples_beyond_the_window_do_not_count(extractors):
    ecgs = simulate(3, seconds=12, fs=500, seed=2)
    ecgs.signal[1, :, :5000] = 0.2
    assert_rejected(lambda: extractors["ecg-founder"].features(ecgs), "record 1 (counted from 0) is flat")


@BOTH
def test_the_network_rejects_unprepared_input(extractors, ten_seconds, model):
    evaluator = extractors[model]
    prepared = evaluator.prepare(ten_seconds)
    assert evaluator.network(prepared).shape == (5, evaluator.width)
    raw = ten_seconds.signal[..., : evaluator.samples]
    shape = f"(record, 12, {evaluator.samples}) was expected"
    for wrong in (prepared[:0], prepared[:, :8], prepared[..., :-1], prepared[0], prepared.transpose(1, 2)):
        assert_rejected(
            lambda wrong=wrong: evaluator.network(wrong), f"shape {tuple(wrong.shape)}", shape, "features()"
        )
    flat_record = prepared * (torch.arange(5) != 2)[:, None, None]
    for wrong in (flat_record, raw, prepared + 0.5, 3 * prepared, torch.zeros_like(prepared)):
        assert_rejected(
            lambda wrong=wrong: evaluator.network(wrong), "the network's input has mean", "were expected", "features()"
        )
    assert_rejected(lambda: evaluator.network(torch.where(prepared > 2, torch.nan, prepared)), "missing or infinite")


def test_invalid_leads_and_lengths_are_rejected(tmp_path):
    def loading(model, **about):
        return lambda: foundation.load(written(tmp_path / "view", model, **about))

    assert_rejected(loading("ecg-fm", leads=list(reversed(STANDARD_LEADS))), "the twelve in standard order")
    assert_rejected(loading("ecg-fm", leads=["I", "II"]), "was given the leads I, II", "12 lead(s)")
    assert_rejected(loading("ecg-founder", leads=["I", "V9"]), "'V9' is not a standard lead")
    assert_rejected(loading("ecg-founder", seconds=5), "was given a length of 5 s", "a multiple of 10 s")
    assert_rejected(loading("ecg-fm", seconds=7.5), "a multiple of 5 s")


# Files


@BOTH
def test_unused_tensors_are_ignored(tmp_path, extractors, ten_seconds, model):
    unused = {
        "ecg-founder": ("dense.weight", "first_bn.running_mean", "stage_list.1.block_list.0.bn2.num_batches_tracked"),
        "ecg-fm": ("mask_emb", "quantizer.vars", "project_q.bias", "final_proj.weight", "proj.bias"),
    }
    folder = written(tmp_path / "full", model, lambda _: {name: torch.ones(3) for name in unused[model]})
    full = foundation.load(folder)
    assert distance(extractors[model].features(ten_seconds), full.features(ten_seconds)) == 0
    assert full.name != extractors[model].name


@pytest.mark.parametrize(("model", "prefix"), [("ecg-founder", "module."), ("ecg-fm", "encoder.")])
def test_prefixes_older_names_and_half_precision(tmp_path, extractors, ten_seconds, model, prefix):
    folder = written(tmp_path / "other", model)
    older = {now: was for was, now in foundation.RELEASES[model].renamed.items()}
    tensors = load_file(folder / "model.safetensors")
    changed = {prefix + older.get(name, name): value.half() for name, value in tensors.items()}
    save_file(changed, folder / "model.safetensors")
    assert distance(extractors[model].features(ten_seconds), foundation.load(folder).features(ten_seconds)) < 0.02


@BOTH
def test_tensors_that_do_not_fit(tmp_path, model):
    names = list(NETWORKS[model](**SIZES[model]).state_dict())
    title = foundation.RELEASES[model].extractor.title

    def loading(change):
        return lambda: foundation.load(written(tmp_path / "wrong", model, change))

    def lacking(tensors):
        for name in names[2:7]:
            del tensors[name]
        return tensors

    folder = written(tmp_path / "lacking", model)
    save_file(lacking(NETWORKS[model](**SIZES[model]).state_dict()), folder / "model.safetensors")
    assert_rejected(lambda: foundation.load(folder), f"lacks {', '.join(names[2:5])} and 2 more", title, "convert")
    assert_rejected(loading(lambda _: {"head.weight": torch.ones(2)}), "has in addition head.weight", title)
    assert_rejected(loading(lambda _: {names[0]: torch.ones(4, 5)}), f"has in another shape {names[0]} (4, 5) for (")
    assert_rejected(
        loading(lambda t: {names[1]: t[names[1]] * torch.inf}), f"missing or infinite numbers in {names[1]}"
    )


def test_pickled_checkpoints_are_never_opened(tmp_path):
    for name in ("12_lead.pth", "pretrained.pt", "last.ckpt"):
        (tmp_path / name).write_bytes(b"not even a pickle")
        assert_rejected(
            lambda name=name: foundation.load(tmp_path / name),
            f"{name} is a pickled checkpoint",
            "model.safetensors was expected",
            "in an environment of your own",
            'save_file(tensors, "model.safetensors")',
        )
    assert_rejected(
        lambda: foundation.load(tmp_path), "12_lead.pth is a pickled checkpoint", '"state_dict" (ECGFounder)'
    )


def test_incomplete_folders_are_rejected(tmp_path):
    assert_rejected(
        lambda: foundation.load(tmp_path / "nowhere"), "there is no folder", "config.json and model.safetensors"
    )
    assert_rejected(lambda: foundation.load(tmp_path), "config.json cannot be read", '{"model": "ecg-founder"}')
    for text, words in {
        "{": "config.json cannot be read",
        "[]": "names no known model",
        '{"model": "merl"}': "names no known model",
        '{"model": ["ecg-fm"]}': "names no known model",
        '{"model": "ecg-fm", "lead": "I"}': "has 'lead': 'I'",
        '{"model": "ecg-fm", "seconds": "5"}': "has 'seconds': '5'",
        '{"model": "ecg-fm", "network": {"heads_": 4}}': "has 'heads_'; one of channels, conv_width",
        '{"model": "ecg-fm"}': "model.safetensors cannot be loaded",
    }.items():
        (tmp_path / "config.json").write_text(text)
        assert_rejected(lambda: foundation.load(tmp_path), words)
    (tmp_path / "model.safetensors").write_bytes(b"\x00" * 40)
    assert_rejected(
        lambda: foundation.load(tmp_path), "model.safetensors cannot be loaded", "convert or copy them again"
    )


# The networks


def shapes(network):
    with torch.device("meta"):
        return {name: tuple(value.shape) for name, value in network().state_dict().items()}


def test_founder_has_the_released_tensors():
    """Names and shapes of the released twelve-lead checkpoint, without its head and its unused normalisation."""
    golden = {"first_conv.conv.weight": (64, 12, 16), "first_conv.conv.bias": (64,)}
    stages = [(64, 64, 2), (64, 160, 2), (160, 160, 2), (160, 400, 3), (400, 400, 3), (400, 1024, 4), (1024, 1024, 4)]
    for stage, (inputs, width, blocks) in enumerate(stages):
        for block in range(blocks):
            tensors = {
                "conv1.conv.weight": (width, inputs if block == 0 else width, 1),
                "conv1.conv.bias": (width,),
                "conv2.conv.weight": (width, 16, 16),
                "conv2.conv.bias": (width,),
                "conv3.conv.weight": (width, width, 1),
                "conv3.conv.bias": (width,),
                "se_fc1.weight": (width // 2, width),
                "se_fc1.bias": (width // 2,),
                "se_fc2.weight": (width, width // 2),
                "se_fc2.bias": (width,),
            }
            golden |= {f"stage_list.{stage}.block_list.{block}.{name}": shape for name, shape in tensors.items()}
    assert shapes(ECGFounderNetwork) == golden


def test_fm_has_the_released_tensors():
    """Names and shapes of the released base checkpoint; with what only pretraining needs, its published size."""
    layers = [f"feature_extractor.conv_layers.{layer}.0.weight" for layer in range(4)]
    golden = dict.fromkeys(layers, (256, 256, 2)) | {
        "feature_extractor.conv_layers.0.0.weight": (256, 12, 2),
        "feature_extractor.conv_layers.0.2.weight": (256,),
        "feature_extractor.conv_layers.0.2.bias": (256,),
        "layer_norm.weight": (256,),
        "layer_norm.bias": (256,),
        "post_extract_proj.weight": (768, 256),
        "post_extract_proj.bias": (768,),
        "conv_pos.pos_conv.0.bias": (768,),
        "conv_pos.pos_conv.0.parametrizations.weight.original0": (1, 1, 128),
        "conv_pos.pos_conv.0.parametrizations.weight.original1": (768, 48, 128),
        "encoder.layer_norm.weight": (768,),
        "encoder.layer_norm.bias": (768,),
    }
    for layer in range(12):
        inside = {f"self_attn.{name}_proj": (768, 768) for name in ("q", "k", "v", "out")}
        inside |= {"fc1": (3072, 768), "fc2": (768, 3072), "self_attn_layer_norm": (768,), "final_layer_norm": (768,)}
        for name, shape in inside.items():
            golden[f"encoder.layers.{layer}.{name}.weight"] = shape
            golden[f"encoder.layers.{layer}.{name}.bias"] = shape[:1]
    assert shapes(ECGFMNetwork) == golden
    mask, codebook, choice = 768, 640 * 128, 256 * 640 + 640
    projections = 256 * 256 + 256 + 768 * 256 + 256
    count = sum(int(np.prod(shape)) for shape in golden.values())
    assert count + mask + codebook + choice + projections == 90_883_072


def test_single_lead_founder_differs_in_its_first_convolution_only():
    one = shapes(lambda: ECGFounderNetwork(channels=1))
    twelve = shapes(ECGFounderNetwork)
    assert {name for name in one if one[name] != twelve[name]} == {"first_conv.conv.weight"}


@pytest.mark.parametrize("time", [20, 21])
def test_shortcut_pads_with_zeros(time):
    """A block whose convolutions are flat_record is its shortcut: maxima of pairs, new channels empty on both sides."""
    block = Block(4, 7, kernel=16, stride=2, groups=1)
    nn.init.zeros_(block.conv3.conv.weight)
    nn.init.zeros_(block.conv3.conv.bias)
    x = -1 - torch.rand(2, 4, time)
    pairs = F.pad(x, (0, time % 2)).unflatten(-1, (-1, 2)).amax(-1)
    expected = torch.cat([torch.zeros(2, 1, len(pairs[0, 0])), pairs, torch.zeros(2, 2, len(pairs[0, 0]))], 1)
    torch.testing.assert_close(block(x), expected)


@pytest.mark.filterwarnings("ignore:Using padding")
def test_same_padding_agrees_with_torch():
    ours = SamePadding(6, 8, 16, groups=2)
    theirs = nn.Conv1d(6, 8, 16, groups=2, padding="same")
    theirs.load_state_dict(ours.conv.state_dict())
    x = torch.randn(2, 6, 31)
    torch.testing.assert_close(ours(x), theirs(x))
    assert SamePadding(6, 8, 16, stride=2)(x).shape == (2, 8, 16)


def test_transformer_layer_agrees_with_torch():
    ours = Layer(32, 4, 64).eval()
    theirs = nn.TransformerEncoderLayer(32, 4, 64, 0, "gelu", batch_first=True).eval()
    attention = ours.self_attn
    maps = (attention.q_proj, attention.k_proj, attention.v_proj)
    tensors = {
        "self_attn.in_proj_weight": torch.cat([one.weight for one in maps]),
        "self_attn.in_proj_bias": torch.cat([one.bias for one in maps]),
    }
    pairs = {"self_attn.out_proj": attention.out_proj, "linear1": ours.fc1, "linear2": ours.fc2}
    pairs |= {"norm1": ours.self_attn_layer_norm, "norm2": ours.final_layer_norm}
    for name, module in pairs.items():
        tensors |= {f"{name}.weight": module.weight, f"{name}.bias": module.bias}
    theirs.load_state_dict(tensors)
    tokens = torch.randn(3, 11, 32)
    torch.testing.assert_close(ours(tokens), theirs(tokens), atol=1e-5, rtol=1e-4)


def test_founder_equals_its_formulas():
    """Independent implementation of the network on its tensors; odd lengths test every padding."""
    torch.manual_seed(2)
    network = ECGFounderNetwork(channels=3, base=4, filters=[4, 8], blocks=[2, 1], kernel=6, group_width=2).double()
    tensors = network.state_dict()

    def convolved(x, name, stride=1, groups=1):
        weight, bias = tensors[f"{name}.conv.weight"], tensors[f"{name}.conv.bias"]
        lacking = (-(-x.shape[-1] // stride) - 1) * stride + weight.shape[-1] - x.shape[-1]
        lacking = max(lacking, 0)
        return F.conv1d(F.pad(x, (lacking // 2, lacking - lacking // 2)), weight, bias, stride, groups=groups)

    def block(x, name, stride, groups, activated):
        h = convolved(F.silu(x) if activated else x, f"{name}.conv1")
        h = convolved(F.silu(h), f"{name}.conv2", stride, groups)
        h = convolved(F.silu(h), f"{name}.conv3")
        squeezed = h.mean(-1) @ tensors[f"{name}.se_fc1.weight"].T + tensors[f"{name}.se_fc1.bias"]
        weight = F.silu(squeezed) @ tensors[f"{name}.se_fc2.weight"].T + tensors[f"{name}.se_fc2.bias"]
        if stride == 2:
            x = F.pad(x, (0, x.shape[-1] % 2)).unflatten(-1, (-1, 2)).amax(-1)
        empty = torch.zeros_like(x)[:, : (h.shape[1] - x.shape[1]) // 2]
        return h * weight.sigmoid()[..., None] + torch.cat([empty, x, empty], 1)

    x = torch.randn(2, 3, 45, dtype=torch.double)
    h = F.silu(convolved(x, "first_conv", stride=2))
    h = block(h, "stage_list.0.block_list.0", 2, 2, activated=False)
    h = block(h, "stage_list.0.block_list.1", 1, 2, activated=True)
    h = block(h, "stage_list.1.block_list.0", 2, 4, activated=True)
    torch.testing.assert_close(network(x), h.mean(-1))


def test_fm_equals_its_formulas():
    """Independent implementation from waveforms to the transformer's input tokens."""
    torch.manual_seed(2)
    network = ECGFMNetwork(**SIZES["ecg-fm"]).double()
    tensors = {name: torch.rand_like(value) for name, value in network.state_dict().items()}
    network.load_state_dict(tensors)
    x = torch.randn(2, 12, 700, dtype=torch.double)
    h = x
    for layer in range(4):
        h = F.conv1d(h, tensors[f"feature_extractor.conv_layers.{layer}.0.weight"], stride=2)
        if layer == 0:
            h = (h - h.mean(-1, keepdim=True)) / (h.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()
            scale, shift = (tensors[f"feature_extractor.conv_layers.0.2.{name}"] for name in ("weight", "bias"))
            h = h * scale[:, None] + shift[:, None]
        h = F.gelu(h)
    h = F.layer_norm(h.transpose(1, 2), (16,), tensors["layer_norm.weight"], tensors["layer_norm.bias"])
    h = F.linear(h, tensors["post_extract_proj.weight"], tensors["post_extract_proj.bias"])
    place = "conv_pos.pos_conv.0"
    size, direction = (tensors[f"{place}.parametrizations.weight.original{index}"] for index in (0, 1))
    weight = size * direction / direction.norm(dim=(0, 1), keepdim=True)
    around = F.conv1d(F.pad(h.transpose(1, 2), (8, 7)), weight, tensors[f"{place}.bias"], groups=4)
    h = h + F.gelu(around).transpose(1, 2)
    h = F.layer_norm(h, (32,), tensors["encoder.layer_norm.weight"], tensors["encoder.layer_norm.bias"])
    for layer in network.encoder.layers:
        h = layer(h)
    torch.testing.assert_close(network(x), h.mean(1))


def test_tokens_of_32_ms():
    """5 s give 156 tokens, each of 16 samples."""
    network = ECGFMNetwork(**SIZES["ecg-fm"])
    assert network.feature_extractor(torch.randn(1, 12, 2500)).shape == (1, 16, 156)
    assert network.conv_pos(torch.randn(1, 156, 32)).shape == (1, 156, 32)


def test_ecg_is_not_modified(extractors, ten_seconds):
    before = ECG(ten_seconds.signal.clone(), ten_seconds.leads, ten_seconds.fs)
    for evaluator in extractors.values():
        evaluator.features(ten_seconds)
    assert torch.equal(before.signal, ten_seconds.signal)


def test_a_report_compares_sets_on_its_features(tmp_path):
    from ecggen.io import write
    from ecggen.report.feature_spaces import extractor_features
    from ecggen.report.inputs.load import ReportRequest, load_cohorts

    for name, seed in (("synthetic", 1), ("real", 2)):
        write(simulate(50, fs=250, seed=seed), tmp_path / f"{name}.npz")
    folder = written(tmp_path / "founder", "ecg-founder")
    sets = tmp_path / "synthetic.npz", tmp_path / "real.npz"
    material = load_cohorts(ReportRequest(*sets, classifier="none", features=(folder,)))
    found = extractor_features(material, material.extractors[0])
    assert found.name == "ecg-founder's features" and found.extractor.startswith("ecg-founder@")
    assert found.synthetic.shape == found.real.shape == (50, 16)
