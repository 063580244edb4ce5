"""Learning the vocabulary and merges of a `BytePairTokenizer`."""

from keras_nlp_lite.checks import check_positive_int
from keras_nlp_lite.tokenizers.byte_pair_alphabet import ALPHABET
from keras_nlp_lite.tokenizers.even_sample import MAX_BYTES, sample_texts
from keras_nlp_lite.tokenizers.training_library import learn_merges, training_library
from keras_nlp_lite.tokenizers.whole_tokens import check_whole_tokens


def compute_byte_pair_vocabulary(
    data,
    vocabulary_size,
    min_frequency=2,
    special_tokens=None,
    *,
    add_prefix_space=False,
    max_bytes=MAX_BYTES,
):
    """Learns byte pairs from texts, for a `BytePairTokenizer`.

    Texts are cut to words as the tokenizer cuts them. Then, over and over, the two
    neighbours that stand side by side most often become one token. The same texts give
    the same tokens, every time.

    Args:
        data: Texts: a `tf.data.Dataset` of strings of any shape, a list of files with a
            text a line (".gz" too), or texts, a list or any other iterable of str. A
            list of str is one of files if they all exist, and otherwise of texts.
        vocabulary_size: The most tokens to learn, the 256 bytes and `special_tokens`
            among them. It gets fewer where no pair is left that is frequent enough.
        min_frequency: How often two neighbours must stand side by side to be merged.
        special_tokens: Tokens such as "<s>", which get the first ids. They are not
            looked for in the texts.
        add_prefix_space: As for the tokenizer: whether a text gets a space in front.
        max_bytes: Of more text than this an even sample is taken, with a warning. So
            much is kept in memory while training.

    Returns:
        A tuple of a dict from token to id, and a list of merges, "left right".

    Raises:
        ValueError: `data` is no corpus or empty; `vocabulary_size` is too small for the
            bytes and the special tokens.
        ImportError: `tokenizers` is not installed.

    Example:

    >>> texts = ["low lower lowest", "slow slower slowest"]
    >>> vocabulary, merges = compute_byte_pair_vocabulary(
    ...     texts, vocabulary_size=260, special_tokens=["<s>"]
    ... )
    >>> print(*merges, sep=", ")
    l o, lo w, low e
    >>> from keras_nlp_lite.tokenizers import BytePairTokenizer
    >>> tokenizer = BytePairTokenizer(vocabulary, merges, dtype="string")
    >>> print(*(token.decode() for token in tokenizer("slower").numpy()))
    s lowe r

    Reference: Sennrich et al., "Neural Machine Translation of Rare Words with Subword
    Units", arXiv:1508.07909.
    """
    check_positive_int("vocabulary_size", vocabulary_size)
    check_positive_int("min_frequency", min_frequency)
    special_tokens = check_whole_tokens("special_tokens", special_tokens)
    least = len({*special_tokens, *ALPHABET})
    if vocabulary_size < least:
        raise ValueError(
            "`vocabulary_size` must have room for the 256 bytes and the special tokens. "
            f"Received: vocabulary_size={vocabulary_size}. Try {least} or more."
        )
    library = training_library("tokenizers")  # missing, it is said before the reading
    texts = sample_texts(data, max_bytes)
    vocabulary, merges = learn_merges(
        (text.decode("utf-8", "replace") for text in texts),
        library.pre_tokenizers.ByteLevel(add_prefix_space=add_prefix_space),
        vocab_size=vocabulary_size,
        min_frequency=min_frequency,
        special_tokens=special_tokens,
        initial_alphabet=list(ALPHABET),
    )
    return vocabulary, [" ".join(merge) for merge in merges]
