"""What the draws of a record have in common is computed once, with the same result as for each of them."""

import pytest
import torch
from laws import everything

from ecggen.conditioning.projection import project_onto_observed
from ecggen.generators.base import Generator
from ecggen.generators.sampling import Noise
from ecggen.generators.vae import VAE
from ecggen.networks.blocks import Residual
from ecggen.networks.unet import Up

DRAWS = 5


def random_weights(network):
    """Weights without zeros, so that every part of a network has an effect."""
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.normal_(std=0.2)
    return network.eval()


def repeated(tensor):
    return tensor.repeat_interleave(DRAWS, 0)


@pytest.mark.parametrize("common", [8, 32, 43, 48])  # whole groups of eight channels, and a part of one
def test_a_block_of_draws_with_common_channels_equals_that_of_all_channels(common):
    block = random_weights(Residual(64, 24, 6))
    shared, own, vector = torch.randn(3, common, 20), torch.randn(3 * DRAWS, 64 - common, 20), torch.randn(15, 6)
    with torch.no_grad():
        fast = block.of_draws(shared, own, vector, DRAWS)
        plain = block(torch.cat([repeated(shared), own], 1), vector)
    torch.testing.assert_close(fast, plain, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("inputs", "outputs"), [(9, 5), (64, 64), (9, 9)])
def test_blocks_with_one_group_or_without_a_convolution_in_the_shortcut(inputs, outputs):
    block = random_weights(Residual(inputs, outputs))
    shared, own = torch.randn(2, inputs - 3, 20), torch.randn(2 * DRAWS, 3, 20)
    with torch.no_grad():
        fast = block.of_draws(shared, own, None, DRAWS)
        plain = block(torch.cat([repeated(shared), own], 1))
    torch.testing.assert_close(fast, plain, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("latents", [[0, 4], [4, 0], [0, 0]])
def test_the_decoder_of_several_draws_equals_that_of_each(latents):
    up = random_weights(Up((32, 40, 48), 8, 2, 6, latents))
    features = [torch.randn(3, size, steps) for size, steps in ((32, 40), (40, 20), (48, 10))]
    extra = [torch.randn(15, size, steps) if size else None for size, steps in zip(latents, (40, 20), strict=True)]
    vector = torch.randn(15, 6)
    with torch.no_grad():
        fast = up.features(features, vector, extra, DRAWS)
        plain = up.features([repeated(level) for level in features], vector, extra)
    torch.testing.assert_close(fast, plain, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("of", [VAE, Generator])
def test_parts_of_a_batch_are_drawn_as_they_are_alone(of):
    generator, condition = random_weights(VAE(widths=(16, 24, 32), blocks=(1, 1, 2), width=32)), everything()

    def noises():
        return [Noise(1, [0, 1, 2, 3]), Noise(1, [4, 5])]

    with torch.no_grad():
        parts = list(of.draw_parts(generator, condition, noises()))
        each = zip((condition[:2], condition[2:]), noises(), strict=True)
        alone = [generator.draw_many(*one) for one in each]
    for part, expected in zip(parts, alone, strict=True):
        torch.testing.assert_close(part.draws, expected.draws, atol=1e-4, rtol=1e-4)


def test_draws_are_projected_as_records():
    condition = everything()
    gaps = condition.lead_mask.clone()
    gaps[0, 1, 50:90] = False
    eight = torch.randn(len(condition) * DRAWS, 8, condition.samples)
    for given in (condition, condition.replace(lead_mask=gaps)):
        together = project_onto_observed(eight, given)
        torch.testing.assert_close(together, project_onto_observed(eight, given.repeat(DRAWS)), atol=1e-6, rtol=0)
