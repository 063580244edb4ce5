"""x @ kernel, as a layer's weights want it."""

import math

import keras

from keras_nlp_lite.ops.few_rows import few_rows_matmul
from keras_nlp_lite.ops.matmul import is_step, matmul


def product(layer, x):
    """(x @ kernel, bias or None), of a Dense layer, whose activation is left out.

    Args:
        layer: keras.layers.Dense, for which `has_product` is True.
        x: float [..., E].
    """
    if layer.quantization_mode is None:
        return matmul(x, layer.kernel), layer.bias
    return _of_integers(layer, x, layer.units), layer.bias


def dense(layer, x):
    """What a Dense layer without bias and activation makes of x."""
    return product(layer, x)[0] if has_product(layer, x) else layer(x)


def has_product(layer, x):
    """Whether `product` may serve. Else the layer is to be called: it knows how weights
    of 4 bits are stored, and what LoRA adds.
    """
    mode = layer.quantization_mode
    return mode is None or (mode == "int8" and not layer.lora_enabled)


def _of_integers(layer, x, width):
    """float [..., width], of a layer quantized to int8.

    One token a row is bound by reading weights, which are read as they are. For more of
    them weights become floats first: tokens rounded to 8 bits, as Keras would have them,
    are less exact, and TensorFlow multiplies them no faster.
    """
    kernel = keras.ops.convert_to_tensor(layer._kernel)
    kernel = keras.ops.reshape(kernel, (-1, width))
    scale = keras.ops.cast(keras.ops.reshape(layer.kernel_scale, (-1,)), "float32")
    if is_step(x):
        return few_rows_matmul(x, kernel, scale=1 / scale)
    # Sums of whole numbers pass what float16 can hold, and a scale of 16 bits would be off.
    half = keras.backend.standardize_dtype(x.dtype) == "float16"
    y = matmul(keras.ops.cast(x, "float32") if half else x, kernel)
    return keras.ops.cast(keras.ops.cast(y, "float32") / scale, x.dtype)


def heads(x, *layers):
    """What each layer makes of x, float [B, T, heads, width].

    By a single product: several narrow ones keep a device less busy, forward and twice
    backward. Of one token a row it is the weights that take the time, and putting
    kernels together would read them twice.

    Args:
        x: float [B, T, E].
        *layers: keras.layers.EinsumDense of [E, heads, width].
    """
    if any(layer.quantization_mode is not None for layer in layers):
        return tuple(_quantized_heads(x, layer) for layer in layers)
    if x.shape[1] == 1:
        return tuple(_some_heads(x, [layer])[0] for layer in layers)
    return _some_heads(x, layers)


def _quantized_heads(x, layer):
    if not has_product(layer, x):
        return layer(x)
    shape = layer._kernel.shape[1:]  # [heads, width]
    y = _of_integers(layer, x, math.prod(shape))
    y = keras.ops.reshape(y, (*keras.ops.shape(x)[:-1], *shape))
    return y if layer.bias is None else y + keras.ops.cast(layer.bias, y.dtype)


def _some_heads(x, layers):
    kernels = [keras.ops.convert_to_tensor(layer.kernel) for layer in layers]
    sizes = [kernel.shape[1] * kernel.shape[2] for kernel in kernels]
    flat = [keras.ops.reshape(kernel, (-1, n)) for kernel, n in zip(kernels, sizes)]
    together = matmul(x, _concatenate(flat, axis=1))
    if layers[0].bias is not None:
        bias = [keras.ops.reshape(layer.bias, (-1,)) for layer in layers]
        together = together + keras.ops.cast(_concatenate(bias, axis=0), x.dtype)
    ends = [sum(sizes[:i]) for i in range(1, len(sizes))]
    parts = keras.ops.split(together, ends, axis=-1) if ends else [together]
    rows = keras.ops.shape(x)[:-1]
    return tuple(
        keras.ops.reshape(part, (*rows, *kernel.shape[1:]))
        for part, kernel in zip(parts, kernels)
    )


def mix(layer, attended):
    """(float [B, T, E], bias or None): attention's output projection.

    Args:
        layer: keras.layers.EinsumDense of [heads, width, E].
        attended: float [B, T, heads, width].
    """
    H, K = attended.shape[-2:]
    flat = keras.ops.reshape(attended, (*keras.ops.shape(attended)[:-2], H * K))
    if layer.quantization_mode is None:
        kernel = keras.ops.convert_to_tensor(layer.kernel)
        return matmul(flat, keras.ops.reshape(kernel, (H * K, -1))), layer.bias
    if not has_product(layer, flat):
        return layer(attended), None
    return _of_integers(layer, flat, layer._kernel.shape[-1]), layer.bias


def _concatenate(tensors, axis):
    return tensors[0] if len(tensors) == 1 else keras.ops.concatenate(tensors, axis)
