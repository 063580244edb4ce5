"""Learning a language from text alone: guess the words that are hidden."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.backbones.encoder_stack import initializer
from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.layers.masked_lm_head import MaskedLMHead
from keras_nlp_lite.tasks.masked_lm_preprocessor import MaskedLMPreprocessor
from keras_nlp_lite.tasks.texts import check_texts
from keras_nlp_lite.tasks.token_task import TokenTask


class FilledMask(NamedTuple):
    """A guess at a mask: how likely it is, its token, and the text with it."""

    score: float
    token: str
    sequence: str


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class MaskedLM(TokenTask):
    """Hides tokens of texts, and learns to guess them.

    What `fit` trains is the backbone, with the head on top of it: a task for which
    there are labels can go on with this backbone. The head's scores come from the
    backbone's own token embedding, read backwards.

    Shapes: B texts, M masks of a row, V vocabulary.

    Args:
        backbone: A `Backbone`, or any Keras model from what the preprocessor gives to
            features [B, T, D].
        preprocessor: A `MaskedLMPreprocessor`. None: the model takes prepared tensors.
        **kwargs: `name`, `dtype` and the rest of `keras.Model`.

    Call arguments:
        x: What the preprocessor gives, with "mask_positions" int [B, M].

    Returns:
        float32 logits [B, M, V]: only masked positions are scored.

    `fit` and `evaluate` take texts, as a list or as a Dataset of batches, string [B];
    labels beside them are passed over. Which tokens are hidden differs from epoch to
    epoch. `predict` takes texts in which mask tokens stand, such as "[MASK]", and gives
    ragged probabilities [B, M, V]; an export does the same, dense, with 0 where a text
    has fewer masks than another.

    Example:

    >>> from keras_nlp_lite.backbones import BertBackbone, sizes
    >>> from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer
    >>> special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    >>> tokenizer = BertTokenizer([*special, "the", "dog", "barks"])
    >>> lm = MaskedLM(
    ...     BertBackbone(vocabulary_size=8, **sizes["tiny"]),
    ...     MaskedLMPreprocessor(tokenizer, sequence_length=8),
    ... )
    >>> history = lm.fit(["the dog barks", "the dog"], verbose=0)
    >>> guesses = lm.fill_mask("the [MASK] barks")
    >>> sorted(guess.sequence for guess in guesses)
    ['the barks barks', 'the dog barks', 'the the barks']

    Reference: Devlin et al., "BERT", arXiv:1810.04805.
    """

    preprocessor_cls = MaskedLMPreprocessor
    peak_learning_rate = 1e-4  # of training from scratch

    def build_head(self, width):
        embedding = getattr(self.backbone, "token_embedding", None)
        size = None
        if embedding is None and self.preprocessor is None:
            raise ValueError(
                "A backbone without `token_embedding` needs a preprocessor, whose "
                "vocabulary says how many tokens there are. Received: "
                f"{type(self.backbone).__name__}, preprocessor=None."
            )
        if embedding is None:
            size = self.preprocessor.tokenizer.vocabulary_size()
        self.head = MaskedLMHead(
            vocabulary_size=size,
            token_embedding=embedding,
            intermediate_activation="gelu",
            layer_norm_epsilon=getattr(self.backbone, "layer_norm_epsilon", 1e-5),
            kernel_initializer=initializer(),
            dtype=self.dtype_policy,
            name="head",
        )
        self.head.build((None, None, width), (None, None))

    def pretrained_head(self, family):
        if not self.built:
            self.build()
        return family.masked_lm_table(self.head)

    def call(self, x, training=None):
        features = self.sequence_features(x, training=training)
        logits = self.head(features, x["mask_positions"])
        return keras.ops.cast(logits, "float32")  # [B, M, V]

    def answers(self, outputs):
        """float32 probabilities, from logits [B, M, V]."""
        return keras.ops.softmax(outputs)

    def answer(self, prepared):
        positions = prepared["mask_positions"]
        if not isinstance(positions, tf.RaggedTensor):
            return super().answer(prepared)
        answers = super().answer({**prepared, "mask_positions": positions.to_tensor()})
        return tf.RaggedTensor.from_tensor(answers, positions.row_lengths())

    # Data

    def preprocess(self, x, y=None, sample_weight=None, seed=None):
        """Texts to (features, hidden ids, weights); labels are passed over."""
        seed = {} if seed is None else {"seed": seed}
        features, ids, weights = self.preprocessor(x, **seed)
        if sample_weight is not None:
            weights *= _of_masks(tf.cast(sample_weight, weights.dtype), features)
        return features, ids, weights

    def preprocess_question(self, x):
        return (self.preprocessor.with_masks(x),)

    def serve(self, text):
        return super().serve(text).to_tensor()

    def check_data(self, dataset, labels):
        check_texts(type(self).__name__, dataset, most=2 if labels else 1)

    def _mapped(self, raw, preprocess=None):
        if preprocess or not isinstance(self.preprocessor, MaskedLMPreprocessor):
            return super()._mapped(raw, preprocess)
        # Threads would take the layer's seeds in any order: each batch is given its
        # own, so that a run can be repeated.
        start = int(self.preprocessor.next_seed()[0])
        seeds = tf.data.Dataset.random(start, rerandomize_each_iteration=True)

        def masked(batch, seed):
            batch = batch if isinstance(batch, tuple) else (batch,)
            return self.preprocess(*batch, seed=seed)

        return super()._mapped(tf.data.Dataset.zip(raw, seeds.batch(2)), masked)

    # Answers with words

    def fill_mask(self, text, top_k=5, **kwargs):
        """The likeliest tokens for each mask.

        Args:
            text: str with the tokenizer's mask token in it, such as "[MASK]" or
                "<mask>"; or a list of such.
            top_k: How many to give; fewer come from a small vocabulary. Special tokens
                are never among them.
            **kwargs: The rest of `predict`, such as `batch_size`.

        Returns:
            list of `FilledMask`, the likeliest first, whose `sequence` has this mask
            filled and others left; a list of such lists for a text with several masks.
            For a list of texts, a list of what each gives.

        Raises:
            ValueError: a text without a mask, or with one beyond `sequence_length`.
        """
        check_positive_int("top_k", top_k)
        texts = [text] if isinstance(text, str) else list(text)
        mask = self.preprocessor.tokenizer.mask_token
        for one in texts:
            if mask not in one:
                raise ValueError(
                    f"A text must hold the mask token {mask!r}, which is to be filled. "
                    f"Received: {one!r}."
                )
        if not texts:
            return []
        answers = self.ask(texts, **kwargs)  # ragged [B, M, V]
        filled = [
            self._filled(one, answer.numpy(), top_k)
            for one, answer in zip(texts, answers)
        ]
        return filled[0] if isinstance(text, str) else filled

    def _filled(self, text, answers, top_k):
        tokenizer = self.preprocessor.tokenizer
        parts = text.split(tokenizer.mask_token)
        if len(answers) < len(parts) - 1:
            raise ValueError(
                "All masks must be among the tokens that are read. Received: one beyond "
                f"sequence_length={self.preprocessor.sequence_length} in {text!r}. Try "
                "a shorter text, or a preprocessor with a greater `sequence_length`."
            )
        answers[:, tokenizer.special_token_ids] = -1.0
        answers = answers[:, : tokenizer.vocabulary_size()]
        guesses = []
        for number, scores in enumerate(answers, 1):
            before = tokenizer.mask_token.join(parts[:number])
            after = tokenizer.mask_token.join(parts[number:])
            best = np.argsort(-scores, kind="stable")[:top_k]
            best = [int(id) for id in best if scores[id] >= 0]
            guesses.append(
                [
                    FilledMask(float(scores[id]), *_put(tokenizer, id, before, after))
                    for id in best
                ]
            )
        return guesses[0] if len(guesses) == 1 else guesses


def _of_masks(of_texts, features):
    """float [R, M], what holds for the text of each mask, from float [B]."""
    # A text's number counts from 1, in its row; in the batch, behind the rows before.
    numbers = tf.cast(features["padding_mask"], tf.int32)
    texts = tf.cumsum(tf.reduce_max(numbers, axis=1), exclusive=True)
    number = tf.gather(numbers, features["mask_positions"], batch_dims=1)
    return tf.gather(of_texts, texts[:, tf.newaxis] + number - 1)


def _put(tokenizer, id, before, after):
    """(token, the text with the token in it), both str."""
    suffix = getattr(tokenizer, "suffix_indicator", None)
    if suffix is None:  # tokens carry their spaces: "Ġfox" is " fox"
        token = tokenizer.detokenize([id]).numpy().decode(errors="replace")
        before = before.rstrip()
        return token, before + (token if before else token.lstrip()) + after
    token = tokenizer.id_to_token(id)
    if token.startswith(suffix):
        return token, before.rstrip() + token.removeprefix(suffix) + after
    return token, before + token + after
