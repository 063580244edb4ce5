"""Products with weights that were quantized, beside those with the weights they stand for."""

import keras
import numpy as np
import pytest

from keras_nlp_lite.ops.product import has_product, product


@pytest.mark.parametrize("tokens", [1, 7])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_int8_weights_give_what_their_floats_give(dtype, tokens):
    rng = np.random.default_rng(0)
    # Keras quantizes no layer that computes in float16; its input may still be so.
    layer = keras.layers.Dense(40, dtype="float32" if dtype == "float16" else dtype)
    layer.build((None, tokens, 300))
    # Sums of the whole numbers that stand for them pass the 65,504 of float16.
    layer.kernel.assign(rng.normal(size=(300, 40)) * 0.02 + 0.02)
    layer.quantize("int8")
    assert has_product(layer, None)
    x = keras.ops.cast(rng.normal(size=(2, tokens, 300)) + 3, dtype)
    y, bias = product(layer, x)
    kernel = np.asarray(layer._kernel, "float64") / np.asarray(layer.kernel_scale)
    wanted = np.asarray(keras.ops.cast(x, "float64")) @ kernel
    assert y.dtype == dtype
    assert bias is layer.bias
    # bfloat16 is rounded twice or more: some machines sum parts of a product in it.
    tolerance = {"float32": 1e-4, "float16": 2e-3, "bfloat16": 2**-6}[dtype]
    np.testing.assert_allclose(keras.ops.cast(y, "float64"), wanted, rtol=tolerance)
