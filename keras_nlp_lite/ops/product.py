"""x @ kernel, as a layer's weights want it."""

import keras

from keras_nlp_lite.ops.matmul import matmul


def product(layer, x):
    """(x @ kernel, bias or None), of a Dense layer, whose activation is left out.

    Args:
        layer: keras.layers.Dense, quantized or not.
        x: float [..., E].
    """
    if layer.quantization_mode is not None:  # it knows its own way to multiply
        return layer(x), None
    return matmul(x, layer.kernel), layer.bias


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
        return tuple(layer(x) for layer in layers)
    if x.shape[1] == 1:
        return tuple(_some_heads(x, [layer])[0] for layer in layers)
    return _some_heads(x, layers)


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
    if layer.quantization_mode is not None:
        return layer(attended), None
    kernel = keras.ops.convert_to_tensor(layer.kernel)
    width = kernel.shape[0] * kernel.shape[1]
    attended = keras.ops.reshape(attended, (*keras.ops.shape(attended)[:-2], width))
    return matmul(attended, keras.ops.reshape(kernel, (width, -1))), layer.bias


def _concatenate(tensors, axis):
    return tensors[0] if len(tensors) == 1 else keras.ops.concatenate(tensors, axis)
