"""Texts to classes: any representation, any architecture."""

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.tasks.task import Task


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class Classifier(Task):
    """A classifier out of a representation and an architecture.

    `preprocessor` says how a text becomes numbers, `encoder` what is made of them; the
    head and the activation follow from the classes. For two classes the head has one
    sigmoid unit, and `predict` still gives a column per class.

    Shapes: B batch, C classes, D features.

    Args:
        num_classes: C, at least 2; with `multi_label`, at least 1.
        preprocessor: Layer from string [B] to numbers, such as `layers.NGramBag` or
            `layers.TextVectorization`.
        encoder: Layer or model from these numbers to features [B, D]; None: they are
            features.
        multi_label: Whether a text may have any number of classes; labels are then
            0 or 1, [B, C].
        class_names: The classes' names, in order of their labels; taken from the
            training data where it knows them.
        head: Layer from features to one logit a unit. None: a Dense layer.
        **kwargs: `name`, `dtype` and the rest of `keras.Model`.

    Example:

    >>> import keras_nlp_lite as knl
    >>> model = knl.models.Classifier(
    ...     num_classes=2,
    ...     preprocessor=knl.layers.NGramBag(ngrams=2, sparse=False),
    ...     encoder=keras.layers.Dense(8, activation="relu"),
    ... )
    >>> model.adapt(["not good", "good"])
    >>> history = model.fit(["not good", "good"], [0, 1], epochs=2, verbose=0)
    >>> model.predict(["good"], verbose=0).shape
    (1, 2)
    """

    def __init__(
        self,
        num_classes,
        preprocessor=None,
        encoder=None,
        *,
        multi_label=False,
        class_names=None,
        head=None,
        **kwargs,
    ):
        super().__init__(preprocessor=preprocessor, **kwargs)
        check_positive_int("num_classes", num_classes)
        if num_classes < 2 and not multi_label:
            raise ValueError(
                f"A text is of one of at least 2 classes. Received: num_classes="
                f"{num_classes}. Try num_classes=2: one unit, two answers."
            )
        self.num_classes = num_classes
        self.multi_label = multi_label
        self.class_names = None if class_names is None else list(class_names)
        self._check_names(self.class_names)
        self.encoder = encoder
        one_unit = num_classes == 2 and not multi_label
        units = 1 if one_unit else num_classes
        self._units = units
        self.head = head or keras.layers.Dense(
            units, name="head", dtype=kwargs.get("dtype")
        )
        # Softmax and sigmoid in float32, whatever the precision of the model.
        self.to_probabilities = keras.layers.Activation(
            "sigmoid" if one_unit or multi_label else "softmax",
            dtype="float32",
            name="probabilities",
        )
        self._one_unit = one_unit
        self._two_columns = False  # of the one unit: for a loss that wants them
        self._labels_by_number = True  # which the losses of our own choice want

    # The model: prepared numbers in, probabilities out

    def build(self, input_shape):
        for layer in (self.encoder, self.head):
            if layer is not None:
                if not layer.built:
                    layer.build(input_shape)
                input_shape = layer.compute_output_shape(input_shape)
            if len(input_shape) != 2:
                raise ValueError(
                    "`encoder` must give a vector for each text, [batch, features]. "
                    f"Received: shape {tuple(input_shape)}. Try a pooling layer at its "
                    "end, such as GlobalAveragePooling1D."
                )
        if input_shape[-1] != self._units:
            raise ValueError(
                f"`head` must give {self._units} logits a text. Received: "
                f"{input_shape[-1]}."
            )

    def ensure_built(self):
        if self.preprocessor is None:
            return
        super().ensure_built()
        if not self.built:
            text = keras.KerasTensor((None,), dtype="string")
            self.build(self.preprocessor.compute_output_spec(text).shape)

    def call(self, x, training=None):
        if self.encoder is not None:
            x = self.encoder(x, training=training)
        probabilities = self.to_probabilities(self.head(x))  # [B, 1] or [B, C]
        return self.answers(probabilities) if self._two_columns else probabilities

    def answers(self, outputs):
        """float32 [B, C], from what the head's units give, [B, 1] or [B, C]."""
        if self._one_unit and outputs.shape[-1] == 1:
            return keras.ops.concatenate([1 - outputs, outputs], axis=-1)
        return outputs

    # Compiling

    def auto_loss(self):
        if self._one_unit or self.multi_label:
            return keras.losses.BinaryCrossentropy()
        return keras.losses.SparseCategoricalCrossentropy()

    def auto_metrics(self):
        if self.multi_label:  # which Keras would take for one-hot classes
            return [keras.metrics.BinaryAccuracy(name="accuracy")]
        return ["accuracy"]

    def compile(self, optimizer="auto", loss="auto", metrics="auto", **kwargs):
        """As `Task.compile`. A categorical loss for two classes gets two columns."""
        self._two_columns = self._one_unit and "categorical" in _name_of(loss).lower()
        self._labels_by_number = _name_of(loss) == "auto"
        super().compile(optimizer, loss, metrics, **kwargs)

    # Data

    def preprocess(self, x, y=None, sample_weight=None):
        if y is not None:
            y = self._labels(y)
        return super().preprocess(x, y, sample_weight)

    def with_numbered_labels(self, dataset):
        spec = dataset.element_spec
        if not isinstance(spec, tuple) or len(spec) < 2 or spec[1].dtype != tf.string:
            return dataset
        return dataset.map(lambda x, y, *weight: (x, self._labels(y), *weight))

    def _labels(self, y):
        """int [B] in 0..C-1 or float [B, C], out of numbers, names or one-hot rows."""
        if y.dtype == tf.string:
            if self.class_names is None or self.multi_label:
                raise ValueError(
                    "Labels that are strings need the classes' names, one class a text. "
                    f"Received: class_names={self.class_names}, multi_label="
                    f"{self.multi_label}. Try class_names=[...], in the order of the "
                    "outputs, or labels that are numbers."
                )
            y = tf.reshape(y, [-1])
            match = y[:, None] == tf.constant(self.class_names)
            names = ", ".join(self.class_names)
            _refuse_unless(tf.reduce_any(match, axis=1), y, f"one of {names}")
            return tf.argmax(match, axis=1, output_type=tf.int32)
        one_hot = y.shape.rank == 2 and y.shape[-1] == self.num_classes
        if self.multi_label:
            if not one_hot and y.shape.rank != 2:
                raise ValueError(
                    "With multi_label=True a text has 0 or 1 for each of the "
                    f"{self.num_classes} classes. Received: labels of shape {y.shape}."
                )
            inside = tf.reduce_all((y >= 0) & (y <= 1), axis=1)
            _refuse_unless(inside, tf.reduce_max(y, axis=1), "0 or 1")
            return y
        if one_hot and self.num_classes > 1:
            by_number = self._labels_by_number
            return tf.argmax(y, axis=1, output_type=tf.int32) if by_number else y
        y = tf.reshape(y, [-1])
        number = tf.cast(y, tf.int32)
        fine = (
            (tf.cast(number, y.dtype) == y)
            & (number >= 0)
            & (number < self.num_classes)
        )
        last = self.num_classes - 1
        _refuse_unless(fine, y, f"a whole number from 0 to {last}, num_classes in all")
        return number

    def check_data(self, dataset, labels):
        spec = dataset.element_spec
        parts = spec if isinstance(spec, tuple) else (spec,)
        wanted = "batches of (text string [B], label [B])" if labels else "texts"
        came = ", ".join(
            f"{part.dtype.name} {_shape_of(part)}"
            if isinstance(part, tf.TensorSpec)
            else str(part)
            for part in parts
        )
        text = parts[0]
        if not isinstance(text, tf.TensorSpec) or text.dtype != tf.string:
            raise ValueError(
                f"{type(self).__name__} needs {wanted}. Received: {came}. Strings come "
                "first; to feed prepared tensors, set preprocessor=None."
            )
        if text.shape.rank == 0:
            raise ValueError(
                f"{type(self).__name__} needs {wanted}. Received single examples: "
                f"{came}. Try dataset.batch(32)."
            )
        if labels and len(parts) < 2:
            raise ValueError(
                f"{type(self).__name__} needs {wanted}. Received: {came}, without "
                "labels. If a reader of tables made it, name their column: label=..."
            )
        names = getattr(dataset, "class_names", None)
        if names is not None and labels:
            self._check_names(list(names))
            if self.class_names is None:
                self.class_names = list(names)
            elif self.class_names != list(names):
                raise ValueError(
                    f"The data's classes are not the model's. Received: {list(names)}; "
                    f"the model has {self.class_names}. Try class_names="
                    f"{self.class_names} where the data is read."
                )

    def _check_names(self, names):
        if names is not None and len(names) != self.num_classes:
            raise ValueError(
                f"There must be a name for each class. Received: {len(names)} classes, "
                f"{list(names)}, with num_classes={self.num_classes}. Try num_classes="
                f"{len(names)}, or class_names=[...] with those wanted, where the data "
                "is read."
            )

    # Answers with names

    def predict_labels(self, x, **kwargs):
        """The likeliest class of each text, by name.

        Args:
            x: Texts, as `predict` takes them.
            **kwargs: The rest of `predict`.

        Returns:
            list of names (numbers, if the model knows no names); with `multi_label`, a
            list of all classes of at least even odds, for each text.
        """
        probabilities = self.predict(x, **kwargs)
        names = np.array(self.class_names or range(self.num_classes), object)
        if self.multi_label:
            return [list(names[row >= 0.5]) for row in probabilities]
        return list(names[probabilities.argmax(axis=-1)])

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "preprocessor": serialize(self.preprocessor),
            "encoder": serialize(self.encoder),
            "multi_label": self.multi_label,
            "class_names": self.class_names,
            "head": serialize(self.head),
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in ("preprocessor", "encoder", "head"):
            if isinstance(config.get(name), dict):
                config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)


def _name_of(loss):
    """A loss's name, however it was given."""
    if isinstance(loss, str):
        return loss
    return getattr(loss, "__name__", type(loss).__name__)


def _shape_of(spec):
    return "[" + ", ".join("B" if d is None else str(d) for d in spec.shape) + "]"


def _refuse_unless(fine, labels, wanted):
    """Stops the graph with a sentence that names the first label that is not fine."""
    first = tf.gather(labels, tf.argmin(tf.cast(fine, tf.int32)))
    if first.dtype != tf.string:
        first = tf.as_string(first, shortest=first.dtype.is_floating)
    tf.debugging.Assert(
        tf.reduce_all(fine),
        [tf.strings.join([f"A label must be {wanted}. Received: ", first, "."])],
    )
