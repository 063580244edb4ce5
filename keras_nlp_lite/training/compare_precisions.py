"""The same training in several precisions, side by side."""

import time

import keras
import tensorflow as tf
from rich.console import Console
from rich.table import Table

from keras_nlp_lite.training.precision import precision
from keras_nlp_lite.training.throughput import Throughput

_WIDTH = 100  # columns, where there is no terminal to ask


def compare_precisions(
    model_fn,
    data,
    validation_data=None,
    precisions=("float32", "bfloat16"),
    epochs=1,
    *,
    seed=0,
    verbose=1,
    **kwargs,
):
    """Trains a model once in each precision, and prints what that gave and cost.

    Each run begins with the same seed, so with the same weights and order (dropout
    draws other numbers in another precision). Seeds Python's, NumPy's and Keras's
    random numbers; the global precision is in the end what it was.

    Args:
        model_fn: Function that makes the model, in the precision that is then Keras's
            global one; compiled, unless it is a task. It gets no argument.
        data: What `fit` takes: a Dataset, or a tuple of lists or arrays (x, y). A task
            without a vocabulary is adapted to it.
        validation_data: As in `fit`.
        precisions: Names as in `precision`.
        epochs: Passes over the data. The first call of a training function is not
            timed, since it traces; where an epoch is one call, give two.
        seed: int.
        verbose: Whether to print the table.
        **kwargs: The rest of `fit`, such as `batch_size`.

    Returns:
        dict from the name of a precision to a dict: the last epoch's logs ("loss",
        "val_accuracy", …; rates per second are those of training), "seconds" of all of
        `fit`, and on a GPU "peak_bytes", the most memory that was in use.

    Raises:
        ValueError: an unknown precision; or `model_fn` makes a model of another one.

    Example:

    >>> def model_fn():
    ...     model = keras.Sequential([keras.layers.Dense(1)])
    ...     model.compile("sgd", "mse", jit_compile=False)
    ...     return model
    >>> x = keras.ops.ones([64, 3])
    >>> results = compare_precisions(model_fn, (x, x[:, 0]), epochs=2, verbose=0)
    >>> list(results)
    ['float32', 'bfloat16']
    """
    policies = {name: precision(name) for name in precisions}
    before = keras.config.dtype_policy()
    results = {}
    try:
        for name, policy in policies.items():
            keras.config.set_dtype_policy(policy)
            keras.utils.set_random_seed(seed)
            model = model_fn()
            if model.dtype_policy.name != policy.name:
                raise ValueError(
                    "`model_fn` must make a model of Keras's global precision, here "
                    f"{policy.name}. Received: one of {model.dtype_policy.name}. Try "
                    "it without `dtype`."
                )
            results[name] = _run(model, data, validation_data, epochs, kwargs)
    finally:
        keras.config.set_dtype_policy(before)
    if verbose:
        _print(results)
    return results


def _run(model, data, validation_data, epochs, kwargs):
    gpus = tf.config.list_logical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.reset_memory_stats(_short(gpu))
    if not getattr(getattr(model, "preprocessor", None), "is_adapted", True):
        model.adapt(data)
    arguments = dict(zip(("x", "y", "sample_weight"), _parts(data), strict=False))
    callbacks = [Throughput(), *keras.tree.flatten(kwargs.get("callbacks") or [])]
    start = time.perf_counter()
    history = model.fit(
        **arguments,
        validation_data=validation_data,
        epochs=epochs,
        **{"verbose": 0, **kwargs, "callbacks": callbacks},
    ).history
    result = {name: values[-1] for name, values in history.items()}
    result["seconds"] = time.perf_counter() - start
    if gpus:
        used = [tf.config.experimental.get_memory_info(_short(gpu)) for gpu in gpus]
        result["peak_bytes"] = sum(each["peak"] for each in used)
    return result


def _parts(data):
    return data if isinstance(data, tuple) else (data,)


def _short(device):
    """ "GPU:0" """
    return ":".join(device.name.split(":")[-2:])


def _print(results):
    names = list(dict.fromkeys(name for result in results.values() for name in result))
    table = Table()
    table.add_column("")
    for precision_name in results:
        table.add_column(precision_name, justify="right")
    for name in names:
        cells = (_cell(result.get(name)) for result in results.values())
        table.add_row(name.replace("_", " "), *cells)
    console = Console(highlight=False, markup=False)
    if not console.is_terminal:
        console = Console(highlight=False, markup=False, width=_WIDTH)
    console.print(table)


def _cell(value):
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
