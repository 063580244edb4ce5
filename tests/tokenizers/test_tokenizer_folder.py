"""Files of tokenizers: what one program writes gives the same ids in another."""

import json
import random

import numpy as np
import pytest
import tokenizers as peer

from keras_nlp_lite import models
from keras_nlp_lite.tokenizers import (
    BertTokenizer,
    BytePairTokenizer,
    DistilBertTokenizer,
    ModernBertTokenizer,
    RobertaTokenizer,
    Tokenizer,
    WordPieceTokenizer,
    compute_byte_pair_vocabulary,
    compute_sentence_piece_proto,
    compute_word_piece_vocabulary,
    load_tokenizer,
    save_tokenizer,
    write_tokenizer_json,
)
from keras_nlp_lite.tokenizers.sentence_piece_tokenizer import SentencePieceTokenizer
from tests.tokenizers.corpus import made_up_texts

TEXTS = made_up_texts()
BERT = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
ROBERTA = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
PIECES = compute_word_piece_vocabulary(
    [*TEXTS, *map(str.lower, TEXTS)], 300, reserved_tokens=BERT
)
PAIRS = compute_byte_pair_vocabulary(TEXTS, 400, special_tokens=[*BERT, *ROBERTA])


def random_texts(special=(), count=200):
    """Texts of characters of many scripts, and of special tokens."""
    draw = random.Random(1)
    alphabet = "aBéŽnлЯ中ア한0٣½ \t\n.,'\u2019-—_<[]>|🙂e\u0301ßςİ\u200b\u00ad\u00a0\u3000≠\x0b"
    units = [*alphabet, " ", " ", "the", "naïve", *special]
    return ["".join(draw.choices(units, k=draw.randint(0, 30))) for _ in range(count)]


def assert_equal_ids(tokenizer, other, texts):
    """Two tokenizers: one of this package, and one of `tokenizers`."""
    for text, row in zip(texts, tokenizer(texts).to_list()):
        assert other.encode(text, add_special_tokens=False).ids == row, repr(text)


def word_piece(cls, **settings):
    return cls(PIECES, special_tokens=BERT, special_tokens_in_strings=True, **settings)


def byte_pair(cls, special=(), **settings):
    if special:
        settings["special_tokens"] = list(special)
    return cls(*PAIRS, special_tokens_in_strings=True, **settings)


MADE = {
    "pieces": lambda: word_piece(WordPieceTokenizer),
    "lowercased pieces": lambda: word_piece(
        WordPieceTokenizer, lowercase=True, strip_accents=True
    ),
    "ideographs in words": lambda: word_piece(WordPieceTokenizer, split_on_cjk=False),
    "bert": lambda: word_piece(BertTokenizer, lowercase=True, strip_accents=True),
    "accents": lambda: word_piece(DistilBertTokenizer, strip_accents=True),
    "pairs": lambda: byte_pair(BytePairTokenizer, ["<s>"]),
    "prefix space": lambda: byte_pair(
        BytePairTokenizer, ["<s>"], add_prefix_space=True
    ),
    "whole tokens": lambda: byte_pair(
        BytePairTokenizer, ["<s>"], unsplittable_tokens=["[MASK]", "</s>"]
    ),
    "roberta": lambda: byte_pair(RobertaTokenizer),
    "modernbert": lambda: byte_pair(ModernBertTokenizer),
}


@pytest.mark.parametrize("name", MADE)
def test_a_tokenizer_json_gives_the_ids_that_the_tokenizer_gives(name, tmp_path):
    tokenizer = MADE[name]()
    path = tmp_path / "tokenizer.json"
    write_tokenizer_json(tokenizer, path)
    other = peer.Tokenizer.from_file(str(path))
    assert other.get_vocab_size() == tokenizer.vocabulary_size()
    special = [
        *tokenizer.special_tokens,
        *getattr(tokenizer, "unsplittable_tokens", []),
    ]
    assert_equal_ids(tokenizer, other, [*TEXTS[:50], *random_texts(special)])
    ids = tokenizer(TEXTS[0]).numpy().tolist()
    wanted = tokenizer.detokenize(ids).numpy().decode()
    restored = other.decode(ids, skip_special_tokens=False)
    assert restored.replace(" ", "") == wanted.replace(" ", "")


@pytest.mark.parametrize("name", [x for x in MADE if x != "ideographs in words"])
def test_a_folder_gives_the_tokenizer_back(name, tmp_path):
    tokenizer = MADE[name]()
    save_tokenizer(tokenizer, tmp_path)
    loaded = load_tokenizer(tmp_path, special_tokens_in_strings=True)
    texts = random_texts(tokenizer.special_tokens)
    assert loaded(texts).to_list() == tokenizer(texts).to_list()
    assert loaded.special_tokens == sorted(
        tokenizer.special_tokens, key=tokenizer.token_to_id
    )
    if name in ("bert", "roberta", "modernbert"):
        assert type(loaded) is type(tokenizer)
    (
        tmp_path / "tokenizer.json"
    ).unlink()  # the older files hold the vocabulary as well
    assert load_tokenizer(tmp_path).get_vocabulary() == tokenizer.get_vocabulary()


@pytest.mark.parametrize(
    "make, wanted",
    [
        (BertTokenizer, ("[CLS] A [SEP]", "[CLS] A [SEP] B [SEP]", [0, 0, 0, 1, 1])),
        (DistilBertTokenizer, ("[CLS] A [SEP]", "[CLS] A [SEP] B [SEP]", [0] * 5)),
        (RobertaTokenizer, ("<s> A </s>", "<s> A </s> </s> B </s>", [0] * 6)),
    ],
)
def test_a_family_puts_its_special_tokens_around_texts(make, wanted, tmp_path):
    if make is RobertaTokenizer:
        tokenizer = make(
            {"A": 0, "B": 1, **{x: 2 + i for i, x in enumerate(ROBERTA)}}, []
        )
    else:
        tokenizer = make([*BERT, "A", "B"])
    write_tokenizer_json(tokenizer, tmp_path / "tokenizer.json")
    other = peer.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    one, two, segments = wanted
    assert other.encode("A").tokens == one.split()
    assert other.encode("A", "B").tokens == two.split()
    assert other.encode("A", "B").type_ids == segments


@pytest.mark.parametrize(
    "name, backbone",
    [
        ("bert", models.BertBackbone),
        ("roberta", models.RobertaBackbone),
        ("modernbert", models.ModernBertBackbone),
    ],
)
def test_an_exported_model_brings_its_tokenizer(name, backbone, tmp_path):
    tokenizer, folder = MADE[name](), tmp_path / "model"
    backbone = backbone(tokenizer.vocabulary_size(), **models.sizes["tiny"])
    backbone.export_to_transformers(folder, tokenizer)
    other = peer.Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert_equal_ids(tokenizer, other, TEXTS[:50])
    assert load_tokenizer(folder)(TEXTS).to_list() == tokenizer(TEXTS).to_list()


def test_ids_with_gaps_stay_as_they_are(tmp_path):
    tokenizer = BytePairTokenizer({"a": 3, "b": 7, "ab": 90}, ["a b"])
    save_tokenizer(tokenizer, tmp_path)
    other = peer.Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert other.encode("abba").ids == [90, 7, 3] == tokenizer("abba").numpy().tolist()


def test_a_sentence_piece_model_is_a_folder_too(tmp_path):
    tokenizer = SentencePieceTokenizer(compute_sentence_piece_proto(TEXTS, 80))
    save_tokenizer(tokenizer, tmp_path)
    assert (tmp_path / "vocabulary.spm").exists()
    loaded = load_tokenizer(tmp_path, sequence_length=7)
    np.testing.assert_array_equal(
        loaded(TEXTS[:9]), tokenizer(TEXTS[:9]).to_tensor(shape=[9, 7])
    )


def test_vocab_txt_is_lowercased_where_its_settings_say_so(tmp_path):
    (tmp_path / "vocab.txt").write_text("[UNK]\ntea\n")
    assert load_tokenizer(tmp_path)("Tea").numpy().tolist() == [0]
    settings = tmp_path / "tokenizer_config.json"
    settings.write_text(json.dumps({"do_lower_case": True}))
    assert load_tokenizer(tmp_path)("Téa").numpy().tolist() == [1]
    assert load_tokenizer(tmp_path, strip_accents=False)("Téa").numpy().tolist() == [0]
    settings.write_text("{")
    with pytest.raises(ValueError, match="must be JSON.*tokenizer_config.json"):
        load_tokenizer(tmp_path)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path):
    with pytest.raises(ValueError, match="which does not exist"):
        load_tokenizer(tmp_path / "none")
    (tmp_path / "merges.txt").write_text("a b\n")
    with pytest.raises(ValueError, match="must hold tokenizer.json.* holds merges.txt"):
        load_tokenizer(tmp_path)
    with pytest.raises(ValueError, match="which is a file"):
        load_tokenizer(tmp_path / "merges.txt")
    (tmp_path / "tokenizer.json").write_text("[1]")
    with pytest.raises(ValueError, match="must be a JSON object"):
        load_tokenizer(tmp_path)
    (tmp_path / "tokenizer.json").write_text('{"model": {"type": "Unigram"}}')
    with pytest.raises(ValueError, match="Received: 'Unigram'"):
        load_tokenizer(tmp_path)


def test_what_has_no_such_file_is_refused(tmp_path):
    path = tmp_path / "tokenizer.json"
    with pytest.raises(ValueError, match="Received: a Tokenizer"):
        write_tokenizer_json(Tokenizer(), path)
    with pytest.raises(ValueError, match="split=False"):
        write_tokenizer_json(WordPieceTokenizer(PIECES, split=False), path)
    with pytest.raises(ValueError, match="no vocabulary yet"):
        write_tokenizer_json(BytePairTokenizer(), path)
    assert not path.exists()
    with pytest.raises(ValueError, match="a Tokenizer, which has none"):
        save_tokenizer(Tokenizer(), tmp_path)
