"""Texts to classes, by an encoder that knows language already."""

import keras
import tensorflow as tf

from keras_nlp_lite.backbones import Backbone, DistilBertBackbone, RobertaBackbone
from keras_nlp_lite.backbones.encoder_stack import initializer
from keras_nlp_lite.checks import check_choice, check_fraction, check_positive_int
from keras_nlp_lite.tasks.class_labels import ClassLabels, name_of
from keras_nlp_lite.tasks.encoder_task import EncoderTask
from keras_nlp_lite.tasks.logits import check_metrics_on_probabilities, loss_on_logits
from keras_nlp_lite.tasks.pooling import POOLINGS, padding_mask_of, pool
from keras_nlp_lite.tasks.text_classifier_preprocessor import (
    TextClassifierPreprocessor,
)

# What a family's classifiers have between the first token and the logits: a dense layer
# of this activation, and whether dropout stands before it, too. BERT's is part of the
# backbone, as "pooled_output".
_PROJECTIONS = ((DistilBertBackbone, "relu", False), (RobertaBackbone, "tanh", True))


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class TextClassifier(ClassLabels, EncoderTask):
    """A classifier of texts, or of pairs of texts, on a pretrained encoder.

    Shapes: B batch, C classes, D features of the backbone.

    Args:
        backbone: A `Backbone`, or any functional Keras model from prepared tensors to
            features [B, D] or [B, T, D], or to a dict with "sequence_output" [B, T, D].
            Two tasks may share one: what one trains, the other has.
        num_classes: C, at least 2; with `multi_label`, at least 1.
        preprocessor: Layer from texts to what the backbone takes, such as
            `TextClassifierPreprocessor`. None: the model takes prepared tensors.
        activation: Of the outputs. None: the model gives logits, and `predict`, an
            export and metrics have probabilities, by softmax or, with `multi_label`,
            sigmoid. Otherwise all have what this activation gives; "linear" for logits.
        hidden_dim: Width of the projection; None for D.
        dropout: Share of features that training drops before the last layer.
        pooling: How tokens become a text: "cls" takes the first one; "mean" and "max"
            look at all but padding.
        projection: Whether a dense layer stands between pooling and dropout. "auto":
            for "cls" pooling, where the backbone's family has one.
        multi_label: Whether a text may have any number of classes; labels are then
            0 or 1, [B, C].
        class_names: The classes' names, in order of their labels; taken from the
            training data where it knows them.
        num_texts: How many texts an export takes: 2 for pairs. None: as many as the
            first data that the model sees.
        **kwargs: `name`, `dtype` and the rest of `keras.Model`.

    Call arguments:
        x: What the preprocessor gives.

    Returns:
        float32 [B, C], whatever the precision of the backbone.

    Example:

    >>> from keras_nlp_lite import models
    >>> from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer
    >>> special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    >>> tokenizer = BertTokenizer([*special, "not", "good"])
    >>> backbone = models.BertBackbone(7, **models.sizes["tiny"])
    >>> preprocessor = models.TextClassifierPreprocessor(tokenizer, sequence_length=16)
    >>> model = TextClassifier(backbone, num_classes=2, preprocessor=preprocessor)
    >>> history = model.fit(["not good", "good"], [0, 1], epochs=2, verbose=0)
    >>> model.predict(["good"], verbose=0).shape
    (1, 2)
    """

    preprocessor_cls = TextClassifierPreprocessor
    most_texts = 2

    def __init__(
        self,
        backbone,
        num_classes,
        preprocessor=None,
        activation=None,
        hidden_dim=None,
        dropout=0.1,
        *,
        pooling="cls",
        projection="auto",
        multi_label=False,
        class_names=None,
        num_texts=None,
        **kwargs,
    ):
        super().__init__(backbone, preprocessor, **kwargs)
        self.set_classes(num_classes, multi_label, class_names)
        check_positive_int("hidden_dim", hidden_dim, none_ok=True)
        check_fraction("dropout", dropout)
        check_choice("pooling", pooling, POOLINGS)
        check_choice("projection", projection, ("auto", True, False, None))
        check_choice("num_texts", num_texts, (None, *range(1, self.most_texts + 1)))
        self.activation = (
            None if activation is None else keras.activations.get(activation)
        )
        self.hidden_dim = hidden_dim
        self.dropout = dropout
        self.pooling = pooling
        self.projection = projection
        self.num_texts = num_texts
        self.pooled_dropout = self.pooled_dense = None
        self.build()

    # The model: prepared numbers in, logits out

    def build_head(self, width):
        dtype = self.dtype_policy
        activation, drops_before = self._projection()
        if activation:
            if drops_before:
                self.pooled_dropout = keras.layers.Dropout(
                    self.dropout, dtype=dtype, name="pooled_dropout"
                )
            self.pooled_dense = keras.layers.Dense(
                self.hidden_dim or width,
                activation=activation,
                kernel_initializer=initializer(),
                dtype=dtype,
                name="pooled_dense",
            )
            self.pooled_dense.build((None, width))
            width = self.pooled_dense.units
        self.output_dropout = keras.layers.Dropout(
            self.dropout, dtype=dtype, name="output_dropout"
        )
        # In float32, as the softmax and the loss that follow.
        self.output_dense = keras.layers.Dense(
            self.num_classes,
            activation=self.activation,
            kernel_initializer=initializer(),
            dtype="float32",
            name="logits",
        )
        self.output_dense.build((None, width))

    def _projection(self):
        """(activation or None, whether dropout stands before it, too)"""
        of_family = None
        for kind, activation, drops_before in _PROJECTIONS:
            if isinstance(self.backbone, kind):
                of_family = activation, drops_before
        if self.projection == "auto":
            return (self.pooling == "cls" and of_family) or (None, False)
        return (of_family or ("tanh", False)) if self.projection else (None, False)

    def call(self, x, training=None):
        x = self._pooled(x, training)  # [B, D]
        if self.pooled_dropout is not None:
            x = self.pooled_dropout(x, training=training)
        if self.pooled_dense is not None:
            x = self.pooled_dense(x)
        x = self.output_dropout(x, training=training)
        return self.output_dense(x)  # [B, C]

    def _pooled(self, x, training):
        if self._reads_firsts_alone():
            return self.encode(x, training, first_only=True)
        features = self.encode(x, training)
        if isinstance(features, dict):
            if self.uses_pooled_output() and "pooled_output" in features:
                return features["pooled_output"]
            features = features["sequence_output"]
        if len(features.shape) == 2:
            return features
        first = getattr(self.backbone, "cls_token_index", 0)
        return pool(features, padding_mask_of(x, features), self.pooling, first)

    def _reads_firsts_alone(self):
        """Whether nobody will look at the other tokens: the last block is then cheap."""
        if self.pooling != "cls" or not isinstance(self.backbone, Backbone):
            return False
        # Of a family with "pooled_output", `first_features` are that.
        return self.uses_pooled_output() or not hasattr(self.backbone, "pooled_dense")

    def uses_pooled_output(self):
        return self.pooling == "cls" and self.projection == "auto"

    def answers(self, outputs):
        """float32 [B, C]: probabilities, unless the activation was chosen."""
        if self.activation is not None:
            return outputs
        of = keras.ops.sigmoid if self.multi_label else keras.ops.softmax
        return of(outputs)

    @property
    def even_odds(self):
        return 0.0 if self.activation is keras.activations.linear else 0.5

    def serving_signature(self):
        if (self.num_texts or 1) == 1:
            return super().serving_signature()
        names = [f"text_{i + 1}" for i in range(self.num_texts)]
        return [tf.TensorSpec([None], tf.string, name=name) for name in names]

    # Compiling

    def auto_loss(self):
        logits = self._gives_logits()
        if self.multi_label:
            return keras.losses.BinaryCrossentropy(from_logits=logits)
        return keras.losses.SparseCategoricalCrossentropy(from_logits=logits)

    def auto_metrics(self):
        if self.multi_label:  # which Keras would take for one-hot classes
            return [keras.metrics.BinaryAccuracy("accuracy", threshold=self.even_odds)]
        return ["accuracy"]

    def compile(self, optimizer="auto", loss="auto", metrics="auto", **kwargs):
        """As `Task.compile`. Metrics see what `predict` gives.

        Raises:
            ValueError: a loss that does not take the logits that the model gives, or a
                metric that takes logits where `predict` gives probabilities.
        """
        self._labels_by_number = name_of(loss) == "auto"
        if self._gives_logits():
            loss = keras.tree.map_structure(loss_on_logits, loss)
        if self.activation is None:
            check_metrics_on_probabilities(metrics)
        super().compile(optimizer, loss, metrics, **kwargs)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, y, self.answers(y_pred), sample_weight)

    def _gives_logits(self):
        return self.activation in (None, keras.activations.linear)

    # Data

    @property
    def validation_source(self):
        """As `Task`'s; None for pairs, where monitoring would look for one text."""
        return None if (self.num_texts or 1) > 1 else super().validation_source

    def check_data(self, dataset, labels):
        super().check_data(dataset, labels)
        if self.num_texts is None:
            x = dataset.element_spec
            x = x[0] if isinstance(x, tuple) else x
            self.num_texts = len(x) if isinstance(x, tuple) else 1

    def settings(self):
        activation = self.activation
        if activation is not None:
            activation = keras.activations.serialize(activation)
        return {
            "num_classes": self.num_classes,
            "activation": activation,
            "hidden_dim": self.hidden_dim,
            "dropout": self.dropout,
            "pooling": self.pooling,
            "projection": self.projection,
            "multi_label": self.multi_label,
            "class_names": self.class_names,
            "num_texts": self.num_texts,
        }
