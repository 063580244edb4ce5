"""The word pieces of texts: tokens alone the fast way, or each with its place."""

import re
from typing import NamedTuple

import tensorflow as tf

from keras_nlp_lite.tokenizers.bert_character_classes import TORN
from keras_nlp_lite.tokenizers.bert_characters import bert_characters
from keras_nlp_lite.tokenizers.strings import byte_lengths, on_cpu
from keras_nlp_lite.tokenizers.whole_tokens import split_off
from keras_nlp_lite.tokenizers.word_splitting import (
    place_texts,
    place_words,
    split_at_spaces,
)

_MOST_CHARACTERS = 100  # of a word; a longer one is the unknown token
_MOST_BYTES = 4 * _MOST_CHARACTERS
_TORN = f"[{''.join(map(chr, sorted(TORN)))}]"
_UNKNOWN = "\uffff"  # no character, so Unicode promises, and so in no vocabulary


class PlacedPieces(NamedTuple):
    """Word pieces and where they are.

    Shapes: N texts, T tokens, different in each.
    """

    tokens: tf.RaggedTensor  # int32 or string [N, T]
    starts: tf.RaggedTensor  # int64 [N, T], in bytes of the text
    ends: tf.RaggedTensor  # int64 [N, T]
    words: tf.RaggedTensor  # int64 [N, T], of which word in its text


class WordPieceModel:
    """A vocabulary, and how texts become words.

    Shapes: N texts, T tokens, different in each.

    Args:
        vocabulary: A Vocabulary.
        suffix_indicator, oov_token, lowercase, strip_accents, split, split_on_cjk: As
            in `WordPieceTokenizer`.
        whole_tokens: list of str, those that stay whole where they stand in a text.
        as_strings: Whether tokens are strings; otherwise int32 ids.
    """

    def __init__(
        self,
        vocabulary,
        suffix_indicator,
        oov_token,
        lowercase,
        strip_accents,
        split,
        split_on_cjk,
        whole_tokens,
        as_strings,
    ):
        import tensorflow_text  # here, since it takes a second to import

        self._split = split
        self._characters = bert_characters(
            bool(lowercase), bool(strip_accents), bool(split), bool(split_on_cjk)
        )
        # The op can find the words of a text itself, which is fastest. It splits at some
        # characters more than BERT; where no token has one of them, a word that has is
        # unknown, split or not.
        torn = re.search(_TORN, "\n".join(vocabulary.tokens))
        self._finds_words = split and split_on_cjk and not torn
        too_long = f"{'[^ ]' if split else '(?s).'}{{{_MOST_CHARACTERS + 1},}}"
        self._no_pieces = f"{too_long}|{_TORN}" if self._finds_words else too_long
        self._whole = whole_tokens
        names = [t if t in vocabulary else oov_token for t in whole_tokens]
        # Constants must not belong to a graph that is being traced: a loader may set
        # the vocabulary in one.
        with tf.init_scope(), on_cpu():
            self._whole_tokens = tf.constant(
                names if as_strings else [vocabulary.id(name) for name in names],
                tf.string if as_strings else tf.int32,
            )
            try:
                self._pieces = tensorflow_text.FastWordpieceTokenizer(
                    vocab=vocabulary.tokens,
                    token_out_type=tf.string if as_strings else tf.int32,
                    suffix_indicator=suffix_indicator,
                    max_bytes_per_word=_MOST_BYTES,
                    unknown_token=oov_token,
                    no_pretokenization=not self._finds_words,
                    support_detokenization=True,
                )
            except RuntimeError as error:
                raise ValueError(
                    f"`vocabulary` must hold pieces beside {oov_token!r}, of which the "
                    "op can make a table. Received: "
                    f"{', '.join(map(repr, vocabulary.tokens[:5]))}: {error}"
                ) from error

    def tokens(self, texts):
        """Ragged [N, T], of string [N]; with split=False, each text is one word."""
        if not self._whole:
            return self._tokens(texts)
        segments = split_off(texts, self._whole)  # [N, S]
        is_whole = _is_whole(segments)
        tokens = self._tokens(tf.where(is_whole, _UNKNOWN, segments.values))
        tokens = self._with_whole(tokens, segments.values, is_whole)
        return _join(segments, tokens)

    def place(self, texts):
        """PlacedPieces, of string [N]; with split=False, each text is one word."""
        if not self._whole:
            tokens, starts, ends, word, words = self._place(texts)
            return _placed(tokens, starts, ends, word, words.row_splits)
        segments = split_off(texts, self._whole)  # [N, S]
        is_whole = _is_whole(segments)
        between = tf.where(is_whole, _UNKNOWN, segments.values)
        tokens, starts, ends, word, words = self._place(between)
        tokens = self._with_whole(tokens, segments.values, is_whole)
        segment = tokens.value_rowids()
        lengths = byte_lengths(segments.values)
        ends = tf.where(tf.gather(is_whole, segment), tf.gather(lengths, segment), ends)
        begins = tf.cumsum(lengths, exclusive=True)  # [NS], in bytes of all texts
        text_begins = tf.gather(begins, segments.row_starts())
        begins -= tf.gather(text_begins, segments.value_rowids())
        begin = tf.gather(begins, segment)
        return _placed(
            _join(segments, tokens),
            starts + begin,
            ends + begin,
            word,
            tf.gather(words.row_splits, segments.row_splits),
        )

    def detokenize(self, tokens):
        """string [N], of ragged ids [N, T]."""
        return self._pieces.detokenize(tokens)

    # Texts, or what is left between whole tokens

    def _tokens(self, texts):
        texts = self._characters(texts)
        texts = tf.strings.regex_replace(texts, self._no_pieces, _UNKNOWN)
        if self._finds_words or not self._split:
            return self._pieces.tokenize(texts)
        words = split_at_spaces(texts)
        return _join(words, self._pieces.tokenize(words.values))

    def _place(self, texts):
        """Pieces and where they are.

        Returns:
            A tuple of ragged tokens [N, T]; int64 [P], the starts of all texts' pieces;
            int64 [P], their ends; int64 [P], each piece's word, by its place in
            `words.values`; and `words`, ragged string [N, W].
        """
        place = place_words if self._split else place_texts
        placed = place(texts, self._characters)
        words = placed.words
        known = tf.strings.regex_replace(words.values, self._no_pieces, _UNKNOWN)
        tokens, starts, ends = self._pieces.tokenize_with_offsets(known)  # each [NW, P]
        word = tokens.value_rowids()
        ends = tf.where(
            tf.gather(known == words.values, word),
            tf.cast(ends.values, tf.int64),
            tf.gather(
                byte_lengths(words.values), word
            ),  # the unknown token is all of it
        )
        starts, ends = placed.in_text(word, tf.cast(starts.values, tf.int64), ends)
        return _join(words, tokens), starts, ends, word, words

    def _with_whole(self, tokens, segments, is_whole):
        """Tokens [NS, T], with each whole token in the unknown token's place."""
        number = tf.argmax(segments[:, tf.newaxis] == self._whole, axis=1)  # [NS]
        whole = tf.gather(self._whole_tokens, number)
        segment = tokens.value_rowids()
        return tokens.with_values(
            tf.where(
                tf.gather(is_whole, segment), tf.gather(whole, segment), tokens.values
            )
        )


def _is_whole(segments):
    """bool [NS]: which segments [N, S] are whole tokens; one stands between every two
    texts, be they empty."""
    return tf.ragged.range(segments.row_lengths()).values % 2 == 1


def _join(rows, tokens):
    """Tokens [NS, T] of ragged [N, S], as [N, TS]. `merge_dims` does so by more ops."""
    return tf.RaggedTensor.from_row_splits(
        tokens.values, tf.gather(tokens.row_splits, rows.row_splits), validate=False
    )


def _placed(tokens, starts, ends, word, word_splits):
    """PlacedPieces of flat ones, where a text's words begin at `word_splits`, [N + 1]."""
    number = word - tf.gather(word_splits, tokens.value_rowids())
    return PlacedPieces(tokens, *map(tokens.with_values, (starts, ends, number)))
