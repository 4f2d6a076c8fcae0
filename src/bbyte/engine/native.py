"""The engine in C: a model's weights laid out for it, and streams through them."""

import weakref
from collections.abc import Callable
from ctypes import c_void_p
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bbyte.engine import core
from bbyte.engine.arithmetic import exp
from bbyte.engine.tables import rotary
from bbyte.engine.weights import VOCABULARY, Floats, Layer, Matrix, Weights
from bbyte.errors import BbyteError, DataError, OutOfMemoryError

OUT_OF_MEMORY, NO_TRITS, FULL, NO_DISTRIBUTION = 1, 4, 5, 6
"""`error` of engine.h, as far as a caller can bring it about."""


class NativeModel:
    """The weights of a model in the native core, for any number of sessions."""

    def __init__(self, weights: Weights) -> None:
        """Raises BbyteError where the core is not there, DataError for bytes that are no packed trits."""
        found = core.library()
        if found is None:
            raise BbyteError(
                f"the engine's native core is missing: {core.missing()}", "bbyte doctor says more"
            )
        self.core, self.plan = found, weights.blueprint
        plan = self.plan
        sizes = core.Sizes(
            core.KINDS.index(plan.kind), len(plan.layers), plan.d_model, plan.n_head, plan.n_kv_head,
            plan.d_ff, plan.relu2, plan.int8_activations, plan.d_inner, plan.d_state, plan.d_conv,
            plan.n_groups, plan.dt_rank, plan.norm_eps,
        )  # fmt: skip
        self.handle = c_void_p(found.bbyte_model_new(sizes))
        if not self.handle:
            raise BbyteError(
                "the engine does not compute a model of these sizes", "--device cpu does, by torch"
            )
        weakref.finalize(self, found.bbyte_model_free, self.handle)
        head = Matrix(VOCABULARY, plan.d_model, values=weights.head)
        self._give_matrix(-1, 0, head)
        self._give_vector(-1, 0, weights.embedding)
        self._give_vector(-1, 1, weights.final_norm)
        for index, layer in enumerate(weights.layers):
            self._give_layer(index, layer)

    def _give_layer(self, index: int, layer: Layer) -> None:
        for role, matrix in layer.matrices.items():
            self._give_matrix(index, core.MATRIX_ROLES.index(role), matrix)
        for role, values in layer.vectors.items():
            if role == "A_log":  # what is needed of it is the rate of each state number, channel by channel
                rates = -exp(values.reshape(-1, self.plan.d_state if self.plan.kind == "mamba1" else 1))
                role, values = "rates", rates.T.ravel()
            self._give_vector(index, core.VECTOR_ROLES.index(role), values)

    def _give_matrix(self, layer: int, role: int, matrix: Matrix) -> None:
        arrays = (matrix.packed, matrix.values, matrix.scales)
        kept = [None if array is None else np.ascontiguousarray(array) for array in arrays]
        problem = self.core.bbyte_model_matrix(
            self.handle,
            layer,
            role,
            *map(core.address, kept),
            matrix.rows,
            matrix.columns,
            matrix.trits_a_byte,
        )
        if problem == NO_TRITS:
            raise DataError("it holds bytes that are no packed trits", "the file is damaged: use a copy")
        _check(problem)

    def _give_vector(self, layer: int, role: int, values: Floats) -> None:
        values = np.ascontiguousarray(values, np.float32)
        _check(self.core.bbyte_model_vector(self.handle, layer, role, core.address(values), values.size))


class Native:
    """`lanes` streams through a model, computed by `threads` threads: `Twin`, of the same bits, but fast."""

    def __init__(
        self,
        model: NativeModel,
        lanes: int,
        capacity: int,
        *,
        cache32: bool = False,
        threads: int = 1,
        path: str | None = None,
    ) -> None:
        """`path`: one of `core.paths()`, the first of them by default. Raises OutOfMemoryError."""
        plan = model.plan
        self.lanes, self.capacity, self.length = lanes, capacity, 0
        self.is_bounded = plan.kind == "transformer"
        self._model, self._core = model, model.core
        table = rotary(plan.rope_base, plan.head_width, capacity) if self.is_bounded else (None, None)
        self.path = path or core.paths()[0]
        is_whole = max(lanes, capacity) < 1 << 31  # of 2^32 + 1 the core would be told 1
        handle = is_whole and self._core.bbyte_session_new(
            model.handle,
            lanes,
            capacity,
            threads,
            cache32,
            core.PATHS.index(self.path),
            *map(core.address, table),
        )
        if not handle:
            raise OutOfMemoryError(
                f"there is no memory for {lanes} lanes of {capacity} bytes",
                "take fewer lanes, or a shorter context",
            )
        self._handle, self._turn = c_void_p(handle), Lock()
        weakref.finalize(self, self._core.bbyte_session_free, self._handle)
        self.threads: int = self._core.bbyte_session_threads(self._handle)
        self._logits = np.ctypeslib.as_array(
            self._core.bbyte_session_logits(self._handle), (lanes, VOCABULARY)
        )

    def clear(self) -> None:
        """Forget all positions."""
        self.length = 0
        self._call(self._core.bbyte_session_clear)

    def step(self, tokens: NDArray[np.uint8], every: bool) -> Floats:
        """Feed T bytes to each lane, `tokens` (L, T): logits (L, 256) after the last of them.

        With `every`, (L, T, 256) after each. Raises ValueError where the cache has no room for them.
        """
        count = tokens.shape[1]
        if tokens.shape[0] != self.lanes or count == 0:
            raise ValueError(f"tokens {tokens.shape} are not those of {self.lanes} lanes")
        tokens = np.ascontiguousarray(tokens, np.uint8)
        found = np.empty((self.lanes, count, VOCABULARY), np.float32) if every else None
        problem = self._call(self._core.bbyte_session_step, core.address(tokens), count, core.address(found))
        if problem == FULL:
            raise ValueError(f"{self.length} + {count} positions do not fit in {self.capacity}")
        _check(problem)
        self.length += count
        return self.logits() if found is None else found

    def logits(self) -> Floats:
        """Those after the last byte that was fed, (L, 256)."""
        return self._logits.copy()

    def write(
        self,
        settings: core.SamplingSettings,
        n: int,
        position: int,
        text: NDArray[np.uint8],
        known: int,
        *,
        feeds: bool = True,
    ) -> bool:
        """Draw n bytes a lane after the first `known` of `text` (L, known + n at least), into it; feed them.

        position: of the first in its document. False where the logits are no distribution. Without `feeds`
        one byte is drawn and not fed.
        """
        is_fitting = text.dtype == np.uint8 and len(text) == self.lanes and text.strides[1] == 1
        if not is_fitting or not 0 <= known <= known + n <= text.shape[1]:
            raise ValueError(f"text {text.shape} has no room for {known} + {n} bytes of {self.lanes} lanes")
        problem = self._call(
            self._core.bbyte_session_write,
            settings, n, position, core.address(text), text.strides[0], known, feeds,
        )  # fmt: skip
        if problem == NO_DISTRIBUTION:
            return False
        _check(problem)
        self.length += n if feeds else 0
        return True

    def decode(self, coder: c_void_p, into: NDArray[np.uint8], *, feeds: bool = True) -> bool:
        """Decode as many bytes as `into` (n,) holds with a coder of the core, and feed them to the one lane.

        False where the coded bytes are none that a coder wrote. Without `feeds` one byte is not fed.
        """
        problem = self._call(self._core.bbyte_session_decode, coder, len(into), core.address(into), feeds)
        if problem == NO_DISTRIBUTION:
            return False
        _check(problem)
        self.length += len(into) if feeds else 0
        return True

    def _call(self, function: Callable[..., Any], *given: Any) -> Any:
        # Two threads in one session would write over each other's memory.
        if not self._turn.acquire(blocking=False):
            raise BbyteError("two threads compute with the same streams at once", "open some for each")
        try:
            return function(self._handle, *given)
        finally:
            self._turn.release()


def _check(problem: int) -> None:
    if problem == OUT_OF_MEMORY:
        raise OutOfMemoryError("there is no memory for the weights", "take a smaller model")
    if problem:
        raise ValueError(f"the core refuses what it was given ({problem})")
