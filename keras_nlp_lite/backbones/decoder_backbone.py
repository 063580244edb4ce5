"""What backbones of language models are: features of tokens that look back only."""

from keras_nlp_lite.backbones.writing_backbone import WritingBackbone
from keras_nlp_lite.layers.drop_padding import DropPadding
from keras_nlp_lite.layers.restore_padding import RestorePadding


class DecoderBackbone(WritingBackbone):
    """A backbone that can write, token by token, with a cache of what it wrote.

    Shapes: B rows, T tokens, S length of the cache, D features, V vocabulary, G
    key/value heads, K width of a head.

    Args:
        As in `Backbone`.
    """

    def call_with_cache(
        self, token_ids, cache, index, *, starts=None, ancestors=None, beams=1
    ):
        """Features of some tokens behind those whose keys and values the cache holds.

        Args:
            token_ids: int [B, T], of the columns `index` to `index` + T.
            cache: As `new_cache` makes it.
            index: int, the column of the first token. 0, as an integer of Python, says
                that nothing has been written.
            starts: int [B], the column where each row's text begins; what stands before
                is padding. All 0 by default.
            ancestors, beams: As in `ops.cached_attention`.

        Returns:
            (float [B, T, D], the cache with these tokens in it).
        """
        return self.write(
            token_ids, cache, index, starts=starts, ancestors=ancestors, beams=beams
        )

    # Training

    def all_features(self, inputs, max_sequence_length, padding_free, dtype):
        """Symbolic float [B, T, D] of all tokens, from symbolic inputs."""
        given_mask = inputs["padding_mask"]
        drop = DropPadding(
            padding_free, max_sequence_length, dtype=dtype, name="drop_padding"
        )
        (ids,), positions, mask, row_splits, text_ids, where = drop(
            [inputs["token_ids"]], given_mask
        )
        x = self.embed(ids, positions)
        for block in self.transformer_layers:
            x = block(
                x,
                **self.mask_option(mask),
                row_splits=row_splits,
                segment_ids=text_ids,
                **self.block_options(positions),
            )
        restore = RestorePadding(dtype=dtype, name="restore_padding")
        return restore(self.finish(x), given_mask, where)

    def mask_option(self, mask):
        """dict of the padding mask, by the name that blocks have for it."""
        return {"decoder_padding_mask": mask}
