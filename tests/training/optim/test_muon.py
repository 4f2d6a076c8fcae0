"""Our Muon is torch's, in float32 where that is faster."""

import pytest
import torch
from torch.optim._muon import _zeropower_via_newtonschulz

from bbyte.training.optim import muon
from bbyte.training.optim.muon import COEFFICIENTS, ITERATIONS, Muon, orthogonalise

SHAPES = [(32, 32), (64, 24), (24, 64), (8, 1), (1, 8), (96, 256)]


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_orthogonalise_is_torchs_but_for_the_rounding_of_bfloat16(shape, scale):
    matrix = random(*shape) * scale
    ours = orthogonalise(matrix[None])[0]
    theirs = _zeropower_via_newtonschulz(matrix, COEFFICIENTS, ITERATIONS, 1e-7).float()
    assert (ours - theirs).norm() / theirs.norm() < 0.05
    torch.testing.assert_close(ours, theirs, rtol=0, atol=0.06)


@pytest.mark.parametrize("shape", SHAPES)
def test_singular_values_end_near_one(shape):
    for seed in range(4):
        matrix = random(*shape, seed=seed)
        u, before, v = torch.linalg.svd(matrix / matrix.norm(), full_matrices=False)
        after = (u.T @ orthogonalise(matrix[None])[0] @ v.T).diagonal()
        assert after.max() < 1.5
        grown = before > 0.01  # five iterations do not lift what is almost nothing all the way
        assert grown.float().mean() > 0.9
        assert after[grown].min() > 0.5


def test_matrices_of_a_batch_do_not_meet():
    batch = torch.stack([random(16, 24, seed=seed) * 10.0**seed for seed in range(3)])
    alone = torch.cat([orthogonalise(matrix[None]) for matrix in batch])
    torch.testing.assert_close(orthogonalise(batch), alone, rtol=1e-4, atol=1e-5)


def test_zeros_stay_zeros():
    assert not orthogonalise(torch.zeros(1, 5, 7)).any()


def test_directions_are_kept():
    u, _, v = torch.linalg.svd(random(20, 20))
    spread = u @ torch.diag(torch.linspace(0.1, 1, 20)) @ v
    found = u.T @ orthogonalise(spread[None])[0] @ v.T
    off_diagonal = found - torch.diag(found.diagonal())
    assert off_diagonal.abs().max() < 1e-4
    assert (found.diagonal() > 0.3).all()


def after(optimizer_of, starts, steps=4):
    """The parameters `starts` after some steps with gradients that depend on step and position alone."""
    parameters = [start.clone().requires_grad_() for start in starts]
    optimizer = optimizer_of(parameters)
    for step in range(steps):
        for number, parameter in enumerate(parameters):
            parameter.grad = random(*parameter.shape, seed=100 * step + number)
        optimizer.step()
    return [parameter.detach() for parameter in parameters]


def torchs(parameters):
    return torch.optim.Muon(
        parameters, lr=0.1, momentum=0.9, weight_decay=0.0, nesterov=True, adjust_lr_fn="original"
    )


def ours(parameters):
    return Muon(parameters, lr=0.1, momentum=0.9)


STARTS = [random(48, 16, seed=1), random(16, 48, seed=2), random(48, 16, seed=3), random(20, 20, seed=4)]


def test_several_steps_are_torchs_but_for_the_rounding_of_bfloat16():
    for start, one, other in zip(STARTS, after(ours, STARTS), after(torchs, STARTS), strict=True):
        moved = (other - start).norm()
        assert (one - other).norm() / moved < 0.03
        assert moved > 0.1


def test_where_torchs_is_kept_from_bfloat16_the_steps_are_the_same(monkeypatch):
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.clone)
    for one, other in zip(after(ours, STARTS), after(torchs, STARTS), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_few_matrices_at_once_give_what_all_at_once_give(at_once, monkeypatch):
    starts = [random(24, 16, seed=seed) for seed in range(5)] + [random(8, 8, seed=9)]
    together = after(ours, starts)
    sizes = []

    def watched(matrices):
        sizes.append(matrices.nbytes)
        return orthogonalise(matrices)

    monkeypatch.setattr(muon, "orthogonalise", watched)
    monkeypatch.setattr(muon, "STACKED_BYTES", at_once * starts[0].nbytes + 1)
    for one, other in zip(after(ours, starts), together, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)
    assert max(sizes) == at_once * starts[0].nbytes


def test_a_matrix_larger_than_the_limit_goes_alone(monkeypatch):
    monkeypatch.setattr(muon, "STACKED_BYTES", 1)
    for one, other in zip(after(ours, STARTS), after(torchs, STARTS), strict=True):
        assert (one - other).abs().max() < 0.05


def test_the_update_of_a_tall_matrix_is_scaled_by_the_root_of_its_form():
    tall, wide = torch.zeros(64, 4, requires_grad=True), torch.zeros(4, 64, requires_grad=True)
    tall.grad = random(64, 4)
    wide.grad = tall.grad.T.clone()
    Muon([tall, wide], lr=1.0).step()
    torch.testing.assert_close(tall.detach(), 4 * wide.detach().T, rtol=1e-4, atol=1e-5)


def test_what_has_no_gradient_is_left_alone():
    parameters = [torch.ones(3, 3, requires_grad=True) for _ in range(2)]
    parameters[0].grad = random(3, 3)
    optimizer = Muon(parameters)
    optimizer.step()
    assert torch.equal(parameters[1], torch.ones(3, 3)) and not torch.equal(parameters[0], torch.ones(3, 3))
    assert not optimizer.state[parameters[1]]["momentum_buffer"].any()
