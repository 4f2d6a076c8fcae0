"""What the metadata of bbyte asks for, and what is there of it."""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from bbyte.diagnosis import installation
from bbyte.diagnosis.installation import USES, Package

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]


class Distribution:
    version = "1.2"
    requires = (
        "present>=2", "old>=1.10", "gone>=1.0", "later>=1; python_version >= '99'",
        'bare; python_version < "99"',
        "thing>=1; extra == 'one'", "gone>=1; extra == 'one'", 'present; extra == "two"',
        'bbyte[one]; extra == "test"', "mamba-ssm>=2.2; extra == 'kernels'",
    )  # fmt: skip


@pytest.fixture
def found(monkeypatch):
    versions = {"present": "2.0.0+cpu", "old": "1.9.1", "bare": "0.1rc1", "thing": "3"}

    def version(name):
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "distribution", lambda name: Distribution)
    monkeypatch.setattr(metadata, "version", version)
    return installation.installation()


def test_what_is_needed(found):
    assert [(package.name, package.problem) for package in found.needed] == [
        ("present", ""), ("old", "old 1.9.1 is older than 1.10"), ("gone", "gone is not installed"),
        ("bare", ""),
    ]  # fmt: skip
    assert (
        found.needed[1].remedy == "pip install 'old>=1.10'" and found.needed[3].remedy == "pip install 'bare'"
    )


def test_extras(found):
    assert [(extra.name, extra.lacking, extra.remedy) for extra in found.extras] == [
        ("one", ("gone",), "pip install 'bbyte[one]'"),
        ("two", (), "pip install 'bbyte[two]'"),
        ("kernels", ("mamba-ssm",), "pip install --no-build-isolation 'bbyte[kernels]'"),
    ]


def test_without_an_installation(monkeypatch):
    def distribution(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "distribution", distribution)
    assert installation.installation() == installation.Installation("", (), ())


@pytest.mark.parametrize(
    ("version", "least", "does"),
    [
        ("2.10", "2.9", True),
        ("2.9", "2.10", False),
        ("3.0", "3", True),
        ("3", "3.0.1", False),
        ("1", "", True),
    ],
)
def test_versions_compare_by_number(version, least, does):
    assert (Package("any", version, least).problem == "") is does


def test_what_the_project_asks_for_is_understood():
    lines = [*PROJECT["dependencies"]]
    lines += [f"{line}; extra == 'x'" for name in PROJECT["optional-dependencies"].values() for line in name]

    assert {package.name for _, package in installation._asked(lines)} >= set(USES)
    for line in lines:
        marker = line.partition(";")[2].replace("extra == 'x'", "").strip("; ")
        assert not marker or marker.startswith(("python_version", "sys_platform")), line
