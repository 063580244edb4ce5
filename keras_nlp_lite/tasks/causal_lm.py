"""Language models: texts in, and what follows out."""

import keras

from keras_nlp_lite.tasks.causal_lm_preprocessor import CausalLMPreprocessor
from keras_nlp_lite.tasks.language_task import LanguageTask
from keras_nlp_lite.tasks.texts import check_texts


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class CausalLM(LanguageTask):
    """Learns which token comes next, and continues texts.

    Shapes: B texts, T tokens, V vocabulary.

    Args:
        backbone: A decoder, such as `GPT2Backbone`.
        preprocessor: A `CausalLMPreprocessor`. None: the model takes prepared tensors.
        label_smoothing: As in `SmoothedCrossentropy`.
        packed: Whether training sets several texts in a row; they do not see one
            another, and little of a row is padding.
        **kwargs: `name`, `dtype` and the rest of `keras.Model`.

    Call arguments:
        x: dict of int [B, T], as the preprocessor gives it.

    Returns:
        float32 logits [B, T, V], of the token that follows each.

    `fit` and `evaluate` take texts, as a list or as a Dataset of batches, string [B];
    labels beside them are passed over. `generate` and `stream` continue texts, `score`
    and `perplexity` judge them. An export continues strings.

    Example:

    >>> keras.utils.set_random_seed(1)
    >>> from keras_nlp_lite.backbones import GPT2Backbone, sizes
    >>> from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer
    >>> special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    >>> tokenizer = BertTokenizer([*special, "the", "dog", "barks"])
    >>> lm = CausalLM(
    ...     GPT2Backbone(vocabulary_size=8, **sizes["tiny"]),
    ...     CausalLMPreprocessor(tokenizer, sequence_length=8),
    ... )
    >>> history = lm.fit(40 * ["the dog barks"], epochs=4, verbose=0)
    >>> lm.generate("the", sampler="greedy")
    'the dog barks'

    Reference: Radford et al., "Language Models are Unsupervised Multitask Learners",
    2019.
    """

    preprocessor_cls = CausalLMPreprocessor
    peak_learning_rate = 1e-3  # of training from scratch

    def call(self, x, training=None):
        features = self.sequence_features(x, training=training)
        return keras.ops.cast(self.backbone.logits(features), "float32")

    def check_data(self, dataset, labels):
        check_texts(type(self).__name__, dataset)
        spec = dataset.element_spec
        if isinstance(spec, tuple) and len(spec) > 3:
            raise ValueError(
                f"{type(self).__name__} needs texts, or (texts, labels, weights). "
                f"Received: {len(spec)} parts."
            )
