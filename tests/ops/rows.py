"""What the tests of functions of rows share: how results are judged."""

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.ops import library

compiled = pytest.mark.skipif(
    library.load() is None, reason=f"formula only: {library.why_not()}"
)
DTYPES = ["float32", "bfloat16", "float16"]
_ZERO = {"unconnected_gradients": tf.UnconnectedGradients.ZERO}
# Half a step between neighbours at 1.
ROUNDING = {"float32": 2.0**-24, "bfloat16": 2.0**-9, "float16": 2.0**-12}


def normal(*shape, seed=0, dtype="float32"):
    return tf.cast(np.random.default_rng((seed, *shape)).normal(size=shape), dtype)


def derivatives(function, inputs, order=1):
    """The results; the gradients of a random loss of them; or those of such a loss of the
    gradients. Every member of `inputs`, a dict, is differentiated."""
    rng = np.random.default_rng(3)

    def loss(xs):
        terms = [
            tf.reduce_sum(tf.cast(x, "float64") * rng.normal(size=x.shape)) for x in xs
        ]
        return tf.add_n(terms)

    inputs = {name: tf.convert_to_tensor(x) for name, x in inputs.items()}
    with tf.GradientTape() as outer, tf.GradientTape() as inner:
        outer.watch(inputs)
        inner.watch(inputs)
        results = {str(i): y for i, y in enumerate(tf.nest.flatten(function(**inputs)))}
        if order > 0:
            results = inner.gradient(loss(results.values()), inputs, **_ZERO)
        again = loss(results.values()) if order > 1 else None
    return outer.gradient(again, inputs, **_ZERO) if order > 1 else results


def assert_as_exact(got, plain, exact, rounding):
    """Not more than twice as far from the exact values as the plain formula is, by the
    root mean square; three roundings of the values are always allowed."""
    assert got.keys() == exact.keys()
    for name in exact:
        x, y, z = (np.asarray(a[name], "float64") for a in (got, plain, exact))
        assert x.shape == z.shape
        if z.size:
            allowed = max(2 * _size(y - z), 3 * rounding * _size(z))
            assert _size(x - z) <= allowed, name


def _size(x):
    return np.sqrt((x**2).mean())
