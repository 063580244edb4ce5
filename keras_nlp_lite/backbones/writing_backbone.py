"""What backbones that write have in common: caches, positions, scores."""

import keras

from keras_nlp_lite.backbones.backbone import Backbone
from keras_nlp_lite.ops.packing import column_positions


class WritingBackbone(Backbone):
    """A backbone whose decoder blocks can go on from a cache of what they have read.

    The base of `DecoderBackbone` and `Seq2SeqBackbone`.

    Shapes: B rows, T tokens, S length of the cache, D features, V vocabulary, G
    key/value heads, K width of a head.

    Args:
        As in `Backbone`.
    """

    # What a subclass says of itself

    @property
    def writing_layers(self):
        """list of the blocks that have a cache."""
        return self.transformer_layers

    def embed(self, token_ids, positions):
        """float [B, T, D], from int [B, T] both."""
        raise NotImplementedError

    def finish(self, x):
        """float [B, T, D], behind the last block."""
        return self.final_norm(x)

    def cache_width(self):
        """(G, K)"""
        return self.num_heads, self.hidden_dim // self.num_heads

    def block_options(self, positions):
        """dict of what blocks take beside: positions, where they want them."""
        return {}

    # Writing

    def logits(self, x):
        """float [..., V], scores over the vocabulary, of features float [..., D]."""
        return self.token_embedding(x, reverse=True)

    def new_cache(self, rows, length):
        """list of float [B, 2, S, G, K], zeros, one for each block.

        Args:
            rows: B.
            length: S, in tokens.
        """
        shape = (rows, 2, length, *self.cache_width())
        dtype = self.dtype_policy.compute_dtype
        return [keras.ops.zeros(shape, dtype) for _ in self.writing_layers]

    def write(
        self,
        token_ids,
        cache,
        index,
        *,
        starts=None,
        ancestors=None,
        beams=1,
        crossed=None,
    ):
        """Features of some tokens, and the cache with them in it: `call_with_cache`.

        Args:
            crossed: list of a dict for each block, of what it takes to look across at
                an encoder.
        """
        T = token_ids.shape[1] or keras.ops.shape(token_ids)[1]
        if starts is not None:
            starts = keras.ops.cast(starts, "int32")
        positions = column_positions(T, index, starts)
        most = getattr(self, "max_sequence_length", None)
        if most is not None:  # rows that are full may go on beside others, for nobody
            positions = keras.ops.minimum(positions, most - 1)
        x = self.embed(token_ids, positions)
        options = {
            "self_attention_cache_update_index": index,
            "starts": starts,
            "ancestors": ancestors,
            "beams": beams,
            **self.block_options(positions),
        }
        crossed = crossed or [{}] * len(cache)
        written = []
        for block, layer_cache, more in zip(self.writing_layers, cache, crossed):
            x, layer_cache, *_ = block(
                x, self_attention_cache=layer_cache, **options, **more
            )
            written.append(layer_cache)
        return self.finish(x), written
