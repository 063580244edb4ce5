import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite import models
from keras_nlp_lite.monitoring import TensorBoard
from keras_nlp_lite.monitoring.attention_image import MOST_TOKENS, draw_attention
from keras_nlp_lite.monitoring.attention_maps import attention_maps
from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer, DistilBertTokenizer
from tests.tasks.encoders import backbone, preprocessor

TEXT = "it is not a dull film"


def baseline():
    model = models.TransformerClassifier(
        2, max_tokens=20, sequence_length=11, num_layers=2, dropout=0.5
    )
    model.adapt([TEXT])
    return model


def on(encoder, tokenizer=BertTokenizer):
    return models.TextClassifier(
        encoder, 2, preprocessor=preprocessor(tokenizer=tokenizer)
    )


def test_weights_are_those_that_keras_itself_computes():
    model = baseline()
    tokens, layers = attention_maps(model, TEXT)
    assert tokens == TEXT.split()
    N = len(tokens)
    ids = model.preprocess(tf.constant([TEXT]))[0]
    embed, *blocks = model.encoder.layers[:3]
    x, mask = embed(ids), ids > 0
    for block, weights in zip(blocks, layers, strict=True):
        _, scores = block.attention(x, x, value_mask=mask, return_attention_scores=True)
        wanted = np.array(scores)[0, :, :N, :N]
        np.testing.assert_allclose(weights, wanted, atol=1e-6)
        x = block(x, padding_mask=mask)


@pytest.mark.parametrize(
    ("kind", "tokenizer"),
    [
        (models.BertBackbone, BertTokenizer),
        (models.DistilBertBackbone, DistilBertTokenizer),
        (models.RobertaBackbone, DistilBertTokenizer),
        (models.ModernBertBackbone, DistilBertTokenizer),
        (models.GPT2Backbone, DistilBertTokenizer),
    ],
)
def test_every_layer_is_seen_with_and_without_padding(kind, tokenizer):
    maps = []
    for padding_free in (True, False):
        encoder = backbone(kind, padding_free=padding_free)
        tokens, layers = attention_maps(on(encoder, tokenizer), TEXT)
        maps.append(layers)
    assert tokens == ["[CLS]", *TEXT.split(), "[SEP]"]
    assert len(maps[0]) == len(maps[1]) == encoder.num_layers
    for one, other in zip(*maps, strict=True):
        assert one.shape == (2, len(tokens), len(tokens))
        np.testing.assert_allclose(one.sum(-1), 1, atol=1e-5)
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_decoder_sees_no_later_token():
    _, layers = attention_maps(
        on(backbone(models.GPT2Backbone), DistilBertTokenizer), TEXT
    )
    for weights in layers:
        assert not np.triu(weights, 1).any() and (np.tril(weights) > 0).any()


def test_looking_changes_nothing_in_the_model():
    model = baseline()
    before = model.predict([TEXT], verbose=0)
    attention_maps(model, TEXT)
    np.testing.assert_array_equal(model.predict([TEXT], verbose=0), before)


def test_a_model_without_attention_is_refused_before_training(tmp_path):
    model = models.AveragedEmbeddingClassifier(2, max_tokens=9, sequence_length=5)
    model.adapt(["good"])
    watch = TensorBoard(tmp_path, attention_texts=["good"])
    with pytest.raises(ValueError, match="self-attention.*AveragedEmbeddingClassifier"):
        model.fit(["good"], [1], verbose=0, callbacks=[watch])
    assert model.optimizer.iterations == 0


def test_a_single_text_is_no_list_of_texts(tmp_path):
    with pytest.raises(ValueError, match="list of texts.*'good'.*Try .'good'."):
        TensorBoard(tmp_path, attention_texts="good")
    with pytest.raises(ValueError, match="must be a list of texts. Received: 3 among"):
        TensorBoard(tmp_path, attention_texts=["good", 3])


# The picture


def cells(image):
    """How many pixels are of the darkest blue."""
    return (np.abs(image.astype(int) - [31, 105, 178]).sum(-1) < 6).sum()


def test_a_heads_darkest_cell_is_its_largest_weight():
    weights = np.full((1, 3, 3), 0.2)
    weights[0, 1, 2] = 0.6
    image = draw_attention(weights, ["a", "b", "c"])
    assert cells(image) == 40 * 40
    assert cells(draw_attention(np.zeros((1, 3, 3)), ["a", "b", "c"])) == 0
    lower = weights.copy()
    lower[0, 1, 2], lower[0, 2, 2] = 0.2, 0.6
    moved = draw_attention(lower, ["a", "b", "c"])
    # One row of cells further down, and nothing to the side.
    np.testing.assert_array_equal(place(moved) - place(image), [40, 0])


def place(image):
    """Row and column of the first pixel of the darkest blue."""
    return np.argwhere(np.abs(image.astype(int) - [31, 105, 178]).sum(-1) < 6)[0]


def test_every_head_has_a_square():
    one = draw_attention(np.ones((1, 2, 2)), ["a", "b"])
    five = draw_attention(np.ones((5, 2, 2)), ["a", "b"])
    assert cells(five) == 5 * cells(one) > 0


def test_tokens_stand_beside_the_cells():
    weights = np.zeros((1, 2, 2))
    named, unnamed = (
        draw_attention(weights, names) for names in (["mmm", "mmm"], ["", ""])
    )
    assert (named < 128).sum() > (unnamed < 128).sum()


def test_long_texts_are_cut():
    N = 3 * MOST_TOKENS
    cut = draw_attention(np.zeros((1, N, N)), ["a"] * N)
    whole = draw_attention(np.zeros((1, MOST_TOKENS, MOST_TOKENS)), ["a"] * MOST_TOKENS)
    np.testing.assert_array_equal(cut, whole)


def test_the_sign_that_tokenizers_have_for_a_space_can_be_drawn():
    weights = keras.ops.convert_to_numpy(keras.ops.zeros((1, 1, 1)))
    np.testing.assert_array_equal(
        draw_attention(weights, ["Ġgood"]), draw_attention(weights, ["_good"])
    )
