"""Tokenizers that need no words give what KerasHub's and Hugging Face's give.

Runs where KerasHub and `transformers` are installed: pip install -e ".[test,peers]".
"""

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite import tokenizers
from tests.tokenizers import test_generation_folders as folders
from tests.tokenizers import test_generation_tokenizers as families
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


UTF8 = [
    text.decode() for text in ODD_TEXTS if text.decode(errors="ignore").encode() == text
]


@pytest.mark.parametrize("name", ["GPT2Tokenizer", "BartTokenizer", "LlamaTokenizer"])
def test_families_are_kerashubs(name):
    cls = getattr(tokenizers, name)
    ours = families.make(cls)
    arguments = [families.proto()] if name == "LlamaTokenizer" else families.pairs()
    theirs = getattr(keras_hub.tokenizers, name)(*arguments)
    texts = [*families.TEXTS[:40], *TEXTS[:20]]
    assert in_a_graph(ours, texts) == in_a_graph(theirs, texts)
    roles = [x for x in vars(theirs) if x.split("_")[-1] in ("token", "id")]
    roles = [x for x in roles if x.split("_")[0] in ("start", "end", "pad")]
    assert {"start_token", "start_token_id", "end_token_id"} <= {*roles}
    for role in roles:
        assert getattr(ours, role) == getattr(theirs, role), role


@pytest.mark.parametrize("name", ["Llama3Tokenizer", "QwenTokenizer"])
def test_the_special_tokens_of_chat_models_are_kerashubs(name):
    ours = families.make(getattr(tokenizers, name))
    theirs = getattr(keras_hub.tokenizers, name)(*families.pairs())
    for role in ("start_token_id", "end_token_id", "pad_token_id"):
        assert getattr(ours, role) == getattr(theirs, role)
    assert {*ours.special_token_ids} == {*theirs.special_token_ids}


@pytest.mark.parametrize(
    "cls", [c for c in families.FAMILIES if c not in folders.BYTE_PAIRS]
)
def test_transformers_reads_the_folders_of_sentence_pieces(cls, tmp_path):
    transformers = pytest.importorskip("transformers")
    ours = families.make(cls)
    folders.WRITE[cls](ours, tmp_path)
    if cls is tokenizers.MarianTokenizer:
        theirs = transformers.MarianTokenizer.from_pretrained(tmp_path)
    else:
        module = pytest.importorskip("transformers.tokenization_utils_sentencepiece")
        theirs = module.SentencePieceBackend(
            vocab_file=str(tmp_path / "tokenizer.model"), unk_token="<unk>"
        )
    # A text is stripped of white space there where it has nothing else.
    texts = [
        text for text in (*families.TEXTS, *families.FOREIGN, *UTF8) if text.strip()
    ]
    for text, ids in zip(texts, ours(texts).to_list()):
        assert theirs(text, add_special_tokens=False)["input_ids"] == ids, repr(text)


@pytest.mark.parametrize("cls", folders.BYTE_PAIRS)
def test_transformers_reads_the_folders_of_byte_pairs(cls, tmp_path):
    transformers = pytest.importorskip("transformers")
    ours = families.make(cls, special_tokens_in_strings=True)
    folders.WRITE[cls](ours, tmp_path)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert theirs.eos_token_id == ours.end_token_id
    texts = [*families.TEXTS, *UTF8, f"a{ours.end_token} b"]
    for text, ids in zip(texts, ours(texts).to_list()):
        assert theirs(text, add_special_tokens=False)["input_ids"] == ids, repr(text)


def test_a_translation_is_numbered_and_read_as_transformers_does(tmp_path):
    transformers = pytest.importorskip("transformers")
    ours = families.make(tokenizers.MarianTokenizer)
    tokenizers.marian_to_folder(ours, tmp_path)
    theirs = transformers.MarianTokenizer.from_pretrained(tmp_path)
    texts = [*families.FOREIGN, *families.TEXTS, ">>fra<< lo", ">>no<< lo"]
    ids = ours.tokenize_target(texts).to_list()
    there = theirs(text_target=texts, add_special_tokens=False)["input_ids"]
    assert ids == there
    ids = [[*row, ours.end_token_id, ours.pad_token_id] for row in ids]
    text = ours.detokenize(ids, skip_special_tokens=True).numpy()
    wanted = theirs.batch_decode(ids, skip_special_tokens=True)
    assert [x.decode() for x in text] == wanted
