"""How much memory there is: what a user names, and what containers leave."""

import psutil
import pytest

from bbyte.device import Placement, World
from bbyte.errors import UsageError
from bbyte.training.planning import room as rooms
from bbyte.training.planning.room import Room, asked, found

CPU = Placement("cpu", "fp32", 1, ())
HUGE = 1 << 60


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("12GB", 12 * 10**9),
        ("24GiB", 24 << 30),
        ("1.5 gb", 1_500_000_000),
        ("512m", 512_000_000),
        ("2T", 2 * 10**12),
        ("4096", 4096),
        ("8 kib", 8192),
    ],
)
def test_a_size_is_read(text, size):
    assert asked(text) == Room(size, "given by --memory")


@pytest.mark.parametrize("text", ["", "12 gigs", "GB", "-1GB", "1e9", "0", "nan"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(UsageError, match="is no size") as caught:
        asked(text)
    assert "12GB" in caught.value.hint


@pytest.fixture
def containers(tmp_path, monkeypatch):
    """An own set of control groups: `containers(group, **files)` writes one."""
    monkeypatch.setattr(rooms, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(rooms, "OWN", tmp_path / "own")

    def write(group, **files):
        folder = tmp_path / "groups" / group
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name.replace("__", ".")).write_text(f"{text}\n")

    def belong(*lines):
        (tmp_path / "own").write_text("\n".join(lines) + "\n")

    return write, belong


def left():
    return found(CPU).size - psutil.Process().memory_info().rss


def test_without_containers_it_is_what_the_machine_has_free(containers):
    here = psutil.virtual_memory().available
    assert left() == pytest.approx(here, rel=0.2) and found(CPU).where == "free here"


def test_the_smallest_limit_of_version_2_counts_less_what_is_used_but_for_caches(containers):
    write, belong = containers
    belong("0::/outer/inner")
    write(
        "outer", memory__max=50 << 20, memory__current=30 << 20, memory__stat="anon 1\ninactive_file 1048576"
    )
    write("outer/inner", memory__max="max", memory__current=20 << 20, memory__stat="inactive_file 0")
    assert left() == pytest.approx((50 - 30 + 1) << 20, abs=8 << 20)
    assert found(CPU).where == "left in this container"
    write("outer/inner", memory__max=20 << 20)
    assert left() == pytest.approx(0, abs=8 << 20)


def test_version_1_and_a_path_seen_from_inside(containers):
    write, belong = containers
    belong("5:cpu,memory:/docker/abc", "1:name=systemd:/docker/abc")
    write(
        "memory", memory__limit_in_bytes=70 << 20, memory__usage_in_bytes=40 << 20,
        memory__stat="inactive_file 5\ntotal_inactive_file 2097152",
    )  # fmt: skip
    assert left() == pytest.approx((70 - 40 + 2) << 20, abs=8 << 20)
    write("memory", memory__limit_in_bytes=9223372036854771712)  # how version 1 writes "none"
    assert found(CPU).where == "free here"


def test_the_processes_of_a_machine_share_its_memory():
    alone = found(CPU)
    shared = found(Placement("cpu", "fp32", 1, (), World(size=8, local_size=4)))
    assert shared.size == pytest.approx(alone.size / 4, rel=0.1)
    assert shared.where == f"{alone.where} for each of 4 processes"
