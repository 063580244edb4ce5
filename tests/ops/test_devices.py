"""Which device an op is compiled for, and what serves where it is for none."""

import contextlib
import ctypes
import pathlib
import shutil
import subprocess

import pytest
import tensorflow as tf
from tensorflow.python.framework.kernels import get_registered_kernels_for_op

from keras_nlp_lite import ops
from keras_nlp_lite.ops import library
from keras_nlp_lite.ops.few_rows import few_rows_matmul
from keras_nlp_lite.ops.matmul import matmul
from keras_nlp_lite.ops.portable import device_type
from tests.ops import formula
from tests.ops.test_cached_attention import case as cached_case

pytestmark = pytest.mark.skipif(
    library.load() is None, reason=f"reference only: {library.why_not()}"
)
with_cuda = pytest.mark.skipif(
    library.load() is None or not library.built_with_cuda(),
    reason="the compiled ops were built without CUDA",
)


DEVICES = pathlib.Path("/dev")
ON_CPU, ON_GPU = "/device:CPU:0", "/device:GPU:0"


@pytest.fixture
def gpu(monkeypatch):
    """As if there were a GPU, whose kernels serve heads of even width in halves."""

    def ask(dtype, width, plain=True):
        if width % 2 or dtype == "float32":
            return None, f"Heads must be even. Received: {width}."
        return "sm_90, wgmma" if plain else "sm_90, mma", None

    monkeypatch.setattr(library, "_ask_for_gpu", ask)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind=None: ["GPU:0"])


def our_ops(function, inputs, device=None):
    """Our ops in a graph whose inputs are on a device, and where these ops are put."""

    @tf.function
    def traced():
        with tf.device(device) if device else contextlib.nullcontext():
            tensors = [tf.identity(x) for x in inputs]
        return function(*tensors)

    operations = traced.get_concrete_function().graph.get_operations()
    return {x.type: x.device for x in operations if x.type.startswith("Knl")}


def heads(dtype, D=8):
    return [tf.cast(x, dtype) for x in formula.inputs(D=D)]


def attended(q, k, v):
    with tf.GradientTape() as tape:
        tape.watch(q)
        out = ops.attention(q, k, v, causal=True)
    return out, tape.gradient(out, q)


class Placed:
    """A tensor of which only its place is asked."""

    def __init__(self, device):
        self.device = device


def test_a_tensor_is_where_it_was_put_or_else_where_tensorflow_would_put_it(gpu):
    assert device_type(Placed("/job:localhost/replica:0/task:0/device:CPU:0")) == "CPU"
    assert device_type(Placed("/job:worker/task:1/device:GPU:3")) == "GPU"
    assert device_type(Placed("/device:TPU:0")) == "TPU"
    for nowhere in (None, Placed(""), Placed("/job:worker/task:1")):
        assert device_type(nowhere) == "GPU"


def test_the_answer_names_the_gpus_kernel(gpu):
    answer = ops.attention_implementation
    assert answer(dtype="bfloat16") == "fused: gpu, sm_90, wgmma, bfloat16"
    with tf.device("CPU:0"):
        assert answer(*formula.inputs()).startswith("fused: cpu, ")
    q, k, v = heads("bfloat16")

    @tf.function
    def asked(q, k, v):
        assert answer(q, k, v, causal=True) == "fused: gpu, sm_90, wgmma, bfloat16"
        for options in (
            {"soft_cap": 2.0},
            {"bias": tf.zeros((q.shape[1], k.shape[1]))},
        ):
            assert answer(q, k, v, **options) == "fused: gpu, sm_90, mma, bfloat16"

    asked.get_concrete_function(*(tf.TensorSpec(x.shape, x.dtype) for x in (q, k, v)))


@pytest.mark.parametrize("visible", [[0, 1], [1], [0]])
def test_every_gpu_that_is_seen_must_serve(monkeypatch, visible):
    """And none that is not is asked."""

    class Symbols:
        def KnlGpuImplementation(self, element, width, plain, number, why):
            if number == 1:
                ctypes.cast(why, ctypes.POINTER(ctypes.c_char_p))[0] = b"It is old."
                return None
            return b"sm_80, mma"

    gpus = ["GPU:0", "GPU:1"]
    seen = [gpus[number] for number in visible]
    monkeypatch.setattr(library, "_library", lambda: library._Library(True, Symbols()))
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind=None: seen)
    if 1 in visible:
        assert library.gpu_implementation("float32", 64) is None
        why = "the compiled kernel for GPUs says 'It is old'"
        assert library.why_not_on_gpu("float32", 64) == why
    else:
        assert library.gpu_implementation("float32", 64) == "sm_80, mma"


def test_the_answer_says_what_the_gpus_kernel_does(gpu):
    assert ops.attention_implementation() == (
        "reference: float32, because the compiled kernel for GPUs says "
        "'Heads must be even. Received: 64'"
    )


def test_ops_built_without_cuda_say_how_to_get_it(gpu, monkeypatch):
    monkeypatch.setattr(library, "_ask_for_gpu", lambda *_: (None, None))
    answer = ops.attention_implementation()
    assert answer.startswith(
        "reference: float32, because the compiled ops were built without CUDA; "
        "`KNL_WITH_CUDA=1 pip install .`"
    )


def test_heads_that_are_too_wide_are_so_on_every_device(gpu):
    said = []

    def ask(*qkv):
        said.append(ops.attention_implementation(*qkv))

    for device in (ON_CPU, ON_GPU):
        our_ops(ask, heads("bfloat16", D=258), device)
    assert len(said) == 2
    assert all("because heads are 258 wide, of at most 256" in x for x in said)


@pytest.mark.parametrize("device", [ON_GPU, None])
def test_attention_on_a_gpu_is_the_op_where_it_serves(gpu, device):
    where = our_ops(attended, heads("bfloat16"), device)
    assert where.keys() == {"KnlAttention", "KnlAttentionGrad"}
    assert our_ops(attended, heads("bfloat16", D=7), device) == {}
    assert our_ops(attended, heads("float32"), device) == {}


def test_attention_of_what_is_on_a_cpu_stays_there(gpu):
    where = our_ops(attended, heads("float32"), ON_CPU)
    assert where == {"KnlAttention": ON_CPU, "KnlAttentionGrad": ON_CPU}


@pytest.mark.parametrize("device", [ON_GPU, None])
def test_cached_attention_on_a_gpu_is_the_op_where_it_serves(gpu, device):
    def step(*inputs):
        return ops.cached_attention(*inputs, index=3)

    def inputs(dtype):
        return [x[..., :8] for x in cached_case(dtype=dtype)]

    assert our_ops(step, inputs("bfloat16"), device).keys() == {"KnlCachedAttention"}
    assert our_ops(step, inputs("float32"), device) == {}
    assert our_ops(step, inputs("float32"), ON_CPU) == {"KnlCachedAttention": ON_CPU}


@pytest.mark.parametrize("device", [ON_GPU, None])
def test_ops_for_cpus_alone_are_formulas_on_a_gpu(gpu, device):
    def of_rows(x):
        ones, kernel = tf.ones(8), tf.ones((8, 8))
        return (
            ops.add_norm(x, ones, ones, residual=x),
            ops.bias_gelu(x, ones),
            matmul(x, kernel),
            few_rows_matmul(x, kernel),
        )

    x = tf.ones((2, 1, 8))
    assert our_ops(of_rows, [x], device) == {}
    compiled = {"KnlAddNorm", "KnlBiasGelu", "KnlFewRows"}
    assert our_ops(of_rows, [x], ON_CPU).keys() == compiled


def test_a_library_without_a_gpu_says_why_there_is_no_kernel():
    # The library may find one that TensorFlow cannot use.
    if tf.config.list_physical_devices("GPU") or list(DEVICES.glob("nvidia[0-9]*")):
        pytest.skip("there is a GPU")
    assert library.gpu_implementation("float32", 64) is None
    why = library.why_not_on_gpu("float32", 64)
    assert ("built without CUDA" in why) is not library.built_with_cuda()


# Of a library with CUDA


def devices_of(op):
    return {
        kernel.device_type: set(kernel.host_memory_arg)
        for kernel in get_registered_kernels_for_op(op).kernel
    }


@with_cuda
def test_attention_has_kernels_for_gpus():
    for op in ("KnlAttention", "KnlAttentionGrad"):
        assert {"CPU", "GPU"} <= devices_of(op).keys()
        assert devices_of(op)["GPU"] == set()
    assert devices_of("KnlCachedAttention") == {"CPU": set(), "GPU": {"index"}}
    for op in ("KnlAddNorm", "KnlBiasGelu", "KnlFewRows"):
        assert devices_of(op).keys() == {"CPU"}


@with_cuda
def test_xla_compiles_attention_for_gpus_as_calls_of_the_kernel():
    def step(q):
        with tf.GradientTape() as tape:
            tape.watch(q)
            out = library.load().knl_attention(q, q, q, *6 * [[]], scale=0.5).out
        return tape.gradient(out, q)

    function = tf.function(step, jit_compile=True)
    ir = function.experimental_get_compiler_ir(tf.ones((2, 5, 3, 8)))
    program = ir(stage="hlo", platform_name="GPU")
    for target in ("knl_attention", "knl_attention_grad"):
        assert f'custom_call_target="{target}"' in program


@with_cuda
def test_the_library_keeps_its_cuda_to_itself():
    """TensorFlow has functions of the same names that call another version."""
    if shutil.which("nm") is None:
        pytest.skip("nm is missing")
    symbols = subprocess.run(
        ["nm", "-D", library.library_path()],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = {line.split()[-1] for line in symbols.splitlines()}
    assert "KnlGpuImplementation" in names
    assert not {x for x in names if x.startswith(("cuda", "__cuda"))}
