"""The mixer of Mamba-1; parameter names and shapes are those of mamba_ssm."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bbyte.layers import Linear, LinearFactory
from bbyte.models.mamba.config import MambaConfig
from bbyte.models.mamba.conv import CausalConv, causal_conv_step
from bbyte.models.mamba.kernels import operations
from bbyte.models.mamba.selective_scan import selective_scan_step
from bbyte.models.mamba.state import LayerState
from bbyte.models.mamba.steps import log_step_sizes
from bbyte.operations import linear as product
from bbyte.quantization.activations import Int8Activations
from bbyte.quantization.bitlinear import BitLinear

Inputs = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


class Mamba1(nn.Module):
    """Projection in, short convolution, selective state space, gate, projection out (arXiv 2312.00752)."""

    def __init__(self, config: MambaConfig) -> None:
        super().__init__()
        linear: LinearFactory = BitLinear if config.ternary else Linear
        inner, states, rank = config.d_inner, config.state_width, config.rank
        self.parts = [rank, states, states]
        self.in_proj = linear(config.d_model, 2 * inner)
        self.conv1d = CausalConv(inner, config.d_conv)
        self.x_proj = Linear(inner, sum(self.parts))
        self.dt_proj = nn.Linear(rank, inner)
        self.A_log = nn.Parameter(torch.arange(1.0, states + 1).log().expand(inner, -1).clone())
        self.D = nn.Parameter(torch.ones(inner))
        self.out_proj = linear(inner, config.d_model)
        self.quantize = Int8Activations(config.ternary and config.act_quant)

    def reset_parameters(self) -> None:
        """Start the step sizes where they belong, whatever the matrices were filled with."""
        with torch.no_grad():
            bound = self.parts[0] ** -0.5
            self.dt_proj.weight.uniform_(-bound, bound)
            self.dt_proj.bias.copy_(log_step_sizes(len(self.dt_proj.bias)))

    def forward(self, x: Tensor, state: LayerState | None = None) -> Tensor:
        """`x` (B, T, C) to (B, T, C). With a `state` the positions follow those it knows, and it moves on."""
        values, gate = self.in_proj(self.quantize(x)).chunk(2, dim=-1)
        taps = self.conv1d.weight, self.conv1d.bias
        conv, scan = operations("mamba1", x.device.type)
        if state is None:
            values, _ = conv(values, *taps)
            y, _ = scan(*self._parts(values), self.D)
        elif x.shape[1] == 1:
            values = causal_conv_step(values[:, 0], *taps, state.conv)
            y = selective_scan_step(*self._parts(values), self.D, state.scan).unsqueeze(1)
        else:
            values, inputs = conv(values, *taps, state.conv)
            y, last = scan(*self._parts(values), self.D, state.scan)
            state.conv.copy_(inputs)
            state.scan.copy_(last)
        out: Tensor = self.out_proj(self.quantize(y * F.silu(gate)))
        return out

    def new_state(self, lanes: int) -> LayerState:
        """That of `lanes` streams which have seen nothing."""
        return LayerState(self.conv1d.new_state(lanes), self.A_log.new_zeros(lanes, *self.A_log.shape))

    def _parts(self, values: Tensor) -> Inputs:
        """The values, each channel's step sizes and rates, what is written and read: chosen by the values."""
        steps, b, c = torch.split(self.x_proj(values), self.parts, dim=-1)
        dt = F.softplus(product(steps, self.dt_proj.weight).float() + self.dt_proj.bias)
        return values, dt, -torch.exp(self.A_log), b, c
