"""A label for each word: parts of speech, names of persons and places."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_nlp_lite.backbones.encoder_stack import initializer
from keras_nlp_lite.checks import check_fraction
from keras_nlp_lite.data.labels import sort_class_names
from keras_nlp_lite.data.raw_batches import as_array, raw_batches
from keras_nlp_lite.tasks.entity_f1 import entity_f1
from keras_nlp_lite.tasks.token_classifier_preprocessor import (
    TokenClassifierPreprocessor,
)
from keras_nlp_lite.tasks.token_task import TokenTask
from keras_nlp_lite.tasks.words import as_words, ragged_words
from keras_nlp_lite.tokenizers.word_splitting import split_words_with_offsets


class TaggedWord(NamedTuple):
    """A word, its likeliest label, how likely that is, and where in its text it stands:
    at `text[start:end]`. The places are None where the text came as words."""

    word: str
    label: str
    probability: float
    start: int | None = None
    end: int | None = None


@keras.saving.register_keras_serializable(package="keras_nlp_lite")
class TokenClassifier(TokenTask):
    """Reads words, and gives each a label.

    A word is answered for at its first token. `fit` and `evaluate` cut texts that are
    too long, and the words that are cut count for nothing; `predict`, `tag` and an
    export read a long text in several rows, and answer for all of it.

    Shapes: B texts, W words, different in each text, L tokens of a row, C labels.

    Args:
        backbone: A `Backbone`, or any Keras model from what the preprocessor gives to
            features [B, L, D].
        labels: Their names, in order of their numbers. None: those of the data that
            `fit` gets, sorted.
        preprocessor: A `TokenClassifierPreprocessor`. None: the model takes prepared
            tensors.
        dropout: Share of the features that training drops before the head.
        **kwargs: `name`, `dtype` and the rest of `keras.Model`.

    `fit` takes words and labels, as lists of lists or as a Dataset of batches, both
    ragged string [B, W], such as `data.read_conll` makes it. `predict` gives ragged
    probabilities [B, W, C]. An export takes words as a dense string [B, W], with ""
    behind a text's last one, and gives probabilities [B, W, C], with 0 there.

    Example:

    >>> from keras_nlp_lite.backbones import BertBackbone, sizes
    >>> from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer
    >>> special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    >>> tokenizer = BertTokenizer([*special, "the", "dog", "bark", "##s"])
    >>> tagger = TokenClassifier(
    ...     BertBackbone(vocabulary_size=9, **sizes["tiny"]),
    ...     preprocessor=TokenClassifierPreprocessor(tokenizer, sequence_length=8),
    ... )
    >>> history = tagger.fit([["the", "dog"]], [["DET", "NOUN"]], verbose=0)
    >>> [(tagged.word, tagged.start) for tagged in tagger.tag("the dog barks")]
    [('the', 0), ('dog', 4), ('barks', 8)]
    """

    preprocessor_cls = TokenClassifierPreprocessor

    def __init__(self, backbone, labels=None, preprocessor=None, dropout=0.1, **kwargs):
        super().__init__(backbone, preprocessor, **kwargs)
        check_fraction("dropout", dropout)
        self.dropout = dropout
        self.labels = None
        known = getattr(preprocessor, "labels", None)
        if labels is not None and known is not None and list(labels) != list(known):
            raise ValueError(
                "`labels` must be those of the preprocessor. Received: "
                f"{list(labels)}; the preprocessor has {list(known)}."
            )
        labels = known if labels is None else labels
        if labels is not None:
            self._set_labels(labels)

    def _set_labels(self, labels):
        names = [] if isinstance(labels, str) else list(labels)
        fine = all(isinstance(name, str) and name for name in names)
        if not fine or len(names) < 2 or len(set(names)) < len(names):
            raise ValueError(
                "`labels` must list two or more names, each once, such as ['NOUN', "
                f"'VERB']. Received: labels={labels!r}."
            )
        self.labels = names

    # The model: prepared numbers in, logits out

    def build_head(self, width):
        if self.labels is None:
            raise ValueError(
                f"This {type(self).__name__} has no labels yet. Call `fit` with words "
                "and labels first, or give it labels=[...]."
            )
        self.head_dropout = keras.layers.Dropout(
            self.dropout, dtype=self.dtype_policy, name="head_dropout"
        )
        self.head = keras.layers.Dense(
            len(self.labels),
            kernel_initializer=initializer(),
            dtype="float32",  # as the softmax and the loss that follow
            name="head",
        )
        self.head.build((None, None, width))

    def call(self, x, training=None):
        features = self.sequence_features(x, training=training)
        return self.head(self.head_dropout(features, training=training))  # [B, L, C]

    def answers(self, outputs):
        """float32 probabilities, from logits [B, L, C]."""
        return keras.ops.softmax(outputs)

    def answer(self, prepared):
        prepared = dict(prepared)
        places = prepared.pop("word_places", None)
        probabilities = super().answer(prepared)
        if places is None:
            return probabilities
        flat = tf.reshape(probabilities, [-1, len(self.labels)])
        return places.with_values(tf.gather(flat, places.values))

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return super().compute_metrics(x, y, self.answers(y_pred), sample_weight)

    # Data

    def preprocess(self, x, y=None, sample_weight=None):
        """Words to tokens: (features, labels, weights), or without labels (features,)."""
        if y is None:
            return (self.preprocessor(x),)
        return self.preprocessor(x, y, sample_weight, names=self.labels)

    def preprocess_question(self, x):
        return (self.preprocessor.windows(x),)

    def serving_signature(self):
        return tf.TensorSpec([None, None], tf.string, name="words")

    def serve(self, words):
        answers = super().serve(words)  # ragged: without the words "" at the end
        missing = tf.cast(tf.shape(words)[1], tf.int64) - answers.row_lengths()
        nothing = tf.zeros([tf.reduce_sum(missing), len(self.labels)])
        nothing = tf.RaggedTensor.from_row_lengths(nothing, missing)
        return tf.concat([answers, nothing], axis=1).to_tensor()

    def check_data(self, dataset, labels):
        spec = dataset.element_spec
        parts = spec if isinstance(spec, tuple) else (spec,)
        came = ", ".join(f"{x.dtype.name} {tuple(x.shape)}" for x in parts)
        name = type(self).__name__
        wanted = "batches of (words, labels), each [texts, (words)]"
        if parts[0].dtype != tf.string or (labels and len(parts) < 2):
            wanted = wanted if labels else "words"
            raise ValueError(
                f"{name} needs {wanted}. Received: {came}. To feed prepared tensors, "
                "set preprocessor=None."
            )
        if labels and (parts[0].shape.rank != 2 or parts[1].shape.rank != 2):
            raise ValueError(
                f"{name} needs {wanted}. Received: {came}. A text is a list of words, "
                "with as many labels."
            )
        if parts[0].shape.rank == 0:
            raise ValueError(
                f"{name} needs batches. Received single examples: {came}. Try "
                "dataset.batch(32)."
            )
        if labels:
            self._check_labels(dataset, parts[1].dtype)

    def _check_labels(self, dataset, dtype):
        """Takes the data's labels, if there are none yet; else refuses new ones."""
        names = getattr(dataset, "class_names", None)
        if self.labels is None:
            if names is None and dtype == tf.string and int(dataset.cardinality()) > 0:
                names = _labels_in(dataset)
            if names is None:
                raise ValueError(
                    "The labels must be known before training. Received: labels=None, "
                    "and data that do not tell them. Try labels=[...]."
                )
            self._set_labels(names)
        unknown = set(names or ()) - set(self.labels)
        if unknown:
            raise ValueError(
                f"A label must be one of {', '.join(self.labels)}. Received: "
                f"{', '.join(map(repr, sorted(unknown)))} among the data's."
            )

    # Answers with names

    def tag(self, text, split=True, **kwargs):
        """The likeliest label of each word.

        Args:
            text: str, which is cut at white space and around punctuation; a list of
                such texts; or a list of texts that are lists of words.
            split: False: a str is a word, and a list of str the words of one text.
            **kwargs: The rest of `predict`, such as `batch_size`.

        Returns:
            list of `TaggedWord`, of every word of the text in its order, with its place
            in characters of the str; for several texts a list of such lists.
        """
        one = isinstance(text, str)
        text = [text] if one else list(text)
        if not split and all(isinstance(word, str) for word in text):
            one, text = True, [text]
        cut = iter(_words_of([part for part in text if isinstance(part, str)]))
        texts = [
            next(cut)
            if isinstance(part, str)
            else [(word, None, None) for word in part]
            for part in text
        ]
        if not texts:
            return []
        tagged = self._tag(texts, **kwargs)
        return tagged[0] if one else tagged

    def _tag(self, texts, **kwargs):
        words = ragged_words([[word for word, *_ in text] for text in texts])
        answers = self.ask(words, **kwargs)  # ragged [B, W, C]
        flat = answers.values.numpy()
        best = flat.argmax(axis=-1)
        chances = np.take_along_axis(flat, best[:, None], axis=1)[:, 0].tolist()
        said = iter(zip((self.labels[i] for i in best), chances))
        return [
            [TaggedWord(word, *next(said), *place) for word, *place in text]
            for text in texts
        ]

    def entity_f1(self, x, y=None, **kwargs):
        """F1 over named entities, for labels such as "B-PER", "I-PER" and "O".

        Args:
            x: Words, or a Dataset of words and labels, as `evaluate` takes them.
            y: Labels, where `x` has none.
            **kwargs: The rest of `predict`.

        Returns:
            float, from 0 to 1: see `seqeval`, which `pip install
            keras-nlp-lite[tagging]` brings.
        """
        data = raw_batches(x, y)
        self.check_data(data, labels=True)
        texts, labels = [], []
        for words, named, *_ in data:
            words = as_words(words)
            texts.extend(words.to_list())
            rows = named.numpy().tolist() if not _is_ragged(named) else named.to_list()
            labels.extend(row[:n] for row, n in zip(rows, words.row_lengths().numpy()))
        decoded = [[self._name(label) for label in row] for row in labels]
        texts = [[word.decode(errors="surrogateescape") for word in t] for t in texts]
        tagged = self.tag(texts, **kwargs)
        return entity_f1(decoded, [[word.label for word in row] for row in tagged])

    def _name(self, label):
        return label.decode() if isinstance(label, bytes) else self.labels[label]

    def settings(self):
        return {
            "labels": None if self.labels is None else list(self.labels),
            "dropout": self.dropout,
        }


def _words_of(texts):
    """list of lists of (word, start, end), in characters, from a list of str."""
    if not texts:
        return []
    raw = as_array(texts)
    rows = [x.to_list() for x in split_words_with_offsets(raw)]
    cut = []
    for text, words, *places in zip(raw.numpy(), *rows):
        characters = text.decode(errors="surrogateescape")
        sizes = [len(c.encode(errors="surrogateescape")) for c in characters]
        begins = np.cumsum([0, *sizes])  # in bytes, of each character
        words = [word.decode(errors="surrogateescape") for word in words]
        places = (np.searchsorted(begins, column).tolist() for column in places)
        cut.append(list(zip(words, *places)))
    return cut


def _labels_in(dataset):
    """Every label of a Dataset of batches, sorted."""
    names = set()
    for _, labels, *_ in dataset:
        flat = labels.flat_values if _is_ragged(labels) else tf.reshape(labels, [-1])
        names.update(name.decode() for name in tf.unique(flat).y.numpy())
    return sort_class_names(names - {""})


def _is_ragged(x):
    return isinstance(x, tf.RaggedTensor)
