"""Language models over raw bytes: pack, train, score, generate, compress and export, with no tokenizer.

Everything in `__all__` is imported when it is first asked for, so that `import bbyte` costs nothing.
docs/api.md shows each of them at work.
"""

from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bbyte.api.building import build_model, build_optimizers, build_trainer, save, train
    from bbyte.api.datasets import ByteShardDataset
    from bbyte.api.earlier import ByteLevelGenerator, InferenceConfig
    from bbyte.api.model import Model, load
    from bbyte.api.once import bits_per_byte, generate, infill
    from bbyte.compression import compress, decompress
    from bbyte.data.corpus import ByteCorpus
    from bbyte.data.pack import pack
    from bbyte.data.sampling import WindowOrder
    from bbyte.errors import BbyteError, DataError, UsageError
    from bbyte.generation.infilling import Infilling
    from bbyte.generation.sampling import Sampling
    from bbyte.layers import Attention, FeedForward, RMSNorm, rotary_table
    from bbyte.models.contract import Cost
    from bbyte.models.families import families
    from bbyte.models.next_byte import NextByte
    from bbyte.quantization.activations import Int8Activations
    from bbyte.quantization.bitlinear import BitLinear, set_quantized
    from bbyte.quantization.ternary import ternarize
    from bbyte.training.events import Evaluated, Finished, Saved, Started, Stepped, Warned
    from bbyte.training.optim.adamw import adamw
    from bbyte.training.optim.muon import Muon
    from bbyte.training.schedule import lr_for_step, quantized_for_step, seq_len_for_step
    from bbyte.training.trainer import Trainer

__version__ = "0.1.0"
__all__ = [
    "Attention", "BbyteError", "BitLinear", "ByteCorpus", "ByteLevelGenerator", "ByteShardDataset", "Cost",
    "DataError", "Evaluated", "FeedForward", "Finished", "InferenceConfig", "Infilling", "Int8Activations",
    "Model", "Muon", "NextByte", "RMSNorm", "Sampling", "Saved", "Started", "Stepped", "Trainer",
    "UsageError", "Warned", "WindowOrder", "__version__", "adamw", "bits_per_byte", "build_model",
    "build_optimizers", "build_trainer", "compress", "decompress", "families", "generate", "infill", "load",
    "lr_for_step", "pack", "quantized_for_step", "rotary_table", "save", "seq_len_for_step", "set_quantized",
    "ternarize", "train",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in __all__:
        for home in _homes():
            if hasattr(home, name):
                found = globals()[name] = getattr(home, name)
                return found
    raise AttributeError(f"module 'bbyte' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)


def _homes() -> Iterator[ModuleType]:
    """Where the public names live, one module after the other: the quickest first, those with torch last."""
    from bbyte import errors

    yield errors
    from bbyte.models import contract, families
    from bbyte.training import events

    yield contract
    yield families
    yield events
    from bbyte import compression
    from bbyte.api import earlier, model, once

    yield model
    yield once
    yield earlier
    yield compression
    from bbyte.data import corpus, pack, sampling
    from bbyte.training import schedule

    yield corpus
    yield sampling
    yield schedule
    yield pack
    from bbyte.api import building

    yield building
    from bbyte import layers
    from bbyte.quantization import activations, bitlinear, ternary

    yield layers
    yield activations
    yield bitlinear
    yield ternary
    from bbyte.api import datasets
    from bbyte.models import next_byte
    from bbyte.training import trainer
    from bbyte.training.optim import adamw, muon

    yield datasets
    yield next_byte
    yield trainer
    yield adamw
    yield muon
