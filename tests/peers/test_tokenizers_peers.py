"""Tokenizers that need no words give what KerasHub's and Hugging Face's give.

Runs where KerasHub and `transformers` are installed: pip install -e ".[test,peers]".
"""

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite import tokenizers
from tests.tokenizers.odd_texts import ODD_TEXTS
from tests.tokenizers.test_byte_tokenizer import random_texts
from tests.tokenizers.test_sentence_piece_tokenizer import model

keras_hub = pytest.importorskip("keras_hub")

PARTS = ["the", "tea", "low", " ", "  ", "É", "ﬁ", "中", "e\u0301", "\u00ad", "😀", "."]
TEXTS = [*random_texts(PARTS, 60, 12), "", " \n"]


def in_a_graph(tokenizer, texts):
    """What a tokenizer gives inside `tf.data`, where KerasHub runs TensorFlow ops."""
    data = tf.data.Dataset.from_tensors(texts).map(tokenizer)
    (rows,) = list(data)
    return (
        rows.to_list() if isinstance(rows, tf.RaggedTensor) else rows.numpy().tolist()
    )


def as_lists(rows):
    return [np.asarray(row).tolist() for row in rows]


@pytest.mark.parametrize(
    "name, settings",
    [
        ("ByteTokenizer", {}),
        ("ByteTokenizer", {"lowercase": False, "sequence_length": 9}),
        ("ByteTokenizer", {"normalization_form": "NFD", "dtype": "int64"}),
        ("UnicodeCodepointTokenizer", {}),
        ("UnicodeCodepointTokenizer", {"lowercase": False, "sequence_length": 9}),
        ("UnicodeCodepointTokenizer", {"errors": "ignore", "vocabulary_size": 200}),
        ("UnicodeCodepointTokenizer", {"replacement_char": 63, "lowercase": False}),
        ("SentencePieceTokenizer", {}),
        ("SentencePieceTokenizer", {"dtype": "string"}),
        ("SentencePieceTokenizer", {"add_bos": True, "add_eos": True}),
        ("SentencePieceTokenizer", {"add_eos": True, "sequence_length": 5}),
    ],
)
def test_strings_become_their_tokens_and_come_back_as_theirs(name, settings):
    if name == "SentencePieceTokenizer":
        settings = {**settings, "proto": model("llama")}
    ours = getattr(tokenizers, name)(**settings)
    theirs = getattr(keras_hub.tokenizers, name)(**settings)
    assert in_a_graph(ours, ODD_TEXTS) == in_a_graph(theirs, ODD_TEXTS)
    assert in_a_graph(ours, TEXTS) == in_a_graph(theirs, TEXTS)
    assert ours.vocabulary_size() == theirs.vocabulary_size()
    if ours.vocabulary_size():
        assert ours.get_vocabulary() == theirs.get_vocabulary()
        assert ours.id_to_token(9) == theirs.id_to_token(9)
    if settings.get("dtype") == "string":
        return
    assert as_lists(ours(TEXTS)) == as_lists(theirs(TEXTS))
    ids = ours(TEXTS)
    wanted = (
        tf.data.Dataset.from_tensors(ids).map(theirs.detokenize).get_single_element()
    )
    assert ours.detokenize(ids).numpy().tolist() == wanted.numpy().tolist()


@pytest.mark.parametrize("kind", ["t5", "llama"])
def test_behind_special_tokens_pieces_are_those_of_transformers(kind, tmp_path):
    module = pytest.importorskip("transformers.tokenization_utils_sentencepiece")
    (tmp_path / "tokenizer.model").write_bytes(model(kind))
    special = {"eos_token": "</s>", "unk_token": "<unk>"}
    theirs = module.SentencePieceBackend(
        vocab_file=str(tmp_path / "tokenizer.model"), legacy=False, **special
    )
    ours = tokenizers.SentencePieceTokenizer(
        model(kind),
        dtype="string",
        special_tokens=list(special.values()),
        special_tokens_in_strings=True,
    )
    # Theirs puts no space in front of a text: both begin with one token that has none.
    parts = ["the", "tea", "low", " ", " ", "</s>", "<unk>"]
    texts = ["</s>" + text for text in random_texts(parts, 100, 9)]
    for text, pieces in zip(texts, ours(texts).to_list()):
        assert [piece.decode() for piece in pieces] == theirs.tokenize(text), text
