"""How a backbone continues rows of tokens: prompts set side by side, a cache, a step."""

import keras
import tensorflow as tf

# In tokens, by how much a cache grows: seldom enough that copying it costs little.
BUCKET = 128


class Prompts:
    """Prompts of unequal lengths, set so that all end in one column.

    Shapes: B texts, L the most tokens that a text may have, C columns.

    Args:
        token_ids: int [B, L], prompts and room for what follows.
        padding_mask: int or bool [B, L], 1 at the tokens of the prompts, which come
            first.
        pad_token_id: int, what stands around them.

    Attributes:
        tokens: int32 [B, C]. There is a column of padding at least, or a token, before
            the last one of each prompt.
        starts: int32 [B], the column where each text begins.
        index: int32, the first column to write.
    """

    def __init__(self, token_ids, padding_mask, pad_token_id):
        token_ids = tf.cast(token_ids, tf.int32)
        mask = tf.cast(padding_mask, tf.bool)
        lengths = tf.math.count_nonzero(mask, axis=1, dtype=tf.int32)
        self.width = tf.shape(token_ids)[1]
        self.index = tf.maximum(tf.reduce_max(lengths), 2)
        self.starts = self.index - lengths
        columns = tf.range(tf.reduce_max(self.starts) + self.width)[tf.newaxis]
        places = columns - self.starts[:, tf.newaxis]  # [B, C], in token_ids
        given = (places >= 0) & (columns < self.index)
        places = tf.clip_by_value(places, 0, self.width - 1)
        tokens = tf.gather(token_ids, places, batch_dims=1)
        self.tokens = tf.where(given, tokens, pad_token_id)
        self.pad_token_id = pad_token_id

    def set_back(self, tokens, stop_token_ids):
        """(token_ids, padding_mask), int32 and bool [N, L]: texts from column 0 on.

        Args:
            tokens: int32 [N, C], where N is a multiple of B: what came of each text.
            stop_token_ids: tuple of int. Behind one that was written is padding.
        """
        each = tf.shape(tokens)[0] // tf.maximum(tf.shape(self.starts)[0], 1)
        starts = tf.repeat(self.starts, each)[:, tf.newaxis]
        columns = tf.range(self.width)[tf.newaxis] + starts  # [N, L]
        tokens = tf.gather(tokens, columns, batch_dims=1)
        stops = tf.reduce_any(tokens[..., tf.newaxis] == list(stop_token_ids), axis=-1)
        stops = tf.cast(stops & (columns >= self.index), tf.int32)
        mask = tf.cumsum(stops, axis=1, exclusive=True) == 0
        return tf.where(mask, tokens, self.pad_token_id), mask


class Next:
    """What a sampler calls for the next tokens' logits.

    Args:
        backbone: Has `call_with_cache` and `logits`.
        suppressed: Token ids that never come.

    The cache is a dict of tensors whose first axis are rows: "layers", as the backbone
    makes them; "starts" int32 [R]; of beams "ancestors" int32 [R, S]; and of an
    encoder-decoder "keys_and_values" and "encoder_mask", of which the rows of an item
    hold a part each.
    """

    def __init__(self, backbone, suppressed=()):
        self.backbone = backbone
        self.suppressed = list(suppressed)
        self.num_beams = 1

    def first(self, prompts, encoder=None, encoder_mask=None):
        """(cache, features): of all columns but the last of the prompts.

        Args:
            prompts: Prompts.
            encoder: float [B, E, D], what the encoder gives.
            encoder_mask: bool [B, E].
        """
        rows, S = tf.shape(prompts.tokens)[0], _rounded_up(prompts.index)
        cache = {"starts": prompts.starts}
        if encoder is not None:
            cache["keys_and_values"] = self.backbone.cross_cache(encoder)
            cache["encoder_mask"] = encoder_mask
        features, cache["layers"] = self.backbone.call_with_cache(
            prompts.tokens[:, : prompts.index - 1],
            self.backbone.new_cache(rows, S),
            0,
            starts=prompts.starts,
            **self._of_encoder(cache),
        )
        return cache, features

    def __call__(self, prompt, cache, index):
        column = index - 1
        cache = self._with_room(cache, column)
        token = tf.ensure_shape(prompt[:, column:index], [None, 1])
        options = self._of_encoder(cache)
        if self.num_beams > 1:
            options["ancestors"] = cache["ancestors"]
            options["beams"] = self.num_beams
        features, layers = self.backbone.call_with_cache(
            token, cache["layers"], column, starts=cache["starts"], **options
        )
        cache = {**cache, "layers": layers}
        if self.num_beams > 1:
            here = tf.range(tf.shape(cache["ancestors"])[1]) == column
            mine = self._numbers(cache)[:, tf.newaxis]
            cache["ancestors"] = tf.where(here, mine, cache["ancestors"])
        logits = keras.ops.cast(self.backbone.logits(features)[:, 0], "float32")
        if self.suppressed:
            ids = tf.range(tf.shape(logits)[1])[:, tf.newaxis]
            gone = tf.reduce_any(ids == self.suppressed, axis=1)
            logits = tf.where(gone, logits.dtype.min, logits)
        return logits, features[:, 0], cache

    # What a beam search asks, to copy no keys and values from beam to beam

    def beams(self, cache, num_beams):
        """The cache for as many rows of each item."""
        self.num_beams = num_beams
        items = {}
        for name in ("keys_and_values", "encoder_mask"):
            if name in cache:
                items[name] = tf.nest.map_structure(self._in_parts, cache[name])
        of_rows = {name: x for name, x in cache.items() if name not in items}
        cache = tf.nest.map_structure(lambda x: tf.repeat(x, num_beams, 0), of_rows)
        cache.update(items)
        S = tf.shape(cache["layers"][0])[2]
        # What the prompts left is in all rows alike.
        cache["ancestors"] = tf.repeat(self._numbers(cache)[:, tf.newaxis], S, 1)
        return cache

    def reorder(self, cache, parents):
        """The cache whose beams go on from those that int32 [B, beams] says."""
        if self.num_beams == 1:
            return cache
        shape = tf.shape(cache["ancestors"])
        by_item = tf.reshape(cache["ancestors"], [-1, self.num_beams, shape[1]])
        ancestors = tf.reshape(tf.gather(by_item, parents, batch_dims=1), shape)
        return {**cache, "ancestors": ancestors}

    def _numbers(self, cache):
        """int32 [R], the number of each row among its item's."""
        return tf.range(tf.shape(cache["starts"])[0]) % self.num_beams

    def _in_parts(self, x):
        """[B * beams, E / beams, ...] of [B, E, ...], filled up with zeros."""
        n, E = self.num_beams, tf.shape(x)[1]
        x = tf.pad(x, [(0, 0), (0, -E % n)] + (len(x.shape) - 2) * [(0, 0)])
        return tf.reshape(x, [-1, (E + n - 1) // n, *x.shape[2:]])

    def _of_encoder(self, cache):
        """dict of what blocks need to look at the encoder."""
        if "encoder_mask" not in cache:
            return {}
        n = self.num_beams

        def whole(x):
            return tf.reshape(x, [-1, n * tf.shape(x)[1], *x.shape[2:]])

        # A loop may forget sizes that nothing changes.
        width = (None, None, *self.backbone.cache_width())
        pairs = [
            tuple(tf.ensure_shape(x, width) for x in pair)
            for pair in cache["keys_and_values"]
        ]
        mask = tf.ensure_shape(cache["encoder_mask"], (None, None))
        if n > 1:
            pairs = [tuple(whole(x) for x in pair) for pair in pairs]
            mask = whole(mask)
        return {"cross_cache": pairs, "encoder_padding_mask": mask}

    def _with_room(self, cache, column):
        """The cache, longer by a bucket where the column would lie behind its end."""
        # A loop may forget sizes that nothing changes.
        shape = (None, 2, None, *self.backbone.cache_width())
        growing = {"layers": [tf.ensure_shape(x, shape) for x in cache["layers"]]}
        growing["starts"] = tf.ensure_shape(cache["starts"], [None])
        if "ancestors" in cache:
            growing["ancestors"] = tf.ensure_shape(cache["ancestors"], [None, None])
        cache = {**cache, **growing}
        S = tf.shape(cache["layers"][0])[2]

        def longer():
            room = [(0, 0), (0, 0), (0, BUCKET), (0, 0), (0, 0)]
            layers = [tf.pad(x, room) for x in cache["layers"]]
            if "ancestors" not in cache:
                return layers, ()
            mine = tf.repeat(self._numbers(cache)[:, tf.newaxis], BUCKET, 1)
            return layers, (tf.concat([cache["ancestors"], mine], 1),)

        def same():
            return cache["layers"], (
                (cache["ancestors"],) if "ancestors" in cache else ()
            )

        layers, ancestors = tf.cond(column >= S, longer, same)
        cache["layers"] = [tf.ensure_shape(x, shape) for x in layers]
        if ancestors:
            cache["ancestors"] = ancestors[0]
        return cache


def _rounded_up(tokens):
    """int32, the next multiple of the bucket."""
    return (tokens + BUCKET - 1) // BUCKET * BUCKET
