"""What every backbone is: token ids in, features out."""

import types

import keras
import numpy as np

from keras_nlp_lite.backbones import presets
from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.ops import portable_ops


class Backbone(keras.Model):
    """A functional model from prepared ids to features, on which tasks stand.

    A subclass makes its layers, then calls `super().__init__`.

    Args:
        inputs: dict of `keras.Input`.
        outputs: Symbolic features, or a dict of them.
        settings: The subclass's arguments by name, for its config; each becomes an
            attribute.
        dtype: Precision policy of all layers.
        first: Symbolic features [B, D] of each row's first token, where they can be had
            for less than all tokens'.
        **kwargs: `name`, `trainable`.
    """

    cls_token_index = 0

    def __init__(self, inputs, outputs, settings, dtype=None, first=None, **kwargs):
        super().__init__(inputs=inputs, outputs=outputs, **kwargs)
        # In a plain object: Keras would count and save the shared layers twice.
        self._of_first = types.SimpleNamespace(
            model=None if first is None else keras.Model(inputs, first)
        )
        self._settings = tuple(settings)
        for name, value in settings.items():
            setattr(self, name, value)
        if dtype is not None:
            self.dtype_policy = keras.dtype_policies.get(dtype)

    def call(self, inputs, training=None, mask=None, **kwargs):
        # By the order of their names, Keras would take what is too much for the rest.
        if isinstance(inputs, dict) and set(self.input) <= set(inputs):
            inputs = {name: inputs[name] for name in self.input}
        return super().call(inputs, training=training, mask=mask, **kwargs)

    @property
    def token_embedding(self):
        """The layer from token ids to vectors."""
        return getattr(self, "_token_embedding", None)

    @token_embedding.setter
    def token_embedding(self, layer):
        self._token_embedding = layer

    def first_features(self, inputs, training=None):
        """float [B, D], of each row's first token: BERT's "pooled_output", where there
        is one. Rows hold one text each, with padding behind its tokens."""
        if self._of_first.model is not None:
            return self._of_first.model(inputs, training=training)
        return self(inputs, training=training)[:, 0]

    def get_config(self):
        # Not the functional model's, which holds layers and no arguments.
        return {
            "name": self.name,
            "trainable": self.trainable,
            "dtype": keras.dtype_policies.serialize(self.dtype_policy),
            **{name: getattr(self, name) for name in self._settings},
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        if isinstance(config.get("dtype"), dict):
            config["dtype"] = keras.dtype_policies.deserialize(config["dtype"])
        return cls(**config)

    def resize_vocabulary(self, vocabulary_size):
        """A backbone for a larger or smaller vocabulary, with the weights of this one.

        Weights cannot change their shape, so that it is another model: make tasks on it
        anew.

        Args:
            vocabulary_size: V, of the other, such as `tokenizer.vocabulary_size()` after
                `tokenizer.add_tokens`. Ids that both have keep their vectors; new ones
                get the mean of all, which is better than noise: scores for them begin
                where the others' are on average.

        Returns:
            A backbone of the same class.

        Raises:
            ValueError: the size is no positive integer; weights were added to this
                backbone, as by `enable_lora`.
        """
        check_positive_int("vocabulary_size", vocabulary_size)
        config = {**self.get_config(), "vocabulary_size": vocabulary_size}
        other = type(self).from_config(config)
        if len(other.weights) != len(self.weights):
            raise ValueError(
                "A backbone can be resized that has the weights of its class and no "
                f"others. Received: {len(self.weights)} weights instead of "
                f"{len(other.weights)}. Resize before `enable_lora`."
            )
        for ours, theirs in zip(self.weights, other.weights):
            value = keras.ops.convert_to_numpy(ours)
            if ours.shape != theirs.shape:
                value = _resized(value, theirs.shape)
            theirs.assign(value)
        return other

    # Presets

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """A backbone out of a folder.

        Args:
            preset: A folder that `save_to_preset` wrote, or KerasHub; one of Hugging
                Face with `config.json` and `model.safetensors`; or
                "hf://organisation/name", for which `huggingface_hub` is needed.
            load_weights: Whether to load weights, or only the shape of the model.
            **kwargs: Arguments of the backbone, in place of those of the preset.

        Raises:
            ValueError: no such folder, a family that is not known, another class than
                this one, a file that is cut off, a weight that is missing, unknown or
                of another shape.
        """
        return presets.load_backbone(cls, preset, load_weights, **kwargs)

    def save_to_preset(self, preset_dir):
        """Writes the backbone into a folder; a preset that is there is replaced."""
        presets.save_backbone(self, preset_dir)

    def export_to_transformers(self, path, tokenizer=None):
        """Writes a folder that Hugging Face's `transformers` loads.

        Args:
            path: Folder to write; a preset that is there is replaced.
            tokenizer: Its vocabulary is written, too.
        """
        presets.export_to_transformers(self, path, tokenizer)

    def export(self, filepath, *args, **kwargs):
        """As Keras's, of TensorFlow's own ops alone, so that it loads anywhere."""
        with portable_ops():
            super().export(filepath, *args, **kwargs)

    # Training a part

    def freeze(self, up_to=None):
        """Keeps layers as they are while the rest trains.

        Compile again afterwards. A saved model does not remember it: freeze again after
        loading.

        Args:
            up_to: How many blocks to freeze, counted from the input, with the
                embeddings: 0 freezes the embeddings alone, -1 all blocks but the last.
                None freezes everything.

        Raises:
            ValueError: there are not so many blocks.
        """
        blocks = self.transformer_layers
        number = len(blocks) if up_to is None else up_to
        number = number + len(blocks) if number < 0 else number
        if not 0 <= number <= len(blocks):
            raise ValueError(
                f"`up_to` must count blocks, of which there are {len(blocks)}. "
                f"Received: up_to={up_to}."
            )
        free = blocks[number:]
        self.trainable = True  # which would hide what its layers say
        for layer in self.layers:
            after = up_to is not None and layer.name in _AFTER_THE_BLOCKS
            layer.trainable = after or any(layer is block for block in free)

    def enable_lora(self, rank, target_layer_names=None):
        """Freezes the kernels, and trains a product of two narrow matrices beside some.

        The biases of those layers train, too, as in Keras. Compile again afterwards. A
        saved model does not remember that the rest was frozen.

        Args:
            rank: The narrow side of both.
            target_layer_names: Names of the Dense and EinsumDense layers that get them;
                by default the queries' and values' projections.

        Raises:
            ValueError: no layer has such a name.

        Reference: Hu et al., "LoRA", arXiv:2106.09685.
        """
        names = target_layer_names or self.default_lora_layer_names()
        layers = self._flatten_layers(include_self=False)
        targets = [x for x in layers if x.name in names and hasattr(x, "enable_lora")]
        if not targets:
            raise ValueError(
                "`target_layer_names` must name layers with a kernel. Received: "
                f"{list(names)}."
            )
        self.trainable = True
        for layer in layers:
            layer.trainable = False
        for layer in targets:
            layer.trainable = True
            layer.enable_lora(rank)

    def default_lora_layer_names(self):
        """Names of the layers that `enable_lora` works on unless told otherwise."""
        return ["query", "value", "query_dense", "value_dense"]


_AFTER_THE_BLOCKS = ("pooled_dense", "final_norm", "encoder_final_norm")


def _resized(value, shape):
    """A table [V, D], or [D, V] from features back to scores, for another V: ids that
    both have keep their vectors, new ones get the mean of all."""
    axis = next(i for i, size in enumerate(shape) if size != value.shape[i])
    value = np.moveaxis(value, axis, 0)
    mean = value.mean(0, dtype="float32", keepdims=True)
    new = mean.repeat(max(shape[axis] - len(value), 0), 0)
    value = np.concatenate([value[: shape[axis]], new.astype(value.dtype)])
    return np.moveaxis(value, 0, axis)
