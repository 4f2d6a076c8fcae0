"""bbyte lm-eval where lm-evaluation-harness is not installed."""

import subprocess
import sys

from fresh import checkpoint

from bbyte.commands import lm_eval
from bbyte.terminal.boundary import run
from bbyte.terminal.flags import new_group, register


def test_the_extra_is_named(tmp_path, capfd, monkeypatch):
    checkpoint(tmp_path / "run")
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    for name in [
        name
        for name in sys.modules
        if name.startswith(("lm_eval.", "bbyte.harness.model", "bbyte.harness.tasks"))
    ]:
        monkeypatch.delitem(sys.modules, name)
    app = new_group("A program.")
    register(app, "lm-eval", lm_eval.lm_eval, panel="Measure")
    register(app, "other", lambda: None, panel="Measure", help="So that there are two.")
    assert run(app, "bbyte", ["lm-eval", "--tasks", "any", "--ckpt", str(tmp_path / "run")]) == 2
    shown = capfd.readouterr()
    assert "lm-eval needs lm-evaluation-harness" in shown.err and "pip install 'bbyte[eval]'" in shown.err
    assert not shown.out


def test_the_command_itself_imports_none_of_it():
    code = "import sys, bbyte.commands.lm_eval; print({'lm_eval', 'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
