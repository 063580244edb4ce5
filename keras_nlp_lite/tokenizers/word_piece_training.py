"""Learning the vocabulary of a `WordPieceTokenizer`."""

import collections
import itertools

import tensorflow as tf

from keras_nlp_lite.atomic import replacing
from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.tokenizers.bert_characters import bert_characters
from keras_nlp_lite.tokenizers.corpus_texts import is_list_of_files
from keras_nlp_lite.tokenizers.even_sample import MAX_BYTES, sample_texts
from keras_nlp_lite.tokenizers.strings import on_cpu
from keras_nlp_lite.tokenizers.training_library import learn_merges, training_library
from keras_nlp_lite.tokenizers.vocabulary import Vocabulary
from keras_nlp_lite.tokenizers.word_splitting import split_words

_LONGEST_WORD = 100  # characters, beyond which the tokenizer does not look for pieces
_BATCH = 2**15  # stretches of text that are cut to words at once
_ITEM = 4096  # characters handed to the trainer at once
_INVALID = "\ufffd"  # what stands for bytes that are no UTF-8
_END = "\0"  # behind each word of an item: a control character, at which words are cut


def compute_word_piece_vocabulary(
    data,
    vocabulary_size,
    vocabulary_output_file=None,
    lowercase=False,
    strip_accents=False,
    split=True,
    split_on_cjk=True,
    suffix_indicator="##",
    reserved_tokens=("[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"),
    *,
    min_frequency=2,
    alphabet_size=1000,
    max_bytes=MAX_BYTES,
):
    """Learns word pieces from texts, for a `WordPieceTokenizer`.

    Texts are cut to words by the ops that the tokenizer itself runs. Words start as
    single characters; then, over and over, the two neighbours that stand side by side
    most often become one piece. The same texts give the same pieces, every time.

    Args:
        data: Texts: a `tf.data.Dataset` of strings of any shape, a list of files with a
            text a line (".gz" too), or texts, a list or any other iterable of str. A
            list of str is one of files if they all exist, and otherwise of texts.
            With split=False not files, and each string is a word.
        vocabulary_size: The most tokens to learn, `reserved_tokens` among them. It gets
            fewer where no pair is left that is frequent enough.
        vocabulary_output_file: File to write the tokens to, one a line, instead of
            returning them.
        lowercase, strip_accents, split, split_on_cjk, suffix_indicator: As for the
            tokenizer.
        reserved_tokens: Tokens that get the first ids, the tokenizer's `oov_token`
            among them. They are not looked for in the texts.
        min_frequency: How often two neighbours must stand side by side to be joined.
        alphabet_size: The most characters; words with rarer ones are unknown words.
        max_bytes: Of more text than this an even sample is taken, with a warning. So
            much is kept in memory while training, and every word once.

    Returns:
        list of str: the reserved tokens, then characters that begin a word, characters
        that go on with one, and longer pieces, the most useful first. None with
        `vocabulary_output_file`.

    Raises:
        ValueError: `data` is no corpus or empty, or files with split=False; there are
            more reserved tokens than `vocabulary_size`, or one comes twice.
        ImportError: `tokenizers` is not installed.

    Example:

    >>> texts = ["bat sat pat mat rat"]
    >>> compute_word_piece_vocabulary(texts, 14, reserved_tokens=["[UNK]"])
    ['[UNK]', 'a', 'b', 'm', 'p', 'r', 's', 't', '##a', '##t', '##at']

    Reference: Schuster and Nakajima, "Japanese and Korean Voice Search", 2012. Pairs
    are chosen by how often they occur, as in byte-pair encoding.
    """
    check_positive_int("vocabulary_size", vocabulary_size)
    check_positive_int("min_frequency", min_frequency)
    check_positive_int("alphabet_size", alphabet_size)
    reserved = Vocabulary(reserved_tokens).tokens  # each once
    if len(reserved) >= vocabulary_size:
        raise ValueError(
            "`vocabulary_size` must have room for more than the reserved tokens. "
            f"Received: vocabulary_size={vocabulary_size}, and {len(reserved)} reserved "
            "tokens."
        )
    if not split and is_list_of_files(data):
        raise ValueError(
            "With split=False `data` must hold words, which files do not. Received: "
            f"files, {str(data)[:80]}. Try a `tf.data.Dataset` that reads them and "
            "cuts lines to words."
        )
    training_library("tokenizers")  # missing, it is said before the reading
    texts = sample_texts(data, max_bytes)
    words = _count_words(texts, lowercase, strip_accents, split, split_on_cjk)
    room = vocabulary_size - len(reserved)
    symbols = _frequent_symbols(words, alphabet_size, suffix_indicator)[:room]
    tokens = _learn(
        words, symbols, vocabulary_size, reserved, suffix_indicator, min_frequency
    )
    if vocabulary_output_file is None:
        return tokens
    with replacing(vocabulary_output_file) as path:
        Vocabulary(tokens).write(path)
    return None


def _count_words(texts, lowercase, strip_accents, split, split_on_cjk):
    """How often each word occurs, as the tokenizer cuts and spells words.

    It cuts at spaces, whatever else it does, so that each stretch between two needs to
    be cut only once, however often it occurs.

    Returns:
        dict from str to int.
    """
    stretches = collections.Counter()
    if split:
        for text in texts:
            stretches.update(text.split(b" "))
    else:
        stretches.update(texts)
    words = collections.Counter()
    counted = iter(stretches.items())
    while batch := list(itertools.islice(counted, _BATCH)):
        with on_cpu():
            text = tf.constant([x for x, _ in batch], tf.string)
            if split:
                rows = split_words(
                    text, split_on_cjk, lowercase, strip_accents
                ).to_list()
            else:
                characters = bert_characters(lowercase, strip_accents, split=False)
                rows = characters(text)[:, tf.newaxis].numpy().tolist()
        for row, (_, count) in zip(rows, batch):
            for word in row:
                words[word] += count
    words = {word.decode("utf-8", "replace"): count for word, count in words.items()}
    return {word: count for word, count in words.items() if _can_be_learned(word)}


def _can_be_learned(word):
    """Whether it can stand in an item for the trainer, and its pieces in a file."""
    return 0 < len(word) <= _LONGEST_WORD and not {_END, "\n", _INVALID} & set(word)


def _frequent_symbols(words, alphabet_size, suffix_indicator):
    """What words are first made of: characters that begin one, and that go on with one.

    Each character can begin a word that is yet to come. Of those that go on, only
    these are symbols that do so in `words`: an ideograph never does.

    Returns:
        list of str, the most frequent first; of equals, the first in the alphabet.
    """
    begins, goes_on = collections.Counter(), collections.Counter()
    for word, count in words.items():
        begins[word[0]] += count
        for character in word[1:]:
            goes_on[character] += count
    alphabet = _by_frequency(begins + goes_on)[:alphabet_size]
    counts = {c: begins[c] for c in alphabet}
    for c in alphabet:
        if goes_on[c]:
            counts[suffix_indicator + c] = (
                counts.get(suffix_indicator + c, 0) + goes_on[c]
            )
    return _by_frequency(counts)


def _by_frequency(counts):
    return sorted(counts, key=lambda x: (-counts[x], x))


def _learn(words, symbols, vocabulary_size, reserved, suffix_indicator, min_frequency):
    """The whole vocabulary, from counted words and the symbols that it has room for."""
    known = set(symbols)
    words = {
        word: count
        for word, count in words.items()
        if word[0] in known and all(suffix_indicator + c in known for c in word[1:])
    }
    alphabet = set("".join(words))
    begin = sorted(symbol for symbol in symbols if len(symbol) == 1)
    go_on = sorted(known.difference(begin))
    # The trainer numbers the symbols that go on with a word in the order of a hash
    # table, by which it later decides between pairs of the same count. Told beforehand,
    # as if they were special, they have an order. It also takes every character for one
    # that can begin a word, and so gets room for those that are left out here.
    left_out = alphabet.difference(known, reserved)
    library = training_library("tokenizers")
    vocabulary, _ = learn_merges(
        _items(words),
        library.pre_tokenizers.CharDelimiterSplit(_END),
        vocab_size=vocabulary_size + len(left_out),
        min_frequency=min_frequency,
        special_tokens=[*dict.fromkeys([*reserved, *go_on])],
        initial_alphabet=begin,
        continuing_subword_prefix=suffix_indicator,
    )
    learned = [token for token in vocabulary if token not in left_out]
    return list(dict.fromkeys([*reserved, *begin, *go_on, *learned]))


def _items(words):
    """Every word as often as it was counted: the trainer does its own counting."""
    item, size = [], 0
    for word, count in words.items():
        while count:
            times = min(count, 1 + (_ITEM - size) // (len(word) + 1))
            item.append((word + _END) * times)
            size += times * (len(word) + 1)
            count -= times
            if size >= _ITEM:
                yield "".join(item)
                item, size = [], 0
    yield "".join(item)
