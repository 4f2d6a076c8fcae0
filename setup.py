"""The engine's native core; everything else is in pyproject.toml."""

from pathlib import Path

from setuptools import Extension, setup

NATIVE = Path("src", "bbyte", "engine", "native")
FLAGS = [
    "-std=gnu11",
    "-O3",
    "-g0",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fvisibility=hidden",
    "-Wno-psabi",
    "-pthread",
]

core = Extension(
    "bbyte.engine._core",
    sources=sorted(path.as_posix() for path in NATIVE.glob("*.c")),
    depends=sorted(path.as_posix() for path in NATIVE.glob("*.h")),
    extra_compile_args=FLAGS,
    extra_link_args=["-pthread"],
    py_limited_api=True,
    optional=True,  # without a compiler the numpy twin and torch serve
)
setup(ext_modules=[core], options={"bdist_wheel": {"py_limited_api": "cp311"}})
