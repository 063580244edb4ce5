"""Texts to texts with holes, and what was in the holes."""

import concurrent.futures
import math

import keras
import tensorflow as tf

from keras_nlp_lite.checks import check_positive_int, check_rate
from keras_nlp_lite.layers.masked_lm_mask_generator import MaskedLMMaskGenerator
from keras_nlp_lite.layers.preprocessing_layer import as_strings, on_cpu
from keras_nlp_lite.layers.random_preprocessing_layer import RandomPreprocessingLayer
from keras_nlp_lite.tasks.packed_rows import packed_rows
from keras_nlp_lite.tasks.text_preprocessor import TextPreprocessor

# In tokens, how far the last word that is chosen may go beyond the share wanted.
_LONG_WORD = 16


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class MaskedLMPreprocessor(TextPreprocessor, RandomPreprocessingLayer):
    """Cuts texts into tokens, and hides some at random, other ones at each call.

    Special tokens and padding are never hidden.

    `packed` is for short texts where padding costs: under XLA, which compiles once for
    each number of rows that a batch may become, on GPUs, and without the compiled op.
    There a `MaskedLM` of 4 layers of 256, on texts of 20 tokens in rows of 128, trained
    on 3.0 times as many tokens a second (1009 against 331, on two busy cores). Where
    attention is fused and drops padding anyhow, it was 1.3 times (1921 against 1479):
    of fewer rows, fewer places are scored in vain.

    Shapes: B texts, L `sequence_length`, M masks of a row: `mask_selection_length`, or
    less if that share of L tokens is less.

    Args:
        tokenizer, sequence_length, truncate: As in `TextPreprocessor`.
        mask_selection_rate: Share of a text's tokens to choose, from 0 to 1.
        mask_selection_length: In tokens: at most so many are chosen of a row.
        mask_token_rate: Share of the chosen tokens that become the mask token.
        random_token_rate: Share of them that become some other token; the rest stay.
        whole_word: Whether to choose words rather than tokens, each with all its pieces.
        seed: int, where the sequence of draws begins; None for anywhere.
        packed: Whether a row holds as many texts as fit into it whole, one behind the
            other in their order, each with its special tokens. Of B texts come R rows,
            R at most B, and the share is one of a row's tokens.
        **kwargs: `name` and the rest of `keras.layers.Layer`.

    Call arguments:
        x: Texts, string [B], or one; a tuple of such packs several into a row.
        y, sample_weight: Are passed over: the texts are their own labels.
        seed: int [2], in place of the layer's next one.

    Returns:
        (features, ids, weights): what the backbone takes, [B, L], with
        "mask_positions" int32 [B, M], where the chosen tokens are; int32 [B, M], which
        they are; and float32 [B, M], 1 for these and 0 behind a row's last one.
        With `packed`, R stands in place of B, and "padding_mask" numbers the texts of a
        row from 1, 0 at padding: a `Backbone` then lets no text see another.

    Example:

    >>> from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer
    >>> special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    >>> tokenizer = BertTokenizer([*special, "the", "fox", "runs"])
    >>> preprocessor = MaskedLMPreprocessor(
    ...     tokenizer,
    ...     6,
    ...     mask_selection_rate=0.3,
    ...     mask_token_rate=1.0,
    ...     random_token_rate=0.0,
    ...     seed=1,
    ... )
    >>> features, ids, weights = preprocessor(["the fox runs"])
    >>> print(features["token_ids"].numpy(), features["mask_positions"].numpy())
    [[2 5 4 7 3 0]] [[2 0]]
    >>> print(ids.numpy(), weights.numpy())
    [[6 0]] [[1. 0.]]
    """

    def __init__(
        self,
        tokenizer,
        sequence_length=512,
        truncate="round_robin",
        mask_selection_rate=0.15,
        mask_selection_length=96,
        mask_token_rate=0.8,
        random_token_rate=0.1,
        *,
        whole_word=False,
        packed=False,
        **kwargs,
    ):
        super().__init__(tokenizer, sequence_length, truncate, **kwargs)
        check_positive_int("mask_selection_length", mask_selection_length)
        check_rate("mask_selection_rate", mask_selection_rate)
        self.mask_selection_rate = mask_selection_rate
        self.mask_selection_length = mask_selection_length
        self.mask_token_rate = mask_token_rate
        self.random_token_rate = random_token_rate
        self.whole_word = whole_word
        self.packed = packed
        if tokenizer.mask_token is None:
            raise ValueError(
                "`tokenizer` must have a mask token. Received: "
                f"{type(tokenizer).__name__}, which has none. Try BertTokenizer."
            )

    @property
    def most_masks(self):
        """int, M: no row can have more, and scores for more would be in vain."""
        room = self.sequence_length - 2
        most = max(1, math.ceil(self.mask_selection_rate * room))
        most += _LONG_WORD if self.whole_word else 0
        return min(self.mask_selection_length, most)

    def call(self, x, y=None, sample_weight=None, seed=None):
        with on_cpu():
            segments = x if isinstance(x, (tuple, list)) and not _is_texts(x) else (x,)
            tokens = tuple(self.tokenizer(as_strings(part)) for part in segments)
            prepared = self.prepared(tokens)
            if self.packed:
                prepared = self._packed(prepared)
            masked = self._masker()(prepared["token_ids"], seed=self.next_seed(seed))
            features = {
                **prepared,
                "token_ids": masked["token_ids"],
                "mask_positions": masked["mask_positions"],
            }
            return features, masked["mask_ids"], masked["mask_weights"]

    def _packed(self, prepared):
        one = prepared["token_ids"].shape.rank == 1
        if one:
            prepared = tf.nest.map_structure(lambda x: x[tf.newaxis], prepared)
        rows = packed_rows(prepared, self.sequence_length, self.tokenizer.pad_token_id)
        return tf.nest.map_structure(lambda x: x[0], rows) if one else rows

    def _masker(self):
        # Made anew at each call, as the tokenizer may have got a vocabulary since; and
        # in a thread, where no graph is being traced: it comes with a variable.
        with concurrent.futures.ThreadPoolExecutor(1) as aside:
            return aside.submit(self._new_masker).result()

    def _new_masker(self):
        tokenizer = self.tokenizer
        goes_on = tokenizer.continues_word() if self.whole_word else ()
        return MaskedLMMaskGenerator(
            vocabulary_size=tokenizer.vocabulary_size(),
            mask_selection_rate=self.mask_selection_rate,
            mask_token_id=tokenizer.mask_token_id,
            mask_selection_length=self.most_masks,
            unselectable_token_ids=tokenizer.special_token_ids,
            mask_token_rate=self.mask_token_rate,
            random_token_rate=self.random_token_rate,
            continuation_token_ids=[i for i, on in enumerate(goes_on) if on]
            if self.whole_word
            else None,
            seed=0,  # it is told which to use at each call
        )

    def with_masks(self, x):
        """Texts that have holes already, at their mask tokens.

        Args:
            x: Texts, string [B], in which the mask token, such as "[MASK]", stands for
                what is to be guessed, whether or not the tokenizer looks for special
                tokens in ordinary text.

        Returns:
            dict: what the backbone takes, [B, L], with "mask_positions", ragged
            int32 [B, (masks)].
        """
        tokenizer = self.tokenizer
        with on_cpu():
            pieces = tf.strings.split(as_strings(x), tokenizer.mask_token)
            masks = pieces.row_lengths() - 1
            places = tf.ragged.range(masks + 1).values
            last = places == tf.repeat(masks, masks + 1)
            # A guess brings the space before it along, where tokens have spaces.
            before = tf.strings.regex_replace(pieces.values, r"\s+$", "")
            ids = tokenizer(tf.where(last, pieces.values, before))
            mask = tf.cast(tokenizer.mask_token_id, ids.dtype)
            mask = tf.fill([tf.reduce_sum(masks)], mask)
            behind = tf.cast(~last, tf.int64)
            mask = tf.RaggedTensor.from_row_lengths(mask, behind, validate=False)
            ids = pieces.with_values(tf.concat([ids, mask], axis=1)).merge_dims(1, 2)
            prepared = self.prepared((ids,))
            token_ids = prepared["token_ids"]
            where = tf.where(token_ids == tf.cast(tokenizer.mask_token_id, "int32"))
            positions = tf.RaggedTensor.from_value_rowids(
                tf.cast(where[:, 1], tf.int32),
                where[:, 0],
                tf.shape(token_ids, tf.int64)[0],
            )
            return {**prepared, "mask_positions": positions}

    def compute_output_spec(self, x, y=None, sample_weight=None, seed=None):
        first = x[0] if isinstance(x, (tuple, list)) else x
        batch = tuple(first.shape)
        if self.packed:
            batch = tuple(None for _ in batch)
        features = self.prepared_spec(batch)
        if self.packed:
            mask = features["padding_mask"]
            features["padding_mask"] = keras.KerasTensor(mask.shape, dtype="int32")
        shape = (*batch, self.most_masks)
        features["mask_positions"] = keras.KerasTensor(shape, dtype="int32")
        ids = keras.KerasTensor(shape, dtype="int32")
        return features, ids, keras.KerasTensor(shape, dtype="float32")

    def get_config(self):
        return {
            **super().get_config(),
            "mask_selection_rate": self.mask_selection_rate,
            "mask_selection_length": self.mask_selection_length,
            "mask_token_rate": self.mask_token_rate,
            "random_token_rate": self.random_token_rate,
            "whole_word": self.whole_word,
            "packed": self.packed,
        }


def _is_texts(x):
    """Whether a list is of texts, and not of segments, which are lists or tensors."""
    return isinstance(x, list) and all(isinstance(text, (str, bytes)) for text in x)
