"""Finding and loading the compiled ops: whichever way it goes, one sentence says how."""

import configparser
import os
import pathlib
import subprocess
import sys
import tomllib

import pytest
import tensorflow as tf

from keras_nlp_lite.ops import library

ROOT = pathlib.Path(__file__).parent.parent.parent
HERE = ".".join(tf.__version__.split(".")[:2])
built = pytest.mark.skipif(
    not list((ROOT / "keras_nlp_lite/ops").glob("*.so")), reason="nothing is compiled"
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the library is looked for, empty."""
    monkeypatch.delenv("KNL_ATTENTION", raising=False)
    monkeypatch.setattr(library, "_FOLDER", tmp_path)
    library._library.cache_clear()
    yield tmp_path
    library._library.cache_clear()


def in_a_new_process(code, **environment):
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@built
def test_what_is_compiled_loads(monkeypatch):
    monkeypatch.delenv("KNL_ATTENTION", raising=False)
    assert library.why_not() is None
    assert callable(library.load().knl_attention)
    assert callable(library.load().knl_attention_grad)


@built
def test_the_environment_narrows_the_instruction_set(monkeypatch):
    monkeypatch.setenv("KNL_INSTRUCTION_SET", "portable")
    assert library.instruction_set("float16") == "portable"
    monkeypatch.delenv("KNL_INSTRUCTION_SET")
    known = {"portable", "avx2", "avx512", "avx512_bf16"}
    assert {library.instruction_set(x) for x in library._ELEMENTS} <= known


@built
def test_ops_loaded_after_xlas_first_program_compile_too():
    code = (
        "import tensorflow as tf; from keras_nlp_lite.ops import library\n"
        "double = tf.function(lambda x: 2 * x, jit_compile=True); double(tf.ones(3))\n"
        "q, no = tf.ones((2, 5, 3, 7)), 6 * [[]]\n"
        "call = lambda: library.load().knl_attention(q, q, q, *no, scale=1.0).out\n"
        "print(tf.function(call, jit_compile=True, autograph=False)().shape)"
    )
    assert in_a_new_process(code, KNL_ATTENTION="auto") == "(2, 5, 3, 7)"


def test_the_environment_leaves_the_library_alone():
    code = (
        "from keras_nlp_lite.ops import library\n"
        "print(library.load(), library.why_not())\n"
        "print(any('nlp_lite_ops' in line for line in open('/proc/self/maps')))"
        if sys.platform.startswith("linux")
        else "print('None KNL_ATTENTION is reference\\nFalse')"
    )
    said = in_a_new_process(code, KNL_ATTENTION="reference")
    assert said.splitlines() == ["None KNL_ATTENTION is reference", "False"]


def test_a_misspelt_wish_is_refused(monkeypatch):
    monkeypatch.setenv("KNL_ATTENTION", "referense")
    with pytest.raises(ValueError, match="'auto', 'reference'.*Did you mean"):
        library.load()


def test_an_installation_without_the_library_says_how_to_get_it(folder):
    assert library.load() is None
    assert "KNL_BUILD_OPS=1 pip install" in library.why_not()
    with pytest.raises(RuntimeError, match="no instruction set, because"):
        library.instruction_set("float32")


def test_a_library_for_another_tensorflow_stays_closed(folder):
    (folder / "libkeras_nlp_lite_ops-tf1.15.so").write_bytes(b"would not open")
    assert library.load() is None
    assert f"for TensorFlow 1.15, and this is TensorFlow {HERE};" in library.why_not()


def test_a_library_that_does_not_open_says_why_in_one_line(folder):
    (folder / f"libkeras_nlp_lite_ops-tf{HERE}.so").write_bytes(b"no library")
    assert library.load() is None
    assert library.why_not().startswith("the compiled ops cannot be loaded: ")
    assert "\n" not in library.why_not()


def test_the_ops_are_compiled_with_the_tensorflow_that_is_installed():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    build = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]
    wanted = [x for x in build["requires"] if x.startswith("tensorflow")]
    assert len(wanted) == 1
    assert wanted[0] in setup["options"]["install_requires"].splitlines()
