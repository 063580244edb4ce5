"""Where numbers cease to be numbers: one batch again, layer by layer."""

import dataclasses
import functools

import keras
import numpy as np
import tensorflow as tf

_MOST_ROWS = 5
_LARGE = 1e4  # weights beyond are worth a word


@dataclasses.dataclass
class NonFinite:
    """The first tensor that holds NaN or infinity.

    Attributes:
        layer: str, path of the layer; "" where it is no layer's.
        tensor: str, which of its tensors: "output", "gradient of kernel", "weight
            kernel", "loss", "sample weights", …
        kind: str, "NaN", "infinity" or both.
        share: float, how much of the tensor that is.
        rows: list of int, the rows of the batch in which it is; empty where it is in
            all, or they cannot be told.
        hint: str, what else is known.
    """

    layer: str
    tensor: str
    kind: str = "NaN"
    share: float = 1.0
    rows: list = dataclasses.field(default_factory=list)
    hint: str = ""

    def __str__(self):
        of = f" of layer {self.layer!r}" if self.layer else ""
        rows = ""
        if self.rows:
            listed = ", ".join(map(str, self.rows[:_MOST_ROWS]))
            rows = f", in row{'s' * (len(self.rows) > 1)} {listed}"
            rows += ", …" if len(self.rows) > _MOST_ROWS else ""
        hint = f" {self.hint}" if self.hint else ""
        return f"{self.tensor}{of} ({self.kind}, {self.share:.2g} of it{rows}).{hint}"


def find_non_finite(model, batch):
    """The first tensor of a training step that holds NaN or infinity.

    Looks in the order in which they come to be: data, weights, the layers' outputs
    (the innermost layer is named), the loss, then gradients from the loss backwards.

    Args:
        model: A compiled keras.Model, with the weights that the step begins with.
        batch: What its `train_step` takes: x, (x, y) or (x, y, sample_weight).

    Returns:
        NonFinite; None if all are finite.

    Example:

    >>> logarithm = keras.layers.Activation(keras.ops.log, name="logarithm")
    >>> model = keras.Sequential([keras.Input([2]), logarithm], name="model")
    >>> model.compile("sgd", "mse")
    >>> x = np.array([[1.0, 2.0], [0.0, 3.0]])
    >>> print(find_non_finite(model, (x, x)))
    output of layer 'logarithm' (infinity, 0.25 of it, in row 1).
    """
    x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
    B = _rows_of(x)
    for part, tensor in ((x, "input"), (y, "labels"), (weights, "sample weights")):
        for path, value in _named(part):
            if found := _look(value, "", f"{tensor}{path}", B):
                return found
    for variable in model.trainable_variables:
        hint = "The update of the batch before made it so, or it was loaded so."
        owner, _, name = variable.path.rpartition("/")
        if found := _look(variable, owner, f"weight {name}", hint=hint):
            return found

    variables = [variable.value for variable in model.trainable_variables]
    with tf.GradientTape(persistent=True) as tape, _Calls(model) as calls:
        outputs = model(x, training=True)
        loss = model.compute_loss(x, y, outputs, weights)
    for call in calls:
        for value in call.outputs:
            if found := _look(value, call.path, "output", B):
                found.hint = _about_weights(call.layer)
                found.rows = found.rows or _bad_rows(_floats(outputs), B)
                return found
    if found := _look(loss, "", "loss"):
        found.hint = "All outputs are finite: look at the loss and its labels."
        return found
    if not variables:
        return None

    to_variables = dict(zip(map(id, variables), tape.gradient(loss, variables)))
    for call in reversed(calls.by_start()):
        if any(_kind(g) for g in tape.gradient(loss, call.outputs)):
            continue  # it came so from behind
        for variable in call.layer.trainable_variables:
            gradient = to_variables.get(id(variable.value))
            name = variable.path.removeprefix(call.path).strip("/")
            if found := _look(gradient, call.path, f"gradient of weight {name}"):
                return found
        for gradient in tape.gradient(loss, call.inputs):
            if found := _look(gradient, call.path, "gradient of input", B):
                return found
    for variable in model.trainable_variables:
        owner, _, name = variable.path.rpartition("/")
        gradient = to_variables.get(id(variable.value))
        if found := _look(gradient, owner, f"gradient of weight {name}"):
            return found
    return None


@dataclasses.dataclass
class _Call:
    """One call of a layer. Only floats are kept."""

    layer: keras.layers.Layer
    path: str
    start: int
    inputs: list
    outputs: list


class _Calls:
    """While it is open, notes what a model's layers take and give.

    Iterates over calls in the order in which they ended, so inner layers come before
    those that hold them.
    """

    def __init__(self, model):
        self.layers = list(model._flatten_layers())
        self.calls = []
        self.started = 0

    def __enter__(self):
        self.before = [vars(layer).get("call") for layer in self.layers]
        for layer in self.layers:
            # Past Keras, which would track it.
            vars(layer)["call"] = self._noting(layer, layer.call)
        return self

    def __exit__(self, *_):
        for layer, call in zip(self.layers, self.before, strict=True):
            del vars(layer)["call"]
            if call is not None:
                vars(layer)["call"] = call

    def __iter__(self):
        return iter(self.calls)

    def by_start(self):
        return sorted(self.calls, key=lambda call: call.start)

    def _noting(self, layer, call):
        @functools.wraps(call)
        def noting(*args, **kwargs):
            self.started += 1
            start = self.started
            outputs = call(*args, **kwargs)
            path = layer.path or layer.name
            floats = _floats((args, kwargs)), _floats(outputs)
            self.calls.append(_Call(layer, path, start, *floats))
            return outputs

        return noting


def _floats(structure):
    """The eager float tensors in it."""
    return [
        part
        for part in tf.nest.flatten(structure)
        if isinstance(part, tf.Tensor)
        and hasattr(part, "numpy")
        and part.dtype.is_floating
    ]


def _look(value, layer, tensor, num_rows=None, hint=""):
    """NonFinite, if the value holds such; else None."""
    kind = _kind(value)
    if not kind:
        return None
    share = float(np.mean(~np.isfinite(_array(value))))
    rows = _bad_rows([value], num_rows)
    return NonFinite(layer, tensor, kind, share, rows, hint)


def _bad_rows(values, num_rows):
    """list of int; empty where all rows are bad, or the values do not come in rows."""
    bad = np.zeros(num_rows or 0, bool)
    for value in values:
        array = _array(value)
        if array.ndim and len(array) == num_rows:
            bad |= ~np.isfinite(array.reshape(num_rows, -1)).all(axis=1)
    return [] if bad.all() else np.flatnonzero(bad).tolist()


def _rows_of(x):
    """int; None where nobody knows."""
    first = next((part for part in tf.nest.flatten(x) if part is not None), None)
    shape = getattr(first, "shape", ())
    return int(shape[0]) if len(shape) and shape[0] is not None else None


def _kind(value):
    """str, which numbers are not finite; "" if none are."""
    if value is None:
        return ""
    array = _array(value)
    if array.dtype.kind != "f":
        return ""
    nan, infinite = bool(np.isnan(array).any()), bool(np.isinf(array).any())
    return " and ".join(["NaN"] * nan + ["infinity"] * infinite)


def _array(value):
    if isinstance(value, (tf.IndexedSlices, tf.SparseTensor)):
        value = value.values
    if isinstance(value, tf.RaggedTensor):
        value = value.flat_values
    if isinstance(value, keras.Variable):
        value = value.value
    array = np.asarray(value)
    # bfloat16, which NumPy does not count among floats.
    return array.astype("float32") if array.dtype.name == "bfloat16" else array


def _named(structure):
    """Yields (": name" or "", tensor)."""
    if isinstance(structure, dict):
        for name, part in structure.items():
            for path, value in _named(part):
                yield f" {name!r}{path}", value
    elif isinstance(structure, (list, tuple)):
        for number, part in enumerate(structure):
            for path, value in _named(part):
                yield f" {number}{path}", value
    elif structure is not None:
        yield "", structure


def _about_weights(layer):
    sizes = [float(np.abs(_array(w)).max(initial=0)) for w in layer.trainable_variables]
    largest = max(sizes, default=0.0)
    if not largest > _LARGE:
        return ""
    return f"Its weights reach {largest:.1e}: is the learning rate too high?"
