"""A folder that transformers loads, as a checkpoint."""

from pathlib import Path

from bbyte import manifest
from bbyte.checkpoint import store
from bbyte.checkpoint.importing import config, weights
from bbyte.checkpoint.meta import CheckpointMeta
from bbyte.config import to_dict
from bbyte.errors import UsageError
from bbyte.quantization.statistics import ternary_statistics

CONFIG = "config.json"


def import_folder(folder: Path, run: Path, *, context: int | None = None) -> Path:
    """Write the byte model in `folder` as step 0 of the new run folder `run`, and return the checkpoint.

    Llama, Qwen3, BitNet (weights online or packed), Mamba and Mamba-2 of 256 symbols, ids being the values of
    bytes. context: the longest window it was trained on, where config.json does not say or says another.
    What else is not said there (the corpus, how many bytes were seen) is recorded as unknown. Nothing is
    unpickled and no code of the folder is run. Raises UsageError where `run` has something in it, and
    DataError where the folder holds anything else than such a model.
    """
    if not folder.is_dir():
        raise UsageError(
            f"{folder} is no folder", "give the one that config.json and model.safetensors are in"
        )
    if run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise UsageError(f"{run} exists already", "--out takes another folder")
    found = config.read(manifest.parse(folder / CONFIG)[0], str(folder / CONFIG))
    if (window := context or found.context) is None:
        raise UsageError(
            f"{folder / CONFIG} does not say how long the windows were that it was trained on",
            "--context N says so, in bytes",
        )
    ours, model = weights.load(folder, found)
    is_ternary = found.weights != "full"
    described = CheckpointMeta(
        kind="resume",
        family=found.family.name,
        variant="ternary" if is_ternary else "full",
        config=to_dict(found.config),
        step=0,
        bytes_seen=0,
        context=window,
        quantized=is_ternary,
        corpus={"path": "unknown", "size": 0, "fingerprint": ""},
        metrics={},
        environment={},
        tags={"source": folder.resolve().name, "bytes_seen": "unknown"},
        ternary=ternary_statistics(model, ours),
    )
    new = not run.exists()
    run.mkdir(parents=True, exist_ok=True)
    try:
        return store.save(run, described, ours, None)
    except BaseException:
        if new and not any(run.iterdir()):
            run.rmdir()
        raise
