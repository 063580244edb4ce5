"""What language models and sequence-to-sequence models learn by, and are judged by."""

import math

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.data.raw_batches import raw_batches
from keras_nlp_lite.tasks.plain_errors import plain_errors
from keras_nlp_lite.tasks.smoothed_crossentropy import SmoothedCrossentropy
from keras_nlp_lite.tasks.waiting_bar import waiting_bar
from keras_nlp_lite.tasks.writing_task import WritingTask, compiled


class LanguageTask(WritingTask):
    """A task that learns which token comes next.

    Args:
        backbone, preprocessor: As in `WritingTask`.
        label_smoothing: As in `SmoothedCrossentropy`.
        packed: Whether training sets several texts in a row, so that little of it is
            padding; they do not see one another.
        **kwargs: `name`, `dtype` and the rest of `keras.Model`.
    """

    def __init__(
        self,
        backbone,
        preprocessor=None,
        *,
        label_smoothing=0.0,
        packed=True,
        **kwargs,
    ):
        super().__init__(backbone, preprocessor, **kwargs)
        self.label_smoothing = label_smoothing
        self.packed = packed

    def settings(self):
        return {"label_smoothing": self.label_smoothing, "packed": self.packed}

    # Training

    def preprocess(self, x, y=None, sample_weight=None):
        return self.preprocessor(x, y, sample_weight, packed=self.packed)

    def preprocess_question(self, x):
        return (self.preprocessor(x)[0],)

    def _kept(self, raw, budget, shuffle, verbose):
        # Kept rows would be handed out by as many as there were texts in a batch.
        return None if self.packed else super()._kept(raw, budget, shuffle, verbose)

    def auto_loss(self):
        return SmoothedCrossentropy(self.label_smoothing)

    # Scoring

    def score(self, x, batch_size=None):
        """How likely each text is: the sum of its tokens' log-probabilities.

        Args:
            x: Raw input, as `fit` takes it.
            batch_size: Of texts in lists or arrays; 32 by default.

        Returns:
            float32 [N], in nats. Text behind `sequence_length` does not count, and a
            start token is given.
        """
        return np.concatenate([sums for sums, _ in self._scores(x, batch_size)])

    def perplexity(self, x, batch_size=None, return_dict=False):
        """By how many equally likely tokens the model is perplexed at each token.

        Args:
            x, batch_size: As in `score`: text behind `sequence_length` does not count.
            return_dict: Whether to return more.

        Returns:
            float; or a dict of "perplexity", "loss" in nats a token, "bits_per_byte" of
            the text, and the number of "tokens".
        """
        sizes, sums, tokens = [], 0.0, 0.0
        for each, counts in self._scores(x, batch_size, sizes):
            sums, tokens = sums + float(np.sum(each)), tokens + float(np.sum(counts))
        loss = -sums / max(tokens, 1.0)
        perplexity = math.exp(min(loss, 700.0))
        if not return_dict:
            return perplexity
        return {
            "perplexity": perplexity,
            "loss": loss,
            "bits_per_byte": -sums / math.log(2) / max(sum(sizes), 1),
            "tokens": tokens,
        }

    def _scores(self, x, batch_size, sizes=None):
        """Yields (sums, counts) of batches; appends each batch's bytes to `sizes`."""
        self.ensure_built()
        with plain_errors():
            raw = raw_batches(
                *(x if isinstance(x, tuple) else (x,)), batch_size=batch_size
            )
            self.check_data(raw, labels=False)
            show = waiting_bar(raw, "Reading")
            score = self.function("score", lambda: compiled(self._sums))
            for number, batch in enumerate(raw, 1):
                batch = batch if isinstance(batch, tuple) else (batch,)
                prepared, ids, weights = self._unpacked(batch)
                if sizes is not None:
                    sizes.append(self._bytes(ids, weights))
                sums = score(prepared, ids, weights)
                show(number)
                yield sums.numpy(), tf.reduce_sum(weights, axis=1).numpy()

    def _unpacked(self, batch):
        """(features, ids, weights) of a raw batch, a text a row."""
        with tf.device("CPU:0"):
            return self.preprocessor(*batch)

    def _bytes(self, ids, weights):
        """int, how many bytes of text the tokens with weight stand for."""
        mask = weights > 0
        texts = self.preprocessor.generate_postprocess(
            {f"{self.prefix}token_ids": ids, f"{self.prefix}padding_mask": mask}
        )
        return int(tf.reduce_sum(tf.strings.length(texts)))

    def _sums(self, prepared, ids, weights):
        logits = keras.ops.cast(self(prepared, training=False), "float32")
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(ids, logits)
        return -tf.reduce_sum(losses * weights, axis=1)
