"""Which optimizer updates which parameter, and its state as named tensors."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from bbyte.checkpoint.tensors import TensorInfo
from bbyte.training.config import TrainConfig
from bbyte.training.muon import Muon

MUON_ADAMW_LR = 3e-3


@dataclass
class Optimizers:
    """The optimizers of a run as one. Each group keeps its full learning rate as `base_lr`."""

    members: list[torch.optim.Optimizer]
    names: dict[Tensor, str]

    def set_lr(self, factor: float) -> None:
        """Give every group its base rate times `factor`."""
        for member in self.members:
            for group in member.param_groups:
                group["lr"] = group["base_lr"] * factor

    @property
    def lr(self) -> float:
        """The learning rate now in force in the first group: Muon's where it is used."""
        return float(self.members[0].param_groups[0]["lr"])

    def step(self) -> None:
        """Update every parameter and drop the gradients."""
        for member in self.members:
            member.step()
            member.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """The state as "<kind>.<parameter>", for a checkpoint."""
        return {
            f"{key}.{self.names[parameter]}": value
            for member in self.members
            for parameter, entries in member.state.items()
            for key, value in entries.items()
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take up the state of a checkpoint, made by `state` of the same optimizers."""
        of_parameter: dict[str, dict[str, Tensor]] = defaultdict(dict)
        for full_name, value in state.items():
            key, _, name = full_name.partition(".")
            of_parameter[name][key] = value
        for member in self.members:
            for group in member.param_groups:
                for parameter in group["params"]:
                    member.state[parameter] = of_parameter[self.names[parameter]]

    def expected_state(self) -> dict[str, TensorInfo]:
        """What `state` holds once every parameter was updated."""
        expected = {}
        for member in self.members:
            kinds = ("momentum_buffer",) if isinstance(member, Muon) else ("step", "exp_avg", "exp_avg_sq")
            for group in member.param_groups:
                for parameter in group["params"]:
                    for kind in kinds:
                        shape = () if kind == "step" else tuple(parameter.shape)
                        expected[f"{kind}.{self.names[parameter]}"] = TensorInfo("F32", shape)
        return expected


def build(model: nn.Module, config: TrainConfig) -> Optimizers:
    """The optimizers that `config` asks for, each parameter in exactly one group."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    matrices = hidden_matrices(model)
    with_muon = config.optimizer != "adamw"
    lr = config.lr if config.lr is not None else default_lr(model, beside_muon=with_muon)
    # Norms, embeddings and the head are not decayed: it would only fight their scale.
    rest = [parameter for parameter in names if parameter not in set(matrices)]
    groups = [{"params": rest, "weight_decay": 0.0}]
    if not with_muon:
        groups.append({"params": matrices, "weight_decay": config.weight_decay})
    device = next(iter(names)).device.type
    members: list[torch.optim.Optimizer] = []
    if with_muon:
        members.append(Muon(matrices, lr=config.matrix_lr))
    members.append(torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.95), fused=device in ("cpu", "cuda")))
    for member in members:
        for group in member.param_groups:
            group["base_lr"] = group["lr"]
    updated = [p for member in members for group in member.param_groups for p in group["params"]]
    assert len(updated) == len(names) and set(updated) == set(names)  # noqa: S101
    return Optimizers(members, names)


def hidden_matrices(model: nn.Module) -> list[Tensor]:
    """The weights of the linear layers inside the blocks: what Muon updates."""
    blocks = model.blocks
    assert isinstance(blocks, nn.ModuleList)  # noqa: S101
    return [module.weight for module in blocks.modules() if isinstance(module, nn.Linear)]


def default_lr(model: nn.Module, *, beside_muon: bool) -> float:
    """AdamW's learning rate where none was given: by size, after GPT-3's table; higher beside Muon."""
    if beside_muon:
        return MUON_ADAMW_LR
    size = sum(parameter.numel() for parameter in model.parameters())
    return 1e-3 if size <= 50e6 else 6e-4 if size <= 300e6 else 3e-4
