"""The Python API: what `import bbyte` offers, what it costs, and that it gives what the parts give."""

import ast
import importlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import every_family
import numpy as np
import pytest
import small_runs
import torch
from torch.utils.data import DataLoader

import bbyte
from bbyte.checkpoint.export.packed import export_packed
from bbyte.checkpoint.find import find
from bbyte.device import Placement
from bbyte.evaluation import InMemory
from bbyte.scoring import score_checkpoint

TEXT = b"it was the best of times, it was the worst of times"


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    """A checkpoint of each family, by name, and `packed`, that of the transformer."""
    root = tmp_path_factory.mktemp("checkpoints")
    found = {name: every_family.saved(root / name, name) for name in every_family.SETTINGS}
    found["packed"] = export_packed(find(found["ar"]), root / "packed")
    return found


def loaded_by(code: str, folder: Path) -> set[str]:
    program = f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env=os.environ,
    )
    return {name.split(".")[0] for name in done.stderr.split()}


def test_importing_loads_nothing(tmp_path):
    assert not loaded_by("import bbyte", tmp_path) & {"torch", "numpy", "typer", "rich", "blake3"}


def test_a_packed_model_is_used_without_torch(tmp_path, checkpoints):
    code = f"""
import bbyte
model = bbyte.load({str(checkpoints["packed"])!r})
assert len(model.generate("it was", 20)) == 20
assert model.bits_per_byte("it was") > 0 and model.surprisal("it was").bits.shape == (6,)
assert model.logits().shape == (256,) and model.predictor(2).logits().shape == (2, 256)
assert model.decompress(model.compress(b"it was")) == b"it was"
"""
    loaded = loaded_by(code, tmp_path)
    assert "numpy" in loaded and not loaded & {"torch", "typer", "rich"}


def declared() -> dict[str, str]:
    """Each name that type checkers are told of, and the module it comes from."""
    tree = ast.parse(Path(bbyte.__file__).read_text("utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    return {
        alias.name: str(node.module)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_every_name_is_the_one_that_type_checkers_see():
    assert sorted([*declared(), "__version__"]) == sorted(bbyte.__all__) == dir(bbyte)
    for name, home in declared().items():
        assert getattr(bbyte, name) is getattr(importlib.import_module(home), name), name


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'bbyte' has no attribute 'tokenizer'"):
        _ = bbyte.tokenizer


@pytest.mark.parametrize("name", ["ar", "mamba", "diffusion", "packed"])
def test_a_model_writes_the_same_in_one_piece_and_in_many(checkpoints, name):
    model = bbyte.load(checkpoints[name])
    whole = model.generate("it was", 12, seed=4)
    assert len(whole) == 12 and b"".join(model.stream(b"it was", 12, seed=4)) == whole
    assert whole != model.generate("it was", 12, seed=5)
    assert bbyte.generate("it was", 12, checkpoints[name], seed=4) == whole
    assert (
        model.generate("it was", 12, seed=4, stop=[whole[4:6], b"\0" * 9]) == whole[: whole.find(whole[4:6])]
    )


def test_engine_and_torch_agree(checkpoints):
    by_engine, by_torch = (bbyte.load(checkpoints["packed"], engine=by) for by in ("auto", "torch"))
    assert "the engine" in by_engine.choices[-1] and "torch on cpu" in by_torch.choices[-1]
    assert np.allclose(by_engine.logits(TEXT), by_torch.logits(TEXT), atol=1e-4)
    assert by_engine.bits_per_byte(TEXT) == pytest.approx(by_torch.bits_per_byte(TEXT), abs=1e-4)
    bits = by_engine.surprisal(TEXT).bits
    assert np.allclose(bits, by_torch.surprisal(TEXT).bits, atol=1e-3)
    assert bits.mean() == pytest.approx(by_engine.bits_per_byte(TEXT))
    assert np.array_equal(by_engine.predictor(3).logits()[2], by_engine.logits())
    window = torch.from_numpy(np.frombuffer(b"\0" + TEXT[:15], np.uint8).copy())[None]
    assert np.allclose(by_engine.module(window)[0, -1].detach(), by_engine.logits(TEXT[:15]), atol=1e-4)


@pytest.mark.parametrize("name", ["ar", "mamba", "diffusion"])
def test_the_score_is_that_of_eval_bpb(checkpoints, name):
    model = bbyte.load(checkpoints[name], threads=1)
    score = model.score(TEXT)
    assert score == score_checkpoint(find(checkpoints[name]), InMemory(TEXT), Placement("cpu", "fp32", 1, ()))
    assert score.is_bound == (name == "diffusion") and score.bytes == len(TEXT)
    assert model.bits_per_byte(TEXT.decode()) == score.bits_per_byte
    narrow = model.score(TEXT, context=8)
    assert (score.context, narrow.context, narrow.stride) == (16, 8, 4)
    asked_once = bbyte.bits_per_byte(TEXT, checkpoints[name], context=8)
    assert asked_once == pytest.approx(narrow.bits_per_byte, rel=1e-6)


def test_of_a_corpus_the_held_out_part_is_scored(tmp_path, checkpoints):
    (tmp_path / "texts").mkdir()
    for number in range(9):
        (tmp_path / "texts" / f"{number}.txt").write_bytes(small_runs.text(200, number))
    packed = bbyte.pack(tmp_path / "texts", tmp_path / "corpus", val_fraction=0.3)
    corpus = bbyte.ByteCorpus.open(packed.path)
    model = bbyte.load(checkpoints["packed"])
    assert model.score(packed.path).bytes == corpus.validation.size
    assert model.score(corpus).bytes == corpus.size


def test_compression_by_a_model_is_that_of_its_path(checkpoints):
    model = bbyte.load(checkpoints["packed"], threads=1)
    assert model.compress(TEXT) == bbyte.compress(TEXT, checkpoints["packed"])
    assert bbyte.decompress(model.compress(TEXT), checkpoints["packed"]) == TEXT


def test_holes_are_filled_by_a_model_that_can(checkpoints):
    filled = bbyte.infill("it was the [MASK*4] of times", checkpoints["diffusion"], temperature=0)
    assert filled.startswith(b"it was the ") and filled.endswith(b" of times") and len(filled) == 24
    with pytest.raises(bbyte.UsageError, match="reads from left to right"):
        bbyte.infill("it [MASK]", checkpoints["packed"])


def test_what_cannot_be_asked_is_said_in_words(tmp_path, checkpoints):
    model = bbyte.load(checkpoints["packed"])
    with pytest.raises(bbyte.UsageError, match="unknown setting 'temprature'"):
        model.generate("it was", temprature=1.0)
    with pytest.raises(bbyte.UsageError, match="max_new_tokens -1 is negative"):
        model.generate("it was", -1)
    with pytest.raises(bbyte.UsageError, match="keeps no state"):
        model.score(TEXT, context="full")
    with pytest.raises(bbyte.DataError, match="nothing to score"):
        model.bits_per_byte(b"")
    with pytest.raises(bbyte.UsageError, match="does not exist"):
        bbyte.load(tmp_path / "nothing")


@pytest.mark.parametrize("name", ["ar", "packed"])
@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda model: model.generate(5), "a text is str or bytes, not int"),
        (lambda model: model.generate([104, 105]), "a text is str or bytes, not list"),
        (lambda model: model.logits(None), "a text is str or bytes, not NoneType"),
        (lambda model: model.generate("\ud800"), "half a surrogate pair"),
        (lambda model: model.generate("a", 3, stop=[b"x", 7]), "a text is str or bytes, not int"),
        (lambda model: model.generate("a", 1.5), "max_new_tokens is 1.5, expected a whole number"),
        (lambda model: model.generate("a", "3"), "max_new_tokens is '3', expected a whole number"),
        (lambda model: model.predictor(0), "lanes 0 is not at least 1"),
        (lambda model: model.score(TEXT, context=0), "context 0 is not at least 1"),
        (lambda model: model.score(TEXT, stride=0), "stride 0 is not at least 1"),
        (lambda model: bbyte.load(model.path, engine="fast"), "engine is 'fast', expected one of auto"),
        (lambda model: bbyte.load(model.path, threads=-1), "threads -1 is negative"),
    ],
)
def test_nor_is_nonsense_taken_for_something_else(checkpoints, name, ask, sentence):
    with pytest.raises(bbyte.UsageError, match=sentence):
        ask(bbyte.load(checkpoints[name]))


@pytest.mark.parametrize("name", ["ar", "mamba", "diffusion", "packed"])
def test_texts_of_one_model_may_be_written_in_turns(checkpoints, name):
    model = bbyte.load(checkpoints[name])
    settings = {"temperature": 1.0, "seed": 3}
    alone = [model.generate(prompt, 12, **settings) for prompt in ("it was", "the age of")]
    streams = [model.stream(prompt, 12, **settings) for prompt in ("it was", "the age of")]
    written = [b"", b""]
    for _ in range(12):
        for index, stream in enumerate(streams):
            written[index] += next(stream, b"")
        model.expected("the worst")
    assert written == alone


def test_and_by_several_threads(checkpoints):
    model = bbyte.load(checkpoints["packed"])
    alone = [model.generate(b"it was", 200, seed=seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda seed: model.generate(b"it was", 200, seed=seed % 4), range(40)))
    assert together == alone * 10


def test_bytes_may_come_in_any_wrapping(checkpoints):
    model = bbyte.load(checkpoints["packed"])
    given = [TEXT, TEXT.decode(), bytearray(TEXT), memoryview(TEXT)]
    assert len({model.generate(text, 9) for text in given}) == 1


def test_a_damaged_checkpoint_that_is_passed_over_is_named(tmp_path):
    every_family.saved(tmp_path, "ar", step=1)
    newer = every_family.saved(tmp_path, "ar", step=2)
    (newer / "model.safetensors").write_bytes(b"")
    model = bbyte.load(tmp_path)
    assert model.path.name == "step-0000001"
    assert model.choices[0].startswith("skipped step-0000002: ") and "0 bytes long" in model.choices[0]


def test_without_a_path_it_is_the_newest_or_the_starter(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    starter = bbyte.load()
    assert repr(starter) == "<bbyte ar model starter_model, context 512>"
    every_family.saved(tmp_path / "artifacts" / "checkpoints" / "mine", "mamba")
    assert bbyte.load().family == "mamba"


def test_the_earlier_generator_writes_on(checkpoints):
    config = bbyte.InferenceConfig(max_new_bytes=30, temperature=0.7, top_k=40)
    generator = bbyte.ByteLevelGenerator(checkpoints["packed"], config)
    expected = generator.model.generate(
        "it was", 30, temperature=0.7, top_k=40, top_p=0.9, repetition_penalty=1.1, penalty_window=512
    )
    assert generator.generate("it was") == expected.decode("utf-8", "ignore")
    generator.config.temperature = 0.0
    greedy = generator.model.generate(
        "it was", 9, temperature=0, top_p=0.9, repetition_penalty=1.1, penalty_window=512
    )
    assert generator.generate("it was", max_new_bytes=9) == greedy.decode("utf-8", "ignore")
    generator.config.vocab_size = 50257
    with pytest.raises(bbyte.UsageError, match="is not 256"):
        generator.generate("it was")


def test_the_earlier_generator_names_what_converts_its_files(tmp_path):
    file = tmp_path / "byte_llm_model.pt"
    file.write_bytes(b"")
    with pytest.raises(bbyte.UsageError) as raised:
        bbyte.ByteLevelGenerator(file, bbyte.InferenceConfig())
    assert f"bbyte tag-ckpt {file} --apply" in raised.value.hint


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Two bare shards of 100 bytes together, each byte its own place; and their pattern."""
    folder = tmp_path_factory.mktemp("shards")
    (folder / "shard_00000.bin").write_bytes(bytes(range(60)))
    (folder / "shard_00001.bin").write_bytes(bytes(range(60, 101)))
    return str(folder / "shard_*.bin")


def begins(dataset, most):
    return [int(inputs[0]) for inputs, _ in islice(dataset, most)]


def test_targets_are_one_byte_ahead(shards):
    for inputs, targets in islice(bbyte.ByteShardDataset(shards, seq_len=8, seed=1), 30):
        assert inputs.dtype == torch.int64 and inputs.shape == targets.shape == (8,)
        assert torch.equal(inputs + 1, targets)


def test_an_epoch_visits_each_window_once_and_ranks_share_it(shards):
    whole = begins(bbyte.ByteShardDataset(shards, 10), 9)
    assert sorted(np.diff(sorted(whole)).tolist()) == [10] * 8
    halves = [begins(bbyte.ByteShardDataset(shards, 10, rank=rank, world_size=2), 5) for rank in range(2)]
    assert [begin for pair in zip(*halves, strict=True) for begin in pair][:9] == whole
    assert begins(bbyte.ByteShardDataset(shards, 10, seed=5), 9) != whole


@pytest.mark.parametrize("workers", [0, 2])
def test_torchs_loader_reads_it(shards, workers):
    loader = DataLoader(bbyte.ByteShardDataset(shards, 10), batch_size=3, num_workers=workers)
    batches = list(islice(loader, 3))
    assert all(inputs.shape == (3, 10) for inputs, _ in batches)
    assert len({int(row[0]) for inputs, _ in batches for row in inputs}) > 6


def test_the_window_can_change_on_the_way(shards):
    dataset = bbyte.ByteShardDataset(shards, 8)
    windows = iter(dataset)
    assert next(windows)[0].shape == (8,)
    dataset.set_seq_len(16)
    assert next(windows)[0].shape == (16,)


def test_a_dataset_says_what_does_not_fit(shards, tmp_path):
    with pytest.raises(bbyte.UsageError, match="rank 2"):
        bbyte.ByteShardDataset(shards, 8, rank=2, world_size=2)
    with pytest.raises(bbyte.UsageError, match="window of 101 bytes"):
        bbyte.ByteShardDataset(shards, 101)
    with pytest.raises(bbyte.UsageError, match="no file matches"):
        bbyte.ByteShardDataset(str(tmp_path / "*.bin"), 8)


SETTINGS = {**small_runs.MODEL, **small_runs.TRAINING, "device": "cpu", "threads": 1}


def test_train_gives_the_model_of_the_run_back(tmp_path):
    happened = []
    data = small_runs.corpus(tmp_path)
    model = bbyte.train("ar", data, out=tmp_path / "run", on_event=happened.append, **SETTINGS)
    assert isinstance(happened[0], bbyte.Started) and isinstance(happened[-1], bbyte.Finished)
    assert len([event for event in happened if isinstance(event, bbyte.Stepped)]) == 12
    assert model.path == tmp_path / "run" / "step-0000012" and model.context == 16
    resumed = bbyte.build_trainer("ar", resume=tmp_path / "run", steps=14)
    assert [event.step for event in resumed.run() if isinstance(event, bbyte.Stepped)] == [13, 14]


def test_all_wrong_settings_of_a_run_are_told_together():
    with pytest.raises(bbyte.UsageError) as raised:
        bbyte.build_trainer("ar", stepps=3, d_modell=8)
    assert raised.value.message.splitlines() == [
        "there is no setting 'stepps'", "there is no setting 'd_modell'"
    ]  # fmt: skip
    assert raised.value.hint.splitlines() == ["did you mean steps?", "did you mean d_model?"]


def test_a_model_is_built_from_a_preset_and_what_changes_it():
    model = bbyte.build_model("ar", "small", n_layer=1, d_ff=32)
    assert (model.config.n_layer, model.config.d_ff, model.config.n_head) == (1, 32, 8)
    with pytest.raises(bbyte.UsageError, match="no preset 'tinny'"):
        bbyte.build_model("ar", "tinny")
    with pytest.raises(bbyte.UsageError, match="unknown setting 'depth'"):
        bbyte.build_model("ar", depth=3)


@pytest.mark.parametrize(("asked", "kinds"), [({}, ["Muon", "AdamW"]), ({"optimizer": "adamw"}, ["AdamW"])])
def test_optimizers_have_every_parameter_once(asked, kinds):
    model = bbyte.build_model("ar", **small_runs.MODEL)
    optimizers = bbyte.build_optimizers(model, lr=0.01, **asked)
    assert [type(member).__name__ for member in optimizers.members] == kinds
    held = [value for one in optimizers.members for group in one.param_groups for value in group["params"]]
    assert len(held) == len(set(held)) == len(list(model.parameters()))
    assert optimizers.members[-1].param_groups[-1]["lr"] == 0.01


def test_a_model_of_ones_own_is_saved_for_everything_else(tmp_path):
    model = bbyte.build_model("ar", **small_runs.MODEL)
    folder = bbyte.save(model, tmp_path / "mine", context=32, step=7)
    loaded = bbyte.load(tmp_path / "mine")
    assert (loaded.path, loaded.context, loaded.meta.step) == (folder, 32, 7)
    weights = loaded.module.state_dict()
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    packed = loaded.export_packed(tmp_path / "packed")
    assert packed.meta.kind == "packed" and np.allclose(packed.logits(TEXT), loaded.logits(TEXT), atol=1e-4)
    bbyte.set_quantized(model, False)
    bbyte.save(model, tmp_path / "unfinished", context=32)
    with pytest.raises(bbyte.UsageError, match="have not set in yet"):
        bbyte.load(tmp_path / "unfinished").export_packed(tmp_path / "never")
    with pytest.raises(bbyte.UsageError, match="Linear is of none"):
        bbyte.save(torch.nn.Linear(2, 2), tmp_path / "other", context=32)


def test_loading_leaves_torchs_threads_alone(checkpoints):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        bbyte.load(checkpoints["mamba"]).bits_per_byte(TEXT)
        assert torch.get_num_threads() == 1
        bbyte.load(checkpoints["mamba"], threads=2)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
