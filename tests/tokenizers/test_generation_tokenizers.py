"""Tokenizers of generation models: what families share, and Marian's two languages."""

import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.start_end_packer import StartEndPacker
from keras_nlp_lite.tokenizers import (
    BartTokenizer,
    BertTokenizer,
    ByteTokenizer,
    GPT2Tokenizer,
    Llama3Tokenizer,
    LlamaTokenizer,
    MarianTokenizer,
    MistralTokenizer,
    QwenTokenizer,
    UnicodeCodepointTokenizer,
    compute_byte_pair_vocabulary,
    compute_sentence_piece_proto,
)
from tests.tokenizers.corpus import made_up_texts
from tests.tokenizers.odd_texts import ODD_TEXTS

TEXTS = made_up_texts(200)
# What is written in the other language.
FOREIGN = [text.swapcase().replace("lo", "gru") for text in TEXTS]
LLAMA3 = ["begin_of_text", "end_of_text", "eot_id", "start_header_id", "end_header_id"]
LLAMA3 = [f"<|{name}|>" for name in LLAMA3]
SPECIAL = {
    GPT2Tokenizer: ["<|endoftext|>"],
    BartTokenizer: ["<s>", "<pad>", "</s>", "<mask>"],
    Llama3Tokenizer: LLAMA3,
    QwenTokenizer: ["<|endoftext|>"],
    LlamaTokenizer: ["<s>", "</s>"],
    MistralTokenizer: ["<s>", "</s>"],
    MarianTokenizer: ["</s>", "<unk>", "<pad>"],
}
FAMILIES = list(SPECIAL)
SENTENCE_PIECES = (LlamaTokenizer, MistralTokenizer)


@functools.cache
def pairs():
    vocabulary, merges = compute_byte_pair_vocabulary(TEXTS, 400)
    names = dict.fromkeys(name for names in SPECIAL.values() for name in names)
    return {
        **vocabulary,
        **{x: len(vocabulary) + i for i, x in enumerate(names)},
    }, merges


@functools.cache
def proto(foreign=False):
    return compute_sentence_piece_proto(FOREIGN if foreign else TEXTS, 90)


@functools.cache
def pieces():
    """Marian's vocabulary: what both models have, but for some pieces."""
    import sentencepiece

    tokens = ["</s>", "<unk>"]
    for model in (proto(), proto(foreign=True)):
        reader = sentencepiece.SentencePieceProcessor(model_proto=model)
        tokens += [reader.id_to_piece(i) for i in range(4, reader.get_piece_size())]
    return [*dict.fromkeys(tokens[:-3]), ">>fra<<", "<pad>"]


def make(cls, **settings):
    if cls is MarianTokenizer:
        return cls(proto(), proto(foreign=True), pieces(), **settings)
    if cls in SENTENCE_PIECES:
        return cls(proto(), **settings)
    return cls(*pairs(), **settings)


# Families


@pytest.mark.parametrize("cls", FAMILIES)
def test_special_tokens_have_their_ids(cls):
    tokenizer = make(cls)
    known = tokenizer.get_vocabulary()
    for name in SPECIAL[cls]:
        assert tokenizer.token_to_id(name) in tokenizer.special_token_ids
    for role in ("start", "end", "pad"):
        token = getattr(tokenizer, f"{role}_token")
        id = getattr(tokenizer, f"{role}_token_id")
        if token is not None:
            assert known.index(token) == id
        else:
            assert id == (0 if role == "pad" else None)
    assert len(tokenizer.continues_word()) == tokenizer.vocabulary_size()


@pytest.mark.parametrize("cls", FAMILIES)
def test_a_vocabulary_without_a_special_token_is_refused(cls):
    missing = SPECIAL[cls][0]
    message = f"`vocabulary` must hold .*without {missing}".replace("|", r"\|")
    with pytest.raises(ValueError, match=message):
        if cls is MarianTokenizer:
            cls(proto(), None, [piece for piece in pieces() if piece != missing])
        elif cls in SENTENCE_PIECES:
            cls(proto().replace(b"<s>", b"<S>"))
        else:
            vocabulary, merges = pairs()
            cls({k: v for k, v in vocabulary.items() if k != missing}, merges)


@pytest.mark.parametrize("cls", FAMILIES)
def test_special_tokens_and_padding_are_left_out_of_text_where_asked(cls):
    tokenizer = make(cls)
    encode = getattr(tokenizer, "tokenize_target", tokenizer)
    texts = [TEXTS[0], "", TEXTS[1]]
    special = tokenizer.special_token_ids
    ids = encode(texts)
    wanted = tokenizer.detokenize(ids).numpy().tolist()
    around = [
        [*special, *row[:2], *special, *row[2:], *special] for row in ids.to_list()
    ]
    got = tokenizer.detokenize(tf.ragged.constant(around), skip_special_tokens=True)
    if cls is MarianTokenizer:  # whose vocabulary lacks some pieces
        wanted = [text.replace(b"<unk>", b"") for text in wanted]
    assert got.numpy().tolist() == wanted
    alone = tokenizer.detokenize(around[0], skip_special_tokens=True)
    assert alone.numpy() == wanted[0]
    if cls not in SENTENCE_PIECES:  # which have no text for them
        assert tokenizer.detokenize(around).numpy()[0] != wanted[0]


def test_other_tokenizers_leave_special_tokens_out_too():
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "tea", "##s"]
    tokenizer = BertTokenizer(vocabulary)
    ids = np.array([[2, 5, 6, 3, 0, 0], [2, 5, 3, 5, 3, 0]])
    texts = tokenizer.detokenize(ids, skip_special_tokens=True).numpy().tolist()
    assert texts == [b"teas", b"tea tea"]
    assert tokenizer.detokenize(ids).numpy()[0] == b"[CLS] teas [SEP] [PAD] [PAD]"
    for cls in (ByteTokenizer, UnicodeCodepointTokenizer):
        text = cls().detokenize([104, 105, 0], skip_special_tokens=True)
        assert text.numpy() == b"hi"


@pytest.mark.parametrize("cls", FAMILIES)
def test_the_config_and_the_assets_give_the_tokenizer_back(cls, tmp_path):
    tokenizer = make(cls, sequence_length=9)
    config = json.loads(json.dumps(tokenizer.get_config()))
    copy = cls.from_config(config)
    assert copy.get_config() == tokenizer.get_config()
    tokenizer.save_assets(tmp_path)
    copy.load_assets(tmp_path)
    np.testing.assert_array_equal(copy(TEXTS), tokenizer(TEXTS))
    assert copy.special_token_ids == tokenizer.special_token_ids


@pytest.mark.parametrize("cls", [Llama3Tokenizer, LlamaTokenizer, MarianTokenizer])
def test_a_saved_model_brings_its_tokenizer(cls, tmp_path):
    tokenizer = make(cls)
    text = keras.Input((), dtype="string")
    packer = StartEndPacker(7, tokenizer.start_token_id, tokenizer.end_token_id)
    model = keras.Model(text, packer(tokenizer(text)))
    wanted = model(tf.constant(TEXTS)).numpy().tolist()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded(tf.constant(TEXTS)).numpy().tolist() == wanted


def test_bart_needs_no_mask():
    vocabulary, merges = pairs()
    tokenizer = BartTokenizer(
        {token: id for token, id in vocabulary.items() if token != "<mask>"}, merges
    )
    assert tokenizer.pad_token_id == vocabulary["<pad>"]


def test_llama3_has_a_second_end_unless_it_is_told_its_end():
    tokenizer = make(Llama3Tokenizer)
    assert tokenizer.end_token2_id == tokenizer.token_to_id("<|eot_id|>")
    chat = make(Llama3Tokenizer, eos_token="<|eot_id|>", misc_special_tokens={"<s>"})
    assert chat.end_token_id == tokenizer.end_token2_id and chat.end_token2_id is None
    assert Llama3Tokenizer.from_config(chat.get_config()).end_token == "<|eot_id|>"
    assert chat.special_token_names == ["<|begin_of_text|>", "<|eot_id|>", "<s>"]


def test_qwen_composes_text_and_tells_places_in_what_came():
    tokenizer = make(QwenTokenizer)
    composed, decomposed = "v\u00e9 12", "ve\u0301 12"
    assert (
        tokenizer(decomposed).numpy().tolist() == tokenizer(composed).numpy().tolist()
    )
    _, _, ends = tokenizer.tokenize_with_offsets(decomposed)
    assert ends.numpy()[-1] == len(decomposed.encode())


@pytest.mark.parametrize("cls", [GPT2Tokenizer, LlamaTokenizer])
def test_padding_is_of_no_word(cls):
    words = make(cls, sequence_length=20).word_ids(["ba", ""]).numpy()
    rows = make(cls).word_ids(["ba", ""]).to_list()
    assert words.tolist() == [(row + [-1] * 20)[:20] for row in rows]
    assert ByteTokenizer(sequence_length=3).word_ids("a").numpy().tolist() == [
        0,
        -1,
        -1,
    ]


# Marian


def as_pieces(model, text):
    import sentencepiece

    return sentencepiece.SentencePieceProcessor(model_proto=model).encode(
        text, out_type=str
    )


def test_each_language_is_cut_by_its_own_model_and_numbered_by_one_vocabulary():
    tokenizer, ids = make(MarianTokenizer), {p: i for i, p in enumerate(pieces())}
    texts = [*TEXTS, *FOREIGN]
    texts += [
        text.decode()
        for text in ODD_TEXTS
        if text.decode(errors="ignore").encode() == text
    ]
    for model, encode in (
        (proto(), tokenizer),
        (proto(foreign=True), tokenizer.tokenize_target),
    ):
        wanted = [[ids.get(p, 1) for p in as_pieces(model, text)] for text in texts]
        assert encode(texts).to_list() == wanted
        assert any(1 in row for row in wanted)  # unknown ones were among them
    assert tokenizer(TEXTS).to_list() != tokenizer.tokenize_target(TEXTS).to_list()


@pytest.mark.parametrize(
    "text, code, rest",
    [
        (">>fra<< ba lo", ">>fra<<", " ba lo"),
        (">>fra<<", ">>fra<<", ""),
        (">>no<<ba>>fra<<", "<unk>", "ba>>fra<<"),
        (" >>fra<< ba", None, " >>fra<< ba"),
        (">>fra ba", None, ">>fra ba"),
    ],
)
def test_a_code_of_a_language_is_one_token(text, code, rest):
    tokenizer = make(MarianTokenizer)
    wanted = tokenizer(rest).numpy().tolist()
    if code is not None:
        wanted.insert(0, tokenizer.token_to_id(code))
    assert tokenizer(text).numpy().tolist() == wanted


def test_text_comes_back_from_pieces_of_either_language():
    tokenizer = make(MarianTokenizer)
    for texts, encode in ((TEXTS, tokenizer), (FOREIGN, tokenizer.tokenize_target)):
        rows = encode(texts)
        known = [i for i, row in enumerate(rows.to_list()) if 1 not in row]
        assert len(known) > 10
        back = tf.gather(tokenizer.detokenize(rows), known).numpy()
        assert [text.decode() for text in back] == [texts[i] for i in known]


def test_any_shape_of_strings_does_and_short_rows_get_the_token_for_padding():
    tokenizer = make(MarianTokenizer, sequence_length=30)
    rows = make(MarianTokenizer)(TEXTS[:4]).to_list()
    pad = tokenizer.pad_token_id
    wanted = [(row + [pad] * 30)[:30] for row in rows]
    assert tokenizer(TEXTS[:4]).numpy().tolist() == wanted
    assert tokenizer(TEXTS[0]).numpy().tolist() == wanted[0]
    nested = tf.ragged.constant([TEXTS[:3], TEXTS[3:4]])
    assert tokenizer(nested)[1, 0].numpy().tolist() == wanted[3]
    assert tokenizer([]).shape == [0, 30]
    strings = make(MarianTokenizer, dtype="string")(TEXTS[0]).numpy()
    assert [s.decode() for s in strings] == as_pieces(proto(), TEXTS[0])


def test_one_model_may_serve_both_languages():
    tokenizer = MarianTokenizer(proto(), vocabulary=pieces())
    rows = tokenizer.tokenize_target(TEXTS).to_list()
    assert rows == tokenizer(TEXTS).to_list()
    assert tokenizer.target_proto == tokenizer.source_proto == proto()


def test_what_makes_no_marian_tokenizer_is_refused():
    with pytest.raises(ValueError, match="come together. Received: vocabulary=None"):
        MarianTokenizer(proto())
    with pytest.raises(ValueError, match="come together. Received: source_proto=None"):
        MarianTokenizer(None, proto(), pieces())
    far = {piece: 9 * i for i, piece in enumerate(pieces())}
    with pytest.raises(ValueError, match="hold every id. Received: dtype='uint8'"):
        MarianTokenizer(proto(), None, far, dtype="uint8")
    for use in (
        lambda x: x("a"),
        lambda x: x.tokenize_target("a"),
        lambda x: x.detokenize(1),
    ):
        with pytest.raises(ValueError, match="set_protos_and_vocabulary"):
            use(MarianTokenizer())
    for name in ("source_proto", "target_proto", "vocabulary"):
        config = {**make(MarianTokenizer).get_config(), name: "secret.txt"}
        with pytest.raises(ValueError, match=rf"{name}='secret\.txt'"):
            MarianTokenizer.from_config(config)
