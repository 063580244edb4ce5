"""The compiled ops: found beside this file and loaded on first use, or why not.

KNL_ATTENTION=reference in the environment leaves them alone.
"""

import ctypes
import functools
import os
import pathlib
from typing import Any, NamedTuple

import tensorflow as tf

from keras_nlp_lite.checks import check_choice

_FOLDER = pathlib.Path(__file__).parent
_PREFIX = "libkeras_nlp_lite_ops-tf"
_NEWEST = "KnlGpuImplementation"  # a symbol that the last build of the library has
# As the kernels count them.
_ELEMENTS = {"float32": 0, "bfloat16": 1, "float16": 2}
_CURRENT = -1  # CUDA's current GPU


def load():
    """The compiled ops, as a module of functions, or None: `why_not` tells."""
    return None if _switched_off() else _library().ops


def loaded():
    """The compiled ops, whatever the environment says now: a gradient of theirs needs
    them even if it was switched off in between."""
    return _library().ops


def why_not():
    """Why `load` gives None, to follow upon "because", or None if it does not."""
    return _switched_off() or _library().why_not


def library_path():
    """The file of the compiled ops, for programs that load a graph with them and not this
    package: `tf.load_op_library(path)`.

    Raises:
        RuntimeError: The compiled ops are not loaded.
    """
    if load() is None:
        raise RuntimeError(f"There is no library of ops, because {why_not()}.")
    return str(_library().path)


def instruction_set(dtype):
    """What the kernels run on here: "portable", "avx2", "avx512" or "avx512_bf16".

    KNL_INSTRUCTION_SET in the environment asks for a narrower one.

    Args:
        dtype: "float32", "bfloat16" or "float16".

    Raises:
        RuntimeError: The compiled ops are not loaded.
    """
    if load() is None:
        raise RuntimeError(f"There is no instruction set, because {why_not()}.")
    return _library().symbols.KnlAttentionInstructionSet(_ELEMENTS[dtype]).decode()


def gpu_implementation(dtype, width, plain=True):
    """What attention runs on on the GPUs that TensorFlow sees: "sm_90, wgmma" say; None
    where one of them does not serve it, as `why_not_on_gpu` tells.

    Args:
        dtype: "float32", "bfloat16" or "float16".
        width: Of a head.
        plain: Whether scores are masked by position alone, and nothing is added to them.

    Raises:
        RuntimeError: The compiled ops are not loaded.
    """
    return _ask_for_gpu(dtype, width, plain)[0]


def why_not_on_gpu(dtype, width):
    """Why `gpu_implementation` gives None, to follow upon "because", or None if it does
    not."""
    implementation, why = _ask_for_gpu(dtype, width)
    if implementation is not None:
        return None
    if why is None:
        return (
            "the compiled ops were built without CUDA; `KNL_WITH_CUDA=1 pip install .` "
            "in keras_nlp_lite's sources builds them with it, or says what is missing"
        )
    return f"the compiled kernel for GPUs says {why.rstrip('.')!r}"


def built_with_cuda():
    """Whether the compiled ops, which must be loaded, have kernels for NVIDIA GPUs."""
    return _ask_for_gpu("float32", 64) != (None, None)


def _ask_for_gpu(dtype, width, plain=True):
    """(implementation, why not), as the library tells them.

    An op may run on any GPU that TensorFlow sees, so that all of them must serve.
    """
    if load() is None:
        raise RuntimeError(f"There are no kernels for GPUs, because {why_not()}.")
    all_gpus = tf.config.list_physical_devices("GPU")  # in CUDA's order
    numbers = [all_gpus.index(gpu) for gpu in tf.config.get_visible_devices("GPU")]
    names = set()
    for number in numbers or [_CURRENT]:
        why = ctypes.c_char_p()
        name = _library().symbols.KnlGpuImplementation(
            _ELEMENTS[dtype], width, plain, number, ctypes.byref(why)
        )
        if name is None:
            return None, None if why.value is None else why.value.decode()
        names.add(name.decode())
    return " and ".join(sorted(names)), None


class _Library(NamedTuple):
    ops: Any = None
    symbols: Any = None
    path: pathlib.Path | None = None
    why_not: str | None = None


def _switched_off():
    wish = os.environ.get("KNL_ATTENTION", "auto")
    check_choice("KNL_ATTENTION", wish, ("auto", "reference"))
    return "KNL_ATTENTION is reference" if wish == "reference" else None


@functools.cache
def _library():
    # The file's name tells which TensorFlow it is for: opened by another, it may crash
    # where it cannot complain.
    here = ".".join(tf.__version__.split(".")[:2])
    path = _FOLDER / f"{_PREFIX}{here}.so"
    if not path.exists():
        others = [
            other.stem.removeprefix(_PREFIX) for other in _FOLDER.glob(f"{_PREFIX}*.so")
        ]
        if not others:
            return _Library(
                why_not="keras_nlp_lite was installed without its compiled ops; "
                "`KNL_BUILD_OPS=1 pip install .` in its sources builds them, or says "
                "what is missing"
            )
        return _Library(
            why_not=f"the compiled ops are for TensorFlow {' and '.join(sorted(others))}, "
            f"and this is TensorFlow {here}; installing keras_nlp_lite again builds them"
        )
    try:
        ops = tf.load_op_library(str(path))
        symbols = ctypes.CDLL(str(path))
    except (tf.errors.OpError, OSError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        return _Library(why_not=f"the compiled ops cannot be loaded: {reason}")
    if not hasattr(symbols, _NEWEST):
        return _Library(
            why_not="the compiled ops are of an older keras_nlp_lite; installing it "
            "again builds them"
        )
    symbols.KnlAttentionInstructionSet.restype = ctypes.c_char_p
    symbols.KnlGpuImplementation.restype = ctypes.c_char_p
    symbols.KnlGpuImplementation.argtypes = [
        ctypes.c_int,
        ctypes.c_int64,
        ctypes.c_int,
        ctypes.c_int,
        ctypes.POINTER(ctypes.c_char_p),
    ]
    return _Library(ops, symbols, path)
