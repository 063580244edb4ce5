"""What a masked language model promises; Task's own promises are in test_task.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.models import (
    BertBackbone,
    MaskedLM,
    MaskedLMPreprocessor,
    RobertaBackbone,
    TokenClassifier,
    TokenClassifierPreprocessor,
)
from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer
from keras_nlp_lite.tokenizers.byte_pair_tokenizer import BytePairTokenizer
from keras_nlp_lite.tokenizers.special_tokens import SpecialTokens

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["one", "two", "three", "four", "five", "six", "and", "##teen", "##ty", "."]
VOCABULARY = [*SPECIAL, *WORDS]
SIZE = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 24}
LENGTH = 11
# Each number is followed by the next.
COUNTING = [" ".join(WORDS[i : i + 3]) + " ." for i in range(4)] * 30


def tokenizer():
    return BertTokenizer(VOCABULARY)


def preprocessor(length=LENGTH, **kwargs):
    return MaskedLMPreprocessor(tokenizer(), length, **kwargs)


def language_model(dtype=None, **kwargs):
    keras.utils.set_random_seed(7)
    backbone = BertBackbone(
        len(VOCABULARY), max_sequence_length=LENGTH, dropout=0.0, dtype=dtype, **SIZE
    )
    return MaskedLM(backbone, preprocessor(**kwargs))


@pytest.fixture(scope="module")
def trained():
    model = language_model(mask_selection_rate=0.3)
    model.compile(keras.optimizers.Adam(0.01))
    history = model.fit(COUNTING, batch_size=16, epochs=25, verbose=0).history
    model.losses_of_training = history["loss"]
    return model


# Masking


def test_masks_hide_what_they_say_and_nothing_special():
    texts = ["fourteen and sixty .", "one", "", "[MASK] two [PAD]", "five " * 40]
    whole = tokenizer()(texts).to_list()
    prepares = preprocessor(mask_selection_rate=0.4, seed=3)
    hidden = 0
    for _ in range(20):
        features, ids, weights = (
            tf.nest.map_structure(lambda x: x.numpy(), x) for x in prepares(texts)
        )
        token_ids, positions = features["token_ids"], features["mask_positions"]
        for row, tokens in enumerate(whole):
            tokens = [2, *tokens[: LENGTH - 2], 3]
            tokens += [0] * (LENGTH - len(tokens))
            chosen = positions[row][weights[row] > 0]
            assert len(set(chosen)) == len(chosen)
            right = [tokens[place] for place in chosen]
            assert ids[row][weights[row] > 0].tolist() == right
            assert not set(right) & {0, 1, 2, 3, 4}
            others = np.delete(np.arange(LENGTH), chosen)
            np.testing.assert_array_equal(
                token_ids[row][others], np.array(tokens)[others]
            )
            replaced = set(token_ids[row][chosen].tolist())
            assert not replaced & {0, 1, 2, 3}
            hidden += len(chosen)
    assert hidden > 100 and not weights[2].any()
    lengths = [min(len(tokens) + 2, LENGTH) for tokens in whole]
    assert features["padding_mask"].sum(axis=1).tolist() == lengths


def test_no_more_places_are_scored_than_can_be_masked():
    assert preprocessor(130).most_masks == 20  # ceil(0.15 * 128)
    assert preprocessor(512).most_masks == 77
    assert preprocessor(512, mask_selection_rate=0.5).most_masks == 96
    assert preprocessor(130, mask_selection_length=7).most_masks == 7
    features, ids, weights = preprocessor(20)(["one two " * 30, "one"])
    for part in (features["mask_positions"], ids, weights):
        assert part.shape == (2, 3)  # ceil(0.15 * 18)
    assert weights.numpy().sum(axis=1).tolist() == [3, 1]


def test_whole_words_are_hidden_with_all_their_pieces():
    prepares = preprocessor(
        whole_word=True,
        mask_selection_rate=0.3,
        mask_token_rate=1.0,
        random_token_rate=0,
    )
    for _ in range(10):
        ids = prepares(["fourteen sixty fiveteenty"])[0]["token_ids"].numpy()[0]
        for word in ((1, 3), (3, 5), (5, 8)):
            assert len(set((ids[slice(*word)] == 4).tolist())) == 1


def test_each_epoch_hides_other_tokens_and_a_seed_repeats_them_all():
    def epochs(seed):
        keras.utils.set_random_seed(1)
        model = MaskedLM(language_model().backbone, preprocessor(seed=seed))
        rows = model._mapped(tf.data.Dataset.from_tensors(COUNTING).repeat(3))
        return [
            np.concatenate([x["token_ids"] for x, _, _ in rows.as_numpy_iterator()])
            for _ in range(2)
        ]

    for seed in (None, 4):
        one, two = epochs(seed)
        assert (one != two).any() and (one[:120] != one[120:240]).any()
        for again, before in zip(epochs(seed), (one, two)):
            np.testing.assert_array_equal(again, before)
    assert (epochs(4)[0] != epochs(5)[0]).any()


def test_masking_runs_within_a_dataset_after_loading(tmp_path):
    keras.Sequential([preprocessor(seed=2)]).save(tmp_path / "p.keras")
    again = keras.saving.load_model(tmp_path / "p.keras").layers[0]
    data = tf.data.Dataset.from_tensor_slices(COUNTING[:4]).batch(2).map(again)
    for x, ids, weights in data:
        assert x["token_ids"].shape == (2, LENGTH) and ids.shape == weights.shape
    x, ids, _ = again("one two three")
    assert x["token_ids"].shape == (LENGTH,) and ids.shape == (2,)
    x, _, _ = again((["one"], ["two"]))
    assert x["segment_ids"].numpy().max() == 1


# Training


def test_the_loss_is_the_mean_over_masked_tokens():
    model = language_model()
    model.ensure_built()
    model.compile(keras.optimizers.SGD(0.0))
    features, ids, weights = preprocessor(mask_selection_rate=0.4, seed=1)(COUNTING[:7])
    plain = MaskedLM(model.backbone)
    plain.build()
    plain.head.set_weights(model.head.get_weights())
    plain.compile(keras.optimizers.SGD(0.0))
    said = plain.evaluate(features, ids, sample_weight=weights, verbose=0)
    logits = plain(features).numpy().astype("float64")  # [B, M, V]
    assert logits.shape == (*ids.shape, len(VOCABULARY))
    logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    masked = weights.numpy() > 0
    assert 0 < masked.sum() < masked.size
    right = np.take_along_axis(logits, ids.numpy()[..., None], 2)[..., 0][masked]
    accuracy = (logits.argmax(-1) == ids.numpy())[masked].mean()
    np.testing.assert_allclose(said, [-right.mean(), accuracy], rtol=1e-5)


def test_it_learns_and_its_embedding_with_it(trained):
    losses = trained.losses_of_training
    # Guessing among ten words at random costs log(10).
    assert losses[0] > 1.5 and losses[-1] < 0.75 * losses[0]
    head = {id(weight) for weight in trained.head.trainable_weights}
    table = trained.backbone.token_embedding.embeddings
    assert id(table) in head
    assert trained.count_params() == trained.backbone.count_params() + (
        16 * 16 + 16 + 2 * 16 + len(VOCABULARY)
    )


@pytest.mark.parametrize("source", ["list", "array", "dataset", "pairs", "generator"])
def test_texts_come_from_any_source_and_labels_are_passed_over(source):
    batches = tf.data.Dataset.from_tensor_slices(COUNTING[:12]).batch(4)
    data = {
        "list": COUNTING[:12],
        "array": np.array(COUNTING[:12]),
        "dataset": batches,
        "pairs": batches.map(lambda x: (x, tf.zeros(tf.shape(x), tf.int32))),
        "generator": (batch.numpy() for batch in batches),
    }[source]
    keras.utils.set_random_seed(7)
    ids = keras.Input([None], dtype="int32", name="token_ids")
    vectors = keras.layers.Embedding(len(VOCABULARY), 6)(ids)
    model = MaskedLM(keras.Model({"token_ids": ids}, vectors), preprocessor())
    steps = 3 if source == "generator" else None
    history = model.fit(
        data, validation_data=COUNTING[:4], steps_per_epoch=steps, verbose=0
    )
    assert np.isfinite(history.history["val_loss"]).all()
    assert 0 <= model.evaluate(COUNTING[:4], verbose=0)[1] <= 1


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains_and_scores_in_float32(policy):
    model = language_model(dtype=policy)
    history = model.fit(COUNTING, batch_size=16, epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    answers = model.predict(["one [MASK]"], verbose=0)
    assert answers.dtype == tf.float32
    np.testing.assert_allclose(tf.reduce_sum(answers.values, -1), 1, rtol=1e-5)


def test_a_tagger_goes_on_with_the_backbone(trained):
    tagger = TokenClassifier(
        trained.backbone,
        preprocessor=TokenClassifierPreprocessor(tokenizer(), LENGTH),
    )
    before = trained.backbone.get_weights()[0].copy()
    tagger.compile(keras.optimizers.SGD(0.0))
    tagger.fit([["one", "two"]], [["ODD", "EVEN"]], verbose=0)
    np.testing.assert_array_equal(trained.backbone.get_weights()[0], before)


def test_the_part_of_the_backbone_that_is_for_whole_texts_is_left_alone(recwarn):
    model = language_model()
    before = model.backbone.pooled_dense.get_weights()[0].copy()
    model.fit(COUNTING[:8], verbose=0)
    np.testing.assert_array_equal(model.backbone.pooled_dense.get_weights()[0], before)
    assert not [w for w in recwarn if "Gradients do not exist" in str(w.message)]
    assert model.backbone.pooled_dense.trainable


def test_a_small_roberta_for_esperanto_has_the_parameters_that_it_should():
    V, D, F, layers, positions = 52_000, 768, 3072, 6, 512
    backbone = RobertaBackbone(V, layers, 12, D, F, max_sequence_length=positions)
    model = MaskedLM(backbone)
    model.build()
    block = 4 * (D * D + D) + (D * F + F) + (F * D + D) + 2 * 2 * D
    head = (D * D + D) + 2 * D + V  # dense, norm, bias; the scores' table is tied
    ours = V * D + positions * D + 2 * D + layers * block + head
    assert model.count_params() == ours == 83_502_112
    # Hugging Face's model of that shape has two more rows of positions, which no token
    # ever stands at, and one row for the only segment, which is added to every token.
    assert ours + 2 * D + D == 83_504_416


# Filling


def test_the_right_word_is_the_first_guess(trained):
    for first, right, third in zip(WORDS[:4], WORDS[1:5], WORDS[2:6], strict=True):
        guesses = trained.fill_mask(f"{first} [MASK] {third} .")
        assert guesses[0].token == right
        assert guesses[0].sequence == f"{first} {right} {third} ."
        scores = [guess.score for guess in guesses]
        assert len(guesses) == 5 and scores == sorted(scores, reverse=True)
        assert 0.5 < scores[0] <= 1 and sum(scores) <= 1 + 1e-6
        assert not {guess.token for guess in guesses} & set(SPECIAL)
    everything = trained.fill_mask("[MASK] two three .", top_k=99)
    assert sorted(guess.token for guess in everything) == sorted(WORDS)


def test_several_masks_and_texts_are_each_answered(trained):
    texts = ["two [MASK] four .", "[MASK] two[MASK] ."]
    one, several = trained.fill_mask(texts, top_k=2)
    assert one[0].token == "three"
    assert [len(guesses) for guesses in several] == [2, 2]
    first, second = (guesses[0] for guesses in several)
    assert first.sequence == f"{first.token} two[MASK] ."
    assert second.sequence.startswith("[MASK] two") and second.token == "three"
    assert trained.fill_mask(texts[:1], top_k=2) == [
        trained.fill_mask(texts[0], top_k=2)
    ]
    assert trained.fill_mask([]) == []


def test_a_piece_that_goes_on_with_a_word_is_joined_to_it(trained):
    guesses = trained.fill_mask("four [MASK] .", top_k=99)
    sequences = {guess.token: guess.sequence for guess in guesses}
    assert sequences["##teen"] == "fourteen ." and sequences["one"] == "four one ."


def test_a_score_is_the_models_probability(trained):
    features = tokenizer()("one")
    ids = [2, *features.numpy(), 4, 3]
    x = {
        "token_ids": np.array([ids]),
        "segment_ids": np.zeros([1, 4], "int32"),
        "padding_mask": np.ones([1, 4], bool),
        "mask_positions": np.array([[2]]),
    }
    chances = keras.ops.softmax(trained(x))[0, 0]
    for guess in trained.fill_mask("one [MASK]"):
        wanted = float(chances[VOCABULARY.index(guess.token)])
        assert guess.score == pytest.approx(wanted, rel=1e-4)


class Roberta(SpecialTokens, BytePairTokenizer):
    start_token, end_token, pad_token = "<s>", "</s>", "<pad>"
    unk_token, mask_token, num_separators = "<unk>", "<mask>", 2


def test_byte_pairs_bring_their_space_along():
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "a", "b", "Ġ", "Ġa", "Ġb", "."]
    cut = Roberta({t: i for i, t in enumerate(tokens)}, ["Ġ a", "Ġ b"])
    prepares = MaskedLMPreprocessor(cut, 8)
    ids = prepares.with_masks(["a <mask> b.", "<mask>a", "a b"])
    assert ids["token_ids"].numpy().tolist() == [
        [0, 5, 4, 9, 10, 2, 1, 1],
        [0, 4, 5, 2, 1, 1, 1, 1],
        [0, 5, 9, 2, 1, 1, 1, 1],
    ]
    assert ids["mask_positions"].to_list() == [[2], [1], []]
    backbone = RobertaBackbone(len(tokens), max_sequence_length=8, **SIZE)
    model = MaskedLM(backbone, prepares)
    sequences = {
        guess.token: guess.sequence for guess in model.fill_mask("a <mask> b.", 99)
    }
    assert sequences[" a"] == "a a b." and sequences["a"] == "aa b."
    first = {guess.token: guess.sequence for guess in model.fill_mask("<mask>a", 99)}
    assert first[" b"] == "ba"


# Keeping


TEXTS = ["one [MASK] three .", "[MASK] and [MASK]", "six"]


def test_a_saved_model_answers_and_trains_on(trained, tmp_path):
    trained.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert again.preprocessor.mask_selection_rate == 0.3
    assert again.count_params() == trained.count_params()
    for ours, theirs in zip(
        again.predict(TEXTS, verbose=0), trained.predict(TEXTS, verbose=0)
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
    assert np.isfinite(again.fit(COUNTING[:16], verbose=0).history["loss"]).all()


def test_an_export_fills_masks_in_strings(trained, tmp_path):
    trained.export(tmp_path / "served")
    served = tf.saved_model.load(tmp_path / "served")
    answers = served.serve(tf.constant(TEXTS)).numpy()
    assert answers.shape == (3, 2, len(VOCABULARY))
    for row, wanted in zip(answers, trained.predict(TEXTS, verbose=0)):
        np.testing.assert_allclose(row[: len(wanted)], wanted, rtol=1e-3, atol=1e-6)
        assert not row[len(wanted) :].any()


# Refusals


def test_texts_without_a_mask_or_with_one_too_far_are_refused(trained):
    with pytest.raises(ValueError, match=r"mask token '\[MASK\]'.*Received: 'one two'"):
        trained.fill_mask(["one [MASK]", "one two"])
    with pytest.raises(ValueError, match="Received: one beyond sequence_length=11"):
        trained.fill_mask("one " * 9 + "[MASK]")
    with pytest.raises(ValueError, match="`top_k` must be .*Received: top_k=0"):
        trained.fill_mask("one [MASK]", top_k=0)


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"mask_selection_rate": 1.5}, "0 to 1. Received: mask_selection_rate=1.5"),
        ({"mask_selection_length": 0}, "Received: mask_selection_length=0"),
        ({"seed": "x"}, "Received: seed='x'"),
    ],
)
def test_arguments_that_cannot_be_are_refused_in_a_sentence(arguments, said):
    with pytest.raises(ValueError, match=said):
        preprocessor(**arguments)


def test_a_tokenizer_without_a_mask_is_refused():
    cut = tokenizer()
    cut.mask_token = None
    with pytest.raises(ValueError, match="must have a mask token. Received: BertTok"):
        MaskedLMPreprocessor(cut)


@pytest.mark.parametrize(
    "data, said",
    [
        (np.ones([4, 3]), "MaskedLM needs texts. Received: float64"),
        ("one text", "Texts come several at a time"),
        (tf.data.Dataset.from_tensor_slices(COUNTING), r"Try dataset.batch\(32\)"),
    ],
    ids=["numbers", "string", "no batches"],
)
def test_data_that_cannot_be_is_refused_in_a_sentence(data, said):
    with pytest.raises(ValueError, match=said) as error:
        language_model().fit(data)
    assert "\n" not in str(error.value)
