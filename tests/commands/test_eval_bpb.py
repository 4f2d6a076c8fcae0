"""bbyte eval-bpb, as it is typed."""

import json
import math

import numpy as np
import pytest
import torch
from blake3 import blake3
from fresh import checkpoint

from bbyte import scoring
from bbyte.checkpoint import find, store
from bbyte.cli import main
from bbyte.data.corpus import ByteCorpus
from bbyte.training.validation import divide

TEXT = (b"the quick brown fox jumps over the lazy dog. " * 40)[:1500]


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "book.txt").write_bytes(TEXT)
    return tmp_path


@pytest.fixture
def run(place):
    folder = place / "artifacts" / "checkpoints" / "first"
    checkpoint(folder, step=1)
    checkpoint(folder, step=2)
    return folder


def scored(capfd, *words):
    assert main(["eval-bpb", "--json", *words]) == 0
    return json.loads(capfd.readouterr().out)


def test_the_newest_checkpoint_is_taken_and_said(run, capfd):
    assert main(["eval-bpb", "--data", "book.txt"]) == 0
    shown = capfd.readouterr()
    assert "taking the newest run" in shown.err
    assert "first/step-0000002" in shown.out
    for word in ("1,500 bytes", "context", "32", "16", "fp32", "blake3"):
        assert word in shown.out


def test_the_figure_is_that_of_the_model(run, capfd):
    found = scored(
        capfd, "--data", "book.txt", str(run / "step-0000001"), "--stride", "32", "--batch-size", "3"
    )
    (score,) = found["scores"]
    model = store.load(run / "step-0000001").model
    sequence = torch.frombuffer(bytearray(b"\0" + TEXT), dtype=torch.uint8)
    nats, done = 0.0, 0
    while done < len(TEXT):
        start = min(done, len(TEXT) - 32)
        with torch.inference_mode():
            logp = torch.log_softmax(model(sequence[None, start : start + 32])[0].double(), -1)
        targets = sequence[start + 1 : start + 33].long()
        nats -= float(logp[torch.arange(32), targets][done - start :].sum())
        done = start + 32
    assert score["bits_per_byte"] == pytest.approx(nats / math.log(2) / len(TEXT), abs=1e-6)
    assert score["bytes"] == len(TEXT)
    assert (score["context"], score["stride"], score["is_bound"]) == (32, 32, False)
    assert (found["precision"], found["device"]) == ("fp32", "cpu")


def test_the_digest_is_that_of_the_file(run, capfd):
    assert scored(capfd, "--data", "book.txt")["data"]["blake3"] == blake3(TEXT).hexdigest()
    assert scored(capfd, "--data", "book.txt", "--max-bytes", "100")["data"]["bytes"] == 100


def test_every_checkpoint_of_a_run(run, capfd):
    found = scored(capfd, "--data", "book.txt", str(run), "--all-steps")
    assert sorted(score["step"] for score in found["scores"]) == [1, 2]
    assert [score["step"] for score in scored(capfd, "--data", "book.txt", str(run))["scores"]] == [2]


def test_the_best_comes_first_whatever_the_order_asked_for(run, capfd):
    for family in ("mamba", "diffusion"):
        checkpoint(run.parent / family, family=family)
    paths = [str(run / "step-0000001"), str(run.parent / "diffusion"), str(run), str(run.parent / "mamba")]
    for order in (paths, paths[::-1]):
        rows = scored(capfd, "--data", "book.txt", *order)["scores"]
        figures = [row["bits_per_byte"] for row in rows]
        assert figures == sorted(figures) and len(set(figures)) == 4
        for row in rows:
            assert row["size"] == (run / row["checkpoint"] / "model.safetensors").stat().st_size
            assert row["is_bound"] == (row["family"] == "diffusion")


def test_the_table_as_markdown(run, capfd):
    checkpoint(run.parent / "odd|name", family="diffusion")
    words = ["eval-bpb", "--data", "book.txt", str(run), str(run.parent / "odd|name"), "--markdown"]
    assert main(words) == 0
    title, blank, columns, rule, *rows = capfd.readouterr().out.splitlines()
    assert title.startswith("**book.txt: 1,500 bytes") and not blank
    assert columns.startswith("| checkpoint | family | steps | size | context |")
    assert rule == "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    assert {row.split(" | ")[1] for row in rows[:2]} == {"ar", "diffusion"}
    assert any(r"odd\|name" in row and "| <= " in row for row in rows[:2])
    assert rows[3].startswith("<= an upper bound") and rows[4].startswith("blake3 of the bytes")
    assert main([*words, "--json"]) == 2


def test_of_several_the_damaged_one_is_left_out_and_said(run, capfd):
    broken = run / "step-0000001" / "model.safetensors"
    broken.write_bytes(broken.read_bytes()[:-1] + b"!")
    words = ["eval-bpb", "--data", "book.txt", str(run / "step-0000001"), str(run / "step-0000002")]
    assert main(words) == 3
    shown = capfd.readouterr()
    assert "step-0000002" in shown.out and "step-0000001" not in shown.out
    assert f"left out: {broken} does not match" in shown.err
    assert "error: 1 of the checkpoints could not be scored" in shown.err
    assert main([*words, "--json"]) == 3
    assert json.loads(capfd.readouterr().out)["damaged"] == [
        f"{broken} does not match the digest in checkpoint.json"
    ]


def test_a_corpus_too_large_to_check_is_said_to_be_one(run, capfd, monkeypatch):
    from bbyte.data import corpus as corpus_module

    assert main(["pack", "book.txt", "--out-dir", "corpus"]) == 0
    monkeypatch.setattr(corpus_module, "CHECKED_AS_READ", 10)
    assert main(["eval-bpb", "--data", "corpus"]) == 0
    assert "digests of corpus unchecked: it is large; bbyte verify checks them" in capfd.readouterr().err


def test_a_model_of_unknown_training_is_said_to_be_one(place, capfd):
    run = place / "artifacts" / "checkpoints" / "old"
    checkpoint(run, corpus={"path": "unknown", "size": 0, "fingerprint": ""})
    assert main(["eval-bpb", "--data", "book.txt"]) == 0
    assert "it is not known what was trained on; book.txt may be part of it" in capfd.readouterr().err


def test_the_context_is_held_to_the_trained_length(run, capfd):
    assert main(["eval-bpb", "--data", "book.txt", "--context", "64", "--json"]) == 0
    shown = capfd.readouterr()
    assert "was trained on windows of 32 bytes, so the context is 32" in shown.err
    assert json.loads(shown.out)["scores"][0]["context"] == 32
    assert scored(capfd, "--data", "book.txt", "--context", "8")["scores"][0]["context"] == 8


def test_anchors_alone_where_the_training_corpus_is_gone(run, capfd):
    assert main(["eval-bpb", "--data", "book.txt", "--anchors"]) == 0
    shown = capfd.readouterr()
    assert "gone, so the compressors are not primed" in shown.err
    for name in ("order-0", "gzip -9", "xz -9e", "PPMd o16"):
        assert name in shown.out
    assert "primed" not in shown.out


def trained_on(path, val_fraction):
    """A corpus entry as training writes it, and how the corpus is divided."""
    corpus = ByteCorpus.open(path)
    division = divide(corpus, val_fraction, 10**9)
    return {
        "path": str(path), "size": corpus.size, "fingerprint": corpus.fingerprint,
        "train_size": division.train.size, "val_fraction": division.val_fraction,
    }, division  # fmt: skip


def contents(source):
    return source.read(0, source.size).tobytes()


def stories(count=80):
    """Different texts, each a document and a piece of its own."""
    dice = np.random.default_rng(0)
    return b"".join(b"%s\0" % dice.integers(97, 123, 150, np.uint8).tobytes() for _ in range(count))


def test_anchors_are_primed_with_the_training_part_only(place, capfd):
    (place / "train.txt").write_bytes(stories())
    entry, division = trained_on("train.txt", 0.1)
    run = place / "run"
    checkpoint(run, corpus=entry)
    for name, source in (("held-out.txt", division.validation), ("learned.txt", division.train)):
        (place / name).write_bytes(contents(source))
    seen = {}
    for name in ("held-out.txt", "learned.txt"):
        found = scored(capfd, "--data", name, "--anchors", str(run))
        assert f"{division.train.size:,} training bytes of train.txt" in found["primed_with"]
        figures = {(one["name"], one["primed"]): one["bits_per_byte"] for one in found["anchors"]}
        seen[name] = figures["PPMd o16", True] / figures["PPMd o16", False]
    assert seen["held-out.txt"] > 0.9 and seen["learned.txt"] < 0.1

    entry, _ = trained_on("train.txt", 0.0)
    checkpoint(run, step=2, corpus=entry)
    found = scored(capfd, "--data", "held-out.txt", "--anchors", str(run))
    assert f"{division.corpus.size:,} training bytes" in found["primed_with"]


def test_the_primer_is_the_end_of_the_training_part(place, monkeypatch):
    (place / "train.txt").write_bytes(stories())
    entry, division = trained_on("train.txt", 0.3)
    found = find.find(checkpoint(place / "run", corpus=entry))
    monkeypatch.setattr(scoring, "PRIMER_BYTES", 1000)
    primer, sentence = scoring.primer(found.meta)
    assert primer == contents(division.train)[-1000:] and "the last 1,000 training bytes" in sentence
    (place / "train.txt").write_bytes(stories()[:-1])
    assert scoring.primer(found.meta) is None


def test_of_the_training_corpus_the_part_that_training_held_out_is_scored(place, capfd):
    (place / "train.txt").write_bytes(stories())
    entry, division = trained_on("train.txt", 0.1)
    checkpoint(place / "run", corpus=entry)
    found = scored(capfd, "--data", "train.txt", "run")["data"]
    assert found["bytes"] == division.validation.size and found["part"] == "the held-out part"
    assert found["blake3"] == blake3(contents(division.validation)).hexdigest()

    checkpoint(place / "all", corpus=trained_on("train.txt", 0.0)[0])
    assert main(["eval-bpb", "--data", "train.txt", "all"]) == 0
    assert "was trained on" in capfd.readouterr().err


def test_after_a_run_it_scores_exactly_what_the_run_held_out(place, capfd):
    (place / "train.txt").write_bytes(stories())
    small = ["--n-layer", "1", "--d-model", "32", "--n-head", "2", "--d-ff", "64", "--steps", "3"]
    window = ["--seq-len", "16", "--batch-size", "4", "--device", "cpu", "--threads", "1"]
    words = ["train", "ar", "--data", "train.txt", "--out", "run", "--val-fraction", "0.1", *small, *window]
    assert main([*words, "--json"]) == 0
    last = [json.loads(line) for line in capfd.readouterr().out.splitlines()][-1]
    found = scored(capfd, "--data", "train.txt", "run", "--stride", "16")
    _, division = trained_on("train.txt", 0.1)
    assert found["data"]["blake3"] == blake3(contents(division.validation)).hexdigest()
    assert found["scores"][0]["bits_per_byte"] == pytest.approx(last["bpb"], rel=1e-6)


@pytest.mark.parametrize("fractions", [(0.1, 0.3), (0.3, 0.1), (1e-9, 0.5), (0.2, 0.2, 1.0)])
def test_of_several_models_it_is_what_none_was_trained_on(place, capfd, fractions):
    (place / "train.txt").write_bytes(stories())
    divisions = {}
    for fraction in fractions:
        entry, divisions[fraction] = trained_on("train.txt", fraction)
        checkpoint(place / f"run-{fraction}", corpus=entry)
    checkpoint(place / "run-elsewhere")
    runs = [f"run-{fraction}" for fraction in divisions]
    found = scored(capfd, "--data", "train.txt", *runs, "run-elsewhere")["data"]
    least = contents(divisions[min(fractions)].validation)
    assert found["blake3"] == blake3(least).hexdigest()
    for division in divisions.values():
        assert set(least.split(b"\0")) <= set(contents(division.validation).split(b"\0"))

    checkpoint(place / "all", corpus=trained_on("train.txt", 0.0)[0])
    assert main(["eval-bpb", "--data", "train.txt", *runs, "all"]) == 0
    assert "was trained on" in capfd.readouterr().err


def test_of_a_small_book_it_is_whole_pieces_in_a_row(place, capfd):
    entry, division = trained_on("book.txt", 0.01)
    checkpoint(place / "run", corpus=entry)
    assert scored(capfd, "--data", "book.txt", "run")["data"]["bytes"] == division.validation.size == 256
    assert division.train.size == 1500 - 256


def test_of_a_packed_corpus_the_held_out_part_is_scored(run, place, capfd):
    from bbyte.data.corpus_writer import CorpusWriter

    with CorpusWriter(place / "packed", val_fraction=0.3) as writer:
        for number in range(200):
            writer.add(b"document %d" % number)
    held_out = ByteCorpus.open(place / "packed").validation
    found = scored(capfd, "--data", "packed")
    assert found["data"]["bytes"] == held_out.size
    assert (found["data"]["path"], found["data"]["part"]) == ("packed", "the held-out part")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--data", "nothing.txt"], 2, "there is nothing at nothing.txt"),
        (["--data", "empty.txt"], 3, "empty"),
        (["--data", "book.txt", "nowhere"], 2, "nowhere does not exist"),
        (["--data", "book.txt", "--stride", "33"], 2, "stride 33 is not between 1 and the context 32"),
        (["--data", "book.txt", "--precision", "fp7"], 2, "precision is 'fp7'"),
        (["--data", "book.txt", "--device", "toaster"], 2, "'toaster' is not a device"),
    ],
)
def test_bad_requests_are_one_sentence(run, place, capfd, words, code, message):
    (place / "empty.txt").touch()
    assert main(["eval-bpb", *words]) == code
    shown = capfd.readouterr()
    assert message in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_without_any_checkpoint_quickstart_is_named(place, capfd, monkeypatch):
    monkeypatch.setattr("bbyte.starter.MODEL", place / "none")
    assert main(["eval-bpb", "--data", "book.txt"]) == 1
    assert "bbyte quickstart" in capfd.readouterr().err


def test_a_full_context_carries_the_state_through_the_whole_file(place, capfd):
    folder = place / "artifacts" / "checkpoints" / "state"
    checkpoint(folder, step=1, family="mamba")
    found = scored(capfd, "--data", "book.txt", str(folder), "--context", "full")
    (full,) = found["scores"]
    assert (full["context"], full["bytes"]) == (1500, 1500)
    # A window as long as the file is allowed too, where a state is carried: the same figure.
    (whole,) = scored(capfd, "--data", "book.txt", str(folder), "--context", "1500")["scores"]
    assert full["bits_per_byte"] == pytest.approx(whole["bits_per_byte"], abs=1e-6)
    assert full["digest"] == whole["digest"]
    (short,) = scored(capfd, "--data", "book.txt", str(folder))["scores"]
    assert short["context"] == 32 and short["bits_per_byte"] != whole["bits_per_byte"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--context", "full"), "family ar keeps no state, so its context cannot be full"),
        (("--context", "0"), "context '0' is neither a number of bytes nor full"),
        (("--context", "all"), "context 'all' is neither a number of bytes nor full"),
        (("--context", "full", "--stride", "8"), "there are no windows to place"),
    ],
)
def test_a_context_that_cannot_be_is_refused(run, capfd, words, said):
    assert main(["eval-bpb", "--data", "book.txt", *words]) == 2
    assert said in capfd.readouterr().err


@pytest.fixture
def diffusion(place):
    folder = place / "artifacts" / "checkpoints" / "holes"
    checkpoint(folder, step=1, family="diffusion")
    return folder


def test_a_bound_is_shown_as_one_with_its_error_masks_and_seed(diffusion, capfd):
    (score,) = scored(capfd, "--data", "book.txt", str(diffusion), "--draws", "3", "--seed", "5")["scores"]
    assert score["is_bound"] and (score["draws"], score["seed"]) == (3, 5)
    assert score["bits_per_byte"] == pytest.approx(8, abs=0.5) and 0 < score["standard_error"] < 0.1
    assert main(["eval-bpb", "--data", "book.txt", str(diffusion), "--draws", "3", "--seed", "5"]) == 0
    shown = " ".join(capfd.readouterr().out.split())
    assert f"<= {score['bits_per_byte']:.4f} ± {score['standard_error']:.4f}" in shown
    assert "MC 3 masks a window, L = context, seed 5" in shown
    (other,) = scored(capfd, "--data", "book.txt", str(diffusion), "--seed", "6")["scores"]
    assert other["bits_per_byte"] != score["bits_per_byte"]


def test_the_cost_of_hidden_bytes_by_rate_is_never_called_bits_per_byte(diffusion, capfd):
    found = scored(capfd, "--data", "book.txt", str(diffusion), "--rates")
    (of,) = found["rates"]
    assert (of["checkpoint"], found["seed"]) == (str(diffusion / "step-0000001"), 0) and not found["damaged"]
    assert [row["rate"] for row in of["rates"]] == [tenth / 10 for tenth in range(1, 11)]
    assert all(row["bits_per_hidden_byte"] == pytest.approx(8, abs=0.5) for row in of["rates"])
    assert main(["eval-bpb", "--data", "book.txt", str(diffusion), "--rates"]) == 0
    shown = " ".join(capfd.readouterr().out.split())
    assert "no code length, so no bits per byte" in shown and "100%" in shown


def test_a_model_that_hides_nothing_has_no_rates(run, capfd):
    assert main(["eval-bpb", "--data", "book.txt", "--rates"]) == 2
    assert "family ar hides nothing" in capfd.readouterr().err


def damage(step):
    path = step / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"!")


def test_rates_of_several_are_one_document_and_damage_is_told(diffusion, capfd):
    checkpoint(diffusion, step=2, family="diffusion")
    checkpoint(diffusion, step=3, family="diffusion")
    damage(diffusion / "step-0000002")
    words = ["eval-bpb", "--data", "book.txt", str(diffusion), "--all-steps", "--rates"]
    assert main([*words, "--json"]) == 3
    found = json.loads(capfd.readouterr().out)
    assert [row["checkpoint"][-1] for row in found["rates"]] == ["1", "3"]
    assert len(found["damaged"]) == 1 and "step-0000002" in found["damaged"][0]
    assert main([*words, "--markdown"]) == 3
    shown = capfd.readouterr()
    assert shown.out.count("| ---: | ---: |") == 2 and "1 of the checkpoints could not be scored" in shown.err


@pytest.mark.parametrize("words", [["--anchors"], ["--stride", "8"], ["--batch-size", "2"], ["--draws", "9"]])
def test_what_rates_have_no_use_for_is_refused(diffusion, capfd, words):
    assert main(["eval-bpb", "--data", "book.txt", "--rates", *words]) == 2
    assert f"{words[0]} does not go with --rates" in capfd.readouterr().err


def test_a_damaged_step_does_not_cost_the_others(run, capfd):
    damage(run / "step-0000001")
    assert main(["eval-bpb", "--data", "book.txt", str(run), "--all-steps", "--json"]) == 3
    found = json.loads(capfd.readouterr().out)
    assert [score["step"] for score in found["scores"]] == [2] and len(found["damaged"]) == 1


def test_a_file_of_earlier_scripts_among_several_is_skipped(run, place, capfd):
    old = run.parent / "old.pt"
    old.write_bytes(b"never opened")
    (run.parent / "empty").mkdir()
    assert main(["eval-bpb", "--data", "book.txt", str(run), str(old), str(run.parent / "empty")]) == 0
    said = capfd.readouterr().err
    assert f"skipped: {old} is a checkpoint of earlier scripts" in said
    assert f"skipped: {run.parent / 'empty'} holds no checkpoint" in said
    assert main(["eval-bpb", "--data", "book.txt", str(run), "gone"]) == 2
    capfd.readouterr()
    for words in ([old], [old, old]):
        assert main(["eval-bpb", "--data", "book.txt", *map(str, words)]) == 2
        assert "tag-ckpt" in capfd.readouterr().err


def diverged(run, monkeypatch):
    """A checkpoint that is intact and gives no number."""
    with monkeypatch.context() as changed:
        changed.setattr("fresh.store.save", saved_as_nan(store.save))
        return checkpoint(run)


def saved_as_nan(save):
    return lambda run, meta, state, _: save(
        run, meta, {key: at * math.nan for key, at in state.items()}, None
    )


def test_a_model_that_gives_no_number_does_not_cost_the_others(run, capfd, monkeypatch):
    bad = diverged(run.parent / "bad", monkeypatch)
    words = ["eval-bpb", "--data", "book.txt", str(bad), str(run)]
    assert main(words) == 1
    shown = capfd.readouterr()
    assert "first/step-0000002" in shown.out and "bad/step" not in shown.out
    assert f"left out: {bad}: the model gives no number" in shown.err
    damage(run / "step-0000001")
    assert main([*words, str(run / "step-0000001"), "--json"]) == 3
    found = json.loads(capfd.readouterr().out)
    assert len(found["scores"]) == 1 and len(found["damaged"]) == 2
    assert main(["eval-bpb", "--data", "book.txt", str(bad)]) == 1
    shown = capfd.readouterr()
    assert f"error: {bad}: the model gives no number" in shown.err and "left out" not in shown.err


def test_damaged_data_is_told_as_such(run, place, capfd):
    assert main(["pack", "book.txt", "--out-dir", "corpus"]) == 0
    shard = place / "corpus" / "shard_00000.bin"
    shard.write_bytes(b"x" * shard.stat().st_size)
    capfd.readouterr()
    for data in ("corpus", "corpus/shard_00000.bin"):
        assert main(["eval-bpb", "--data", data, str(run), str(run / "step-0000001")]) == 3
        shown = capfd.readouterr()
        assert "error: corpus/shard_00000.bin is damaged" in shown.err and "left out" not in shown.err


def test_a_checkpoint_is_called_by_its_folders_wherever_one_stands(run, capfd, monkeypatch):
    monkeypatch.chdir(run / "step-0000002")
    data = str(run.parents[2] / "book.txt")
    words = ["eval-bpb", "--data", data, ".", "../step-0000001", str(run), "../step-0000002"]
    assert main(words) == 0
    names = [line.split()[0] for line in capfd.readouterr().out.splitlines()[2:4]]
    assert sorted(names) == ["first/step-0000001", "first/step-0000002"]
    assert len(scored(capfd, *words[1:])["scores"]) == 2, "each is scored once"


def test_a_primer_is_looked_for_only_where_a_corpus_may_lie(place, monkeypatch):
    (place / "texts" / "deep").mkdir(parents=True)
    (place / "texts" / "deep" / "a.txt").write_bytes(stories())
    entry, division = trained_on("texts", 0.0)
    meta = find.find(checkpoint(place / "run", corpus=entry)).meta
    assert scoring.primer(meta)[0] == contents(division.train)
    (place / "train.txt").write_bytes(stories())
    opened = []
    monkeypatch.setattr(ByteCorpus, "open", lambda path: opened.append(path))
    for path, size in (("texts", 5), ("train.txt", 5), ("t*.txt", entry["size"]), ("/usr", 10**12)):
        found = find.find(checkpoint(place / "other", corpus={**entry, "path": path, "size": size}))
        assert scoring.primer(found.meta) is None
    assert not opened
