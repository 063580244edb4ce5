"""Texts to what a backbone takes: the base of the tasks' preprocessors."""

import keras
import tensorflow as tf

from keras_nlp_lite.backbones import presets
from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.layers.multi_segment_packer import MultiSegmentPacker
from keras_nlp_lite.layers.preprocessing_layer import PreprocessingLayer, on_cpu
from keras_nlp_lite.tokenizers.special_tokens import SpecialTokens


class TextPreprocessor(PreprocessingLayer):
    """Cuts texts into tokens, puts special tokens around them, and pads.

    Shapes: B batch, L `sequence_length`.

    Args:
        tokenizer: A tokenizer that knows its special tokens, such as `BertTokenizer`.
        sequence_length: L, in tokens, special ones included; longer texts are cut.
        truncate: As in `MultiSegmentPacker`: who gives way where several texts are too
            long together, and whether it is the end or the middle that goes.
        **kwargs: `name` and the rest of `keras.layers.Layer`.
    """

    def __init__(
        self, tokenizer, sequence_length=512, truncate="round_robin", **kwargs
    ):
        super().__init__(**kwargs)
        check_positive_int("sequence_length", sequence_length)
        if not isinstance(tokenizer, SpecialTokens):
            raise ValueError(
                "`tokenizer` must know its special tokens. Received: "
                f"{type(tokenizer).__name__}. Try BertTokenizer for word pieces; for byte "
                "pairs GPT2Tokenizer, or RobertaTokenizer."
            )
        self.tokenizer = tokenizer
        self.sequence_length = sequence_length
        self.truncate = truncate

    def prepared(self, segments, sequence_length=None):
        """dict of int32 [B, L] (or [L], of one text), from token ids; the mask is bool.

        Args:
            segments: Tuple of ragged int [B, T], or [T].
            sequence_length: In place of the layer's own.
        """
        tokenizer = self.tokenizer
        packer = MultiSegmentPacker(
            sequence_length or self.sequence_length,
            start_value=tokenizer.start_token_id,
            end_value=tokenizer.end_token_id,
            sep_value=[tokenizer.end_token_id] * tokenizer.num_separators,
            pad_value=tokenizer.pad_token_id,
            truncate=self.truncate,
        )
        with on_cpu():
            token_ids, segment_ids = packer(segments)
            mask = tf.not_equal(token_ids, tokenizer.pad_token_id)
        prepared = {"token_ids": token_ids, "padding_mask": mask}
        if tokenizer.has_segments:
            prepared["segment_ids"] = segment_ids
        return prepared

    def prepared_spec(self, batch):
        """dict of the KerasTensors that `prepared` gives for a batch's shape, () or
        (B,)."""
        dtypes = {"token_ids": "int32", "padding_mask": "bool"}
        if self.tokenizer.has_segments:
            dtypes["segment_ids"] = "int32"
        shape = (*batch, self.sequence_length)
        return {name: keras.KerasTensor(shape, dtype=d) for name, d in dtypes.items()}

    def get_config(self):
        return {
            **super().get_config(),
            "tokenizer": keras.saving.serialize_keras_object(self.tokenizer),
            "sequence_length": self.sequence_length,
            "truncate": self.truncate,
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        if isinstance(config["tokenizer"], dict):
            config["tokenizer"] = keras.saving.deserialize_keras_object(
                config["tokenizer"]
            )
        return cls(**config)

    @classmethod
    def from_preset(cls, preset, **kwargs):
        """A preprocessor on the tokenizer of a preset.

        Args:
            preset: As in `Backbone.from_preset`.
            **kwargs: Arguments of the class.
        """
        return presets.load_preprocessor(cls, preset, **kwargs)
