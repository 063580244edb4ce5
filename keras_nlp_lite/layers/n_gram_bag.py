"""A text as the bag of its n-grams: which there are, how often, how telling."""

import json
import os

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.checks import check_choice, check_positive_int
from keras_nlp_lite.layers.preprocessing_layer import (
    PreprocessingLayer,
    as_strings,
    on_cpu,
)
from keras_nlp_lite.memory import give_back
from keras_nlp_lite.tokenizers.n_gram_counts import NGramCounts, number_tokens
from keras_nlp_lite.tokenizers.n_gram_lookup import NGramLookup, hashed_n_grams
from keras_nlp_lite.tokenizers.splitting import (
    SPLIT,
    STANDARDIZE,
    one_a_row,
    split_tokens,
)
from keras_nlp_lite.untuned import untuned

MODES = ("multi_hot", "count", "tf_idf", "log_count_ratio")
_ASSET = "n_gram_bag.json"
_ADAPT_BATCH = 256  # texts: enough for NumPy to be quick, few enough to stream


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class NGramBag(PreprocessingLayer):
    """Turns each text into one sparse row: a column for every n-gram it may hold.

    Looks words up by string and longer n-grams by number, so a bigram is never built
    as a string, and yields sparse rows, so 20,000 columns cost what the 200 present
    ones do. Unlike `TextVectorization` there is no column for the unknown: `max_tokens`
    columns are `max_tokens` n-grams, the most frequent ones.

    Shapes: B batch, V columns (`vocabulary_size()`, or `num_hash_bins`).

    Args:
        max_tokens: The largest V; None keeps every n-gram.
        ngrams: n for n-grams of 1 to n tokens jointly, or a tuple of the sizes wanted.
        mode: What stands in a column: "multi_hot" 1 if the n-gram is there; "count"
            how often; "tf_idf" how often, times log(1 + texts / (1 + texts with it));
            "log_count_ratio" if it is there, how much likelier texts of class 1 are to
            hold it than texts of class 0 (Wang & Manning's r, smoothed by one).
        standardize: None, "lower_and_strip_punctuation", "lower",
            "strip_punctuation", or a function from strings to strings.
        split: "whitespace", "character", or a function from strings [B] to ragged
            tokens [B, None].
        vocabulary: N-grams in column order, instead of `adapt`: strings whose tokens
            are separated by a space, or tuples of tokens.
        idf_weights: float [V], the columns' weights for "tf_idf" and
            "log_count_ratio" where `vocabulary` is given.
        num_hash_bins: V, when n-grams are hashed into columns and no vocabulary is
            needed; "multi_hot" and "count" only.
        min_frequency: An n-gram that occurs more rarely gets no column.
        sparse: Whether to return a `tf.SparseTensor`; otherwise a dense tensor.
        **kwargs: `name`, `dtype` and the rest of `keras.layers.Layer`.

    Call arguments:
        x: string [B] or [B, 1].

    Returns:
        float32 [B, V], sparse or dense. An empty string gives an empty row.

    It runs as a compiled op where that is there. A graph with the op, such as
    `keras.Model.export` writes, loads where the op was loaded: `ops.portable_ops` makes
    one that loads anywhere, as a task's `export` does by itself.

    Raises:
        ValueError: called without a vocabulary; a bad argument.

    Example:

    >>> bag = NGramBag(ngrams=2, sparse=False)
    >>> bag.adapt(["not good", "good", "good"])
    >>> bag.get_vocabulary()
    ['good', 'not', 'not good']
    >>> print(bag(["Not good!", "so good"]).numpy())
    [[1. 1. 1.]
     [1. 0. 0.]]

    Reference: Wang & Manning, "Baselines and Bigrams", ACL 2012, P12-2018.
    """

    def __init__(
        self,
        max_tokens=None,
        ngrams=1,
        *,
        mode="multi_hot",
        standardize="lower_and_strip_punctuation",
        split="whitespace",
        vocabulary=None,
        idf_weights=None,
        num_hash_bins=None,
        min_frequency=1,
        sparse=True,
        **kwargs,
    ):
        # Keras rebuilds a saved functional model's graph before the vocabulary is loaded:
        # how wide it will be stands in the config.
        self._expected_size = kwargs.pop("vocabulary_size", 0)
        super().__init__(**kwargs)
        check_positive_int("max_tokens", max_tokens, none_ok=True)
        check_positive_int("num_hash_bins", num_hash_bins, none_ok=True)
        check_positive_int("min_frequency", min_frequency)
        check_choice("mode", mode, MODES)
        if not callable(standardize):
            check_choice("standardize", standardize, STANDARDIZE)
        if not callable(split):
            check_choice("split", split, SPLIT)
        self._weighted = mode in ("tf_idf", "log_count_ratio")
        if num_hash_bins and (self._weighted or vocabulary is not None):
            given = f"mode={mode!r}" if self._weighted else "a vocabulary"
            raise ValueError(
                "`num_hash_bins` needs no vocabulary and knows no corpus. Received: "
                f"num_hash_bins={num_hash_bins} with {given}. Try "
                "mode='multi_hot' without a vocabulary, or leave `num_hash_bins` out."
            )
        self.max_tokens = max_tokens
        self.ngrams = ngrams
        self.mode = mode
        self.standardize = standardize
        self.split = split
        self.num_hash_bins = num_hash_bins
        self.min_frequency = min_frequency
        self.sparse = sparse
        self._sizes = _sizes(ngrams)
        self._vocabulary = self._weights = self._lookup = None
        self._given = vocabulary is not None
        if self._given:
            self.set_vocabulary(vocabulary, idf_weights)

    takes_numbers = True  # as `adapt` gives them to `on_batch`

    @property
    def numbering(self):
        """What the numbers mean, an object; None if there are none, or no longer."""
        return None if self._lookup is None else self._lookup.words_of_corpus

    @property
    def adapts_on_labels(self):
        """Whether `adapt` needs the labels next to the texts."""
        return self.mode == "log_count_ratio"

    # Vocabulary

    def adapt(self, data, on_batch=None):
        """Finds the n-grams of a corpus in one pass over it.

        Args:
            data: Texts: a Dataset of string [B] or of (string [B], label int [B]),
                a list or array of strings, or a tuple (texts, labels). Labels are
                needed for "log_count_ratio" and ignored otherwise.
            on_batch: Called for batch after batch of the corpus, in its order, with
                the texts as ragged int32 [B, None], and whatever stood beside them.
                `call` takes these numbers in the place of their texts until the
                vocabulary changes, and then has no strings to look up.

        Raises:
            ValueError: hashing needs no adapting; labels are missing, or are not two
                classes; the corpus holds no text.
        """
        if self.num_hash_bins:
            raise ValueError(
                "An NGramBag with `num_hash_bins` has nothing to adapt. Received: "
                f"num_hash_bins={self.num_hash_bins}. Leave `adapt` out."
            )
        counts = self._count(_as_dataset(data), on_batch)
        if not counts.num_texts.sum():
            raise ValueError("`adapt` needs at least one text. Received: none.")
        grams, by_class = counts.select(self.max_tokens, self.min_frequency)
        weights = None
        if self.mode == "tf_idf":
            texts = counts.num_texts.sum()
            weights = np.log1p(texts / (1 + by_class.sum(axis=1)))
        elif self.mode == "log_count_ratio":
            weights = _log_count_ratio(by_class)
        self._given = False
        self._use(grams, counts.tokens, weights, keep_numbers=on_batch is not None)
        del counts
        give_back()

    def _count(self, dataset, on_batch):
        """Runs the corpus through the counter, tokenizing in parallel."""
        with_labels = self.adapts_on_labels
        spec = dataset.element_spec
        labelled = isinstance(spec, tuple) and len(spec) > 1
        if with_labels and not labelled:
            raise ValueError(
                "mode='log_count_ratio' adapts on (text, label) pairs. Received: a "
                f"dataset of {spec}. Try `adapt(dataset)` with labels in it, or "
                "mode='tf_idf', which needs none."
            )

        @tf.autograph.experimental.do_not_convert  # nothing to convert, at half a second
        def chunk(x, *beside):
            with on_cpu():
                tokens = split_tokens(as_strings(x), self.standardize, self.split)
                return (*number_tokens(tokens), beside)

        counts = NGramCounts(
            self._sizes, by_text=self._weighted, num_classes=2 if with_labels else 1
        )
        first = spec[0] if isinstance(spec, (tuple, list)) else spec
        if first.shape.rank:
            dataset = dataset.unbatch()
        dataset = dataset.batch(_ADAPT_BATCH)
        chunks = untuned(dataset.map(chunk, num_parallel_calls=2).prefetch(4))
        for *tokens, beside in chunks.as_numpy_iterator():
            classes = _binary(beside[0]) if with_labels else None
            numbers = counts.update(*tokens, classes)
            if on_batch:
                texts = tf.RaggedTensor.from_row_splits(
                    numbers.astype(np.int32), tokens[-1], validate=False
                )
                on_batch((texts, *beside))
        return counts

    def set_vocabulary(self, vocabulary, idf_weights=None):
        """Gives the n-grams, in column order, instead of adapting.

        Args:
            vocabulary: Strings whose tokens are separated by a space (for
                split="character": by nothing or a space), or tuples of tokens.
            idf_weights: float [V], for "tf_idf" and "log_count_ratio".

        Raises:
            ValueError: a repeated n-gram, one of a size not in `ngrams`, or weights
                that are missing or of another length.
        """
        grams = [_tokens_of(gram, self.split) for gram in vocabulary]
        for gram in grams:
            if len(gram) not in self._sizes:
                raise ValueError(
                    f"`vocabulary` must hold n-grams of {self._sizes} tokens. "
                    f"Received: {b' '.join(gram)!r}, which has {len(gram)}. Try "
                    f"ngrams={max(len(gram), *self._sizes)}."
                )
        if len(set(grams)) < len(grams):
            seen = set()
            twice = next(g for g in grams if g in seen or seen.add(g))
            raise ValueError(
                "`vocabulary` must hold each n-gram once. Received: "
                f"{b' '.join(twice)!r} twice."
            )
        if self._weighted and (idf_weights is None or len(idf_weights) != len(grams)):
            came = "none" if idf_weights is None else f"{len(idf_weights)}"
            raise ValueError(
                f"mode={self.mode!r} needs a weight for each of the {len(grams)} "
                f"n-grams of `vocabulary` as `idf_weights`. Received: {came}."
            )
        if not self._weighted and idf_weights is not None:
            raise ValueError(
                f"`idf_weights` belong to mode='tf_idf'. Received: mode={self.mode!r}."
            )
        numbers = {}
        words = np.full((len(grams), max(self._sizes)), -1, np.int32)
        for row, gram in zip(words, grams):
            row[: len(gram)] = [numbers.setdefault(t, len(numbers)) for t in gram]
        self._use(words, list(numbers), idf_weights)

    @property
    def is_adapted(self):
        """Whether there is a vocabulary, or no need of one."""
        return self._vocabulary is not None or bool(self.num_hash_bins)

    def get_vocabulary(self):
        """list of str [V]: the n-grams in column order, tokens joined by a space."""
        self._check_ready()
        tokens, grams, _ = self._vocabulary
        tokens = [token.decode("utf-8", "surrogateescape") for token in tokens]
        return [" ".join(tokens[i] for i in gram if i >= 0) for gram in grams]

    def vocabulary_size(self):
        """int: V, the number of columns; 0 before the layer is adapted."""
        if self.num_hash_bins:
            return self.num_hash_bins
        return 0 if self._vocabulary is None else len(self._vocabulary[1])

    @property
    def column_weights(self):
        """float32 [V], what "tf_idf" or "log_count_ratio" multiply by; else None."""
        return None if self._vocabulary is None else self._vocabulary[2]

    def _use(self, grams, tokens, weights, keep_numbers=False):
        """Takes a vocabulary: int [V, n] word numbers, the words, float [V] weights."""
        used = np.unique(grams[grams >= 0])
        renumber = np.full(len(tokens) + 1, -1, np.int64)
        renumber[used] = np.arange(len(used))
        grams = renumber[grams]
        tokens = [tokens[i] for i in used]
        weights = None if weights is None else np.asarray(weights, "float32")
        self._vocabulary = (tokens, grams, weights)
        with on_cpu():
            self._lookup = NGramLookup(tokens, grams, self._sizes)
            if keep_numbers:
                self._lookup.words_of_corpus = tf.constant(renumber)
            self._weights = None if weights is None else tf.constant(weights)

    def _check_ready(self):
        if not self.is_adapted:
            raise ValueError(
                "This NGramBag has no vocabulary yet. Call `adapt` with the training "
                "texts first (on a task model: `model.adapt(train)`), or pass "
                "`vocabulary` or `num_hash_bins`."
            )

    # Calling

    def call(self, x):
        self._check_ready()
        with on_cpu():
            numbered = isinstance(x, tf.RaggedTensor) and x.dtype.is_integer
            if not numbered:
                x = as_strings(x)
            op = self._op(numbered)
            if op is not None:
                bag = self._bag_of_op(op, x, numbered)
            else:
                bag = self._bag_of_formula(x, numbered)
            if self.sparse:
                return bag
            dense = tf.sparse.to_dense(bag)
            return tf.ensure_shape(dense, [None, self.vocabulary_size()])

    def _op(self, numbered):
        """What does all at once, or None where it cannot."""
        plain = self.split == "whitespace" and not callable(self.standardize)
        return (
            None if self._lookup is None or not (plain or numbered) else self._lookup.op
        )

    def _bag_of_op(self, op, x, numbered):
        if numbered:
            num_rows = x.nrows(tf.int64)
            indices, values = op.of_numbers(x, self._lookup.words_of_corpus)
        else:
            x = one_a_row(x)
            num_rows = tf.size(x, tf.int64)
            indices, values = op.of_text(x, self.standardize)
        values = tf.ones_like(values) if self._counts_once else values
        return self._weigh(indices, tf.cast(values, keras.config.floatx()), num_rows)

    def _bag_of_formula(self, x, numbered):
        """Counts equal columns within each row; column V, no n-gram, is left out."""
        tokens = x if numbered else split_tokens(x, self.standardize, self.split)
        if self.num_hash_bins:
            columns = hashed_n_grams(tokens, self._sizes, self.num_hash_bins)
        else:
            columns = self._lookup(tokens)
        V, row_splits = self.vocabulary_size(), tokens.row_splits
        num_rows = tf.size(row_splits, tf.int64) - 1
        # The op refuses a batch of no rows; an empty one behind the rest adds nothing.
        row_splits = tf.concat([row_splits, row_splits[-1:]], axis=0)
        indices, values, _ = tf.raw_ops.RaggedCountSparseOutput(
            splits=row_splits * len(self._sizes),
            values=tf.reshape(columns, [-1]),
            weights=tf.zeros([0], keras.config.floatx()),
            minlength=V,
            maxlength=V,
            binary_output=self._counts_once,
        )
        return self._weigh(indices, values, num_rows)

    @property
    def _counts_once(self):
        """Whether an n-gram counts once, however often a text has it."""
        return self.mode in ("multi_hot", "log_count_ratio")

    def _weigh(self, indices, values, num_rows):
        if self._weights is not None:
            values *= tf.cast(tf.gather(self._weights, indices[:, 1]), values.dtype)
        # V is stated as a number, so that the layer that follows can be built.
        V = self.vocabulary_size()
        return tf.SparseTensor(indices, values, tf.stack([num_rows, V]))

    def compute_output_shape(self, x_shape):
        return (x_shape[0], self.vocabulary_size() or self._expected_size)

    def compute_output_spec(self, x):
        if not self._expected_size:
            self._check_ready()
        return keras.KerasTensor(
            self.compute_output_shape(x.shape),
            dtype=keras.config.floatx(),
            sparse=self.sparse,
        )

    # Saving

    def get_config(self):
        return {
            **super().get_config(),
            "max_tokens": self.max_tokens,
            "ngrams": self.ngrams,
            "mode": self.mode,
            "standardize": keras.saving.serialize_keras_object(self.standardize),
            "split": keras.saving.serialize_keras_object(self.split),
            "num_hash_bins": self.num_hash_bins,
            "min_frequency": self.min_frequency,
            "sparse": self.sparse,
            "vocabulary_size": self.vocabulary_size(),
            # An adapted vocabulary is an asset; one that the user gave is a setting.
            "vocabulary": self._given_grams() if self._given else None,
            "idf_weights": (
                self.column_weights.tolist() if self._given and self._weighted else None
            ),
        }

    @classmethod
    def from_config(cls, config):
        config = dict(config)
        for name in ("standardize", "split"):
            if isinstance(config[name], dict):
                config[name] = keras.saving.deserialize_keras_object(config[name])
        if isinstance(config["ngrams"], list):
            config["ngrams"] = tuple(config["ngrams"])
        return cls(**config)

    def _given_grams(self):
        """Tokens apart: one that holds a space would not be told from two."""
        tokens, grams, _ = self._vocabulary
        tokens = [token.decode("utf-8", "surrogateescape") for token in tokens]
        return [[tokens[i] for i in gram if i >= 0] for gram in grams]

    def save_assets(self, dir_path):
        if self._vocabulary is None:
            return
        tokens, grams, weights = self._vocabulary
        content = {
            "tokens": [token.decode("utf-8", "surrogateescape") for token in tokens],
            "grams": grams.tolist(),
            "weights": None if weights is None else weights.tolist(),
        }
        with open(os.path.join(dir_path, _ASSET), "w", encoding="ascii") as file:
            json.dump(content, file)

    def load_assets(self, dir_path):
        path = os.path.join(dir_path, _ASSET)
        if not os.path.exists(path):
            return
        with open(path, encoding="ascii") as file:
            content = json.load(file)
        tokens = [
            token.encode("utf-8", "surrogateescape") for token in content["tokens"]
        ]
        grams = np.asarray(content["grams"], np.int64).reshape(-1, max(self._sizes))
        self._use(grams, tokens, content["weights"])


def _sizes(ngrams):
    """The n of the n-grams, ascending."""
    sizes = range(1, ngrams + 1) if isinstance(ngrams, int) else ngrams
    try:
        sizes = tuple(sorted(set(sizes)))
    except TypeError:
        sizes = ()
    if not sizes or not all(isinstance(n, int) and n >= 1 for n in sizes):
        raise ValueError(
            "`ngrams` must be an integer of at least 1, or a tuple of such. "
            f"Received: ngrams={ngrams!r}."
        )
    return sizes


def _tokens_of(gram, split):
    """An n-gram of a given vocabulary as a tuple of bytes."""
    if isinstance(gram, (str, bytes)):
        text = (
            gram if isinstance(gram, str) else gram.decode("utf-8", "surrogateescape")
        )
        # "g o o d" and "good" both name four characters; a space at an even place of
        # the former is itself a character.
        if split == "character":
            gram = text[::2] if set(text[1::2]) <= {" "} and len(text) % 2 else text
        else:
            gram = text.split(" ")
    return tuple(
        t if isinstance(t, bytes) else t.encode("utf-8", "surrogateescape")
        for t in gram
    )


def _as_dataset(data):
    """Texts, or a tuple of texts and labels, as a Dataset of batches."""
    if isinstance(data, tf.data.Dataset):
        return data
    parts = data if isinstance(data, tuple) else (data,)
    parts = (as_strings(parts[0]), *map(tf.convert_to_tensor, parts[1:]))
    dataset = tf.data.Dataset.from_tensor_slices(parts if len(parts) > 1 else parts[0])
    return dataset.batch(_ADAPT_BATCH)


def _binary(labels):
    """Labels [B] or [B, 1] as int64 [B], which must be 0 or 1."""
    labels = np.asarray(labels).reshape(len(labels), -1)
    classes = labels[:, 0]
    if labels.shape[1] > 1 or not np.isin(classes, (0, 1)).all():
        came = labels.shape if labels.shape[1] > 1 else sorted(set(classes.tolist()))
        raise ValueError(
            "mode='log_count_ratio' compares two classes, labelled 0 and 1. Received: "
            f"labels {came}. Try mode='tf_idf'."
        )
    return classes.astype(np.int64)


def _log_count_ratio(by_class):
    """float [V]: log of (p / |p|) / (q / |q|), p and q being smoothed counts."""
    smoothed = by_class + 1.0  # [V, 2], alpha = 1
    share = np.log(smoothed / smoothed.sum(axis=0))
    return share[:, 1] - share[:, 0]
