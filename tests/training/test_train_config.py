"""TrainConfig: what it refuses, all at once; and settings written as TOML."""

import math
import tomllib

import pytest

from bbyte.config import from_dict, to_dict, to_toml
from bbyte.device import Runtime
from bbyte.errors import UsageError
from bbyte.training.config import TrainConfig


def test_all_problems_are_reported_at_once():
    with pytest.raises(UsageError) as caught:
        TrainConfig(steps=0, batch_size=-1, clip=0, cooldown=1.5, seq_len=8, seq_len_cap=8, seed=-3)
    assert caught.value.message.splitlines() == [
        "steps 0 is less than 1",
        "batch_size -1 is less than 1",
        "seed -3 is less than 0",
        "cooldown 1.5 is not a part, from 0 to 1",
        "clip 0 is not above 0",
        "seq_len fixes the window and seq_len_cap caps the curriculum: only one can be given",
    ]
    assert "leave one of --seq-len and --seq-len-cap out" in caught.value.hint


@pytest.mark.parametrize("name", ["lr", "matrix_lr", "weight_decay", "clip", "cooldown", "val_fraction"])
def test_what_is_no_number_is_refused(name):
    with pytest.raises(UsageError, match=name):
        TrainConfig(**{name: math.nan})
    with pytest.raises(UsageError, match=name):
        TrainConfig(**{name: -1.0})


def test_settings_survive_toml():
    config = TrainConfig(steps=3, lr=1e-5, clip=math.inf, schedule="cosine")
    text = to_toml({"": {"data": 'a "b" \\ \x7f \x01 😀 é\n'}, "training": to_dict(config)})
    read = tomllib.loads(text)
    assert read["data"] == 'a "b" \\ \x7f \x01 😀 é\n'
    assert from_dict(TrainConfig, read["training"], where="test") == config
    assert "batch_size" not in read["training"]  # what is None is left out


def test_a_name_that_is_no_text_is_refused_in_words():
    with pytest.raises(UsageError, match="is no text"):
        to_toml({"": {"data": "caf\udce9"}})


def test_the_runtime_is_checked():
    with pytest.raises(UsageError, match="threads -1 is negative"):
        Runtime(threads=-1)
    with pytest.raises(UsageError, match="precision is 'fp8', expected one of auto, fp32, bf16, fp16"):
        Runtime(precision="fp8")
