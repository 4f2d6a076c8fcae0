"""The mixer of Mamba-2; parameter names and shapes are those of mamba_ssm."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bbyte.layers import Linear, LinearFactory
from bbyte.models.mamba.config import MambaConfig
from bbyte.models.mamba.conv import CausalConv, causal_conv_step
from bbyte.models.mamba.kernels import operations
from bbyte.models.mamba.norm import GatedRMSNorm
from bbyte.models.mamba.ssd import ssd_step
from bbyte.models.mamba.state import LayerState
from bbyte.models.mamba.steps import log_step_sizes
from bbyte.quantization.activations import Int8Activations
from bbyte.quantization.bitlinear import BitLinear

Inputs = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
DECAY_RATES = (1.0, 16.0)
"""Between these the heads' rates start."""


class Mamba2(nn.Module):
    """Projection in, short convolution, state space, gated norm, projection out (arXiv 2405.21060)."""

    def __init__(self, config: MambaConfig) -> None:
        super().__init__()
        linear: LinearFactory = BitLinear if config.ternary else Linear
        inner, heads = config.d_inner, config.n_head
        shared = config.n_groups * config.state_width
        self.widths = [inner, inner + 2 * shared, heads]
        self.parts = [inner, shared, shared]
        self.n_head, self.n_groups = heads, config.n_groups
        self.in_proj = linear(config.d_model, sum(self.widths))
        self.conv1d = CausalConv(inner + 2 * shared, config.d_conv)
        self.dt_bias = nn.Parameter(log_step_sizes(heads))
        self.A_log = nn.Parameter(torch.empty(heads).uniform_(*DECAY_RATES).log())
        self.D = nn.Parameter(torch.ones(heads))
        self.norm = GatedRMSNorm(inner, config.n_groups, config.norm_eps)
        self.out_proj = linear(inner, config.d_model)
        self.quantize = Int8Activations(config.ternary and config.act_quant)

    def forward(self, x: Tensor, state: LayerState | None = None) -> Tensor:
        """`x` (B, T, C) to (B, T, C). With a `state` the positions follow those it knows, and it moves on."""
        gate, xbc, dt = torch.split(self.in_proj(self.quantize(x)), self.widths, dim=-1)
        dt = F.softplus(dt.float() + self.dt_bias)
        taps = self.conv1d.weight, self.conv1d.bias
        conv, scan = operations("mamba2", x.device.type)
        if state is None:
            y, _ = scan(*self._parts(conv(xbc, *taps)[0], dt), self.D)
        elif x.shape[1] == 1:
            parts = self._parts(causal_conv_step(xbc[:, 0], *taps, state.conv), dt[:, 0])
            y = ssd_step(*parts, self.D, state.scan).unsqueeze(1)
        else:
            xbc, inputs = conv(xbc, *taps, state.conv)
            y, last = scan(*self._parts(xbc, dt), self.D, state.scan)
            state.conv.copy_(inputs)
            state.scan.copy_(last)
        y = self.norm(y.flatten(2), gate)
        out: Tensor = self.out_proj(self.quantize(y))
        return out

    def new_state(self, lanes: int) -> LayerState:
        """That of `lanes` streams which have seen nothing."""
        shape = (lanes, self.n_head, self.parts[0] // self.n_head, self.parts[1] // self.n_groups)
        return LayerState(self.conv1d.new_state(lanes), self.A_log.new_zeros(shape))

    def _parts(self, xbc: Tensor, dt: Tensor) -> Inputs:
        """The heads' values, step sizes, rates, and what is written and read, of one position or several."""
        x, b, c = torch.split(xbc, self.parts, dim=-1)
        heads = torch.unflatten(x, -1, (self.n_head, -1))
        b, c = (torch.unflatten(part, -1, (self.n_groups, -1)) for part in (b, c))
        return heads, dt, -torch.exp(self.A_log), b, c
