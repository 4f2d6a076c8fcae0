"""The native core as a library of functions: loaded by ctypes, and asked what this processor can do."""

import ctypes
import importlib.machinery
import platform
from ctypes import POINTER, c_double, c_float, c_int, c_int32, c_int64, c_uint64, c_void_p
from functools import cache
from pathlib import Path

PATHS = ("plain", "avx2", "avx512")
"""Ways through the core, each for an instruction set; in the core's order."""
MATRIX_ROLES = ("qkv", "out", "gate_up", "down", "in", "select", "steps")
VECTOR_ROLES = (
    "norm", "q_norm", "k_norm", "attention_sub_norm", "feed_forward_norm", "feed_forward_sub_norm", "conv",
    "conv_bias", "dt_bias", "rates", "D", "gated_norm",
)  # fmt: skip
KINDS = ("transformer", "mamba2", "mamba1")


class Sizes(ctypes.Structure):
    """`sizes` of engine.h."""

    _fields_ = [
        *((name, c_int32) for name in (
            "kind", "n_layer", "d_model", "n_head", "n_kv_head", "d_ff", "relu2", "int8", "d_inner",
            "d_state", "d_conv", "n_groups", "dt_rank",
        )),
        ("eps", c_float),
    ]  # fmt: skip


class SamplingSettings(ctypes.Structure):
    """`sampling` of engine.h."""

    _fields_ = [
        *((name, c_double) for name in ("temperature", "top_p", "min_p", "penalty")),
        ("top_k", c_int64),
        ("penalty_window", c_int64),
        ("seed", c_uint64),
        ("valid_utf8", c_int32),
    ]


class CoderTables(ctypes.Structure):
    """`coder_tables` of coder.h."""

    _fields_ = [
        ("squash", c_int32 * 6143),
        ("stretch", c_int32 * 4096),
        ("logarithm", c_int32 * 2048),
        ("rate", c_int32 * 1024),
    ]


_FUNCTIONS = {
    "bbyte_path_is_usable": (c_int, [c_int]),
    "bbyte_model_new": (c_void_p, [POINTER(Sizes)]),
    "bbyte_model_free": (None, [c_void_p]),
    "bbyte_model_matrix": (
        c_int, [c_void_p, c_int32, c_int32, c_void_p, c_void_p, c_void_p, c_int64, c_int64, c_int32],
    ),
    "bbyte_model_vector": (c_int, [c_void_p, c_int32, c_int32, c_void_p, c_int64]),
    "bbyte_session_new": (c_void_p, [c_void_p, *[c_int32] * 5, c_void_p, c_void_p]),
    "bbyte_session_free": (None, [c_void_p]),
    "bbyte_session_clear": (None, [c_void_p]),
    "bbyte_session_step": (c_int, [c_void_p, c_void_p, c_int64, c_void_p]),
    "bbyte_session_logits": (POINTER(c_float), [c_void_p]),
    "bbyte_session_threads": (c_int32, [c_void_p]),
    "bbyte_session_write": (
        c_int,
        [c_void_p, POINTER(SamplingSettings), c_int64, c_int64, c_void_p, c_int64, c_int64, c_int32],
    ),
    "bbyte_session_decode": (c_int, [c_void_p, c_void_p, c_int64, c_void_p, c_int32]),
    "bbyte_coder_new": (c_void_p, [POINTER(CoderTables), c_int32, c_int64]),
    "bbyte_coder_free": (None, [c_void_p]),
    "bbyte_coder_encode": (c_int, [c_void_p, c_void_p, c_void_p, c_int64]),
    "bbyte_coder_finish": (c_int64, [c_void_p]),
    "bbyte_coder_words": (c_void_p, [c_void_p]),
    "bbyte_coder_begin": (c_int, [c_void_p, c_void_p, c_int64]),
    "bbyte_frequencies": (c_int, [c_void_p, c_void_p]),
}  # fmt: skip


def library() -> ctypes.CDLL | None:
    """The native core; None where it is not there (`missing` says why)."""
    return _load()[0]


def missing() -> str:
    """Why there is no native core here; empty where there is one."""
    return _load()[1]


def paths() -> list[str]:
    """The ways through the core that this processor can take, the fastest first."""
    core = library()
    return [] if core is None else [PATHS[i] for i in (2, 1, 0) if core.bbyte_path_is_usable(i)]


@cache
def _load() -> tuple[ctypes.CDLL | None, str]:
    folder = Path(__file__).parent
    found = [
        path
        for suffix in importlib.machinery.EXTENSION_SUFFIXES
        if (path := folder / f"_core{suffix}").exists()
    ]
    if not found:
        return (
            None,
            f"it was not built when bbyte was installed: that takes a C compiler ({platform.machine()})",
        )
    try:
        core = ctypes.CDLL(str(found[0]))
        for name, (result, arguments) in _FUNCTIONS.items():
            function = getattr(core, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        return None, f"{found[0].name} cannot be loaded: {error}"
    return core, ""


def address(array: object) -> c_void_p | None:
    """Where an array's numbers lie; None for none."""
    return None if array is None else c_void_p(array.ctypes.data)  # type: ignore[attr-defined]
