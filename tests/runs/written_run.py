"""The folder of a run as a training leaves it, written by hand: nothing is trained, torch is not needed."""

import json

from blake3 import blake3

from bbyte.checkpoint import meta
from bbyte.checkpoint.meta import CheckpointMeta

PARAMETERS = 1200


def bpb(step):
    """The made-up training figure of a step."""
    return 2 + 4 / step**0.5


def row(step, steps, **changes):
    fields = {
        "step": step, "steps": steps, "loss": bpb(step) * 0.6931, "bpb": bpb(step), "learning_rate": 1e-3,
        "gradient_norm": 0.5, "seq_len": 64, "quantized": step > steps * 0.2, "bytes_seen": step * 1000,
        "bytes_per_second": 500.0, "seconds_left": 1.0, "memory": 10**8,
    }  # fmt: skip
    return {**fields, **changes}


def validation(step, **changes):
    return {"step": step, "val_bpb": bpb(step) + 0.1, "context": 64, **changes}


def rows(done, steps, every=10):
    """The log of a run without mishaps: each `every`-th step, a validation after each fifth row."""
    for step in range(every, done + 1, every):
        yield row(step, steps)
        if step % (5 * every) == 0:
            yield validation(step)


def write(folder, *, steps=200, done=None, data="tales.txt", checkpoints=None, log=None, **training):
    """Write the run and return its folder. `done` steps of `steps`; `log` replaces the rows."""
    done = steps if done is None else done
    folder.mkdir(parents=True, exist_ok=True)
    (folder / ".lock").touch()
    settings = {"steps": steps, "optimizer": "muon", "lr": 0.003, **training}
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    head = f"data = {json.dumps(data)}\n\n[model]\nn_layer = 2\nternary = true\n\n[training]\n"
    (folder / "config.toml").write_text(head + "\n".join(lines) + "\n", "utf-8")
    (folder / "env.json").write_text(json.dumps({"device": "cpu", "versions": {"torch": "2"}}), "utf-8")
    content = list(rows(done, steps)) if log is None else log
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in content), "utf-8")
    for step in (done // 2, done) if checkpoints is None else checkpoints:
        checkpoint(folder, step)
    return folder


def checkpoint(folder, step, family="ar"):
    """A checkpoint with `PARAMETERS` numbers, all of them zero."""
    path = folder / f"step-{step:07d}"
    path.mkdir()
    header = {"weight": {"dtype": "F32", "shape": [PARAMETERS], "data_offsets": [0, 4 * PARAMETERS]}}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    model = len(text).to_bytes(8, "little") + text + bytes(4 * PARAMETERS)
    (path / meta.MODEL).write_bytes(model)
    described = CheckpointMeta(
        kind="resume",
        family=family,
        variant="ternary",
        config={},
        step=step,
        bytes_seen=1000 * step,
        context=64,
        quantized=True,
        corpus={"path": "tales.txt", "size": 10**6, "fingerprint": "0", "train_size": 990_000},
        metrics={"val_bpb": bpb(step) + 0.1, "best_bpb": bpb(step) + 0.1},
        environment={},
        files={meta.MODEL: {"bytes": len(model), "blake3": blake3(model).hexdigest()}},
    )
    (path / meta.FILE).write_text(meta.text(described), "utf-8")
    return path
