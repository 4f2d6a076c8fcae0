"""Libraries are tried in another process: whatever they do there is told, and nothing happens here."""

import pytest

from bbyte.diagnosis import loading
from bbyte.diagnosis.loading import Loading

MODULES = {
    "sound": "print('talks while it loads')",
    "absent": "import a_library_that_nobody_has",
    "raises": "raise RuntimeError('two\\nlines')",
    "exits": "import sys; sys.exit(9)",
    "dies": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "leaves": "import os, sys; sys.stderr.write('no such symbol\\n'); os._exit(127)",
    "forges": "print('[1]'); print('{\"at\": 3}'); print('{}')",
    "hangs": "import time; time.sleep(60)",
}


@pytest.fixture
def there(tmp_path, monkeypatch):
    for name, text in MODULES.items():
        (tmp_path / f"{name}_module.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def tried(*names, **settings):
    found = Loading([f"{name}_module" for name in names], **settings).results()
    return {name.removesuffix("_module"): loaded.error for name, loaded in found.items()}


def test_what_is_sound_and_what_is_not(there):
    assert tried("sound", "absent", "raises", "forges") == {
        "sound": "",
        "absent": "ModuleNotFoundError: No module named 'a_library_that_nobody_has'",
        "raises": "RuntimeError: two",
        "forges": "",
    }


def test_what_comes_after_a_crash_is_still_tried(there):
    assert tried("sound", "dies", "leaves", "exits", "absent", "sound") == {
        "sound": "",
        "dies": "ended by signal 9",
        "leaves": "no such symbol",
        "exits": "ended with code 9",
        "absent": "ModuleNotFoundError: No module named 'a_library_that_nobody_has'",
    }


def test_what_hangs_is_ended(there):
    assert tried("sound", "hangs", "absent", patience=1.5)["hangs"] == "took too long to load"


def test_a_python_that_does_not_start(monkeypatch):
    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    errors = {loaded.error for loaded in Loading(["numpy", "torch"]).results().values()}
    assert len(errors) == 1 and "" not in errors


def test_the_device_is_that_of_auto():
    from bbyte.device import Runtime, place

    found = Loading(["device"]).results()["device"]
    placement = place(Runtime())
    assert found.error == "" and found.found["device"] == placement.device
    assert found.found["reasons"] == list(placement.reasons) and found.found["room"] > 0


def test_a_core_that_is_not_there_says_why(monkeypatch):
    core = pytest.importorskip("bbyte.engine.core")
    monkeypatch.setattr(core, "library", lambda: None)
    monkeypatch.setattr(core, "missing", lambda: "it was not built")
    assert loading.QUESTIONS["engine"]() == {"paths": [], "missing": "it was not built"}
