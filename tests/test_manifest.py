"""The gate before a manifest: whatever is not exactly one, with its own digest, is a DataError."""

import json
import os

import pytest
from blake3 import blake3

from bbyte import manifest
from bbyte.errors import DataError

CONTENT = {"format": "thing", "version": 3, "name": "é", "list": [1, 2.5, None, {"deep": True}]}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "thing.json"


def read(path):
    return manifest.read(path, format="thing", versions={3: {"name", "list"}})


def signed(path, **changes):
    path.write_text(manifest.write_text(CONTENT | changes), encoding="utf-8")


def refused(path, match):
    with pytest.raises(DataError, match=match) as caught:
        read(path)
    assert str(path) in caught.value.message and caught.value.hint
    return caught.value


def test_what_is_written_is_read(path):
    signed(path)
    assert read(path) == CONTENT


def test_a_missing_one_is_said(path):
    refused(path, "is missing")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": "other"}, "is not a thing"),
        ({"format": None}, "is not a thing"),
        ({"version": 2}, "version 2; this bbyte knows version 3"),
        ({"version": 4}, "version 4; this bbyte knows version 3"),
        ({"version": "3"}, "version '3'"),
        ({"more": 1}, "unknown key 'more'"),
    ],
)
def test_another_format_version_or_key_is_refused(path, change, words):
    signed(path, **change)
    refused(path, words)


@pytest.mark.parametrize(("version", "hint"), [(2, "make it again"), (4, "a newer bbyte may read it")])
def test_what_to_do_about_another_version(path, version, hint):
    path.write_text(manifest.write_text({**CONTENT, "version": version}), encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read(path)
    assert hint in caught.value.hint


def test_true_is_not_version_one(path):
    path.write_text(manifest.write_text({"format": "thing", "version": True}), encoding="utf-8")
    with pytest.raises(DataError, match="version True"):
        manifest.read(path, format="thing", versions={1: ()})


@pytest.mark.parametrize("key", ["name", "list", "digest"])
def test_a_missing_key_is_named(path, key):
    values = json.loads(manifest.write_text(CONTENT))
    del values[key]
    path.write_text(json.dumps(values))
    refused(path, f"lacks key '{key}'")


def test_an_edited_value_does_not_match_the_digest(path):
    text = manifest.write_text(CONTENT)
    path.write_text(text.replace("2.5", "2.25"), encoding="utf-8")
    refused(path, "does not match its own digest")


def valid_but(old, new):
    text = manifest.write_text(CONTENT)
    assert text.count(old) == 1
    return text.replace(old, new).encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\0" * 100, b"{", b"null", b"3", b'"text"', b"[1, 2]", b"\xff\xfe{}", b"\xef\xbb\xbf{}",
        b"{}" + b" " * (1 << 20), b"[" * 200_000, b'{"a":' * 50_000,
        b'{"a":' * 3000 + b"1" + b"}" * 3000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"[" * 900 + b"]" * 900,
        valid_but("2.5", "NaN"), valid_but("2.5", "Infinity"), valid_but("2.5", "-Infinity"),
        valid_but("2.5", "1e999"), valid_but("2.5", "-1e999"), valid_but("2.5", "9" * 5000),
        valid_but('"deep": true', '"deep": true, "deep": true'),
        valid_but('"version"', '"format": "thing", "version"'),
        valid_but("2.5", "[" * 40 + "]" * 40),
        valid_but("\\u00e9", "\\ud800"), valid_but('"\\u00e9"', '"\xff"'),
    ],
    ids=lambda raw: repr(raw[:20]),
)  # fmt: skip
def test_what_is_no_manifest_is_refused(path, raw):
    path.write_bytes(raw)
    refused(path, "thing.json")


def test_depth_is_bounded_to_32_levels(path):
    value = 1
    for _ in range(30):
        value = [value]
    signed(path, list=value)  # the object, thirty lists and the number in them
    assert read(path)["list"] == value
    signed(path, list=[value])
    refused(path, "at most 32 levels")


def test_surrogates_survive(path):
    signed(path, name="\udce9\ud800")
    assert read(path)["name"] == "\udce9\ud800"


@pytest.mark.parametrize("number", [1 << 63, -(1 << 63) - 1, 10**30, 10**4000], ids=lambda n: str(n)[:9])
def test_whole_numbers_beyond_64_bits_are_refused(path, number):
    signed(path, list=number)
    assert len(refused(path, "is too large a number").message) < 200 + len(str(path))


@pytest.mark.parametrize("number", [(1 << 63) - 1, -(1 << 63)])
def test_whole_numbers_of_64_bits_are_read(path, number):
    signed(path, list=number)
    assert read(path)["list"] == number


def test_what_is_refused_is_shown_in_a_short_line(path):
    signed(path, version="v" * 10_000)
    assert len(refused(path, "has version").message) < 300 + len(str(path))
    signed(path, **{"k" * 10_000: 1})
    assert len(refused(path, "unknown key").message) < 300 + len(str(path))
    assert manifest.shown("short") == "'short'"


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "link out", "circle"])
def test_only_a_plain_file_of_the_folder_is_opened(path, tmp_path_factory, kind):
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to(os.devnull)
        case "link out":
            signed(elsewhere := tmp_path_factory.mktemp("elsewhere") / "thing.json")
            path.symlink_to(elsewhere)
        case "circle":
            path.symlink_to(path.name)
    refused(path, {"link out": "leads out", "circle": "is missing"}.get(kind, "is no plain file"))


def test_the_digest_is_that_of_the_whole_file(path):
    data = os.urandom(9 << 20)
    path.write_bytes(data)
    sizes = []
    with manifest.opened(path, "") as file:
        assert manifest.digest_of(file, sizes.append) == blake3(data).hexdigest()
    assert sum(sizes) == len(data) and len(sizes) > 1
