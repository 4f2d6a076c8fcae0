"""Mamba's operations by the CUDA kernels of mamba_ssm and causal_conv1d, where these are there and right.

Each is called as torch's own of the same name, and calls that one for what its kernel cannot do. Neither
package is imported, and no kernel is trusted, before `operations`, `path` or `usable` asks for a GPU. Shapes:
B batch, T positions, H heads, D width of a head or channels of Mamba-1, N state, C channels, K taps.
"""

from importlib import import_module
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from bbyte.models.mamba import conv as torch_conv
from bbyte.models.mamba import selective_scan as torch_scan
from bbyte.models.mamba import ssd as torch_ssd
from bbyte.models.mamba.kernels_check import TOLERANCE, Name, Operation, by_itself, difference, example

SSM = Literal["mamba2", "mamba1"]

DEVICE_TYPES: tuple[str, ...] = ("cuda",)
"""Where the kernels run."""

CHUNK = 256
"""Positions of Mamba-2 computed together, as in mamba_ssm."""


class Operations(NamedTuple):
    """What a mixer computes with: the short convolution and the state space."""

    conv: Operation
    """causal_conv"""
    scan: Operation
    """ssd for Mamba-2, selective_scan for Mamba-1"""


class Finding(NamedTuple):
    """Whether a kernel is used on a device, and why or why not."""

    used: bool
    why: str


def operations(ssm: SSM, device: str) -> Operations:
    """The functions to compute with on `device`: a tensor's device.type, or a device with its number.

    The kernels are tested when a kind of GPU is first asked for, here or by the functions below; from then on
    the answer is looked up, and torch.compile sees a constant.
    """
    kind = _kind(device)
    if kind not in DEVICE_TYPES:
        return _TORCH[ssm]
    if (ssm, kind) not in _chosen:
        _chosen[ssm, kind] = Operations(_choice("causal_conv", device), _choice(_SCANS[ssm], device))
    return _chosen[ssm, kind]


def usable(ssm: SSM, device: str) -> bool:
    """Whether the kernels of the state space run on `device`."""
    return _finding(_SCANS[ssm], device).used


def path(ssm: SSM, device: str) -> str:
    """One sentence for the user: what computes the state space and the convolution on `device`, and why."""
    operations(ssm, device)
    state_space = f"state space by {_described(_SCANS[ssm], device)}"
    if _kind(device) not in DEVICE_TYPES:
        return state_space
    return f"{state_space}; convolution by {_described('causal_conv', device)}"


def ssd(
    x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor, state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`bbyte.models.mamba.ssd.ssd` by mamba_chunk_scan_combined (arXiv 2405.21060)."""
    if not _takes(x):
        return torch_ssd.ssd(x, dt, a, b, c, skip, state)
    from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined  # type: ignore

    y, after = mamba_chunk_scan_combined(
        x,
        dt.float(),
        a.float(),
        b,
        c,
        chunk_size=CHUNK,
        D=skip.float(),
        initial_states=None if state is None else state.float(),
        return_final_states=True,
    )
    return y, after.detach()


def selective_scan(
    x: Tensor, dt: Tensor, a: Tensor, b: Tensor, c: Tensor, skip: Tensor, state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`bbyte.models.mamba.selective_scan.selective_scan` by selective_scan_fn (arXiv 2312.00752).

    The kernel starts from zeros and holds up to 256 numbers a channel: torch goes on from a state.
    """
    if state is not None or a.shape[1] > 256 or not _takes(x):
        return torch_scan.selective_scan(x, dt, a, b, c, skip, state)
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn  # type: ignore

    # It wants one type for all of these, and step sizes are float32.
    x_last, dt_last, b_last, c_last = (part.float().transpose(1, 2).contiguous() for part in (x, dt, b, c))
    y, after = selective_scan_fn(
        x_last, dt_last, a.float(), b_last, c_last, D=skip.float(), return_last_state=True
    )
    return y.transpose(1, 2).to(x.dtype), after.detach().contiguous()


def causal_conv(
    x: Tensor, weight: Tensor, bias: Tensor, state: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`bbyte.models.mamba.conv.causal_conv` by causal_conv1d_fn.

    The kernel has 2 to 4 taps, and takes a state where the channels are a multiple of 8.
    """
    channels, taps = weight.shape[0], weight.shape[2]
    by_eights = channels % 8 == 0
    if not (2 <= taps <= 4 and taps <= x.shape[1] and (state is None or by_eights) and _takes(x)):
        return torch_conv.causal_conv(x, weight, bias, state)
    from causal_conv1d import causal_conv1d_fn  # type: ignore

    y = causal_conv1d_fn(
        _in_eights(x).transpose(1, 2) if by_eights else x.transpose(1, 2).contiguous(),
        weight.squeeze(1),
        bias=bias,
        initial_states=None if state is None else state.to(x.dtype).contiguous().transpose(1, 2),
        activation="silu",
    )
    return y.transpose(1, 2), x[:, 1 - taps :].detach().clone()


def _takes(x: Tensor) -> bool:
    # A subclass only stands for a tensor, to follow what is done with it.
    return type(x) is Tensor and x.dtype in (torch.float32, torch.bfloat16, torch.float16)


def _in_eights(x: Tensor) -> Tensor:
    # The kernel loads 8 channels at once: rows must begin at multiples of 8, which a slice's may not.
    if x.stride(2) == 1 and not any(n % 8 for n in (x.stride(0), x.stride(1), x.storage_offset())):
        return x
    return x.clone(memory_format=torch.contiguous_format)


class _Kernel(NamedTuple):
    package: str
    module: str
    operation: Operation
    torchs: Operation
    limits: str = ""


_KERNELS: dict[Name, _Kernel] = {
    "ssd": _Kernel("mamba_ssm", "mamba_ssm.ops.triton.ssd_combined", ssd, torch_ssd.ssd),
    "selective_scan": _Kernel(
        "mamba_ssm",
        "mamba_ssm.ops.selective_scan_interface",
        selective_scan,
        torch_scan.selective_scan,
        " (by torch where a state is carried in)",
    ),
    "causal_conv": _Kernel("causal_conv1d", "causal_conv1d", causal_conv, torch_conv.causal_conv),
}
_SCANS: dict[SSM, Name] = {"mamba2": "ssd", "mamba1": "selective_scan"}
_TORCH = {ssm: Operations(torch_conv.causal_conv, _KERNELS[scan].torchs) for ssm, scan in _SCANS.items()}

_chosen: dict[tuple[SSM, str], Operations] = {}
_findings: dict[tuple[Name, str], Finding] = {}


def _choice(name: Name, device: str) -> Operation:
    kernel = _KERNELS[name]
    if not _finding(name, device).used:
        return kernel.torchs
    # torch.compile cannot look into a kernel: it is told so, and tells whoever asked for a whole graph.
    whole: Operation = torch.compiler.disable(  # type: ignore[no-untyped-call]
        kernel.operation, reason=f"{kernel.package}'s kernels cannot be part of a compiled graph"
    )
    return whole


def _described(name: Name, device: str) -> str:
    used, why = _finding(name, device)
    kernel = _KERNELS[name]
    return f"{kernel.package}'s kernels{kernel.limits}: {why}" if used else f"torch: {why}"


def _finding(name: Name, device: str) -> Finding:
    key = name, _kind(device)
    if key not in _findings:
        _findings[key] = _find(name, device)
    return _findings[key]


def _find(name: Name, device: str) -> Finding:
    kernel = _KERNELS[name]
    if _kind(device) not in DEVICE_TYPES:
        return Finding(False, f"{kernel.package}'s kernels need CUDA")
    try:
        import_module(kernel.package)
        import_module(kernel.module)
    except Exception as error:  # without Triton or with another torch than it was built for: of any kind
        if isinstance(error, ModuleNotFoundError) and error.name == kernel.package:
            return Finding(False, f"{kernel.package} is not installed ({_INSTALL})")
        return Finding(False, f"{kernel.package} cannot be imported here ({_said(error)})")
    try:
        with by_itself(device):
            found = difference(kernel.operation, kernel.torchs, example(name), device)
    except Exception as error:  # a kernel may fail to compile, to launch, or not know this GPU
        return Finding(False, f"{kernel.package}'s kernels fail here ({_said(error)})")
    if found <= TOLERANCE:
        return Finding(True, "they agree with torch's here")
    return Finding(
        False,
        f"{kernel.package}'s kernels differ from torch's here by {found:.2g} of the largest value"
        f" ({TOLERANCE:g} is allowed)",
    )


_INSTALL = "pip install --no-build-isolation 'bbyte[mamba]'"


def _kind(device: str) -> str:
    return device.partition(":")[0]


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
