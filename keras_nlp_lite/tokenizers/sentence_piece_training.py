"""Learning the model of a `SentencePieceTokenizer`."""

import io
import re

from keras_nlp_lite.atomic import replacing
from keras_nlp_lite.checks import check_choice, check_positive_int
from keras_nlp_lite.tokenizers.even_sample import MAX_BYTES, sample_texts
from keras_nlp_lite.tokenizers.training_library import training_library

_LEVEL = 2  # of its log: errors, which it raises, but no account of each step


def compute_sentence_piece_proto(
    data,
    vocabulary_size,
    model_type="unigram",
    proto_output_file=None,
    lowercase=False,
    *,
    character_coverage=0.9995,
    max_bytes=MAX_BYTES,
):
    """Learns a SentencePiece model from texts, for a `SentencePieceTokenizer`.

    "<pad>", "<unk>", "<s>" and "</s>" get the ids 0 to 3. The same texts give the same
    model, every time.

    Args:
        data: Texts: a `tf.data.Dataset` of strings of any shape, a list of files with a
            text a line (".gz" too), or texts, a list or any other iterable of str. A
            list of str is one of files if they all exist, and otherwise of texts.
        vocabulary_size: How many tokens to learn, those four and every frequent
            character among them.
        model_type: "unigram", "bpe", "word" or "char".
        proto_output_file: File to write the model to, instead of returning it.
        lowercase: Whether the tokenizer is to lowercase.
        character_coverage: Share of the text's characters that get a token of their
            own; the rarest do not.
        max_bytes: Of more text than this an even sample is taken, with a warning. So
            much is kept in memory while training, and several times as much by the
            trainer.

    Returns:
        bytes, the serialized model; None with `proto_output_file`.

    Raises:
        ValueError: `data` is no corpus or empty; no such model type; more tokens are
            asked for than the texts have, or fewer than they have frequent characters.
        ImportError: `sentencepiece` is not installed.

    Example:

    >>> proto = compute_sentence_piece_proto(["low lower lowest"] * 9, 15)
    >>> import sentencepiece
    >>> reader = sentencepiece.SentencePieceProcessor(model_proto=proto)
    >>> reader.get_piece_size(), reader.id_to_piece([0, 1, 2, 3])
    (15, ['<pad>', '<unk>', '<s>', '</s>'])

    Reference: Kudo and Richardson, "SentencePiece", arXiv:1808.06226.
    """
    check_positive_int("vocabulary_size", vocabulary_size)
    check_choice("model_type", model_type, ("unigram", "bpe", "word", "char"))
    library = training_library("sentencepiece")
    texts = sample_texts(data, max_bytes)
    model = io.BytesIO()
    try:
        library.SentencePieceTrainer.train(
            sentence_iterator=iter(texts),
            model_writer=model,
            vocab_size=vocabulary_size,
            model_type=model_type,
            normalization_rule_name="nmt_nfkc_cf" if lowercase else "nmt_nfkc",
            character_coverage=character_coverage,
            # It skips longer texts, of which it would see the words alone anyway; and it
            # takes no number below 10.
            max_sentence_length=max(10, max(map(len, texts))),
            minloglevel=_LEVEL,
            pad_id=0,
            unk_id=1,
            bos_id=2,
            eos_id=3,
        )
    except RuntimeError as error:
        raise _refusal(vocabulary_size, str(error)) from error
    if proto_output_file is None:
        return model.getvalue()
    with replacing(proto_output_file) as path, open(path, "wb") as file:
        file.write(model.getvalue())
    return None


def _refusal(vocabulary_size, error):
    """What the trainer said, as a sentence that says what to try."""
    most = re.search(r"to a value <= (\d+)", error)
    least = re.search(r"smaller than required_chars. \d+ vs (\d+)", error)
    if most:
        what, hint = "more tokens than the texts have", f" Try at most {most[1]}."
    elif least:
        what, hint = (
            "fewer tokens than frequent characters",
            f" Try {least[1]} or more.",
        )
    else:
        what, hint = f"what SentencePiece cannot train: {error}", ""
    return ValueError(
        f"`vocabulary_size` must suit the texts. Received: vocabulary_size="
        f"{vocabulary_size}, {what}.{hint}"
    )
