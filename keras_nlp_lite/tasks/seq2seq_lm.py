"""Sequence to sequence: one text in, another out."""

import keras
import tensorflow as tf

from keras_nlp_lite.tasks.language_task import LanguageTask
from keras_nlp_lite.tasks.seq2seq_lm_preprocessor import Seq2SeqLMPreprocessor


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class Seq2SeqLM(LanguageTask):
    """Reads a text and writes another: translation, summaries.

    Shapes: B pairs, E and T tokens, V vocabulary.

    Args:
        backbone: An encoder-decoder, such as `EncoderDecoderBackbone`.
        preprocessor: A `Seq2SeqLMPreprocessor`. None: the model takes prepared tensors.
        label_smoothing: As in `SmoothedCrossentropy`.
        packed: As in `CausalLM`.
        **kwargs: `name`, `dtype` and the rest of `keras.Model`.

    Call arguments:
        x: dict of int [B, E] and [B, T], as the preprocessor gives it.

    Returns:
        float32 logits [B, T, V], of the token that follows each that was written.

    `fit` and `evaluate` take texts and their counterparts: as x and y, as a Dataset of
    (string [B], string [B]), such as `data.read_parallel` gives, or as KerasHub's dict
    of "encoder_text" and "decoder_text". `generate` takes texts, and gives theirs;
    `score` and `perplexity` judge pairs. An export turns strings into strings.

    Example:

    >>> keras.utils.set_random_seed(1)
    >>> from keras_nlp_lite.backbones import EncoderDecoderBackbone, sizes
    >>> from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer
    >>> special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    >>> tokenizer = BertTokenizer([*special, "one", "two", "eins", "zwei"])
    >>> backbone = EncoderDecoderBackbone(
    ...     vocabulary_size=9, **sizes["tiny"], dropout=0.0, normalize_first=True
    ... )
    >>> mt = Seq2SeqLM(backbone, Seq2SeqLMPreprocessor(tokenizer, 8, 8))
    >>> pairs = 40 * ["one two", "two one"], 40 * ["eins zwei", "zwei eins"]
    >>> history = mt.fit(*pairs, batch_size=8, epochs=8, verbose=0)
    >>> mt.generate("two one", sampler="greedy")
    'zwei eins'

    Reference: Vaswani et al., "Attention Is All You Need", arXiv:1706.03762.
    """

    preprocessor_cls = Seq2SeqLMPreprocessor
    peak_learning_rate = 1e-3  # of training from scratch
    prefix = "decoder_"
    prepared_names = (
        "encoder_token_ids",
        "encoder_padding_mask",
        "decoder_token_ids",
        "decoder_padding_mask",
    )

    def call(self, x, training=None):
        features = self.encode(x, training)["decoder_sequence_output"]
        return keras.ops.cast(self.backbone.logits(features), "float32")

    def encoded(self, inputs):
        ids, mask = inputs["encoder_token_ids"], inputs["encoder_padding_mask"]
        # Columns that are padding in all rows would be read at each step.
        used = tf.reduce_max(tf.math.count_nonzero(mask, axis=1, dtype=tf.int32))
        ids, mask = ids[:, :used], mask[:, :used]
        return {"encoder": self.backbone.encode(ids, mask), "encoder_mask": mask}

    def check_data(self, dataset, labels):
        spec = dataset.element_spec
        parts = spec if isinstance(spec, tuple) else (spec,)
        texts = tf.nest.flatten(parts[:2])
        are_texts = all(x.dtype == tf.string for x in texts) and len(parts) < 4
        if are_texts and (len(texts) == 2 or not labels):
            return
        raise ValueError(
            f"{type(self).__name__} needs batches of (text string [B], text string [B]), "
            f"one to read and one to write. Received: {spec}."
        )
