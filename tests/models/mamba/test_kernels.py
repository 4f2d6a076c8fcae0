"""The path through CUDA kernels: layouts by packages that stand in for the real ones, and the checks."""

import inspect
import re
import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn import functional as F

from bbyte.models.mamba import conv as torch_conv
from bbyte.models.mamba import kernels
from bbyte.models.mamba import selective_scan as torch_scan
from bbyte.models.mamba import ssd as torch_ssd
from bbyte.models.mamba.kernels_check import TOLERANCE, Example, difference, example

PACKAGES = ("mamba_ssm", "causal_conv1d")
AGREE = "they agree with torch's here"


# What the packages offer, with their names, argument names, layouts and requirements, computed by torch.


def mamba_chunk_scan_combined(
    x: Tensor,  # (B, T, H, D)
    dt: Tensor,  # (B, T, H)
    A: Tensor,
    B: Tensor,  # (B, T, G, N)
    C: Tensor,
    chunk_size: int,
    D: Tensor | None = None,
    z: None = None,
    dt_bias: None = None,
    initial_states: Tensor | None = None,  # (B, H, D, N)
    seq_idx: None = None,
    cu_seqlens: None = None,
    dt_softplus: bool = False,
    dt_limit: tuple[float, float] = (0.0, float("inf")),
    return_final_states: bool = False,
    return_varlen_states: bool = False,
) -> Any:
    assert D is not None
    assert z is dt_bias is seq_idx is cu_seqlens is None
    assert not (dt_softplus or return_varlen_states)
    assert dt_limit == (0.0, float("inf"))
    assert chunk_size == 256
    assert dt.dtype == A.dtype == D.dtype == torch.float32
    assert B.dtype == C.dtype == x.dtype
    assert initial_states is None or initial_states.dtype == torch.float32
    y, after = torch_ssd.ssd(x, dt, A, B, C, D, initial_states)
    return (y, after) if return_final_states else y


def selective_scan_fn(
    u: Tensor,  # (B, D, T)
    delta: Tensor,
    A: Tensor,  # (D, N)
    B: Tensor,  # (B, N, T)
    C: Tensor,
    D: Tensor | None = None,
    z: None = None,
    delta_bias: None = None,
    delta_softplus: bool = False,
    return_last_state: bool = False,
) -> Any:
    assert D is not None
    assert z is delta_bias is None
    assert not delta_softplus
    assert A.dtype == D.dtype == torch.float32
    assert delta.dtype == B.dtype == C.dtype == u.dtype
    assert A.shape[1] <= 256
    inputs = (part.transpose(1, 2) for part in (u, delta))
    y, after = torch_scan.selective_scan(*inputs, A, B.transpose(1, 2), C.transpose(1, 2), D)
    y = y.transpose(1, 2)
    return (y, after) if return_last_state else y


def causal_conv1d_fn(
    x: Tensor,  # (B, C, T)
    weight: Tensor,  # (C, K)
    bias: Tensor | None = None,
    seq_idx: None = None,
    initial_states: Tensor | None = None,  # (B, C, K - 1)
    return_final_states: bool = False,
    final_states_out: None = None,
    activation: str | None = None,
) -> Tensor:
    assert bias is not None
    assert seq_idx is final_states_out is None
    assert not return_final_states
    assert activation in ("silu", "swish")
    channels, taps = weight.shape
    assert x.shape[1] == channels
    assert 2 <= taps <= 4
    assert bias.dtype == weight.dtype
    assert x.stride(2) == 1 or x.stride(1) == 1
    channels_last = x.stride(1) == 1 and x.stride(2) > 1
    if channels_last:
        assert channels % 8 == 0
        # The last it does not ask for, but loads from addresses that are multiples of 16 bytes.
        assert x.stride(0) % 8 == x.stride(2) % 8 == x.storage_offset() % 8 == 0
    if initial_states is not None:
        assert channels_last
        assert initial_states.shape == (len(x), channels, taps - 1)
        assert initial_states.stride(1) == 1
        assert initial_states.dtype == x.dtype
        padded = torch.cat((initial_states, x), dim=2)
    else:
        padded = F.pad(x, (taps - 1, 0))
    y = F.conv1d(padded, weight.unsqueeze(1).to(x.dtype), bias.to(x.dtype), groups=channels)
    return F.silu(y)


def install(
    monkeypatch: pytest.MonkeyPatch, *, scan: Any = None, scan1: Any = None, conv: Any = None
) -> None:
    """Put the packages into sys.modules, with these functions in place of right ones."""
    contents: dict[str, dict[str, Any]] = {
        "mamba_ssm": {},
        "mamba_ssm.ops": {},
        "mamba_ssm.ops.triton": {},
        "mamba_ssm.ops.triton.ssd_combined": {"mamba_chunk_scan_combined": scan or mamba_chunk_scan_combined},
        "mamba_ssm.ops.selective_scan_interface": {"selective_scan_fn": scan1 or selective_scan_fn},
        "causal_conv1d": {"causal_conv1d_fn": conv or causal_conv1d_fn},
    }
    for name, content in contents.items():
        module = ModuleType(name)
        vars(module).update(content, __path__=[])
        monkeypatch.setitem(sys.modules, name, module)


@pytest.fixture(autouse=True)
def _nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "_chosen", {})
    monkeypatch.setattr(kernels, "_findings", {})


@pytest.fixture
def anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels run on a CPU; no package is installed."""
    monkeypatch.setattr(kernels, "DEVICE_TYPES", ("cuda", "cpu"))
    for name in [name for name in sys.modules if name.partition(".")[0] in PACKAGES]:
        monkeypatch.delitem(sys.modules, name)
    for name in PACKAGES:
        monkeypatch.setitem(sys.modules, name, None)


EACH = pytest.mark.parametrize(
    ("ours", "torchs"),
    [
        (kernels.ssd, torch_ssd.ssd),
        (kernels.selective_scan, torch_scan.selective_scan),
        (kernels.causal_conv, torch_conv.causal_conv),
    ],
    ids=("ssd", "selective_scan", "causal_conv"),
)
BOTH = pytest.mark.parametrize("ssm", ["mamba2", "mamba1"])


def chosen(ssm: Any, device: str = "cpu") -> tuple[Any, Any]:
    """The functions themselves, out of what keeps torch.compile from them."""
    conv, scan = kernels.operations(ssm, device)
    return inspect.unwrap(conv), inspect.unwrap(scan)


def small(name: str) -> Example:
    """A shorter input than the check's own."""
    inputs, state, grad = example(name)  # type: ignore[arg-type]
    length = inputs[0].shape[1]
    parts = (part[:, :40].contiguous() if part.shape[1:2] == (length,) else part for part in inputs)
    return Example(tuple(parts), state, grad[:, :40].contiguous())


# Layouts, and what a kernel cannot take.


@EACH
def test_each_operation_calls_its_kernel_in_the_kernels_own_layout(
    ours: Any, torchs: Any, anywhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = []

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            called.append(function.__name__)
            return function(*args, **kwargs)

        return call

    install(
        monkeypatch,
        scan=counted(mamba_chunk_scan_combined),
        scan1=counted(selective_scan_fn),
        conv=counted(causal_conv1d_fn),
    )
    assert difference(ours, torchs, small(ours.__name__), "cpu") < 1e-5
    # A state is none for Mamba-1's kernel.
    expected = {"ssd": "mamba_chunk_scan_combined", "selective_scan": "selective_scan_fn"}
    times = 1 if ours is kernels.selective_scan else 2
    assert called == [expected.get(ours.__name__, "causal_conv1d_fn")] * times


@EACH
@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize("which", ["some", "all"])
def test_sixteen_bits_go_in_and_come_out(
    ours: Any, torchs: Any, state: bool, which: str, anywhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch)
    (x, *rest), carried, _ = small(ours.__name__)
    if which == "all":
        rest = [part.bfloat16() for part in rest]
    elif ours is not kernels.causal_conv:
        rest[2:4] = (part.bfloat16() for part in rest[2:4])  # as a mixer calls it: b and c
    arguments = (x.bfloat16(), *rest, carried if state else None)
    (y, after), (wanted, after_wanted) = ours(*arguments), torchs(*arguments)
    assert y.dtype == wanted.dtype == torch.bfloat16
    assert after.dtype == after_wanted.dtype
    assert not after.requires_grad
    assert torch.allclose(y.float(), wanted.float(), atol=0.05, rtol=0.05)
    assert torch.allclose(after.float(), after_wanted.float(), atol=0.05, rtol=0.05)


@pytest.mark.parametrize("state", [False, True])
@pytest.mark.parametrize(("channels", "taps"), [(8, 2), (16, 3), (12, 4), (8, 1), (8, 5)])
def test_convolutions_of_all_sizes(
    channels: int, taps: int, state: bool, anywhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch)
    generator = torch.Generator().manual_seed(1)
    for length in (1, taps - 1, taps, 9):
        x = torch.randn(2, length, channels, generator=generator)
        weight, bias = torch.randn(channels, 1, taps, generator=generator), torch.randn(channels)
        held = torch.randn(2, taps - 1, channels, generator=generator) if state else None
        if length:
            y, after = kernels.causal_conv(x, weight, bias, held)
            wanted, after_wanted = torch_conv.causal_conv(x, weight, bias, held)
            assert torch.allclose(y, wanted, atol=1e-5)
            assert torch.equal(after, after_wanted)


def test_a_slice_of_a_projection_is_laid_out_anew_where_the_kernel_needs_it(
    anywhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Tensor] = []

    def conv(x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        given.append(x)
        return causal_conv1d_fn(x, *args, **kwargs)

    install(monkeypatch, conv=conv)
    weight, bias = torch.randn(16, 1, 4), torch.randn(16)
    for width, start, copied in ((48, 16, False), (44, 16, True), (48, 12, True)):
        projected = torch.randn(2, 9, width)
        x = projected[..., start : start + 16]
        _, after = kernels.causal_conv(x, weight, bias, torch.randn(2, 3, 16))
        assert (given[-1].data_ptr() != x.data_ptr()) == copied
        assert after.untyped_storage().nbytes() == after.numel() * 4  # nothing else is kept with it
        assert torch.equal(after, x[:, -3:])


@EACH
def test_float64_and_tensors_without_data_go_to_torch(
    ours: Any, torchs: Any, anywhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("the kernel was called")

    install(monkeypatch, scan=refuse, scan1=refuse, conv=refuse)
    on = small(ours.__name__)
    doubles = [part.double() for part in on.inputs]
    assert torch.equal(ours(*doubles, None)[0], torchs(*doubles, None)[0])
    with FakeTensorMode() as mode:
        pretended = [mode.from_tensor(part) for part in on.inputs]
        assert ours(*pretended, None)[0].shape == on.grad.shape


# What is found out, and said.


@BOTH
def test_a_cpu_computes_by_torch_without_a_check(ssm: Any) -> None:
    imported = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "_find", lambda *args: pytest.fail("checked"))
        scan = torch_ssd.ssd if ssm == "mamba2" else torch_scan.selective_scan
        assert kernels.operations(ssm, "cpu") == (torch_conv.causal_conv, scan)
        assert kernels.operations(ssm, "mps") == (torch_conv.causal_conv, scan)
    assert not kernels.usable(ssm, "cpu")
    assert kernels.path(ssm, "cpu") == "state space by torch: mamba_ssm's kernels need CUDA"
    assert not any(name in set(sys.modules) - imported for name in PACKAGES)


@BOTH
def test_right_kernels_are_used(ssm: Any, anywhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    scan = kernels.ssd if ssm == "mamba2" else kernels.selective_scan
    assert chosen(ssm) == (kernels.causal_conv, scan)
    assert kernels.usable(ssm, "cpu")
    limits = "" if ssm == "mamba2" else " (by torch where a state is carried in)"
    assert kernels.path(ssm, "cpu") == (
        f"state space by mamba_ssm's kernels{limits}: {AGREE}; "
        f"convolution by causal_conv1d's kernels: {AGREE}"
    )


@BOTH
def test_missing_packages_are_named_with_what_installs_them(ssm: Any, anywhere: None) -> None:
    assert kernels.operations(ssm, "cpu") == kernels._TORCH[ssm]
    hint = "is not installed (pip install --no-build-isolation 'bbyte[mamba]')"
    assert kernels.path(ssm, "cpu") == (
        f"state space by torch: mamba_ssm {hint}; convolution by torch: causal_conv1d {hint}"
    )


def test_one_package_serves_without_the_other(anywhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch)
    monkeypatch.setitem(sys.modules, "mamba_ssm.ops.triton.ssd_combined", None)
    assert chosen("mamba2") == (kernels.causal_conv, torch_ssd.ssd)
    assert not kernels.usable("mamba2", "cpu")
    assert kernels.usable("mamba1", "cpu")
    monkeypatch.setitem(sys.modules, "causal_conv1d", None)
    kernels._findings.clear()
    kernels._chosen.clear()
    assert chosen("mamba1") == (torch_conv.causal_conv, kernels.selective_scan)


def test_a_package_that_cannot_be_imported_is_named_with_its_error(
    anywhere: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    for name, line in (
        ("mamba_ssm", "raise RuntimeError('no\\ndriver')"),
        ("causal_conv1d", "import absent_part"),
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(line)
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    assert kernels.operations("mamba2", "cpu") == kernels._TORCH["mamba2"]
    assert kernels.path("mamba2", "cpu") == (
        "state space by torch: mamba_ssm cannot be imported here (RuntimeError: no); convolution by torch: "
        "causal_conv1d cannot be imported here (ModuleNotFoundError: No module named 'absent_part')"
    )


class _Scaled(torch.autograd.Function):
    """The same number, a gradient that is 3 % too large."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad * 1.03


def _forgetful(x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor, **rest: Any) -> Any:
    """Starts its second chunk of 256 from nothing."""
    first, second = (
        mamba_chunk_scan_combined(
            x[:, part], dt[:, part], A, B[:, part], C[:, part], **{**rest, "initial_states": held}
        )
        for part, held in ((slice(0, 256), rest["initial_states"]), (slice(256, None), None))
    )
    return torch.cat((first[0], second[0]), dim=1), second[1]


def _wrong_state(*args: Any, **rest: Any) -> Any:
    y, after = mamba_chunk_scan_combined(*args, **rest)
    return y, after.transpose(0, 1).reshape(after.shape)


def _not_a_number(*args: Any, **rest: Any) -> Any:
    y, after = mamba_chunk_scan_combined(*args, **rest)
    return y * float("nan"), after


@pytest.mark.parametrize(
    ("wrong", "by"),
    [
        (lambda x, *args, **rest: mamba_chunk_scan_combined(_Scaled.apply(x), *args, **rest), "0.03"),
        (_forgetful, r"[01]\.\d+"),
        (_wrong_state, r"[12]\.?\d*"),
        (_not_a_number, "nan"),
    ],
    ids=("gradient", "forgetful", "state", "nan"),
)
def test_wrong_kernels_are_refused_and_the_difference_named(
    wrong: Any, by: str, anywhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, scan=wrong)
    assert chosen("mamba2") == (kernels.causal_conv, torch_ssd.ssd)
    sentence = kernels.path("mamba2", "cpu").partition(";")[0]
    start = "state space by torch: mamba_ssm's kernels differ from torch's here by "
    assert re.fullmatch(rf"{start}{by} of the largest value \(0\.01 is allowed\)", sentence), sentence


def test_a_kernel_that_fails_is_refused_and_its_error_named(
    anywhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("no kernel image is available\nfor this device")

    install(monkeypatch, scan1=fail, conv=lambda x, *args, **rest: x)
    assert kernels.operations("mamba1", "cpu") == kernels._TORCH["mamba1"]
    sentence = kernels.path("mamba1", "cpu")
    assert "mamba_ssm's kernels fail here (RuntimeError: no kernel image is available);" in sentence
    assert "convolution by torch: causal_conv1d's kernels" in sentence
    old = ModuleType("mamba_ssm.ops.selective_scan_interface")
    monkeypatch.setitem(sys.modules, old.__name__, old)
    kernels._findings.clear()
    assert "fail here (ImportError: cannot import name" in kernels.path("mamba1", "cpu")


@pytest.mark.parametrize("name", ["ssd", "selective_scan", "causal_conv"])
def test_the_tolerance_leaves_room_for_tf32(name: Any) -> None:
    torchs = kernels._KERNELS[name].torchs

    def rounded(x: Tensor) -> Tensor:
        bits = (x.detach().contiguous().view(torch.int32) + (1 << 12)) & ~((1 << 13) - 1)
        return x + (bits.view(torch.float32) - x).detach()

    def in_tf32(*inputs: Any) -> tuple[Tensor, Tensor]:
        y, after = torchs(
            *(rounded(part) if part is not None and part.dim() > 1 else part for part in inputs)
        )
        return rounded(y), after

    assert 1e-5 < difference(in_tf32, torchs, example(name), "cpu") < TOLERANCE / 3


def test_the_check_is_made_once_and_leaves_no_trace(anywhere: None, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def conv(*args: Any, **rest: Any) -> Tensor:
        calls.append(torch.is_autocast_enabled("cpu"))
        return causal_conv1d_fn(*args, **rest)

    install(monkeypatch, conv=conv)
    before = torch.get_rng_state()
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16), FakeTensorMode():
        assert chosen("mamba2")[0] is kernels.causal_conv, kernels.path("mamba2", "cpu")
    assert calls == [False, False]
    assert torch.equal(torch.get_rng_state(), before)
    kernels.operations("mamba2", "cpu")
    kernels.operations("mamba1", "cpu")
    kernels.path("mamba2", "cpu:0")
    assert len(calls) == 2


# Compilation.


class _Mixer(nn.Module):
    """Only what matters here: the functions are looked up in the forward pass."""

    def __init__(self, ssm: Any) -> None:
        super().__init__()
        self.ssm = ssm

    def forward(self, conv: tuple[Tensor, ...], scan: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        chosen = kernels.operations(self.ssm, scan[0].device.type)
        return *chosen.conv(*conv), *chosen.scan(*scan)


def compiled_as_eager(ssm: Any, **options: Any) -> None:
    conv, scan = small("causal_conv"), small(kernels._SCANS[ssm])

    def results(forward: Any) -> list[Tensor]:
        calls = [(*(part.clone().requires_grad_() for part in on.inputs), on.state) for on in (conv, scan)]
        mixed, held, y, after = forward(*calls)
        leaves = [part for call in calls for part in call if part.requires_grad]
        grads = torch.autograd.grad((mixed * conv.grad).sum() + (y * scan.grad).sum(), leaves)
        return [mixed, held, y, after, *grads]

    mixer = _Mixer(ssm)
    torch.compiler.reset()
    compiled = torch.compile(mixer, backend="aot_eager", **options)
    for found, wanted in zip(results(compiled), results(mixer), strict=True):
        assert (found - wanted).abs().max() <= 1e-4 * wanted.abs().max()


@BOTH
def test_choosing_breaks_no_graph_of_torchs_operations(ssm: Any) -> None:
    compiled_as_eager(ssm, fullgraph=True)


@BOTH
def test_nor_does_looking_up_that_no_kernels_are_there(ssm: Any, anywhere: None) -> None:
    assert "not installed" in kernels.path(ssm, "cpu")
    compiled_as_eager(ssm, fullgraph=True)


@BOTH
def test_kernels_run_as_they_are_inside_a_compiled_model_and_refuse_to_be_its_graph(
    ssm: Any, anywhere: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch)
    kernels.operations(ssm, "cpu")
    compiled_as_eager(ssm)
    with pytest.raises(
        torch._dynamo.exc.Unsupported, match="causal_conv1d's kernels cannot be part of a compiled graph"
    ):
        compiled_as_eager(ssm, fullgraph=True)


# The real ones.


def skip_without(package: str, ssm: Any) -> None:
    sentence = kernels.path(ssm, "cuda")
    if f"{package} is not installed" in sentence or f"{package} cannot be imported" in sentence:
        pytest.skip(sentence)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="mamba_ssm's kernels need a CUDA GPU")
@BOTH
def test_real_kernels_agree_with_torch(ssm: Any) -> None:
    skip_without("mamba_ssm", ssm)
    assert kernels.usable(ssm, "cuda"), kernels.path(ssm, "cuda")
    # In 16 bits, in a length that fills no chunk, as slices of one projection lie.
    (x, dt, a, b, c, skip), state, _ = example(kernels._SCANS[ssm])
    whole = torch.cat([part.flatten(2) for part in (x, b, c)], dim=-1).bfloat16().cuda()
    parts = torch.split(whole, [part.flatten(2).shape[2] for part in (x, b, c)], dim=-1)
    x, b, c = (part.unflatten(2, like.shape[2:]) for part, like in zip(parts, (x, b, c), strict=True))
    dt, a, skip = dt.cuda(), a.cuda(), skip.cuda()
    scan = kernels.operations(ssm, "cuda").scan
    for held in (None, state.cuda()):
        y, after = scan(x, dt, a, b, c, skip, held)
        wanted, after_wanted = kernels._TORCH[ssm].scan(x.float(), dt, a, b.float(), c.float(), skip, held)
        assert y.dtype == torch.bfloat16
        assert (y - wanted).abs().max() < 0.03 * wanted.abs().max()
        assert (after - after_wanted).abs().max() < 0.03 * after_wanted.abs().max()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="causal_conv1d's kernel needs a CUDA GPU")
@pytest.mark.parametrize(("width", "start", "channels"), [(48, 16, 16), (44, 12, 16), (44, 12, 20)])
def test_the_real_convolution_agrees_with_torch(width: int, start: int, channels: int) -> None:
    skip_without("causal_conv1d", "mamba2")
    assert chosen("mamba2", "cuda")[0] is kernels.causal_conv, kernels.path("mamba2", "cuda")
    projected = torch.randn(2, 70, width, device="cuda", requires_grad=True)
    x = projected[..., start : start + channels]
    weight = torch.randn(channels, 1, 4, device="cuda", requires_grad=True)
    bias = torch.randn(channels, device="cuda", requires_grad=True)
    for state in (None, torch.randn(2, 3, channels, device="cuda")):
        results = []
        for conv in (kernels.causal_conv, torch_conv.causal_conv):
            y, after = conv(x, weight, bias, state)
            grads = torch.autograd.grad(y.square().sum(), (projected, weight, bias))
            results.append((y, after, *grads))
        for found, wanted in zip(*results, strict=True):
            assert (found - wanted).abs().max() < TOLERANCE * wanted.abs().max()
