"""Of all pickles only those of plain weights pass, and none is ever executed to know that."""

import hostile
import legacy_files
import pytest

from bbyte.checkpoint.legacy import opcodes
from bbyte.checkpoint.legacy.extract import extract
from bbyte.errors import BbyteError, DataError


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("good") / "old.pt"
    legacy_files.bitbyte(path, n_layer=1, d_model=4, n_head=2, d_ff=4)
    return path


@pytest.mark.parametrize(
    "name",
    [
        "os._Config", "os.path.AConfig", "torch.nn.ModelConfig", "numpy.AConfig", "builtins.AConfig",
        "bbyte.config.Config", "__builtin__.AConfig", "train.ModelConfigs", "train.a.b",
        "collections.Counter",
        "torch._utils._rebuild_sparse_tensor", "torch._utils._rebuild_device_tensor_from_numpy",
        "torch.serialization._get_layout", "torch.ComplexFloatStorage", "torch.QInt8Storage", "torch.Size",
    ],
)  # fmt: skip
def test_names_outside_the_list(tmp_path, name):
    module, _, attribute = name.rpartition(".")
    text = b"\x80\x02}X\x01\0\0\0ac" + f"{module}\n{attribute}\n".encode() + b"s."
    with pytest.raises(DataError, match="which no plain checkpoint needs"):
        opcodes.check(text, {}, tmp_path)


def test_a_class_of_the_users_own_is_only_named(tmp_path):
    text = b"\x80\x02}X\x01\0\0\0actrain\nModelConfig\n)\x81}bs."
    assert opcodes.check(text, {}, tmp_path) == "train.ModelConfig"
    with pytest.raises(DataError, match="two classes"):
        opcodes.check(text[:-2] + b"X\x01\0\0\0bctrain\nOtherConfig\nss.", {}, tmp_path)


def tensor(**parts):
    return b"\x80\x02" + hostile.tensor(**parts) + b"."


@pytest.mark.parametrize(
    ("pickled", "problem"),
    [
        (tensor(offset=b"K\1"), "beyond"),
        (tensor(offset=b"J\xff\xff\xff\xff"), "impossible"),
        (tensor(shape=b"K\5\x85"), "expanded"),
        (tensor(shape=b"J\xff\xff\xff\x7f\x85", stride=b"K\0\x85"), "expanded"),
        (tensor(shape=b"K\2\x85", stride=b"K\4\x85"), "beyond"),
        (tensor(shape=b"\x8a\x08" + b"\xff" * 7 + b"\x7f\x85"), "impossible"),
        (tensor(shape=b"(" + b"K\1" * 9 + b"t", stride=b"(" + b"K\1" * 9 + b"t"), "impossible"),
        (tensor(stride=b")"), "impossible"),
        (tensor().replace(b"K\4tQ", b"K\5tQ"), "size is not"),
        (tensor().replace(b"Float", b"Double"), "size is not"),
        (tensor().replace(b"X\1\0\0\x000", b"X\1\0\0\x001"), "size is not"),
        (tensor().replace(b"storage", b"storagf"), "no storage"),
        (b"\x80\x02}.", "no tensor uses"),
        (b"\x80\x02}" + b"(" * 1000 + b".", "end where"),
        (b"\x80\x02}K\1\x8a.", "damaged pickle"),
        (b"\x80\x02}q\1.", "oddly"),
        (b"\x80\x02}h\1.", "damaged pickle"),
        (b"\x80\x03}.", "protocol"),
        (b"}.", "protocol"),
        (b"\x80\x02}..", "end where"),
        (b"\x80\x02K\1.", "than a dict"),
        (b"\x80\x02}(ios\nsystem\n.", "INST"),
        (b"\x80\x02}X\2\0\0\0osX\6\0\0\0system\x93.", "STACK_GLOBAL"),
        (b"\x80\x02}\x82\1.", "EXT1"),
        (b"\x80\x02X\1\0\0\0a)R.", "no function"),
        (b"\x80\x02}ccollections\nOrderedDict\nK\1\x85R.", "does not give"),
        (b"\x80\x02})b.", "inner state"),
        (b"\x80\x02ccollections\nOrderedDict\n)\x81.", "another class"),
        (b"\x80\x02}]K\1s.", "keys"),
        (b"\x80\x02", "damaged pickle"),
        (b"\x80\x02" + b"0" * 10, "POP"),
        (b"\x80\x02}" + b"N" * (opcodes.MOST_OPCODES + 1) + b".", "steps"),
    ],
)
def test_what_no_pickle_of_weights_says(tmp_path, pickled, problem):
    assert opcodes.check(tensor(), {"0": 16}, tmp_path) is None
    with pytest.raises(DataError, match=problem):
        opcodes.check(pickled, {"0": 16}, tmp_path)


def test_mutants_of_a_pickle(tmp_path, good):
    files = hostile.contents(good)
    sizes = {name[5:]: len(content) for name, content in files.items() if name.startswith("data/")}
    for mutant in hostile.mutants(files["data.pkl"], 2000, seed=2):
        try:
            opcodes.check(mutant, sizes, tmp_path)
        except DataError as error:
            assert "\n" not in error.message


@pytest.mark.slow
def test_mutants_through_the_child(tmp_path, good):
    """Pickles changed under a right CRC that pass the checks here: torch reads them or they are refused."""
    files = hostile.contents(good)
    tried = 0
    for mutant in hostile.mutants(files["data.pkl"], 5000, seed=3):
        path = hostile.packed(tmp_path / "mutant.pt", files | {"data.pkl": mutant})
        try:
            hostile.gates(path)
        except BbyteError:
            continue
        tried += 1
        try:
            extract(path)
        except BbyteError as error:
            assert "\n" not in error.message and "nonsense" not in error.message
        if tried == 30:
            return
