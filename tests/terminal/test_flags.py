"""Commands made of plain functions: flags from parameters and configs, precedence, spelling, refusals."""

import dataclasses
import functools
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import typer

from bbyte.config import setting
from bbyte.terminal.boundary import run
from bbyte.terminal.flags import add_group, new_group, register
from bbyte.terminal.screen import Screen


@dataclasses.dataclass(frozen=True)
class Shape:
    d_model: int = setting(128, "Width.")
    mlp: Literal["swiglu", "relu2"] = setting("swiglu", "Kind.")
    ternary: bool = setting(True, "Ternary weights.")
    n_kv_head: int | None = setting(None, "Key heads.")
    lr: float = setting(1e-3, "Rate.")
    act_quant: bool | None = setting(None, "Quantised activations.")
    inner: int = setting(3, "Not for the command line.", flag=False)


def work(
    screen: Screen,
    paths: Annotated[list[Path], typer.Argument(help="Files.")] = [],  # noqa: B006 - what a command writes
    *,
    model: dict[str, Any],
    extra: Annotated[list[Path], typer.Option("--extra", "-e", help="More files.")] = [],  # noqa: B006
    size: Annotated[float, typer.Option(min=0, max=9, help="Size.")] = 1.0,
    name: Annotated[str | None, typer.Option(help="Name.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Do it.")] = False,
    block_count: int = 4,
) -> None:
    """Do the work.

    In one go.
    """
    screen.say("working")
    given = {
        "paths": paths,
        "extra": extra,
        "size": size,
        "name": name,
        "force": force,
        "blocks": block_count,
    }
    screen.emit_json({"model": model, **given})


@pytest.fixture
def app():
    program = new_group("A program.", ["prog work a b"])
    register(program, "work", work, panel="Work", examples=["prog work a"], configs={"model": Shape})
    group = new_group("Families.")
    register(
        group, "ar", functools.partial(work, model={"bound": True}), panel="Families", help="One family."
    )
    add_group(program, "train", group, panel="Training")
    return program


@pytest.fixture
def call(app, capsys, monkeypatch):
    def call(line: str | list[str], environment: dict[str, str] | None = None):
        for key, value in (environment or {}).items():
            monkeypatch.setenv(key, value)
        code = run(app, "prog", line.split() if isinstance(line, str) else line)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def result(answer):
    code, out, err = answer
    assert code == 0, err
    return json.loads(out)


def refused(answer):
    code, _, err = answer
    assert code == 2
    assert "Traceback" not in err
    return err


def test_defaults_are_the_functions_and_the_configs_stay_unset(call):
    assert result(call("work")) == {
        "model": {}, "paths": [], "extra": [], "size": 1.0, "name": None, "force": False, "blocks": 4,
    }  # fmt: skip


def test_only_given_settings_reach_the_config(call):
    given = result(call("work --d-model 3 --no-ternary --mlp relu2 --n-kv-head 2 --lr 1e-4 --act-quant"))
    assert given["model"] == {
        "d_model": 3, "ternary": False, "mlp": "relu2", "n_kv_head": 2, "lr": 1e-4, "act_quant": True,
    }  # fmt: skip


def test_a_setting_equal_to_its_default_still_counts_as_given(call):
    assert result(call("work --d-model 128"))["model"] == {"d_model": 128}


def test_lists_and_plain_arguments_mix(call):
    given = result(call("work a --extra x b -e y c --size=2"))
    assert given["paths"] == ["a", "b", "c"]
    assert given["extra"] == ["x", "y"]
    assert given["size"] == 2.0


def test_names_bound_by_partial_are_no_flags(call):
    assert result(call("train ar"))["model"] == {"bound": True}
    assert "unknown flag --model" in refused(call("train ar --model x"))


@pytest.mark.parametrize("line", ["work --d_model 7", "work --d_model=7", "work --d-model=7"])
def test_underscores_are_hyphens(call, line):
    assert result(call(line))["model"] == {"d_model": 7}


def test_values_are_never_respelled(call):
    given = result(call(["work", "--name", "--a_b", "--extra=c_d", "-e", "--e_f", "--", "--g_h"]))
    assert given["name"] == "--a_b"
    assert given["extra"] == ["c_d", "--e_f"]
    assert given["paths"] == ["--g_h"]


def test_no_act_quant_of_earlier_scripts(call):
    assert result(call("work --no_act_quant"))["model"] == {"act_quant": False}


@pytest.mark.parametrize(
    "flag", ["--use_sdpa", "--amp", "--cpu", "--inplace", "--block-size", "--save-best", "--ddp"]
)
def test_retired_flags_name_their_replacement(call, flag):
    err = refused(call(["work", flag]))
    assert f"error: {flag.replace('_', '-')} is retired\nhint: " in err


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("work --d-modl 3", "error: unknown flag --d-modl\nhint: did you mean --d-model?\n"),
        ("work --zzz", "error: unknown flag --zzz\nhint: prog work --help says what it takes\n"),
        ("wrk", "error: unknown command 'wrk'\nhint: did you mean work?\n"),
        ("train zz", "error: unknown command 'zz'\nhint: prog train --help says what it takes\n"),
        ("--forc work", "error: unknown flag --forc\n"),
        ("work --d-model x", "error: --d-model is 'x', expected a whole number\n"),
        ("work --lr nan", "error: --lr is 'nan', expected a number\n"),
        ("work --mlp gelu", "error: --mlp is 'gelu', expected one of swiglu, relu2\n"),
        ("work --size -1", "error: --size is -1, expected at least 0\n"),
        ("work --size 10", "error: --size is 10, expected at most 9\n"),
        ("work --size", "error: --size needs a value\n"),
        ("work -e", "error: -e needs a value\n"),
        (
            "work --ternary=3",
            "error: --ternary takes no value\nhint: write --ternary alone, or --no-ternary\n",
        ),
        ("work -x", "error: unknown flag -x\nhint: prog work --help"),
        ("work -qx", "error: unknown flag -x\n"),
        ("work -size 3", "error: unknown flag -s\nhint: did you mean --size?\n"),
        ("work --inner 3", "error: unknown flag --inner\n"),
    ],
)
def test_mistakes_get_one_sentence(call, line, sentence):
    assert refused(call(line)).startswith(sentence)


def test_command_line_beats_environment_beats_file_beats_default(call, tmp_path):
    file = tmp_path / "run.toml"
    file.write_text('size = 3\nextra = ["f"]\n[model]\nd-model = 5\nlr = 5\nmlp = "relu2"\nternary = false\n')
    environment = {"BBYTE_LR": "4", "BBYTE_SIZE": "4", "BBYTE_D_MODEL": "4", "BBYTE_TERNARY": "1"}
    given = result(call(["work", "--config", str(file), "--d-model", "3"], environment))
    assert given["model"] == {"d_model": 3, "lr": 4.0, "mlp": "relu2", "ternary": True}
    assert given["size"] == 4.0
    assert given["extra"] == ["f"]
    assert given["blocks"] == 4


def test_a_bad_variable_is_named(call):
    assert "--d-model (from BBYTE_D_MODEL) is 'x'" in refused(call("work", {"BBYTE_D_MODEL": "x"}))


def test_a_bad_switch_variable_is_named(call):
    assert "--ternary (from BBYTE_TERNARY) is 'maybe', expected true or false" in refused(
        call("work", {"BBYTE_TERNARY": "maybe"})
    )


def test_the_config_file_is_refused_by_key(call, tmp_path):
    file = tmp_path / "run.toml"
    file.write_text("d_modl = 3\n")
    err = refused(call(["work", "--config", str(file)]))
    assert "unknown setting 'd_modl'" in err
    assert "hint: did you mean d_model?" in err


def test_quiet_and_json_reach_the_screen(call):
    assert call("work")[2] == "working\n"
    assert call("work -q")[2] == ""
    assert call("work --quiet --json")[2] == ""


def test_two_settings_cannot_share_a_flag():
    def clash(d_model: int = 3, *, model: dict[str, Any]) -> None: ...

    with pytest.raises(ValueError, match="d_model"):
        register(new_group(""), "clash", clash, panel="Work", configs={"model": Shape})


def test_nor_take_the_frames_own():
    def clash(quiet: int = 3) -> None: ...

    with pytest.raises(ValueError, match="quiet"):
        register(new_group(""), "clash", clash, panel="Work")


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_shows_examples_first_then_panels_and_defaults(call, flag):
    code, out, _ = call(["work", flag])
    assert code == 0
    order = [
        "prog work [PATHS...] [FLAGS]",
        "Do the work.",
        "prog work a",
        "--extra, -e PATH",
        "─ Model ",
        "--config",
    ]
    assert [out.index(part) for part in order] == sorted(out.index(part) for part in order)
    assert "--ternary/--no-ternary" in out
    assert "swiglu|relu2" in out
    assert "[default: 128]" in out
    assert "--inner" not in out


def test_a_group_without_a_command_shows_its_help(call):
    code, out, _ = call("train")
    assert code == 2
    assert "One family" in out


def test_the_table_of_contents(call):
    _, out, _ = call("--help")
    # Panels that bbyte has stand in the order of the work, though Typer lists groups last; others follow.
    assert out.index("prog work a b") < out.index("─ Training ") < out.index("─ Work ")
    assert "Do the work" in out
