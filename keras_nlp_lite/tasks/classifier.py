"""Texts to classes: any representation, any architecture."""

import keras

from keras_nlp_lite.tasks.class_labels import ClassLabels, name_of
from keras_nlp_lite.tasks.task import Task


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class Classifier(ClassLabels, Task):
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
        self.set_classes(num_classes, multi_label, class_names)
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

    # The model: prepared numbers in, probabilities out

    def build(self, input_shape):
        for layer in (self.encoder, self.head):
            if layer is not None:
                if not layer.built:
                    self._keep_numbers_whole(layer, input_shape)
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

    def _keep_numbers_whole(self, layer, input_shape):
        """Keras gives a Sequential an input of its first layer's compute type. In 16
        bits that rounds the numbers of tokens, from 257 on."""
        if layer is not self.encoder or not isinstance(layer, keras.Sequential):
            return
        numbers = None if self.preprocessor is None else self._prepared()
        if numbers is not None and "int" in keras.backend.standardize_dtype(
            numbers.dtype
        ):
            layers = [layer.pop(rebuild=False) for _ in layer.layers]
            numbers = keras.Input(batch_shape=input_shape, dtype="int32")
            for part in (numbers, *reversed(layers)):
                layer.add(part, rebuild=False)

    def _prepared(self):
        """keras.KerasTensor like what the preprocessor gives."""
        text = keras.KerasTensor((None,), dtype="string")
        return self.preprocessor.compute_output_spec(text)

    def ensure_built(self):
        if self.preprocessor is None:
            return
        super().ensure_built()
        if not self.built:
            self.build(self._prepared().shape)

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
        self._two_columns = self._one_unit and "categorical" in name_of(loss).lower()
        self._labels_by_number = name_of(loss) == "auto"
        super().compile(optimizer, loss, metrics, **kwargs)

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
