"""bbyte lm-eval, as it is typed, on local tasks with local data."""

import json
import math
import os
import subprocess
import sys

import pytest
import torch
from fresh import checkpoint

os.environ["HF_DATASETS_OFFLINE"] = os.environ["HF_HUB_OFFLINE"] = "1"  # read once, at the first import
pytest.importorskip("lm_eval", reason="lm-evaluation-harness is not installed: pip install 'bbyte[eval]'")

from bbyte.checkpoint import store
from bbyte.cli import main as bbyte
from bbyte.commands import lm_eval
from bbyte.terminal.boundary import run
from bbyte.terminal.flags import new_group, register

DOCUMENTS = ["the quick brown fox jumps over the lazy dog. " * 20, "é🙂 short", "x" * 33]
QUESTIONS = [
    {"question": "Is it so?", "choices": ["yes", "no, not at all", "who knows"], "answer": 0},
    {"question": "A long one: " + "why " * 30 + "?", "choices": ["b", "because", "it is"], "answer": 2},
    {"question": "What\nthen?", "choices": ["one", "two", "three"], "answer": 1},
]
COMMON = """
dataset_path: json
test_split: test
metadata: {version: 1.0}
"""
ROLLING = """
output_type: loglikelihood_rolling
doc_to_text: ""
doc_to_target: "{{text}}"
metric_list: [{metric: bits_per_byte}, {metric: byte_perplexity}]
"""
CHOICE = """
output_type: multiple_choice
doc_to_text: "{{question}}"
doc_to_choice: choices
doc_to_target: answer
metric_list: [{metric: acc}, {metric: acc_norm}]
"""
WRITING = """
output_type: generate_until
doc_to_text: "{{question}}"
doc_to_target: "{{question}}"
generation_kwargs: {until: ["\\n", "q"], max_gen_toks: 24}
metric_list: [{metric: exact_match}]
"""


def task(place, name, body, rows):
    data = place / f"{name}.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    head = f"task: {name}\ndataset_kwargs: {{data_files: {{test: {data}}}}}"
    (place / "tasks" / f"{name}.yaml").write_text(head + COMMON + body, encoding="utf-8")


@pytest.fixture
def place(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tasks").mkdir()
    task(tmp_path, "one_document", ROLLING, [{"text": DOCUMENTS[0]}])
    task(tmp_path, "documents", ROLLING, [{"text": text} for text in DOCUMENTS])
    task(tmp_path, "questions", CHOICE, QUESTIONS)
    task(tmp_path, "writing", WRITING, QUESTIONS)
    checkpoint(tmp_path / "artifacts" / "checkpoints" / "first")
    return tmp_path


def typed(*words):
    app = new_group("A program.")
    register(app, "lm-eval", lm_eval.lm_eval, panel="Measure", examples=lm_eval.EXAMPLES)
    register(app, "other", lambda: None, panel="Measure", help="So that there are two.")
    return run(app, "bbyte", ["lm-eval", "--include-path", "tasks", *words])


def figures(capfd, tasks, *words):
    assert typed("--tasks", tasks, "--json", *words) == 0
    document = json.loads(capfd.readouterr().out)
    return {(figure["task"], figure["name"]): figure["value"] for figure in document["figures"]}


def bits_of(capfd, place, text, *words):
    (place / "text").write_text(text, encoding="utf-8")
    assert bbyte(["eval-bpb", "--data", "text", "--json", *words]) == 0
    (score,) = json.loads(capfd.readouterr().out)["scores"]
    return score


@pytest.mark.parametrize("family", ["ar", "mamba"])
def test_bits_per_byte_is_that_of_eval_bpb(place, capfd, family):
    checkpoint(place / "run", family=family)
    ckpt = str(place / "run")
    found = figures(capfd, "one_document,documents", "--ckpt", ckpt)
    scores = [bits_of(capfd, place, text, ckpt) for text in DOCUMENTS]
    assert found["one_document", "bits_per_byte"] == pytest.approx(scores[0]["bits_per_byte"], abs=1e-3)
    together = sum(score["nats"] for score in scores) / sum(score["bytes"] for score in scores) / math.log(2)
    assert found["documents", "bits_per_byte"] == pytest.approx(together, abs=1e-3)
    assert found["documents", "byte_perplexity"] == pytest.approx(2**together, rel=1e-3)


def test_a_model_that_knows_nothing_has_eight_bits_per_byte(place, capfd, monkeypatch):
    load = store.load

    def ignorant(*given):
        loaded = load(*given)
        for parameter in loaded.model.parameters():
            torch.nn.init.zeros_(parameter)
        return loaded

    monkeypatch.setattr(store, "load", ignorant)
    found = figures(capfd, "documents")
    assert found["documents", "bits_per_byte"] == pytest.approx(8, abs=1e-12)


def test_the_choice_is_the_likeliest_continuation(place, capfd):
    model = store.load(place / "artifacts" / "checkpoints" / "first").model
    right = right_for_length = 0
    for entry in QUESTIONS:
        likely = []
        for choice in entry["choices"]:
            text = b"\0" + f"{entry['question']} {choice}".encode()
            counted = len(choice) + 1  # the space before it, too
            window = torch.tensor([list(text[-33:])], dtype=torch.uint8)
            with torch.inference_mode():
                logp = torch.log_softmax(model(window[:, :-1])[0].double(), -1)
            likely.append(float(logp.gather(1, window[0, 1:, None].long())[-counted:].sum()))
        right += likely.index(max(likely)) == entry["answer"]
        scaled = [value / len(choice) for value, choice in zip(likely, entry["choices"], strict=True)]
        right_for_length += scaled.index(max(scaled)) == entry["answer"]
    found = figures(capfd, "questions", "--batch-size", "2")
    assert found["questions", "acc"] == pytest.approx(right / 3)
    assert found["questions", "acc_norm"] == pytest.approx(right_for_length / 3)


def test_writing_is_that_of_generate(place, capfdbinary):
    """The task asks for what the model itself writes, so it has every answer right, and wrong ones wrong."""
    rows = []
    for entry in QUESTIONS:
        words = ["--prompt", entry["question"], "--no-echo", "--temperature", "0", "--max-new-tokens", "24"]
        assert bbyte(["generate", *words, "--top-k", "0"]) == 0
        written = capfdbinary.readouterr().out.removesuffix(b"\n")
        ends = [written.find(stop) for stop in (b"\n", b"q", b"\0") if stop in written]
        rows.append(
            {
                "question": entry["question"],
                "text": written[: min(ends, default=24)].decode("utf-8", "replace"),
            }
        )
    asks = WRITING.replace('doc_to_target: "{{question}}"', 'doc_to_target: "{{text}}"')
    task(place, "own_words", asks, [*rows, {"question": "?", "text": "certainly not this"}])
    assert typed("--tasks", "own_words", "--json") == 0
    (figure,) = json.loads(capfdbinary.readouterr().out)["figures"]
    assert figure["value"] == pytest.approx(3 / 4)


def test_stdout_has_the_table_and_stderr_the_talk(place, capfd):
    assert typed("--tasks", "documents,questions", "--limit", "2") == 0
    shown = capfd.readouterr()
    title, columns, *rows, note = shown.out.splitlines()
    assert title == "first/step-0000001 on cpu in fp32"
    assert columns.split() == ["task", "shots", "documents", "metric", "filter", "value", "±"]
    assert {row.split()[0] for row in rows} == {"documents", "questions"} and len(rows) == 4
    assert all(row.split()[2] == "2" for row in rows)
    assert note == "only the first 2 documents of each task, so not comparable"
    assert "running documents, questions on cpu in fp32" in shown.err


def test_quiet_is_quiet(place):
    """In a process of its own: what the harness is made of reads the environment once, as it is imported."""
    program = """
from bbyte.commands import lm_eval
from bbyte.terminal.flags import new_group, register
from bbyte.terminal.boundary import run
app = new_group("A program.")
register(app, "lm-eval", lm_eval.lm_eval, panel="Measure")
register(app, "other", lambda: None, panel="Measure", help="So that there are two.")
words = "lm-eval --tasks documents,questions --include-path tasks --quiet"
raise SystemExit(run(app, "bbyte", words.split()))
"""
    environment = {**os.environ, "HF_DATASETS_CACHE": str(place / "cache")}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("first/step-0000001 on cpu in fp32\ntask ")


def test_the_figures_go_to_a_file(place, capfd):
    assert typed("--tasks", "questions", "--output", "figures.json", "--json", "--num-fewshot", "1") == 0
    document = json.loads(capfd.readouterr().out)
    assert json.loads((place / "figures.json").read_text()) == document
    assert document["context"] == 32 and document["stride"] == 16 and document["limit"] is None
    (first, _) = document["figures"]
    assert first["shots"] == 1 and first["documents"] == 3 and first["error"] > 0


def test_tasks_are_named_by_patterns_too(place, capfd):
    found = figures(capfd, "*document*")
    assert {name for name, _ in found} == {"one_document", "documents"}


@pytest.mark.slow
def test_the_harness_has_tasks_of_its_own(place, capfd):
    assert typed("--tasks", "helaswag") == 2  # nothing is fetched: there is no such task
    assert "hint: did you mean hellaswag?" in capfd.readouterr().err


@pytest.fixture
def only_own_tasks(place, monkeypatch):
    """Without the thousands of the harness, which take seconds to look through."""
    from bbyte.harness import tasks

    manager = tasks.TaskManager
    monkeypatch.setattr(tasks, "TaskManager", lambda include_path, **_: manager(None, include_path, False))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--tasks", "question"], 2, "there is no task called 'question'\nhint: did you mean questions?"),
        (["--tasks", " , "], 2, "no task is named"),
        (["--tasks", "documents", "--include-path", "gone"], 2, "gone is no folder"),
        (["--tasks", "documents", "--ckpt", "gone"], 2, "gone does not exist"),
        (["--tasks", "broken"], 1, "broken could not be loaded: "),
        (["--tasks", "documents", "--device", "abacus"], 2, "'abacus' is not a device"),
    ],
)
def test_errors_are_sentences(place, only_own_tasks, capfd, words, code, said):
    task(place, "broken", ROLLING, [])
    (place / "broken.jsonl").unlink()
    assert typed(*words) == code
    shown = capfd.readouterr()
    assert said in shown.err and "Traceback" not in shown.err and not shown.out


def test_without_a_checkpoint(place, capfd, monkeypatch):
    (place / "empty").mkdir()
    monkeypatch.chdir(place / "empty")
    monkeypatch.setattr("bbyte.starter.MODEL", place / "none")
    assert typed("--tasks", "documents") == 1
    assert "there is no checkpoint" in capfd.readouterr().err


def test_bounds_are_refused(place, capfd):
    checkpoint(place / "diffusion", family="diffusion")
    assert typed("--tasks", "documents", "--ckpt", "diffusion") == 2
    assert "of its likelihoods only a bound is known" in capfd.readouterr().err


def test_a_task_that_asks_for_what_is_not_done(place, capfd):
    task(place, "beams", WRITING.replace("max_gen_toks: 24", "num_beams: 4"), QUESTIONS)
    assert typed("--tasks", "beams") == 2
    assert "num_beams, which bbyte does not do" in capfd.readouterr().err


def test_the_harness_knows_the_model_by_its_name(place):
    from lm_eval.api.registry import get_model

    from bbyte.harness.model import ByteLM

    model = get_model("bbyte").create_from_arg_string("ckpt=artifacts/checkpoints/first,threads=1", {})
    assert isinstance(model, ByteLM)
    assert (model.max_length, model.eot_token_id, model.prefix_token_id) == (32, 0, 0)
    assert model.tok_encode("aé") == [97, 0xC3, 0xA9] and model.tok_decode([97, 0xC3, 0xA9]) == "aé"


def test_figures_that_cannot_be_worked_out_are_a_sentence(place, capfd):
    task(place, "empty", ROLLING.replace("byte_perplexity", "word_perplexity"), [{"text": ""}])
    assert typed("--tasks", "empty") == 1
    assert "the harness could not work the figures out: " in capfd.readouterr().err


def test_a_place_that_cannot_be_written_is_refused_before_anything_is_computed(place, capfd):
    assert typed("--tasks", "questions", "--output", "gone/figures.json") == 2
    assert "gone/figures.json cannot be written" in capfd.readouterr().err
