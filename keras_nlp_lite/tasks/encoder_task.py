"""What the tasks on a backbone share."""

import keras

from keras_nlp_lite.backbones import presets
from keras_nlp_lite.data.raw_batches import as_array
from keras_nlp_lite.optimizers import AdamW, PlannedDecay
from keras_nlp_lite.tasks.plain_errors import plain_errors
from keras_nlp_lite.tasks.task import Task
from keras_nlp_lite.tasks.text_preprocessor import TextPreprocessor

_FEW = 32  # rows, as many as `predict` takes at once


class EncoderTask(Task):
    """A task whose preprocessor, backbone and head are three separate choices.

    A subclass makes its head in `build_head`, and names its own arguments in
    `settings`, for its config.

    Shapes: B batch, T tokens, D features.

    Args:
        backbone: A `Backbone`, or any Keras model from what the preprocessor gives to
            features: [B, D] or [B, T, D], or a dict with "sequence_output" [B, T, D].
        preprocessor: Layer from raw input to what the backbone takes. None: the task
            takes prepared tensors.
        **kwargs: `name`, `dtype`, which is the backbone's unless it is given, and the
            rest of `keras.Model`.
    """

    # The learning rate that fine-tuning peaks at.
    peak_learning_rate = 5e-5

    def __init__(self, backbone, preprocessor=None, **kwargs):
        if not isinstance(backbone, keras.Model):
            raise ValueError(
                "`backbone` must be a Keras model. Received: "
                f"{type(backbone).__name__}. Try BertBackbone, or "
                "keras.Model(inputs, features)."
            )
        # So that Keras scales the loss where the backbone computes in float16.
        if kwargs.get("dtype") is None:
            kwargs["dtype"] = backbone.dtype_policy
        super().__init__(preprocessor=preprocessor, **kwargs)
        self.backbone = backbone
        self._taken = None  # names of what the backbone takes, if they have names

    # Arguments that say which weights the head has.
    shapes_of_head = frozenset({"num_classes", "hidden_dim", "projection", "labels"})

    # What a subclass says of itself

    def settings(self):
        """dict of the subclass's own arguments, for its config."""
        return {}

    def build_head(self, width):
        """Builds the layers behind the backbone, whose features are D = `width` wide."""

    def uses_pooled_output(self):
        """Whether answers depend on the vector that a backbone such as BERT makes of a
        whole text, and not on its tokens' features alone."""
        return False

    def pretrained_head(self, family):
        """list of `Tensor`: what the head is called in a Hugging Face folder of a
        family (`backbones/families.py`); None where such folders have none for it."""
        return

    # The model

    def build(self, input_shape=None):
        if self.built:
            return
        backbone = self.backbone
        inputs, outputs = _symbolic(backbone, "input"), _symbolic(backbone, "output")
        if outputs is None:
            raise ValueError(
                "`backbone` must be a model that knows its inputs. Received: "
                f"{type(backbone).__name__} without them. Try a functional model: "
                "keras.Model(inputs, features)."
            )
        if isinstance(inputs, dict):
            self._taken = tuple(inputs)
        features = outputs
        if isinstance(outputs, dict):
            features = outputs.get("sequence_output")
        if len(getattr(features, "shape", ())) not in (2, 3):
            raise ValueError(
                "`backbone` must give [batch, features] or [batch, tokens, features], "
                'or a dict with such a "sequence_output". Received: one that gives '
                f"{keras.tree.map_structure(lambda x: tuple(x.shape), outputs)}."
            )
        self.build_head(features.shape[-1])
        self.built = True

    def build_from_config(self, config):
        self.build()

    def encode(self, x, training=None, first_only=False):
        """What the backbone gives, or its first tokens' features alone, from what the
        preprocessor gives."""
        if self._taken and isinstance(x, dict):
            x = {name: x[name] for name in self._taken}
        run = self.backbone.first_features if first_only else self.backbone
        return run(x, training=training)

    def sequence_features(self, x, training=None):
        """float [B, T, D], from what the preprocessor gives."""
        outputs = self.encode(x, training)
        return outputs["sequence_output"] if isinstance(outputs, dict) else outputs

    # Weights that no answer depends on have no gradient, of which Keras would warn at
    # each `fit`. They stay in the backbone, and in its files.

    @property
    def trainable_variables(self):
        return self._without_unused(super().trainable_variables)

    @property
    def trainable_weights(self):
        return self._without_unused(super().trainable_weights)

    def _without_unused(self, variables):
        pooling = getattr(self.backbone, "pooled_dense", None)
        if pooling is None or self.uses_pooled_output():
            return variables
        unused = {id(variable) for variable in pooling.weights}
        return [variable for variable in variables if id(variable) not in unused]

    def ensure_built(self):
        if self.preprocessor is not None:
            super().ensure_built()
        self.build()
        if isinstance(self.preprocessor, TextPreprocessor):
            self._check_preprocessor()

    def _check_preprocessor(self):
        """Refuses token ids that the backbone does not have."""
        tokenizer, backbone = self.preprocessor.tokenizer, self.backbone
        names = list(self.preprocessor.prepared_spec((None,)))
        missing = [name for name in self._taken or () if name not in names]
        if missing:
            raise ValueError(
                f"The backbone takes {', '.join(missing)}, too. Received: a "
                f"{type(tokenizer).__name__}, with which the preprocessor gives "
                f"{', '.join(names)}. Try the tokenizer of the backbone's family."
            )
        for ours, theirs, name in (
            (tokenizer.vocabulary_size(), "vocabulary_size", "vocabulary"),
            (self.preprocessor.sequence_length, "max_sequence_length", "length"),
        ):
            limit = getattr(backbone, theirs, None)
            if limit is not None and ours > limit:
                raise ValueError(
                    f"The preprocessor's {name} must not exceed the backbone's "
                    f"`{theirs}`. Received: {ours}, {theirs}={limit}."
                )

    def auto_optimizer(self):
        """AdamW whose rate rises in the first steps and falls to zero in the last."""
        return AdamW(
            PlannedDecay(self.peak_learning_rate), weight_decay=0.01, spare_norms=True
        )

    # Answering

    def ask(self, x, **kwargs):
        """`predict` for code that asks: a few rows without the second it takes to start.

        Args:
            x: As `predict` takes it.
            **kwargs: The rest of `predict`.
        """
        x = as_array(x)
        if kwargs or x.shape[0] > _FEW:
            return self.predict(x, **{"verbose": 0, **kwargs})
        with plain_errors():
            return self.predict_on_batch(x)

    # Keeping

    def get_config(self):
        serialize = keras.saving.serialize_keras_object
        return {
            **super().get_config(),
            "backbone": serialize(self.backbone),
            "preprocessor": serialize(self.preprocessor),
            **self.settings(),
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in ("backbone", "preprocessor"):
            if isinstance(config.get(name), dict):
                config[name] = keras.saving.deserialize_keras_object(config[name])
        return cls(**config)

    @classmethod
    def from_preset(cls, preset, load_weights=True, **kwargs):
        """A task on the backbone of a preset, with the preset's preprocessor.

        Args:
            preset: As in `Backbone.from_preset`. A folder that this class's
                `save_to_preset` wrote gives its head, too.
            load_weights: Whether to load weights, or only the shape of the model.
            **kwargs: Arguments of the class, in place of those of the preset.

        Raises:
            ValueError: as `Backbone.from_preset` does.
        """
        return presets.load_task(cls, preset, load_weights, **kwargs)

    def save_to_preset(self, preset_dir):
        """Writes backbone, tokenizer, preprocessor and head into a folder.

        Args:
            preset_dir: Folder to write; one that is there is replaced if it is a
                preset.
        """
        self.ensure_built()
        presets.save_task(self, preset_dir)


def _symbolic(model, which):
    """A functional model's "input" or "output"; None for any other model."""
    try:
        if isinstance(model, keras.Sequential):  # whose own it does not tell
            return getattr(model, which + "s")[0]
        return getattr(model, which)
    except (AttributeError, ValueError):
        return None
