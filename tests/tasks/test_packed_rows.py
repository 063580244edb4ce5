"""Several texts in a row: none is lost, none is changed, and a model trains on them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.models import BertBackbone, MaskedLM, MaskedLMPreprocessor
from keras_nlp_lite.tasks.packed_rows import next_fit
from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer

PAD, START, END, MASK = 0, 2, 3, 4
VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghij"]
LENGTH = 19
SIZE = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 24}
RNG = np.random.default_rng(0)
TEXTS = [" ".join(RNG.choice(VOCABULARY[5:], n)) for n in RNG.integers(1, 9, 61)]
ODD = ["", "a", "b " * 50, "", "", "c " * (LENGTH - 2), "d e"]


def tokenizer():
    return BertTokenizer(VOCABULARY)


def preprocessor(**kwargs):
    kwargs = {"packed": True, "seed": 1, **kwargs}
    return MaskedLMPreprocessor(tokenizer(), LENGTH, **kwargs)


def language_model(seed=1, **kwargs):
    keras.utils.set_random_seed(7)
    backbone = BertBackbone(
        len(VOCABULARY), max_sequence_length=LENGTH, dropout=0.0, **SIZE
    )
    return MaskedLM(backbone, preprocessor(seed=seed, **kwargs))


def as_arrays(parts):
    return tf.nest.map_structure(lambda x: x.numpy(), parts)


def unmasked(features, ids, weights):
    """The rows as they were before tokens were hidden."""
    rows = features["token_ids"].copy()
    for row, positions, hidden, weight in zip(
        rows, features["mask_positions"], ids, weights, strict=True
    ):
        row[positions[weight > 0]] = hidden[weight > 0]
    return rows


def with_borders(text):
    return [START, *tokenizer()([text]).to_list()[0][: LENGTH - 2], END]


# Rows


@pytest.mark.parametrize("texts", [TEXTS, ODD, [""], TEXTS[:1]], ids=len)
def test_texts_stand_in_rows_whole_in_order_and_numbered(texts):
    features, *masks = as_arrays(preprocessor()(texts))
    numbers, rows = features["padding_mask"], unmasked(features, *masks)
    found = [
        row[of_row == number].tolist()
        for row, of_row in zip(rows, numbers, strict=True)
        for number in range(1, of_row.max() + 1)
    ]
    assert found == [with_borders(text) for text in texts]
    assert rows.shape == numbers.shape == (len(rows), LENGTH)
    assert (rows[numbers == 0] == PAD).all()
    tokens = np.where(numbers > 0, numbers, LENGTH)  # padding stands behind
    assert (np.diff(tokens, axis=1) >= 0).all()


def test_a_text_begins_a_row_only_where_it_does_not_fit_behind_the_last():
    for room in (1, 7, 100):
        lengths = RNG.integers(0, room + 1, 83)
        wanted, used = [0], lengths[0]
        for length in lengths[1:]:
            fits = used + length <= room
            wanted.append(wanted[-1] + (not fits))
            used = length + used * fits
        got = next_fit(tf.constant(lengths, tf.int64), room)
        np.testing.assert_array_equal(got, wanted)


def test_no_text_makes_no_row():
    features, ids, weights = preprocessor()(tf.constant([], tf.string))
    assert features["token_ids"].shape == (0, LENGTH)
    assert ids.shape == weights.shape == (0, 3)


def test_a_text_by_itself_is_a_row_without_a_batch():
    features, ids, _ = preprocessor()("a b c")
    assert features["padding_mask"].numpy().tolist() == [1] * 5 + [0] * (LENGTH - 5)
    assert ids.shape == (3,)


def test_the_segments_of_pairs_go_along():
    pairs = (["a b", "c", "d e f"], ["g", "h i", "j"])
    features, *_ = as_arrays(preprocessor(mask_selection_rate=0.0)(pairs))
    numbers = features["padding_mask"]
    # Start, segment, separator, segment, end: six, six and seven tokens.
    assert numbers.tolist() == [[1] * 6 + [2] * 6 + [3] * 7]
    first, second, third = [0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 1], [0] * 5 + [1, 1]
    assert features["segment_ids"].tolist() == [first + second + third]


# Masks


def test_the_share_is_one_of_a_rows_tokens_and_no_special_one_is_hidden():
    prepares = preprocessor(mask_selection_rate=0.3)
    for _ in range(5):
        features, ids, weights = parts = as_arrays(prepares(TEXTS))
        ordinary = (unmasked(*parts) > MASK).sum(axis=1)
        np.testing.assert_array_equal(weights.sum(axis=1), np.ceil(0.3 * ordinary))
        assert (ids[weights > 0] > MASK).all()
        hidden = np.take_along_axis(
            features["padding_mask"], features["mask_positions"], axis=1
        )
        assert (hidden[weights > 0] > 0).all()


def test_a_seed_repeats_rows_and_masks_and_another_hides_others():
    one, again, other = (
        as_arrays(preprocessor(seed=seed)(TEXTS)) for seed in (3, 3, 4)
    )
    tf.nest.map_structure(np.testing.assert_array_equal, one, again)
    assert (one[0]["token_ids"] != other[0]["token_ids"]).any()
    np.testing.assert_array_equal(unmasked(*one), unmasked(*other))


def test_a_graph_packs_as_eager_code_does_and_says_beforehand_what_comes():
    batches = tf.data.Dataset.from_tensor_slices(TEXTS).batch(17)
    mapped = batches.map(preprocessor())
    prepares = preprocessor()
    spec = prepares.compute_output_spec(keras.KerasTensor((None,), dtype="string"))
    for got, texts in zip(mapped, batches, strict=True):
        tf.nest.map_structure(np.testing.assert_array_equal, got, prepares(texts))
        for x, said in zip(tf.nest.flatten(got), tf.nest.flatten(spec), strict=True):
            assert x.dtype == said.dtype
            assert said.shape == (None, *x.shape[1:])


# Training


def test_the_loss_is_that_of_the_same_holes_in_rows_of_their_own():
    model = language_model(mask_selection_rate=0.3)
    model.compile(keras.optimizers.SGD(0.0))
    features, ids, weights = as_arrays(model.preprocess(tf.constant(TEXTS)))
    loss = model.compute_loss(None, ids, model(features), weights)
    tokens, positions = [], []  # a row for each hole
    for row, hole in np.argwhere(weights > 0):
        of_row, place = features["padding_mask"][row], features["mask_positions"][row]
        text = np.flatnonzero(of_row == of_row[place[hole]])
        positions.append([place[hole] - text[0]])
        text = features["token_ids"][row, text]
        tokens.append(np.pad(text, (0, LENGTH - len(text))))
    tokens = np.array(tokens)
    assert len(tokens) > 40
    apart = {
        "token_ids": tokens,
        "segment_ids": 0 * tokens,
        "padding_mask": tokens != PAD,
        "mask_positions": np.array(positions),
    }
    wanted = model.compute_loss(None, ids[weights > 0][:, None], model(apart))
    np.testing.assert_allclose(loss, wanted, rtol=1e-5)


def test_a_weight_holds_for_the_masks_of_its_text():
    model = language_model(mask_selection_rate=0.5)
    texts, of_texts = tf.constant(TEXTS), np.arange(1.0, len(TEXTS) + 1)
    features, _, weights = as_arrays(
        model.preprocess(texts, None, tf.constant(of_texts), seed=[1, 2])
    )
    numbers = features["padding_mask"]
    before = np.cumsum([0, *numbers.max(axis=1)])
    for row, of_row in enumerate(numbers):
        given = weights[row] > 0
        positions = features["mask_positions"][row][given]
        wanted = of_texts[before[row] + of_row[positions] - 1]
        np.testing.assert_array_equal(weights[row][given], wanted)
    unpacked = language_model(packed=False)
    _, _, weights = as_arrays(unpacked.preprocess(texts, None, tf.constant(of_texts)))
    for of_row, weight in zip(weights, of_texts, strict=True):
        assert set(of_row) <= {0, weight}


def test_it_trains_whatever_number_of_rows_a_batch_becomes():
    batches = tf.data.Dataset.from_tensor_slices(TEXTS).batch(8)
    results = []
    for data, steps in ((TEXTS, 1), (batches, 2)):
        model = language_model()
        model.compile(keras.optimizers.Adam(0.01), steps_per_execution=steps)
        size = 8 if data is TEXTS else None
        history = model.fit(
            data, batch_size=size, shuffle=False, epochs=2, verbose=0
        ).history["loss"]
        assert history[-1] < history[0]
        results.append([*history, *model.evaluate(data, batch_size=size, verbose=0)])
    np.testing.assert_allclose(*results, rtol=1e-4)


def test_compiled_by_xla_it_trains_alike():
    losses = []
    for jit_compile in (False, True):
        model = language_model()
        model.compile(keras.optimizers.SGD(0.1), jit_compile=jit_compile)
        losses.append([model.train_on_batch(TEXTS[:8])[0] for _ in range(2)])
    assert losses[0][0] != losses[0][1]
    np.testing.assert_allclose(*losses, rtol=1e-4)


# Keeping


def test_saved_exported_or_as_a_preset_it_answers_as_before_and_packs_on(tmp_path):
    model = language_model()
    model.ensure_built()
    questions = tf.constant(["a [MASK] c", "[MASK] and [MASK]", "j"])
    wanted = model.answer(*model.preprocess_question(questions)).to_tensor()
    model.save(tmp_path / "m.keras")
    model.save_to_preset(tmp_path / "preset")
    for again in (
        keras.saving.load_model(tmp_path / "m.keras"),
        MaskedLM.from_preset(tmp_path / "preset"),
    ):
        got = again.answer(*again.preprocess_question(questions)).to_tensor()
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-7)
        rows = again.preprocess(tf.constant(TEXTS))[0]["padding_mask"]
        assert len(rows) < len(TEXTS) / 2
    model.export(tmp_path / "served")
    served = tf.saved_model.load(tmp_path / "served")
    answers = served.serve(questions)
    np.testing.assert_allclose(answers, wanted, rtol=1e-3, atol=1e-6)
