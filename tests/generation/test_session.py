"""A session without a terminal: its text, its settings, and what its commands answer."""

import math
import os
from contextlib import closing

import numpy as np
import pytest
from toy import ContinuingOrderTwo, OrderTwo

from bbyte.errors import UsageError
from bbyte.generation.dump import escaped, hex_dump
from bbyte.generation.playing import Playing
from bbyte.generation.session import Opened, Session
from bbyte.generation.session_commands import COMMANDS, answer, bar, is_command, joined, text_of
from bbyte.generation.stream import generate


class FlatInfiller:
    """Knows one thing: byte 120, x, is likelier than all others together."""

    context = 64

    def logits(self, tokens, before=None):
        found = np.zeros((*tokens.shape, 256), np.float32)
        found[..., 120] = 30
        return found


def opened(predictor=None, infiller=None, name="run/step-0000001"):
    return Opened(name, "toy", 64, predictor or OrderTwo(), infiller)


def session(model=None, *, may_replace=None, reopen=lambda path: opened(name=str(path)), **settings):
    return Session(model or opened(), reopen, Playing(length=20, **settings), may_replace)


def written(model, prompt, n, settings):
    return b"".join(drawn.tobytes() for drawn in generate(model, prompt, n, settings))


def shown(session, line):
    return answer(session, line).shown.decode()


def test_the_settings_are_those_of_the_earlier_prompt():
    settings = Playing()
    assert (settings.temperature, settings.top_k, settings.top_p) == (0.8, 50, 0.9)
    assert (settings.repetition_penalty, settings.length, settings.min_p) == (1.1, 1024, 0)
    with pytest.raises(UsageError, match=r"top_p 2.*\nlength 0"):
        Playing(top_p=2.0, length=0)
    with pytest.raises(UsageError, match="length"):
        Playing(length=True)


@pytest.mark.parametrize("kind", [OrderTwo, ContinuingOrderTwo])
def test_turns_are_one_text_and_nothing_is_read_twice(kind):
    predictor = kind()
    playing = session(opened(predictor))
    first = b"".join(playing.write(b"once"))
    assert first == written(kind(), b"once", 20, playing.settings)
    assert (playing.text, playing.last) == (b"once" + first, first)
    predictor.calls.clear()
    second = b"".join(playing.write(b" and"))
    third = b"".join(playing.write())
    assert {"reset"} & set(predictor.calls) == set()
    assert predictor.calls.count("prime") == 1
    assert second == written(kind(), b"once" + first + b" and", 20, playing.settings)
    assert third == written(kind(), b"once" + first + b" and" + second, 20, playing.settings)
    assert playing.text == b"once" + first + b" and" + second + third
    assert playing.speed > 0


@pytest.mark.parametrize("kind", [OrderTwo, ContinuingOrderTwo])
@pytest.mark.parametrize("taken", [0, 1, 11])
def test_what_was_given_out_before_a_stop_is_the_text(kind, taken):
    playing = session(opened(kind()))
    with closing(playing.write(b"ab")) as arriving:
        some = b"".join(next(arriving) for _ in range(taken))
    assert playing.text == b"ab" + some
    rest = b"".join(playing.write())
    assert rest == written(kind(), b"ab" + some, 20, playing.settings)


def test_settings_are_set_checked_and_said():
    playing = session()
    for line, name, value in (
        ("/temp 0", "temperature", 0), ("/topk 3", "top_k", 3), ("/topp 0.5", "top_p", 0.5),
        ("/minp .1", "min_p", 0.1), ("/penalty 1", "repetition_penalty", 1), ("/length 7", "length", 7),
        ("/seed 9", "seed", 9),
    ):  # fmt: skip
        said = answer(playing, line).said
        assert getattr(playing.settings, name) == value
        assert answer(playing, line.split()[0]).said == said
        assert said.startswith(name)
    assert len(b"".join(playing.write())) == 7
    before = playing.settings
    for line, message in (
        ("/temp -1", "temperature -1.0"), ("/temp nan", "temperature nan"), ("/length 0", "length 0"),
        ("/topk many", "whole number, not many"), ("/tenp 1", "there is no command /tenp"),
        ("/", "there is no command /"),
        ("/reset all", "/reset takes nothing"),
    ):  # fmt: skip
        with pytest.raises(UsageError) as error:
            answer(playing, line)
        assert message in error.value.message
    assert playing.settings == before
    with pytest.raises(UsageError) as error:
        answer(playing, "/tempp 1")
    assert error.value.hint == "did you mean /temp?"


def test_help_and_config_name_everything():
    playing = session()
    assert all(f"/{word}" in shown(playing, "/help") for word in COMMANDS)
    config = shown(playing, "/config")
    assert "run/step-0000001 (toy, context 64 bytes)" in config
    assert all(name in config for name in Playing.__dataclass_fields__)
    b"".join(playing.write(b"four"))
    assert "24 bytes" in shown(playing, "/config")
    state, settings = bar(playing)
    assert state.startswith("run/step-0000001 (toy)  24 bytes  ") and state.endswith(" bytes/s")
    assert settings == "temp 0.8  topk 50  topp 0.9  minp 0  penalty 1.1  length 20  seed 0"


def test_the_last_output_as_escapes_and_as_hex():
    playing = session()
    for line in ("/bytes", "/hex"):
        with pytest.raises(UsageError, match="nothing was written yet"):
            answer(playing, line)
    new = b"".join(playing.write(b"ab"))
    assert shown(playing, "/bytes") == escaped(new)
    assert shown(playing, "/hex") == hex_dump(new)
    assert escaped(b"a \\ \x1b[0m\n\r\t\xff\x00'\"") == r"a \\ \x1b[0m\n\r\t\xff\x00'" + '"'
    assert hex_dump(bytes(range(60, 80))) == (
        "00000000  3c 3d 3e 3f 40 41 42 43  44 45 46 47 48 49 4a 4b  |<=>?@ABCDEFGHIJK|\n"
        "00000010  4c 4d 4e 4f                                       |LMNO|"
    )


def test_scores_are_those_of_the_model():
    playing = session()
    text = b"a text"
    predictor, bits = OrderTwo(), []
    for byte in text:
        logits = predictor.logits()[0].astype(float)
        bits.append(math.log2(np.exp(logits).sum()) - logits[byte] / math.log(2))
        predictor.feed(np.array([byte], np.uint8))
    assert (
        shown(playing, "/bpb a text")
        == f"{np.mean(bits):.4f} bits per byte: 6 bytes cost {sum(bits):.1f} bits"
    )
    _, *rows, mean = shown(playing, "/entropy a text").splitlines()
    assert [float(row[9:20]) for row in rows] == pytest.approx(bits, abs=0.006)
    assert rows[1].startswith("20  space")
    assert f"surprisal {np.mean(bits):.3f}" in mean
    # Scoring has moved the model; the text goes on as if it had not.
    assert b"".join(playing.write(b"ab")) == written(OrderTwo(), b"ab", 20, playing.settings)
    assert shown(playing, "/bpb").endswith("bits") and "22 bytes" in shown(playing, "/bpb")
    playing.reset(b"x" * 300)
    assert shown(playing, "/entropy").startswith("the last 256 of 300 bytes")
    playing.reset()
    with pytest.raises(UsageError, match="there is no text"):
        answer(playing, "/bpb")


def test_reset_begins_a_new_document():
    playing = session()
    first = b"".join(playing.write(b"ab"))
    assert answer(playing, "/reset").said == "a new document"
    assert playing.text == b""
    assert b"".join(playing.write(b"ab")) == first


def test_another_model_goes_on_with_the_text():
    other = ContinuingOrderTwo()
    playing = session(reopen=lambda path: opened(other, name=str(path)))
    first = b"".join(playing.write(b"ab"))
    assert answer(playing, "/model runs/other").said == "runs/other, toy, context 64 bytes"
    assert playing.text == b"ab" + first
    assert b"".join(playing.write()) == written(OrderTwo(), b"ab" + first, 20, playing.settings)
    assert answer(playing, "/model").said.startswith("runs/other")


def test_a_model_that_cannot_be_opened_changes_nothing():
    def refuse(path):
        raise UsageError(f"{path} does not exist")

    playing = session(reopen=refuse)
    with pytest.raises(UsageError, match="nowhere does not exist"):
        answer(playing, "/model nowhere")
    assert playing.model.name == "run/step-0000001"
    assert len(b"".join(playing.write(b"ab"))) == 20


def test_holes_are_filled_by_a_model_that_can():
    playing = session(opened(infiller=FlatInfiller()))
    assert answer(playing, "/infill a[MASK*3]b").shown == b"axxxb"
    assert (playing.text, playing.last) == (b"", b"axxxb")
    with pytest.raises(UsageError, match="no hole"):
        answer(playing, "/infill a")
    with pytest.raises(UsageError, match="cannot fill holes") as error:
        answer(session(), "/infill a[MASK]")
    assert "diffusion" in error.value.hint


def test_the_text_is_saved_and_loaded_byte_for_byte(tmp_path):
    playing = session()
    b"".join(playing.write(bytes(range(256))))
    file = tmp_path / "a story.bin"
    assert "276 bytes saved" in answer(playing, f"/save {file}").said
    assert file.read_bytes() == playing.text
    other = session()
    assert "276 bytes" in answer(other, f"/load {file}").said
    assert b"".join(other.write()) == b"".join(playing.write())


@pytest.mark.parametrize("replaces", [None, False, True])
def test_a_file_is_never_replaced_unasked(tmp_path, replaces):
    file = tmp_path / "kept"
    file.write_bytes(b"old")
    asked = []
    playing = session(may_replace=None if replaces is None else lambda path: asked.append(path) or replaces)
    playing.reset(b"new")
    if replaces is None:
        with pytest.raises(UsageError, match="exists"):
            answer(playing, f"/save {file}")
    else:
        said = answer(playing, f"/save {file}").said
        assert ("left as it was" in said) is not replaces
        assert asked == [file]
    assert file.read_bytes() == (b"new" if replaces else b"old")
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.skipif(os.name == "nt", reason="needs links and pipes of the file system")
def test_only_plain_files_are_replaced_and_read(tmp_path):
    playing = session(may_replace=lambda path: True)
    playing.reset(b"new")
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe", "/dev/null"):
        for word in ("save", "load"):
            with pytest.raises(UsageError, match="no plain file"):
                answer(playing, f"/{word} {place}")
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    answer(playing, f"/save {tmp_path / 'link'}")
    assert (tmp_path / "target").read_bytes() == b"new"
    assert (tmp_path / "link").is_symlink()
    for line in ("/save", "/load "):
        with pytest.raises(UsageError, match="the name of a file"):
            answer(playing, line)
    with pytest.raises(FileNotFoundError):
        answer(playing, f"/load {tmp_path / 'nothing'}")
    with pytest.raises(FileNotFoundError):
        answer(playing, f"/save {tmp_path / 'no folder' / 'file'}")
    assert playing.text == b"new"


def test_quit_ends_it():
    playing = session()
    answer(playing, "/quit")
    assert playing.is_over


def test_lines_are_text_or_commands():
    assert [is_command(line) for line in ("/help", "//help", "help", "", " /help")] == [True] + [False] * 4
    assert text_of("//help") == b"/help"
    assert text_of("a\udcff\u00e9") == b"a\xff\xc3\xa9"
    assert [joined(line) for line in ("a", "a\\", "a\\\\", "\\", "")] == [
        ("a", False), ("a\n", True), ("a\\", False), ("\n", True), ("", False),
    ]  # fmt: skip
