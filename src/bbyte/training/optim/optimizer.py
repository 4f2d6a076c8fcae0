"""Which optimizer updates which parameter, and its state as named tensors."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from bbyte.checkpoint.tensors import TensorInfo, info_of
from bbyte.training.config import TrainConfig
from bbyte.training.distributed.sharded import fill
from bbyte.training.optim.adamw import adamw, adamw8bit
from bbyte.training.optim.muon import Muon

MUON_ADAMW_LR = 3e-3


@dataclass
class Optimizers:
    """The optimizers of a run as one.

    Each group keeps its full learning rate as `base_lr` and its full weight decay as `base_weight_decay`.
    """

    members: list[torch.optim.Optimizer]
    names: dict[Tensor, str]

    def set_lr(self, factor: float) -> None:
        """Give every group its base rate times `factor`."""
        for group in self._groups():
            group["lr"] = group["base_lr"] * factor

    def set_weight_decay(self, factor: float) -> None:
        """Give every group its base weight decay times `factor`."""
        for group in self._groups():
            group["weight_decay"] = group["base_weight_decay"] * factor

    @property
    def lr(self) -> float:
        """The learning rate now in force in the first group: Muon's where it is used."""
        return float(self.members[0].param_groups[0]["lr"])

    def step(self, found_inf: Tensor | None = None) -> None:
        """Update every parameter and drop the gradients.

        Where `found_inf` (a float scalar on the device) is 1, weights and state stay as they are, to the bit.
        The device decides that by itself, and only bitsandbytes, which waits for the device anyway, has the
        host look; so does AdamW where it is not fused.
        """
        for member in self.members:
            if found_inf is None or getattr(member, "_step_supports_amp_scaling", False):
                member.found_inf = found_inf  # type: ignore[attr-defined]
                member.step()
            elif not found_inf:
                member.step()
            member.zero_grad(set_to_none=True)

    def state(self) -> dict[str, Tensor]:
        """The state as "<kind>.<parameter>", for a checkpoint: complete even before the first step."""
        return {
            f"{kind}.{self.names[parameter]}": torch.as_tensor(value)
            for member in self.members
            for parameter, entries in member.state.items()
            for kind, value in entries.items()
        }

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` of the same optimizers gave."""
        for member in self.members:
            for parameter, entries in member.state.items():
                for kind, held in entries.items():
                    value = state[f"{kind}.{self.names[parameter]}"]
                    # bitsandbytes counts its steps in Python's integers
                    if isinstance(held, Tensor):
                        fill(held, value)
                    else:
                        entries[kind] = int(value)

    def expected_state(self) -> dict[str, TensorInfo]:
        """Name, type and shape of all that `state` gives: what a checkpoint must hold to be taken up."""
        return {name: info_of(value) for name, value in self.state().items()}

    def _groups(self) -> Iterator[dict[str, Any]]:
        for member in self.members:
            yield from member.param_groups


def build(model: nn.Module, config: TrainConfig) -> Optimizers:
    """The optimizers that `config` asks for, each parameter in exactly one group.

    Muon, 8 bits and weight decay are for the matrices of the blocks alone. Norms, biases, embeddings, the
    head and a state space's parameters are few, and decay would only fight their scale.
    Raises UsageError for adamw8bit without bitsandbytes.
    """
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    inside = hidden_matrices(model)
    lr = config.lr if config.lr is not None else default_lr(model, beside_muon=config.optimizer == "muon")
    matrices = {"params": inside, "weight_decay": config.weight_decay}
    rest = {"params": [parameter for parameter in names if parameter not in set(inside)], "weight_decay": 0.0}
    if config.optimizer == "muon":
        members = [Muon(inside, lr=config.matrix_lr), adamw([rest], lr)]
    elif config.optimizer == "adamw8bit":
        members = [adamw8bit([matrices], lr), adamw([rest], lr)]
    else:
        assert config.optimizer == "adamw", "auto is settled when a run starts"  # noqa: S101
        members = [adamw([matrices, rest], lr)]
    optimizers = Optimizers(members, names)
    for group in optimizers._groups():
        group["base_lr"], group["base_weight_decay"] = group["lr"], group.get("weight_decay", 0.0)
    updated = [parameter for group in optimizers._groups() for parameter in group["params"]]
    assert len(updated) == len(names) and set(updated) == set(names)  # noqa: S101
    return optimizers


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
