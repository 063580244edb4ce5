"""Texts to rows of tokens, and the token that follows each."""

import keras
import tensorflow as tf

from keras_nlp_lite.layers.preprocessing_layer import as_strings, on_cpu
from keras_nlp_lite.layers.start_end_packer import StartEndPacker
from keras_nlp_lite.tasks.packed_rows import laid_out, next_fit
from keras_nlp_lite.tasks.text_preprocessor import TextPreprocessor
from keras_nlp_lite.tasks.written import without_specials


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class CausalLMPreprocessor(TextPreprocessor):
    """Cuts texts into tokens, for a model that learns which token comes next.

    Shapes: B texts, L `sequence_length`, R rows.

    Args:
        tokenizer: One that knows its special tokens, such as `GPT2Tokenizer`.
        sequence_length: L, in tokens; longer texts are cut.
        add_start_token: Whether a text begins with the start token.
        add_end_token: Whether one that is trained on ends with the end token.
        **kwargs: `name` and the rest of `keras.layers.Layer`.

    Call arguments:
        x: Texts, string [B], or one.
        y: Is passed over: the texts are their own labels.
        sample_weight: float [B], one weight for all tokens of a text.
        sequence_length: In place of the layer's own.
        packed: Whether rows hold several texts, one behind the other, each whole, in
            their order: R is then at most B, rows are as long as the fullest one, and
            "padding_mask" numbers the texts of a row from 1, 0 at padding.

    Returns:
        (features, ids, weights): dict of "token_ids" int32 [B, L] and "padding_mask"
        bool [B, L]; int32 [B, L], the token that follows each; float32 [B, L], 0 where
        none does. With `packed`, R stands in place of B, and the mask is int32.

    Example:

    >>> from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer
    >>> special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    >>> tokenizer = BertTokenizer([*special, "the", "fox", "runs"])
    >>> preprocessor = CausalLMPreprocessor(tokenizer, sequence_length=5)
    >>> features, ids, weights = preprocessor(["the fox"])
    >>> print(features["token_ids"].numpy(), ids.numpy(), weights.numpy())
    [[2 5 6 3 0]] [[5 6 3 0 0]] [[1. 1. 1. 0. 0.]]
    """

    def __init__(
        self,
        tokenizer,
        sequence_length=1024,
        add_start_token=True,
        add_end_token=True,
        **kwargs,
    ):
        super().__init__(tokenizer, sequence_length, **kwargs)
        self.add_start_token = add_start_token
        self.add_end_token = add_end_token

    def call(
        self, x, y=None, sample_weight=None, sequence_length=None, *, packed=False
    ):
        length = sequence_length or self.sequence_length
        with on_cpu():
            ids = self.tokenizer(as_strings(x))
            ids, mask = packer(self.tokenizer, length + 1)(
                ids,
                add_start_value=self.add_start_token,
                add_end_value=self.add_end_token,
            )
            return shifted(
                {"": (ids, mask)},
                sample_weight,
                {"": self.tokenizer.pad_token_id},
                packed=packed,
            )

    def generate_preprocess(self, x, sequence_length=None):
        """dict of "token_ids" int32 [B, L], "padding_mask" bool [B, L]: texts to go on
        with, without an end token.

        Args:
            x: Texts, string [B], or one.
            sequence_length: L, in place of the layer's own.
        """
        with on_cpu():
            ids = self.tokenizer(as_strings(x))
            if not self.add_start_token:
                ids = self._begun(ids)
            ids, mask = packer(self.tokenizer, sequence_length or self.sequence_length)(
                ids, add_start_value=self.add_start_token, add_end_value=False
            )
        return {"token_ids": ids, "padding_mask": mask}

    def generate_postprocess(self, x):
        """string [B]: texts, from a dict of "token_ids" and "padding_mask" int [B, L].

        Special tokens and padding are left out.
        """
        with on_cpu():
            return without_specials(self.tokenizer, x["token_ids"], x["padding_mask"])

    @property
    def written_tokenizer(self):
        """The tokenizer of what is written."""
        return self.tokenizer

    def _begun(self, ids):
        """The ids; a text of none begins with the start token, for something must."""
        if not isinstance(ids, tf.RaggedTensor):
            return ids
        first = self.tokenizer.start_token_id
        first = self.tokenizer.end_token_id if first is None else first
        empty = tf.cast(ids.row_lengths() == 0, tf.int64)
        first = tf.fill([tf.reduce_sum(empty)], tf.cast(first, ids.dtype))
        return tf.concat([tf.RaggedTensor.from_row_lengths(first, empty), ids], axis=1)

    @classmethod
    def of_family(cls, family, config):
        """dict of arguments, as a family of Hugging Face's prepares its texts."""
        return {"add_start_token": config["model_type"] in ("llama", "mistral")}

    def compute_output_spec(
        self, x, y=None, sample_weight=None, sequence_length=None, *, packed=False
    ):
        batch = (None,) if packed else tuple(x.shape)
        shape = (*batch, None if packed else sequence_length or self.sequence_length)
        features = {
            "token_ids": keras.KerasTensor(shape, dtype="int32"),
            "padding_mask": keras.KerasTensor(
                shape, dtype="int32" if packed else "bool"
            ),
        }
        ids = keras.KerasTensor(shape, dtype="int32")
        return features, ids, keras.KerasTensor(shape, dtype="float32")

    def get_config(self):
        config = super().get_config()
        config.pop("truncate")  # which is for several texts
        return {
            **config,
            "add_start_token": self.add_start_token,
            "add_end_token": self.add_end_token,
        }


def packer(tokenizer, length, start=None):
    """StartEndPacker of a tokenizer's special tokens.

    Args:
        length: Of the rows, in tokens.
        start: int, or list of int, in place of the tokenizer's start token.
    """
    return StartEndPacker(
        length,
        start_value=tokenizer.start_token_id if start is None else start,
        end_value=tokenizer.end_token_id,
        pad_value=tokenizer.pad_token_id,
        return_padding_mask=True,
    )


def shifted(rows, sample_weight, pad_token_ids, packed):
    """(features, ids, weights): tokens, and those that follow.

    Args:
        rows: dict of (ids int [B, L + 1], mask bool [B, L + 1]), or [L + 1] of one
            text, by what their names begin with, such as "encoder_". Those of the last
            are shifted: its last column is no feature, and its first no answer.
        sample_weight: float [B], or None.
        pad_token_ids: dict of int, by the same beginnings.
        packed: Whether rows hold several texts.
    """
    *others, (last, (ids, mask)) = rows.items()
    follows = mask[..., 1:]
    weights = tf.cast(follows, tf.float32)
    if sample_weight is not None:
        weights *= tf.cast(sample_weight, tf.float32)[..., tf.newaxis]
    features = {
        f"{last}token_ids": ids[..., :-1],
        f"{last}padding_mask": mask[..., :-1],
    }
    for name, (other_ids, other_mask) in others:
        features[f"{name}token_ids"] = other_ids
        features[f"{name}padding_mask"] = other_mask
    if not packed:
        return features, ids[..., 1:], weights

    # A last token has nothing to answer: it is left out.
    of_last = {
        "token_ids": ids[..., :-1],
        "answers": ids[..., 1:],
        "weights": weights,
        "padding_mask": follows,
    }
    parts = {name: {"token_ids": i, "padding_mask": m} for name, (i, m) in others}
    parts[last] = of_last
    where = _common_rows([part["padding_mask"] for part in parts.values()])
    parts = {
        name: laid_out(part, where, {"token_ids": pad_token_ids[name]})
        for name, part in parts.items()
    }
    answers, weights = (parts[last].pop(name) for name in ("answers", "weights"))
    features = {
        name + key: x for name, part in parts.items() for key, x in part.items()
    }
    return features, answers, weights


def _common_rows(masks):
    """int64 [B], in which row each text lies, so that all its parts fit there.

    Args:
        masks: bool [B, L] for each part, of its own L.
    """
    rooms = [tf.shape(mask, tf.int64)[1] for mask in masks]
    room = tf.reduce_prod(tf.stack(rooms))
    shares = [
        tf.math.count_nonzero(mask, axis=1) * (room // own)
        for mask, own in zip(masks, rooms)
    ]
    return next_fit(tf.reduce_max(tf.stack(shares), axis=0), room)
