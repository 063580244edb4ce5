"""Builds the compiled ops with CMake; all else about the package stands in setup.cfg.

The environment variable KNL_BUILD_OPS decides: 0 installs without them, 1 fails where
they cannot be built. Otherwise they are built if they can be; without them attention
runs its plain formula, and says so when it is asked.

They are built for NVIDIA GPUs, too, where nvcc is found. KNL_WITH_CUDA decides likewise: 0
leaves that, 1 fails without nvcc. KNL_CUDA_ARCHITECTURES names the GPUs, as CMake does:
"90a-real" for H100 and H200 alone, say, which takes a fifth of the time.
"""

import os
import pathlib
import shutil
import subprocess
import sys

from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext

ROOT = pathlib.Path(__file__).resolve().parent
LIBRARIES = "keras_nlp_lite/ops/libkeras_nlp_lite_ops-tf*.so"


class BuildOps(build_ext):
    """Installs the library into the build's copy of the package, or into the sources."""

    def run(self):
        for old in self._built():
            old.unlink()
        wish = os.environ.get("KNL_BUILD_OPS", "auto")
        try:
            if wish == "0":
                raise CannotBuild("KNL_BUILD_OPS is 0")
            self._build()
        except CannotBuild as why:
            if wish == "1":
                raise SystemExit(f"The compiled ops cannot be built: {why}.") from None
            print(f"keras_nlp_lite is installed without its compiled ops: {why}.")

    def _build(self):
        if not sys.platform.startswith("linux"):
            raise CannotBuild("they are built on Linux only")
        if shutil.which("cmake") is None:
            raise CannotBuild("cmake is missing")
        # Kept between installations, so that only what has changed is compiled again.
        folder = ROOT / "build" / "custom_ops"
        configure = ["cmake", "-S", ROOT / "custom_ops", "-B", folder]
        configure += [f"-DPYTHON={sys.executable}", "-DKNL_TESTS_ONLY=OFF"]
        # Named each time, since CMake would remember what was wished for last.
        configure += [f"-DWITH_CUDA={_with_cuda()}"]
        ninja = shutil.which("ninja")
        if ninja is not None:
            # Named each time: the last one lay in an environment that is gone by now.
            configure += ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"]
        parallel = os.environ.get("CMAKE_BUILD_PARALLEL_LEVEL", os.cpu_count() or 1)
        gpus = os.environ.get("KNL_CUDA_ARCHITECTURES")
        configure += [
            f"-DKNL_CUDA_ARCHITECTURES={gpus}" if gpus else "-UKNL_CUDA_ARCHITECTURES"
        ]
        _run(configure)
        said = _run(["cmake", "--build", folder, "--parallel", parallel])
        (folder / "build.log").write_text(said)
        _run(["cmake", "--install", folder, "--prefix", self._target(), "--strip"])

    def _target(self):
        return ROOT if self.inplace else ROOT / self.build_lib

    def _built(self):
        return sorted(self._target().glob(LIBRARIES))

    def get_outputs(self):
        return [] if self.inplace else [str(path) for path in self._built()]

    def get_output_mapping(self):
        return {}


class LibraryWheel(bdist_wheel):
    """A wheel for any Python: the library speaks with TensorFlow, not with Python."""

    def get_tag(self):
        platform = super().get_tag()[-1]
        built = self.get_finalized_command("build_ext").get_outputs()
        return "py3", "none", platform if built else "any"


class CannotBuild(Exception):
    """Says why, as the end of a sentence."""


def _with_cuda():
    wish = os.environ.get("KNL_WITH_CUDA", "auto")
    known = {"0": "OFF", "1": "ON", "auto": "AUTO"}
    if wish not in known:
        raise SystemExit(
            f"KNL_WITH_CUDA must be one of {', '.join(known)}. Received: {wish!r}."
        )
    return known[wish]


def _run(command):
    done = subprocess.run(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    print(done.stdout)
    if done.returncode == 0:
        return done.stdout
    if "No CMAKE_CXX_COMPILER could be found" in done.stdout:
        raise CannotBuild("there is no C++ compiler")
    lines = done.stdout.splitlines()
    errors = [i for i, line in enumerate(lines) if "error" in line.lower()]
    first = f"exit code {done.returncode}"
    if errors:
        # CMake's sentence stands below a line that tells where it comes from.
        from_cmake = lines[errors[0]].startswith("CMake Error at")
        first = "".join(lines[errors[0] + from_cmake :][:1]).strip()
    raise CannotBuild(f"{command[0]} says {first!r}")


setup(
    # The name is only for setuptools, to know that there is something to compile.
    ext_modules=[Extension("keras_nlp_lite.ops.compiled", sources=[])],
    cmdclass={"build_ext": BuildOps, "bdist_wheel": LibraryWheel},
)
