"""Weights of any shape made of whole numbers drawn by numpy: the same on every machine, and without torch."""

import numpy as np

from bbyte.engine.weights import VOCABULARY, Layer, Matrix, Weights
from bbyte.models.families import families
from bbyte.quantization.packing import pack

FINENESS = 1 << 12


def made_weights(config, seed=0, trits_a_byte=4):
    """Of a model of the config, as `engine.weights.load` gives those of a checkpoint."""
    name = "mamba" if type(config).__name__ == "MambaConfig" else "ar"
    plan, rng = families()[name].blueprint(config), np.random.default_rng(seed)

    def numbers(shape, low, high):
        steps = rng.integers(0, FINENESS, shape, endpoint=True).astype(np.float32) / np.float32(FINENESS)
        return np.float32(low) + steps * np.float32(high - low)

    def matrix(role, parts):
        rows, columns = sum(part[0] for part in parts), parts[0][1]
        if not config.ternary or role in ("select", "steps"):
            reach = 2.0 ** -round(np.log2(columns) / 2)
            return Matrix(rows, columns, values=numbers((rows, columns), -reach, reach))
        packed = pack(rng.integers(-1, 2, (rows, columns), dtype=np.int8), trits_a_byte)
        scales = np.repeat(numbers(len(parts), 0.05, 0.2), [part[0] for part in parts])
        return Matrix(rows, columns, packed=packed, scales=scales, trits_a_byte=trits_a_byte)

    def vector(role, shape):
        low, high = (-4, 0) if role == "dt_bias" else (0.5, 2) if "norm" in role or role == "D" else (-1, 1)
        return numbers(int(np.prod(shape)), low, high)

    def layer(roles):
        matrices, vectors = plan.matrices(), plan.vectors()
        return Layer(
            {role: matrix(role, matrices[role]) for role in sorted(matrices)},
            {role: vector(role, vectors[role]) for role in sorted(roles) if role in vectors},
        )

    embedding = numbers((VOCABULARY, plan.d_model), -0.5, 0.5)
    head = embedding if config.tied else numbers(embedding.shape, -0.5, 0.5)
    layers = tuple(layer(roles) for roles in plan.layers)
    return Weights(plan, embedding, head, numbers(plan.d_model, 0.5, 2), layers)
