"""What backbones from sequence to sequence are: one stack reads, the other writes."""

import keras

from keras_nlp_lite.backbones.encoder_stack import id_inputs
from keras_nlp_lite.backbones.writing_backbone import WritingBackbone
from keras_nlp_lite.layers.drop_padding import DropPadding
from keras_nlp_lite.layers.restore_padding import RestorePadding


class Seq2SeqBackbone(WritingBackbone):
    """A backbone that reads one text, and writes another with a cache.

    A subclass has `encoder_transformer_layers` and `decoder_transformer_layers`, and
    says how either side embeds its tokens and what stands behind its last block.

    Shapes: B rows, E tokens of the encoder, T tokens of the decoder, S length of the
    cache, D features, V vocabulary, H heads, K width of a head.

    Args:
        As in `Backbone`.
    """

    # What a subclass says of itself, beside `embed` and `finish` of its decoder

    def embed_encoder(self, token_ids, positions):
        """float [B, E, D], from int [B, E] both."""
        raise NotImplementedError

    def finish_encoder(self, x):
        """float [B, E, D], behind the encoder's last block."""
        return self.encoder_final_norm(x)

    @property
    def transformer_layers(self):
        """list of all blocks, the encoder's first."""
        return [*self.encoder_transformer_layers, *self.decoder_transformer_layers]

    @property
    def writing_layers(self):
        return self.decoder_transformer_layers

    # Writing

    def encode(self, token_ids, padding_mask):
        """float [B, E, D], what the decoder looks at.

        Args:
            token_ids: int [B, E].
            padding_mask: int [B, E], 0 at padding.
        """
        _, x, _ = self._read(token_ids, padding_mask)
        return x

    def cross_cache(self, encoder_sequence):
        """list of a pair (keys, values), each float [B, E, H, K], for each block.

        Args:
            encoder_sequence: float [B, E, D], as `encode` gives it.
        """
        return [
            block.cross_attention.keys_and_values(encoder_sequence)
            for block in self.writing_layers
        ]

    def call_with_cache(
        self,
        token_ids,
        cache,
        index,
        *,
        starts=None,
        ancestors=None,
        beams=1,
        cross_cache,
        encoder_padding_mask=None,
    ):
        """The decoder's features of some tokens, behind those that the cache holds.

        Args:
            token_ids: int [B * beams, T], of the columns `index` to `index` + T.
            cache: As `new_cache` makes it, of B * beams rows.
            index: int, the column of the first token. 0, as an integer of Python, says
                that nothing has been written.
            starts: int [B * beams], the column where each row's text begins; what
                stands before is padding. All 0 by default.
            ancestors, beams: As in `ops.cached_attention`.
            cross_cache: As the method of that name makes it, of B rows: the beams of an
                item look at one.
            encoder_padding_mask: int [B, E], 0 at padding; one text a row.

        Returns:
            (float [B * beams, T, D], the cache with these tokens in it).
        """
        if encoder_padding_mask is not None:
            encoder_padding_mask = keras.ops.cast(encoder_padding_mask, "bool")
        crossed = [
            {
                "cross_attention_cache": keys_and_values,
                "encoder_padding_mask": encoder_padding_mask,
            }
            for keys_and_values in cross_cache
        ]
        return self.write(
            token_ids,
            cache,
            index,
            starts=starts,
            ancestors=ancestors,
            beams=beams,
            crossed=crossed,
        )

    # Training

    def all_features(self, max_sequence_length, padding_free, dtype):
        """(inputs, outputs), dicts of symbolic tensors.

        Args:
            max_sequence_length: The most tokens that a row may have; None for any
                number.
            padding_free: Whether to drop padding where that is possible.
            dtype: Precision policy.
        """
        inputs = id_inputs(
            "encoder_token_ids",
            "encoder_padding_mask",
            "decoder_token_ids",
            "decoder_padding_mask",
        )
        self.encoder_drop, self.decoder_drop = (
            DropPadding(
                padding_free,
                max_sequence_length,
                dtype=dtype,
                name=f"{side}_drop_padding",
            )
            for side in ("encoder", "decoder")
        )
        self.restore = RestorePadding(dtype=dtype, name="restore_padding")
        encoder, encoder_output, of_encoder = self._read(
            inputs["encoder_token_ids"], inputs["encoder_padding_mask"]
        )
        given_mask = inputs["decoder_padding_mask"]
        (ids,), positions, mask, row_splits, text_ids, where = self.decoder_drop(
            [inputs["decoder_token_ids"]], given_mask
        )
        x = self.embed(ids, positions)
        for block in self.decoder_transformer_layers:
            x = block(
                x,
                encoder,
                decoder_padding_mask=mask,
                row_splits=row_splits,
                segment_ids=text_ids,
                **{f"encoder_{name}": value for name, value in of_encoder.items()},
                **self.block_options(positions),
            )
        outputs = {
            "encoder_sequence_output": encoder_output,
            "decoder_sequence_output": self.restore(self.finish(x), given_mask, where),
        }
        return inputs, outputs

    def _read(self, token_ids, padding_mask):
        """The encoder's features without padding, with it, and what masks the former."""
        (ids,), positions, mask, row_splits, text_ids, where = self.encoder_drop(
            [token_ids], padding_mask
        )
        masks = {
            "padding_mask": mask,
            "row_splits": row_splits,
            "segment_ids": text_ids,
        }
        x = self.embed_encoder(ids, positions)
        for block in self.encoder_transformer_layers:
            x = block(x, **masks)
        x = self.finish_encoder(x)
        return x, self.restore(x, padding_mask, where), masks
