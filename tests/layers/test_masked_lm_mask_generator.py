"""MaskedLMMaskGenerator: what it chooses, what becomes of it, and what it tells."""

import math

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.layers.masked_lm_mask_generator import MaskedLMMaskGenerator
from keras_nlp_lite.tokenizers import WordPieceTokenizer

V, PAD, MASK, CLS, SEP = 53, 0, 3, 1, 2
SPECIAL = [PAD, CLS, SEP]


def masker(rate=0.3, length=None, **settings):
    settings = {"unselectable_token_ids": SPECIAL, "seed": 5, **settings}
    return MaskedLMMaskGenerator(V, rate, MASK, length, **settings)


def random_rows(lengths, seed=0):
    """Rows of ordinary ids, as lists."""
    rng = np.random.default_rng(seed)
    return [rng.integers(4, V, size=n).tolist() for n in lengths]


def as_lists(masked):
    """The outputs as lists, without what only pads."""
    ids, where, what, weights = (
        [[int(x) for x in row] for row in masked[name].numpy()]
        for name in ("token_ids", "mask_positions", "mask_ids", "mask_weights")
    )
    where, what = (
        [row[: sum(weight)] for row, weight in zip(part, weights)]
        for part in (where, what)
    )
    return ids, where, what


# What it tells


@pytest.mark.parametrize("length", [None, 4])
def test_positions_and_ids_say_what_was_where(length):
    rows = random_rows([7, 0, 11, 1])
    ids, positions, hidden = as_lists(masker(0.5, length)(tf.ragged.constant(rows)))
    for row, after, where, what in zip(rows, ids, positions, hidden):
        assert where == sorted(set(where))
        assert [row[i] for i in where] == what
        changed = [i for i in range(len(row)) if row[i] != after[i]]
        assert set(changed) <= set(where)
        restored = list(after)
        for i, token in zip(where, what):
            restored[i] = token
        assert restored == row


def test_outputs_are_padded_with_zeros_to_the_length():
    masked = masker(0.5, 5)(random_rows([6, 0, 2]))
    assert masked["mask_weights"].numpy().tolist() == [
        [1, 1, 1, 0, 0],
        [0, 0, 0, 0, 0],
        [1, 0, 0, 0, 0],
    ]
    for name in ("mask_positions", "mask_ids"):
        padding = masked[name].numpy()[masked["mask_weights"].numpy() == 0]
        assert not padding.any()


@pytest.mark.parametrize("length", [None, 4])
def test_lists_arrays_and_tensors_give_the_same(length):
    rows = random_rows([9, 9])
    wanted = as_lists(masker(length=length)(rows))
    ragged = masker(length=length)(tf.ragged.constant(rows))
    assert isinstance(ragged["token_ids"], tf.RaggedTensor)
    assert as_lists(ragged) == wanted
    for dtype in ("int64", "int32", "uint8"):
        dense = masker(length=length)(np.array(rows, dtype))
        assert as_lists(dense) == wanted
        assert dense["token_ids"].dtype == dense["mask_ids"].dtype == dtype
        assert dense["token_ids"].shape == (2, 9)
        assert dense["mask_positions"].dtype == tf.int32
        assert dense["mask_weights"].dtype == tf.float32


@pytest.mark.parametrize("length", [None, 4])
def test_a_row_alone_comes_back_alone(length):
    (row,) = random_rows([9])
    alone, in_batch = masker(length=length)(row), masker(length=length)([row])
    for name, values in alone.items():
        assert values.numpy().tolist() == in_batch[name][0].numpy().tolist()


def test_a_row_without_selectable_tokens_comes_back_whole_with_weights_of_zero():
    rows = [[CLS, SEP, PAD, PAD], [MASK, CLS, MASK, SEP]]
    for settings in ({}, {"continuation_token_ids": [7]}):
        masked = masker(1.0, 3, **settings)(rows)
        assert masked["token_ids"].numpy().tolist() == rows
        assert not masked["mask_weights"].numpy().any()
    assert masker(1.0)(rows)["mask_weights"].to_list() == [[], []]
    nothing = masker(1.0, 3)(tf.zeros([0, 4], tf.int32))
    assert nothing["mask_weights"].shape == (0, 3)


# What it chooses


@pytest.mark.parametrize("rate", [0.0, 0.07, 0.15, 0.5, 1.0])
@pytest.mark.parametrize("length", [None, 1, 5, 40])
def test_the_rate_of_a_rows_selectable_tokens_is_chosen_rounded_up(rate, length):
    counts = [0, 1, 2, 7, 13, 100]
    rows = [[CLS, *row, SEP, PAD, PAD] for row in random_rows(counts) if rate or length]
    _, positions, _ = as_lists(masker(rate, length)(rows))
    wanted = [math.ceil(round(rate * n, 6)) for n in counts][: len(rows)]
    assert [len(p) for p in positions] == [min(n, length or n) for n in wanted]


def test_each_selectable_token_is_chosen_equally_often():
    calls, n, rate = 400, 7, 0.4  # of 7 tokens, 3
    row = [CLS, *random_rows([n])[0], SEP]
    masked = masker(rate)([row] * calls)
    positions = masked["mask_positions"].flat_values.numpy()
    share = math.ceil(rate * n) / n
    deviation = math.sqrt(calls * share * (1 - share))
    times = np.bincount(positions, minlength=len(row))
    assert times[0] == times[-1] == 0
    assert (abs(times[1:-1] - calls * share) < 5 * deviation).all()


def test_neither_special_ids_nor_masks_nor_padding_are_ever_chosen():
    rng = np.random.default_rng(1)
    ids = rng.integers(0, V, size=(31, 17))
    _, _, hidden = as_lists(masker(1.0)(ids))
    chosen = sorted(i for row in hidden for i in row)
    assert chosen == sorted(ids[~np.isin(ids, [*SPECIAL, MASK])])


def test_zero_is_padding_unless_told_otherwise():
    ids = [[PAD, 5, PAD, 6]]
    default = MaskedLMMaskGenerator(V, 1.0, MASK)
    assert default(ids)["mask_positions"].to_list() == [[1, 3]]
    for others in ([CLS], [], None):
        told = MaskedLMMaskGenerator(V, 1.0, MASK, unselectable_token_ids=others)
        assert told(ids)["mask_positions"].to_list() == [[0, 1, 2, 3]]


def test_ids_outside_the_vocabulary_are_left_as_they_are():
    ids = [[-100, 5, V, 6, -1, 10**9]]
    masked = masker(1.0, mask_token_rate=1.0, random_token_rate=0.0)(ids)
    assert masked["token_ids"].numpy().tolist() == [[-100, MASK, V, MASK, -1, 10**9]]


# What becomes of it


def test_chosen_tokens_become_masks_or_random_or_stay_at_the_stated_rates():
    ids = np.full((40, 100), 9)
    masked = masker(1.0, mask_token_rate=0.5, random_token_rate=0.3)(ids)
    after = masked["token_ids"].numpy()
    ordinary = V - len(SPECIAL) - 1
    stays = 0.2 + 0.3 / ordinary  # a random token may be the same one
    for share, found in (
        (0.5, after == MASK),
        (stays, after == 9),
        (1 - 0.5 - stays, (after != MASK) & (after != 9)),
    ):
        deviation = math.sqrt(share * (1 - share) / ids.size)
        assert abs(found.mean() - share) < 5 * deviation


def test_random_tokens_are_all_ordinary_ones_equally_often():
    ids = np.full((50, 200), 9)
    masked = masker(1.0, mask_token_rate=0.0, random_token_rate=1.0)(ids)
    times = np.bincount(masked["token_ids"].numpy().ravel(), minlength=V)
    ordinary = np.setdiff1d(np.arange(V), [*SPECIAL, MASK])
    assert times.sum() == times[ordinary].sum() == ids.size
    share = 1 / len(ordinary)
    deviation = math.sqrt(ids.size * share * (1 - share))
    assert (abs(times[ordinary] - ids.size * share) < 5 * deviation).all()


# Whole words

PIECES = list(range(30, V))  # go on with the word before them


def words_of(row):
    """The second formula: spans of a row's words, special tokens left out."""
    words, before = [], None
    for i, token in enumerate(row):
        if token in [*SPECIAL, MASK]:
            before = None
            continue
        if before is not None and token in PIECES:
            words[-1].append(i)
        else:
            words.append([i])
        before = token
    return words


def mixed_rows():
    rng = np.random.default_rng(3)
    return [rng.integers(0, V, size=n).tolist() for n in (23, 0, 5, 41, 37, 2, 31)]


@pytest.mark.parametrize("length", [None, 5])
@pytest.mark.parametrize("rate", [0.15, 0.5, 1.0])
def test_words_are_chosen_with_all_their_pieces_or_not_at_all(rate, length):
    rows = mixed_rows()
    layer = masker(rate, length, continuation_token_ids=PIECES)
    for _ in range(20):
        _, positions, _ = as_lists(layer(tf.ragged.constant(rows)))
        for row, where in zip(rows, positions):
            words = words_of(row)
            taken = [word for word in words if set(word) & set(where)]
            assert sorted(i for word in taken for i in word) == where
            # No more words than it takes: without the last one it was too little.
            wanted = rate * sum(map(len, words))
            if length is None:
                assert len(where) >= wanted - 1e-9
            else:
                assert len(where) <= length
            if taken:
                assert len(where) - max(map(len, taken)) < wanted


def test_a_word_longer_than_the_length_is_never_chosen():
    row = [5, *PIECES[:3], 6, PIECES[0]]  # a word of 4, and one of 2
    masked = masker(0.9, 3, continuation_token_ids=PIECES)([row] * 50)
    assert masked["mask_positions"].numpy().tolist() == [[4, 5, 0]] * 50


def test_words_never_reach_across_rows_or_special_tokens():
    piece = PIECES[0]
    rows = [[piece, piece], [piece, 5], [CLS, piece, SEP, piece]]
    layer = masker(0.1, continuation_token_ids=PIECES)
    positions = layer(tf.ragged.constant(rows * 60))["mask_positions"].to_list()
    found = [{tuple(where) for where in positions[i::3]} for i in range(3)]
    assert found == [{(0, 1)}, {(0,), (1,)}, {(1,), (3,)}]


def test_words_of_word_pieces_are_masked_whole():
    vocabulary = ["[PAD]", "[UNK]", "[MASK]", "the", "qu", "##ick", "br", "##own"]
    tokenizer = WordPieceTokenizer(vocabulary)
    layer = MaskedLMMaskGenerator(
        tokenizer.vocabulary_size(),
        0.3,
        tokenizer.token_to_id("[MASK]"),
        mask_token_rate=1.0,
        random_token_rate=0.0,
        continuation_token_ids=[
            i for i, t in enumerate(tokenizer.get_vocabulary()) if t.startswith("##")
        ],
    )
    texts = tf.constant(["the quick brown"] * 60)
    dataset = tf.data.Dataset.from_tensors(texts).map(lambda x: layer(tokenizer(x)))
    (masked,) = dataset
    seen = {tuple(row) for row in masked["token_ids"].to_list()}
    assert {row for row in seen if 3 in row} == {(3, 2, 2, 6, 7), (3, 4, 5, 2, 2)}


# What it refuses


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"vocabulary_size": 0}, "vocabulary_size=0"),
        (
            {"mask_selection_rate": 1.5},
            "from 0 to 1. Received: mask_selection_rate=1.5",
        ),
        ({"mask_selection_length": 0}, "mask_selection_length=0"),
        ({"mask_token_id": V}, f"mask_token_id={V}, vocabulary_size={V}"),
        ({"mask_token_id": "[MASK]"}, "must be an integer. .*MASK"),
        ({"mask_token_rate": -0.1}, "mask_token_rate=-0.1"),
        ({"random_token_rate": 0.3}, "at most 1 together. .*=0.8, random_.*=0.3"),
        ({"unselectable_token_ids": ["[PAD]"]}, "must be integers. .*PAD"),
        ({"unselectable_token_ids": range(V)}, "tokens to draw"),
        ({"continuation_token_ids": [True]}, "must be integers. .*True"),
    ],
)
def test_bad_settings_are_refused(settings, sentence):
    with pytest.raises(ValueError, match=sentence):
        MaskedLMMaskGenerator(
            **{
                "vocabulary_size": V,
                "mask_selection_rate": 0.15,
                "mask_token_id": MASK,
                **settings,
            }
        )


def test_inputs_that_are_no_ids_are_refused():
    for inputs, dtype in ((["a", "b"], "string"), ([[0.5]], "float32")):
        with pytest.raises(ValueError, match=f"token ids. .* dtype {dtype}"):
            masker()(inputs)


def test_the_config_makes_the_same_layer():
    layer = masker(0.3, 4, continuation_token_ids=np.array(PIECES), name="m")
    config = layer.get_config()
    copy = MaskedLMMaskGenerator.from_config(config)
    assert copy.get_config() == config
    assert config["continuation_token_ids"] == PIECES
    rows = random_rows([7, 3])
    assert as_lists(copy(rows)) == as_lists(layer(rows))
