"""What the layers that change a row's tokens at random have in common."""

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.checks import check_rate
from keras_nlp_lite.layers.preprocessing_layer import on_cpu
from keras_nlp_lite.layers.random_preprocessing_layer import RandomPreprocessingLayer
from keras_nlp_lite.tokenizers.packing import as_rows, as_values


class RandomAugmentationLayer(RandomPreprocessingLayer):
    """Rows of tokens in, ragged rows out, with some tokens left alone.

    Subclasses define `augment`.

    Args:
        rate: Probability of each token to be chosen, from 0 to 1.
        skip_list: Ids or tokens to leave alone.
        skip_fn: TensorFlow function from a scalar token to a scalar bool, True for a
            token to leave alone. Called once for each different token of a batch.
        skip_py_fn: The same in Python: from an int or a str to True or False. It works
            in `Dataset.map`; an export runs only in the process that holds it.
        seed: int, where the sequence of draws begins; None for anywhere.
        name: Of the layer.
        dtype: An integer type or "string", for empty lists; other outputs have the
            dtype of the inputs.
        **kwargs: The rest of `keras.layers.Layer`.

    Raises:
        ValueError: a rate outside 0 to 1; more than one way to skip.
    """

    def __init__(
        self,
        rate,
        skip_list=None,
        skip_fn=None,
        skip_py_fn=None,
        seed=None,
        name=None,
        dtype="int32",
        **kwargs,
    ):
        super().__init__(seed=seed, name=name, dtype=dtype, **kwargs)
        if self.compute_dtype != "string" and "int" not in self.compute_dtype:
            raise ValueError(
                "`dtype` must be an integer type or 'string'. "
                f"Received: dtype={self.compute_dtype!r}."
            )
        check_rate("rate", rate)
        ways = {"skip_list": skip_list, "skip_fn": skip_fn, "skip_py_fn": skip_py_fn}
        given = [way for way, value in ways.items() if value is not None]
        if len(given) > 1:
            raise ValueError(
                "At most one of `skip_list`, `skip_fn` and `skip_py_fn` may be given. "
                f"Received: {', '.join(given)}."
            )
        self.rate = rate
        self.skip_list = skip_list
        self.skip_fn = skip_fn
        self.skip_py_fn = skip_py_fn
        self._skipped = None
        if skip_list:
            self._skipped = _set_table(as_values("skip_list", skip_list))

    def call(self, inputs, seed=None):
        with on_cpu():
            rows, batched = as_rows(
                inputs, str if self.compute_dtype == "string" else int
            )
            may_change = ~self._skips(rows.values)
            values, lengths = self.augment(rows, may_change, self.next_seed(seed))
            if not batched:
                return values
            return tf.RaggedTensor.from_row_lengths(values, lengths, validate=False)

    def augment(self, rows, may_change, seed):
        """Changes the rows.

        Args:
            rows: `packing.Rows`, N tokens in B rows.
            may_change: bool [N].
            seed: int [2].

        Returns:
            (values, lengths int64 [B]), as of a ragged tensor.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `augment`.")

    def _skips(self, tokens):
        """bool [N]: which tokens are left alone."""
        if self._skipped is not None:
            wanted = self._skipped.key_dtype
            if (tokens.dtype == tf.string) != (wanted == tf.string):
                raise ValueError(
                    "`skip_list` must be of the same kind as the input. Received: "
                    f"skip_list={self.skip_list} for an input of dtype "
                    f"{tokens.dtype.name}."
                )
            return self._skipped.lookup(tf.cast(tokens, wanted)) > 0
        if self.skip_fn is None and self.skip_py_fn is None:
            return tf.zeros(tf.shape(tokens), tf.bool)
        different, which = tf.unique(tokens)
        if self.skip_fn is not None:
            skips = tf.map_fn(self.skip_fn, different, fn_output_signature=tf.bool)
        else:
            skips = tf.numpy_function(self._skips_in_python, [different], tf.bool)
        return tf.gather(tf.ensure_shape(skips, [None]), which)

    def _skips_in_python(self, tokens):
        values = (t.decode() if isinstance(t, bytes) else t for t in tokens.tolist())
        return np.array([bool(self.skip_py_fn(value)) for value in values], bool)

    def compute_output_spec(self, inputs, seed=None):
        shape = (*inputs.shape[:-1], None)
        return keras.KerasTensor(shape, dtype=inputs.dtype, ragged=len(shape) > 1)

    def get_config(self):
        return {
            **super().get_config(),
            "rate": self.rate,
            "skip_list": self.skip_list and list(self.skip_list),
            "skip_fn": keras.saving.serialize_keras_object(self.skip_fn),
            "skip_py_fn": keras.saving.serialize_keras_object(self.skip_py_fn),
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in ("skip_fn", "skip_py_fn"):
            if isinstance(config.get(name), dict):
                config[name] = keras.saving.deserialize_keras_object(config[name])
        return super().from_config(config)


def _set_table(values):
    """A lookup table, 1 for the values and 0 for all else."""
    dtype = tf.string if isinstance(values[0], str) else tf.int64
    with tf.init_scope(), on_cpu():
        values = tf.constant(list(dict.fromkeys(values)), dtype)
        initializer = tf.lookup.KeyValueTensorInitializer(
            values, tf.ones_like(values, tf.int64)
        )
        return tf.lookup.StaticHashTable(initializer, default_value=0)
