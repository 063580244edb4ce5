"""Texts to vectors, whose nearness is nearness of meaning."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from keras_nlp_lite.checks import check_choice, check_positive_int
from keras_nlp_lite.tasks.encoder_task import EncoderTask
from keras_nlp_lite.tasks.nearest import nearest
from keras_nlp_lite.tasks.pooling import POOLINGS, padding_mask_of, pool
from keras_nlp_lite.tasks.text_embedder_preprocessor import TextEmbedderPreprocessor
from keras_nlp_lite.tasks.texts import check_texts


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class TextEmbedder(EncoderTask):
    """A vector for each text, and search by vectors.

    Shapes: B batch, D features of the backbone.

    Args:
        backbone: As in `TextClassifier`.
        preprocessor: Layer from texts to what the backbone takes, such as
            `TextEmbedderPreprocessor`. None: the model takes prepared tensors.
        pooling: How tokens become a text: "mean" and "max" look at all but padding;
            "cls" takes the first one.
        normalize: Whether vectors have length 1, so that their dot products are
            cosines.
        **kwargs: `name`, `dtype` and the rest of `keras.Model`.

    Call arguments:
        x: What the preprocessor gives.

    Returns:
        float32 [B, D], whatever the precision of the backbone.

    Example:

    >>> from keras_nlp_lite import models
    >>> from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer
    >>> special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    >>> tokenizer = BertTokenizer([*special, "red", "blue"])
    >>> backbone = models.BertBackbone(7, **models.sizes["tiny"])
    >>> preprocessor = models.TextEmbedderPreprocessor(tokenizer, sequence_length=16)
    >>> model = TextEmbedder(backbone, preprocessor)
    >>> model.search("blue", ["red", "blue", "blue red"], k=2, verbose=0)[0].index
    1
    """

    preprocessor_cls = TextEmbedderPreprocessor

    def __init__(
        self, backbone, preprocessor=None, *, pooling="mean", normalize=True, **kwargs
    ):
        super().__init__(backbone, preprocessor, **kwargs)
        check_choice("pooling", pooling, POOLINGS)
        self.pooling = pooling
        self.normalize = normalize
        self.build()

    # The model: prepared numbers in, vectors out

    def call(self, x, training=None):
        features = self.sequence_features(x, training)
        if len(features.shape) == 3:
            first = getattr(self.backbone, "cls_token_index", 0)
            features = pool(features, padding_mask_of(x, features), self.pooling, first)
        features = ops.cast(features, "float32")
        if self.normalize:
            squares = ops.sum(ops.square(features), axis=-1, keepdims=True)
            # A vector of zeros stays one, with a gradient of zeros.
            features = features * ops.rsqrt(ops.maximum(squares, 1e-24))
        return features

    # Using vectors

    def encode_text(self, text, **kwargs):
        """`predict` of one text or several: float32 [B, D].

        Args:
            text: A string or strings.
            **kwargs: The rest of `predict`.
        """
        return self.predict([text] if isinstance(text, str) else text, **kwargs)

    def similarity(self, a, b):
        """Dot products of all with all, which are cosines with `normalize`.

        Args:
            a, b: Texts, a text, or vectors [N, D] as `predict` gives them.

        Returns:
            float32 [A, B].
        """
        a, b = self._vectors(a)[0], self._vectors(b)[0]
        self._check_width(a, b)
        return a @ b.T

    def search(self, query, corpus, k=10, *, batch_size=None, verbose="auto"):
        """The k of a corpus that are nearest to a query.

        A corpus that is asked more than once is best embedded once, `vectors =
        model.predict(texts)`, and searched as vectors.

        Args:
            query: A text or a vector [D]; or several, as a list or [Q, D].
            corpus: Texts, as `predict` takes them, or vectors [N, D] as it gives them.
            k: How many are wanted; all where there are fewer.
            batch_size: Texts that are embedded at once; 32 by default.
            verbose: As in `predict`, for a corpus of texts.

        Returns:
            list of `Match`, which have an `index` in the corpus and a `score`, the dot
            product, best first; a list of such lists for several queries.

        Raises:
            ValueError: queries and corpus differ in width; the corpus is empty.
        """
        check_positive_int("k", k)
        queries, single = self._vectors(query, batch_size)
        vectors, _ = self._vectors(corpus, batch_size, verbose)
        self._check_width(queries, vectors)
        found = nearest(queries, vectors, k)
        return found[0] if single else found

    def _vectors(self, x, batch_size=None, verbose=0):
        """(float32 [N, D], whether it was a single one), of texts or vectors."""
        if isinstance(x, (str, bytes)):
            return self.ask([x]), True
        if _holds_texts(x):
            return self.predict(x, batch_size=batch_size, verbose=verbose), False
        vectors = np.asarray(x, "float32")
        if vectors.ndim not in (1, 2) or not vectors.size:
            raise ValueError(
                "Vectors must have shape [width] or [number, width], and there must be "
                f"one. Received: shape {vectors.shape}."
            )
        return (vectors[None], True) if vectors.ndim == 1 else (vectors, False)

    def _check_width(self, a, b):
        if a.shape[1] != b.shape[1]:
            raise ValueError(
                "Vectors must be equally wide to be compared. Received: widths "
                f"{a.shape[1]} and {b.shape[1]}."
            )

    # Training

    def auto_loss(self):
        raise ValueError(
            "An embedder has no loss of its own: what its vectors should be near to is "
            "for you to say. Received: loss='auto'. Try compile(loss=...) with labels "
            "that this loss compares vectors to, such as other vectors."
        )

    def check_data(self, dataset, labels):
        wanted = "what the loss wants" if labels else None
        check_texts(type(self).__name__, dataset, wanted, most=2)

    def settings(self):
        return {"pooling": self.pooling, "normalize": self.normalize}


def _holds_texts(x):
    if isinstance(x, tf.data.Dataset):
        return True
    if isinstance(x, (list, tuple)):
        return bool(x) and isinstance(x[0], (str, bytes))
    dtype = getattr(x, "dtype", None)
    return dtype == tf.string or getattr(dtype, "kind", "f") in "OSUT"
