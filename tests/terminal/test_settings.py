"""Settings from TOML: grouping tables, and refusals that name file, key and expected type."""

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bbyte.errors import UsageError
from bbyte.terminal.settings import settings_from_toml

KNOWN = {
    "d_model": int,
    "lr": float,
    "mlp": Literal["swiglu", "relu2"],
    "ternary": bool,
    "heads": int | None,
    "out": Path,
    "inputs": list[Path],
}


def read(tmp_path: Path, text: str) -> dict:
    file = tmp_path / "run.toml"
    file.write_text(text, encoding="utf-8")
    return settings_from_toml(file, KNOWN)


def test_tables_only_group(tmp_path):
    text = 'lr = 1\n[model]\nd-model = 3\nternary = false\n[a.b]\nheads = 2\nout = "x"\ninputs = ["y", "z"]\n'
    assert read(tmp_path, text) == {
        "lr": 1.0, "d_model": 3, "ternary": False, "heads": 2,
        "out": Path("x"), "inputs": [Path("y"), Path("z")],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("d_model = 3.0", "d_model is 3.0, expected a whole number"),
        ("d_model = true", "d_model is True, expected a whole number"),
        ('d_model = "3"', "d_model is '3', expected a whole number"),
        ("lr = nan", "lr is nan, expected a number"),
        ("ternary = 1", "ternary is 1, expected true or false"),
        ('mlp = "gelu"', "mlp is 'gelu', expected one of swiglu, relu2"),
        ("out = 3", "out is 3, expected a path"),
        ("inputs = [3]", "inputs is [3], expected a list: a path"),
        ("heads = []", "heads is [], expected a whole number"),
        ("[a]\nlr = 1\n[b]\nlr = 2", "lr is set twice"),
        ("x = = 3", "not valid TOML: Invalid value (at line 1, column 5)"),
        ("x = " + "[" * 5000, "not valid TOML: nested too deeply"),
        ("#" * (1 << 20), "larger than 1 MiB"),
    ],
)
def test_refusals_name_the_file_and_the_key(tmp_path, text, message):
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text + "\n")
    assert caught.value.message.startswith(str(tmp_path / "run.toml"))
    assert message in caught.value.message


def test_all_problems_come_together(tmp_path):
    with pytest.raises(UsageError) as caught:
        read(tmp_path, "d_modl = 3\nlr = 'x'\n")
    assert len(caught.value.message.splitlines()) == 2
    assert caught.value.hint == "did you mean d_model?"


def test_a_missing_file_and_a_folder_are_sentences(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(UsageError, match="cannot be read"):
            settings_from_toml(path, KNOWN)


@given(st.binary(max_size=200))
def test_any_bytes_are_settings_or_a_sentence(tmp_path_factory, data):
    file = tmp_path_factory.mktemp("toml") / "run.toml"
    file.write_bytes(data)
    try:
        settings_from_toml(file, KNOWN)
    except UsageError as error:
        assert str(file) in error.message
