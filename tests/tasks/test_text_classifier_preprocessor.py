import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.models import TextClassifierPreprocessor, TextEmbedderPreprocessor
from keras_nlp_lite.tokenizers.word_piece_tokenizer import WordPieceTokenizer
from tests.tasks.encoders import VOCABULARY, preprocessor, without_segments

A, JOY, FILM, FINE = (VOCABULARY.index(word) for word in ("a", "joy", "film", "fine"))
PAD, CLS, SEP = 0, 2, 3


def test_a_text_is_framed_and_padded():
    prepared = preprocessor(length=7)(["a joy", "", "a fine film a joy a"])
    np.testing.assert_array_equal(
        prepared["token_ids"],
        [
            [CLS, A, JOY, SEP, PAD, PAD, PAD],
            [CLS, SEP, PAD, PAD, PAD, PAD, PAD],
            [CLS, A, FINE, FILM, A, JOY, SEP],
        ],
    )
    assert prepared["padding_mask"].dtype == tf.bool
    np.testing.assert_array_equal(prepared["padding_mask"].numpy().sum(1), [4, 2, 7])
    assert not prepared["segment_ids"].numpy().any()
    assert "segment_ids" not in without_segments()(["a joy"])


def test_a_pair_shares_a_row_and_segments_tell_it_apart():
    one = preprocessor(length=7)(("a joy", "fine"))
    assert one["token_ids"].numpy().tolist() == [CLS, A, JOY, SEP, FINE, SEP, PAD]
    assert one["segment_ids"].numpy().tolist() == [0, 0, 0, 0, 1, 1, 0]
    two = preprocessor(length=7)((["a joy", "a"], ["fine", "film film film"]))
    assert two["token_ids"][1].numpy().tolist() == [CLS, A, SEP, FILM, FILM, FILM, SEP]
    np.testing.assert_array_equal(two["token_ids"][0], one["token_ids"])


def test_who_gives_way_is_a_choice():
    texts = ("a a a a a", "film film film film")
    rows = {}
    for truncate in ("round_robin", "waterfall"):
        layer = preprocessor(length=8)
        layer.truncate = truncate
        rows[truncate] = layer(texts)["token_ids"].numpy().tolist()
    assert rows["round_robin"] == [CLS, A, A, A, SEP, FILM, FILM, SEP]
    assert rows["waterfall"] == [CLS, A, A, A, A, A, SEP, SEP]


def test_labels_and_weights_pass_through_a_dataset():
    texts, labels, weights = ["a joy", "a film", "fine"], [1, 0, 1], [0.5, 1.0, 2.0]
    layer = preprocessor()
    data = tf.data.Dataset.from_tensor_slices((texts, labels, weights)).batch(2)
    x, y, weight = next(iter(data.map(layer)))
    np.testing.assert_array_equal(x["token_ids"], layer(texts[:2])["token_ids"])
    assert y.numpy().tolist() == [1, 0] and weight.numpy().tolist() == [0.5, 1.0]
    x, y = next(iter(data.map(lambda x, y, w: layer((x, x), y))))
    np.testing.assert_array_equal(
        x["segment_ids"], layer((texts[:2], texts[:2]))["segment_ids"]
    )
    single = tf.data.Dataset.from_tensor_slices(texts).map(layer)
    assert single.element_spec["token_ids"].shape == [11]
    assert isinstance(layer("a joy", 1), tuple)


def test_a_column_of_texts_is_texts():
    np.testing.assert_array_equal(
        preprocessor()(np.array([["a joy"], ["fine"]]))["token_ids"],
        preprocessor()(["a joy", "fine"])["token_ids"],
    )


def test_a_model_that_holds_it_is_saved_with_its_vocabulary(tmp_path):
    first = keras.Input([], dtype="string")
    second = keras.Input([], dtype="string")
    model = keras.Model([first, second], preprocessor()((first, second)))
    texts = tf.constant(["a joy", "film"]), tf.constant(["fine", "a a a"])
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    wanted = preprocessor()(texts)
    for made in (model(list(texts)), again(list(texts))):
        for name in wanted:
            np.testing.assert_array_equal(made[name], wanted[name])
            assert made[name].dtype == wanted[name].dtype


def test_the_embedders_differs_in_its_length_alone():
    tokenizer = preprocessor().tokenizer
    assert TextEmbedderPreprocessor(tokenizer).sequence_length == 256
    assert TextClassifierPreprocessor(tokenizer).sequence_length == 512
    layer = TextEmbedderPreprocessor(tokenizer, 11)
    np.testing.assert_array_equal(
        layer(["a joy"])["token_ids"], preprocessor()(["a joy"])["token_ids"]
    )


@pytest.mark.parametrize(
    "x, said",
    [
        ([["a", "joy"], ["a", "film"]], r"Received: shape \(2, 2\)"),
        (("a", ["joy"]), r"the same rank. Received: ranks \[1, 2\]"),
        ([1, 2], "must be strings. Received: a tensor of dtype int32"),
    ],
    ids=["rank", "ranks", "numbers"],
)
def test_what_is_no_text_is_refused(x, said):
    with pytest.raises(ValueError, match=said):
        preprocessor()(x)


def test_a_tokenizer_without_special_tokens_is_refused():
    with pytest.raises(ValueError, match="special tokens. Received: WordPieceTok"):
        TextClassifierPreprocessor(WordPieceTokenizer(VOCABULARY))
    with pytest.raises(ValueError, match="must hold at least.*sequence_length=2"):
        preprocessor(length=2)(("a", "joy"))
