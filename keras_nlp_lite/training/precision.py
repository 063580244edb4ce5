"""In how many bits a model computes."""

import keras
import tensorflow as tf

from keras_nlp_lite.checks import check_choice

_POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


def precision(name="auto"):
    """The Keras policy of a precision, for the `dtype` of one model.

    In 16 bits, matrices are multiplied in half the time or less, and activations take
    half the memory. Weights stay in float32, and so does what must not be rounded:
    softmax, norms and losses. In "float16", whose largest number is 65,504 and whose
    smallest is 6e-8, `compile` scales the loss, so that small gradients do not become
    zero; steps whose gradients overflow are skipped. "bfloat16" has float32's range,
    and needs no such thing.

    Args:
        name: "float32", "bfloat16", "float16", or "auto": the best that the machine
            computes faster than float32. That is bfloat16 on GPUs of compute
            capability 8.0 and on CPUs with AVX512-BF16 or AMX-BF16, float16 on GPUs
            of 7.0, and float32 elsewhere. Of several GPUs, the oldest decides. Keras's
            own names, "mixed_bfloat16" and "mixed_float16", mean the same.

    Returns:
        keras.DTypePolicy.

    Raises:
        ValueError: `name` is none of these.

    Example:

    >>> precision("bfloat16").compute_dtype, precision("bfloat16").variable_dtype
    ('bfloat16', 'float32')

    Reference: Micikevicius et al., "Mixed Precision Training", arXiv:1710.03740.
    """
    policies = _POLICIES.values()
    choices = dict.fromkeys(["auto", *_POLICIES, *policies])  # float32 is both
    check_choice("precision", name, tuple(choices))
    if name == "auto":
        name = best_precision(_compute_capabilities(), _cpu_flags())
    return keras.dtype_policies.get(_POLICIES.get(name, name))


def set_precision(name="auto"):
    """Makes a precision that of all models and layers that are made from now on.

    Args:
        name: As in `precision`.

    Returns:
        keras.DTypePolicy, which Keras now takes where no `dtype` is given.

    Raises:
        ValueError: as `precision` does.

    Example:

    >>> set_precision("bfloat16").name, keras.layers.Dense(1).compute_dtype
    ('mixed_bfloat16', 'bfloat16')
    >>> set_precision("float32").name
    'float32'
    """
    policy = precision(name)
    keras.config.set_dtype_policy(policy)
    return policy


def best_precision(capabilities, cpu_flags):
    """What "auto" stands for.

    Args:
        capabilities: list of (major, minor), one for each GPU; None where unknown.
        cpu_flags: Collection of str, the CPU's features as Linux names them.

    Example:

    >>> best_precision([(9, 0), (7, 5)], cpu_flags=())
    'float16'
    >>> best_precision([], cpu_flags={"avx2", "amx_bf16"})
    'bfloat16'
    """
    if capabilities:
        oldest = min(capability or (0, 0) for capability in capabilities)
        return (
            "bfloat16"
            if oldest >= (8, 0)
            else "float16"
            if oldest >= (7, 0)
            else "float32"
        )
    fast = {"avx512_bf16", "amx_bf16"} & set(cpu_flags)
    return "bfloat16" if fast else "float32"


def _compute_capabilities():
    details = tf.config.experimental.get_device_details
    gpus = tf.config.list_physical_devices("GPU")
    return [details(gpu).get("compute_capability") for gpu in gpus]


def _cpu_flags():
    """Set of str; empty where there is no Linux to ask."""
    try:
        with open("/proc/cpuinfo") as lines:
            line = next((x for x in lines if x.startswith("flags")), "")
    except OSError:
        return set()
    return set(line.partition(":")[2].split())
