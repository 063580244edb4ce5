"""What a classifier of words promises; Task's own promises are in test_task.py."""

import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.data import read_conll
from keras_nlp_lite.models import (
    BertBackbone,
    RobertaBackbone,
    TokenClassifier,
    TokenClassifierPreprocessor,
)
from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer
from keras_nlp_lite.tokenizers.byte_pair_tokenizer import BytePairTokenizer
from keras_nlp_lite.tokenizers.special_tokens import SpecialTokens

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
PIECES = ["the", "dog", "walk", "run", "##s", "##er", "a", "un", "##e", "##d", ".", "-"]
VOCABULARY = [*SPECIAL, *PIECES]
LABELS = ["DET", "NOUN", "PUNCT", "VERB"]
SIZE = {"num_layers": 2, "num_heads": 2, "hidden_dim": 16, "intermediate_dim": 24}
LENGTH = 13

WORDS = [
    ["the", "walkers", "run", "."],
    [],
    ["un-walked", "\u200b", "a", "xyz", "runs", "dogs", "walkers", "dogs", "the", "."],
    ["dog"],
]
NAMES = [
    ["DET", "NOUN", "VERB", "PUNCT"],
    [],
    ["VERB", "NOUN", "DET", "NOUN", "VERB"] + ["NOUN"] * 3 + ["DET", "PUNCT"],
    ["NOUN"],
]


def tokenizer(**kwargs):
    return BertTokenizer(VOCABULARY, **kwargs)


def preprocessor(length=LENGTH, **kwargs):
    return TokenClassifierPreprocessor(tokenizer(), length, **kwargs)


def tagger(labels=None, length=LENGTH, dropout=0.0, **kwargs):
    keras.utils.set_random_seed(5)
    backbone = BertBackbone(
        len(VOCABULARY), max_sequence_length=length, dropout=0.0, **SIZE
    )
    return TokenClassifier(backbone, labels, preprocessor(length), dropout, **kwargs)


def quick(labels=None, length=LENGTH, **kwargs):
    """A tagger on a plain Keras model, which takes less time to trace."""
    keras.utils.set_random_seed(5)
    ids = keras.Input([None], dtype="int32", name="token_ids")
    vectors = keras.layers.Embedding(len(VOCABULARY), 6)(ids)
    backbone = keras.Model({"token_ids": ids}, vectors)
    return TokenClassifier(backbone, labels, preprocessor(length), **kwargs)


def sentences(count, seed=0):
    """Sentences in which "run" and "walk" are nouns behind a determiner, else verbs."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for _ in range(count):
        noun = rng.choice(["dog", "dogs", "walk", "walks", "run", "runner", "dogser"])
        verb = rng.choice(["walk", "walks", "run", "runs", "unwalked"])
        text, tags = [rng.choice(["the", "a"]), noun, verb], ["DET", "NOUN", "VERB"]
        if rng.random() < 0.5:
            text, tags = text + text[:2], tags + tags[:2]
        texts.append([str(word) for word in text] + ["."])
        labels.append([*tags, "PUNCT"])
    return texts, labels


@pytest.fixture(scope="module")
def trained():
    model = tagger()
    model.compile(keras.optimizers.Adam(0.01))
    model.fit(*sentences(210), batch_size=16, epochs=9, verbose=0)
    return model


# Words to tokens, and labels to where the answers will be


def aligned_slowly(text, names, length):
    """Ids, labels and weights of one text, word by word."""
    cut = tokenizer()
    rows = [("[CLS]", 0, 0.0)]
    for word, name in zip(text, names):
        ids = cut(word).numpy().tolist() or [VOCABULARY.index("[UNK]")]
        rows.append((VOCABULARY[ids[0]], LABELS.index(name), 1.0))
        rows.extend((VOCABULARY[id], 0, 0.0) for id in ids[1:])
    rows = [*rows[: length - 1], ("[SEP]", 0, 0.0)]
    rows += [("[PAD]", 0, 0.0)] * (length - len(rows))
    tokens, labels, weights = zip(*rows)
    return [VOCABULARY.index(token) for token in tokens], labels, weights


@pytest.mark.parametrize("length", [3, 7, 13, 24])
@pytest.mark.parametrize("split", [True, False], ids=["split", "words"])
def test_each_label_stands_at_the_first_token_of_its_word(length, split):
    prepares = preprocessor(length, labels=LABELS)
    texts, names = WORDS, NAMES
    if not split:  # punctuation inside words is then not cut, and unknown
        prepares.tokenizer.split = False
        texts = [[word for word in text if "-" not in word] for text in WORDS]
        names = [row[len(row) - len(text) :] for row, text in zip(NAMES, texts)]
    features, labels, weights = prepares(texts, names)
    slow = [aligned_slowly(*pair, length) for pair in zip(texts, names)]
    for ours, wanted in zip((features["token_ids"], labels, weights), zip(*slow)):
        np.testing.assert_array_equal(ours, wanted)
    np.testing.assert_array_equal(features["padding_mask"], features["token_ids"] != 0)


def test_words_and_labels_may_be_ragged_dense_or_lists_and_labels_numbers():
    prepares = preprocessor(labels=LABELS)
    wanted = tf.nest.flatten(prepares(WORDS, NAMES))
    words, names = tf.ragged.constant(WORDS), tf.ragged.constant(NAMES)
    numbers = tf.ragged.map_flat_values(
        lambda x: tf.argmax(x[:, None] == tf.constant(LABELS), 1), names
    )
    for x, y in (
        (words, names),
        (words.to_tensor(), names.to_tensor()),
        (words, numbers),
        (words.to_tensor(), numbers.to_tensor(default_value=-1)),
    ):
        for ours, other in zip(tf.nest.flatten(prepares(x, y)), wanted):
            np.testing.assert_array_equal(ours, other)


def test_a_word_that_vanishes_becomes_the_unknown_token():
    ids = preprocessor()(tf.constant([["\u200b", "dog"]]))["token_ids"]
    assert ids.numpy().tolist()[0][:4] == [2, 1, 6, 3]


class Roberta(SpecialTokens, BytePairTokenizer):
    start_token, end_token, pad_token = "<s>", "</s>", "<pad>"
    unk_token, mask_token, num_separators = "<unk>", "<mask>", 2


def byte_pairs(**kwargs):
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "a", "b", "Ġ", "Ġa", "ab"]
    vocabulary = {token: id for id, token in enumerate([*tokens, "Ġab", "."])}
    return Roberta(vocabulary, ["Ġ a", "a b", "Ġa b"], **kwargs)


@pytest.mark.parametrize("prefix", [False, True])
def test_words_of_byte_pairs_have_the_tokens_that_they_have_in_their_text(prefix):
    cut = byte_pairs(add_prefix_space=prefix)
    prepares = TokenClassifierPreprocessor(cut, 9, labels=["X", "Y"])
    features, _, weights = prepares([["ab", "a", "abb", "b"]], [["X"] * 4])
    assert features.keys() == {"token_ids", "padding_mask"}
    inside = features["token_ids"].numpy()[0, 1:7].tolist()
    assert inside == cut("ab a abb b").numpy().tolist()
    assert np.flatnonzero(weights[0]).tolist() == [1, 2, 3, 5]


def test_windows_answer_each_word_once_with_text_on_either_side():
    rng = np.random.default_rng(1)
    words = ["the", "dogs", "unwalked", "a", "-"]
    ids_of = {word: ids.numpy() for word, ids in zip(words, tokenizer()(words))}
    for length in (3, 4, 5, 9, 14):
        room = length - 2
        texts = [
            rng.choice(words, size=size).tolist() for size in (1, 0, 2 * room, 33, room)
        ]
        tokens = [[id for word in text for id in ids_of[word]] for text in texts]
        prepared = preprocessor(length).windows(tf.ragged.constant(texts))
        rows = prepared["token_ids"].numpy()
        assert (rows[:, 0] == 2).all() and (rows[:, 1:] != 2).all()
        assert ((rows == 3).sum(axis=1) == 1).all()
        last = -1
        for text, whole, places in zip(texts, tokens, prepared["word_places"]):
            assert len(places) == len(text)
            start = 0  # of the word, in the text's tokens
            for word, place in zip(text, places.numpy()):
                ids = ids_of[word]
                row, column = divmod(int(place), length)
                assert row >= last and rows[row, column] == ids[0]
                last = row
                before = column - 1
                after = int((rows[row] == 3).argmax()) - column
                assert before >= min(start, room // 4)
                assert after >= min(len(whole) - start, (room + 3) // 4)
                start += len(ids)
            last += 1  # the next text has rows of its own
        assert last == len(rows)


# Training


def test_what_stands_where_no_label_is_changes_no_loss_and_no_metric():
    model = tagger(LABELS)
    model.ensure_built()
    model.compile(keras.optimizers.SGD(0.0))
    features, labels, weights = model.preprocess(
        tf.ragged.constant(WORDS), tf.ragged.constant(NAMES)
    )
    plain = TokenClassifier(model.backbone, LABELS, dropout=0.0)
    plain.build()
    plain.head.set_weights(model.head.get_weights())
    plain.compile(keras.optimizers.SGD(0.0))
    before = plain.evaluate(features, labels, sample_weight=weights, verbose=0)
    loud = np.where(weights > 0, labels, 3)
    after = plain.evaluate(features, loud, sample_weight=weights, verbose=0)
    assert before == after
    # By the formula: the mean over the words that are read.
    logits = plain(features).numpy().astype("float64")
    logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    read = weights.numpy() > 0
    right = np.take_along_axis(logits, labels.numpy()[..., None], 2)[..., 0][read]
    wanted = [-right.mean(), (logits.argmax(-1) == labels.numpy())[read].mean()]
    np.testing.assert_allclose(before, wanted, rtol=1e-5)
    np.testing.assert_allclose(
        model.evaluate(WORDS, NAMES, verbose=0), wanted, rtol=1e-5
    )


def test_it_learns_to_tag_what_its_context_decides(trained):
    texts, names = sentences(70, seed=1)
    result = trained.evaluate(texts, names, return_dict=True, verbose=0)
    assert result["accuracy"] > 0.95
    tagged = trained.tag(texts)
    right = [
        word.label == name
        for row, n in zip(tagged, names)
        for word, name in zip(row, n)
    ]
    assert np.mean(right) == pytest.approx(result["accuracy"], abs=1e-6)


def conll(folder, texts, names, name="train.conll"):
    lines = [
        "".join(f"{word}\t{label}\n" for word, label in zip(*pair))
        for pair in zip(texts, names)
    ]
    (folder / name).write_text("\n".join(lines))
    return folder / name


def test_labels_are_those_of_the_data(tmp_path):
    train = read_conll(conll(tmp_path, *sentences(20)), batch_size=4, seed=1)
    model = quick()
    assert model.labels is None and not model.built
    history = model.fit(train, validation_data=train, epochs=2, verbose=0).history
    assert model.labels == LABELS and "val_accuracy" in history
    other = quick()
    other.fit(*sentences(20), verbose=0)
    assert other.labels == LABELS
    few = conll(tmp_path, [["dog", "run"]], [["NOUN", "VERB"]], "few.conll")
    model.evaluate(read_conll(few), verbose=0)


def test_rows_kept_in_memory_train_as_rows_prepared_again():
    weights = []
    for cache in (True, False):
        model = quick(LABELS)
        model.compile(keras.optimizers.Adam(0.01))
        model.fit(WORDS, NAMES, epochs=3, shuffle=False, cache=cache, verbose=0)
        weights.append(model.head.get_weights()[0])
    np.testing.assert_array_equal(*weights)


def test_weights_weigh_texts_or_words():
    texts, names = [["dog", "run"], ["the"]], [["NOUN", "VERB"], ["DET"]]
    model = quick(LABELS)

    def loss(*data):
        return model.evaluate(*data, verbose=0)[0]

    whole = loss(texts[:1], names[:1])
    batch = tf.data.Dataset.from_tensors(
        (tf.ragged.constant(texts), tf.ragged.constant(names))
    )
    by_text = batch.map(lambda x, y: (x, y, [1.0, 0.0]))
    by_word = batch.map(lambda x, y: (x, y, tf.ragged.constant([[1.0, 1.0], [0.0]])))
    assert loss(by_text) == pytest.approx(whole, rel=1e-6)
    assert loss(by_word) == pytest.approx(whole, rel=1e-6)
    assert loss(batch) != pytest.approx(whole, rel=1e-6)


def test_named_losses_are_told_of_the_logits_and_metrics_count_words_only():
    model = quick(LABELS)
    model.compile("sgd")
    loss, accuracy = model.evaluate(WORDS, NAMES, verbose=0)
    model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    named = model.evaluate(WORDS, NAMES, verbose=0)
    words = float(tf.reduce_sum(preprocessor(labels=LABELS)(WORDS, NAMES)[2]))
    assert named[1] == pytest.approx(accuracy, abs=1e-6)
    # Keras's own mean counts padding, too.
    assert named[0] == pytest.approx(loss * words / (4 * LENGTH), rel=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_trains_and_answers_in_float32(policy):
    keras.utils.set_random_seed(5)
    backbone = BertBackbone(
        len(VOCABULARY), max_sequence_length=LENGTH, dtype=policy, **SIZE
    )
    model = TokenClassifier(backbone, preprocessor=preprocessor())
    history = model.fit(*sentences(40), batch_size=8, verbose=0).history
    assert np.isfinite(history["loss"]).all()
    answers = model.predict(WORDS, verbose=0)
    assert answers.dtype == tf.float32
    np.testing.assert_allclose(tf.reduce_sum(answers.values, -1), 1, rtol=1e-5)


def test_training_and_asking_by_batch_equals_the_whole(trained):
    np.testing.assert_allclose(
        trained.predict_on_batch(tf.ragged.constant(WORDS)).values,
        trained.predict(WORDS, verbose=0).values,
        rtol=1e-5,
    )
    model = quick(LABELS)
    assert np.isfinite(model.train_on_batch(WORDS, NAMES)).all()
    assert np.isfinite(model.test_on_batch(WORDS, NAMES)).all()


# Answers


def test_tag_gives_every_word_once_in_order_however_long_the_text(trained):
    rng = np.random.default_rng(2)
    texts = [rng.choice(PIECES[:4], size=n).tolist() for n in (1, 90, 0, 41)]
    tagged = trained.tag(texts)
    assert [[word.word for word in row] for row in tagged] == texts
    flat = [word for row in tagged for word in row]
    assert all(word.label in LABELS for word in flat)
    assert all(0.25 <= word.probability <= 1 for word in flat)
    assert trained.tag(texts, batch_size=1)[1][60].label == tagged[1][60].label


def test_tag_takes_a_text_a_list_of_texts_or_words(trained):
    text = "the dog walks."
    words = ["the", "dog", "walks", "."]
    one = trained.tag(text)
    assert [word.word for word in one] == words
    assert [word.label for word in one] == ["DET", "NOUN", "VERB", "PUNCT"]
    for other in (trained.tag([text, "a run."])[0], trained.tag([words, ["a"]])[0]):
        assert [word[:2] for word in other] == [word[:2] for word in one]
    assert [w[:2] for w in trained.tag(words, split=False)] == [w[:2] for w in one]
    assert [w.word for w in trained.tag("the dog", split=False)] == ["the dog"]
    assert trained.tag("") == [] and trained.tag([]) == [] and trained.tag([""]) == [[]]
    surrogate = "dog \udcff\u00e9"
    assert [w.word for w in trained.tag(surrogate)] == ["dog", "\u00e9"]


def test_tagged_words_say_where_in_the_text_they_stand(trained):
    texts = [
        "the dog walks.",
        " \u00e9t\u00e9\u00ad the \U0001f436 dog!",
        "\udc80 the \udcff dog",
    ]
    for text, tagged in zip(texts, trained.tag(texts)):
        for word in tagged:
            assert text[word.start : word.end] == word.word
    (word,) = trained.tag("dog", split=False)
    assert word.start is word.end is None


def test_short_texts_are_answered_as_the_model_was_trained(trained):
    features = trained.preprocess(tf.ragged.constant(WORDS[:1]))[0]
    probabilities = keras.ops.softmax(trained(features))[0]
    places = [1, 2, 5, 6]  # the, walk ##er ##s, run, .
    np.testing.assert_allclose(
        trained.predict(WORDS[:1], verbose=0)[0],
        np.array(probabilities)[places],
        rtol=1e-5,
    )


def test_entities_count_when_found_whole_and_by_name(tmp_path):
    names = [["B-PER", "I-PER", "O", "O"], [], ["B-LOC"] * 10, ["B-PER"]]
    model = quick(["O", "B-PER", "I-PER", "B-LOC"])
    model.fit(WORDS, names, verbose=0)
    said = [
        ["B-PER", "I-PER", "O", "O"],  # one found
        [],
        ["B-LOC"] * 3 + ["I-LOC"] * 7,  # two of ten found, and one that is longer
        ["I-PER"],  # which seqeval takes for the beginning, as conlleval does
    ]
    model.tag = lambda texts: [
        [type("Word", (), {"label": label}) for label in row] for row in said
    ]
    found, wanted, claimed = 4, 12, 5
    f1 = 2 * found / (wanted + claimed)
    assert model.entity_f1(WORDS, names) == pytest.approx(f1)
    del model.tag
    data = read_conll(conll(tmp_path, [WORDS[0]], [names[0]]), batch_size=2)
    assert 0 <= model.entity_f1(data) <= 1
    with pytest.raises(ValueError, match="such as 'B-PER'.* Received: 'DET', 'NOUN'"):
        quick(LABELS).entity_f1(WORDS, NAMES)


def test_without_seqeval_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "seqeval.metrics", None)
    with pytest.raises(ImportError, match=r"Try `pip install keras-nlp-lite\[tagging"):
        quick(["B-X", "O"]).entity_f1([["dog"]], [["B-X"]])


# Keeping


def test_a_saved_tagger_answers_and_trains_on(trained, tmp_path):
    trained.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert again.labels == LABELS
    np.testing.assert_array_equal(
        again.predict(WORDS, verbose=0).values, trained.predict(WORDS, verbose=0).values
    )
    wanted = trained.evaluate(WORDS, NAMES, verbose=0)
    np.testing.assert_allclose(again.evaluate(WORDS, NAMES, verbose=0), wanted)
    again.fit(WORDS, NAMES, verbose=0)
    quick().save(tmp_path / "unbuilt.keras")
    unbuilt = keras.saving.load_model(tmp_path / "unbuilt.keras")
    unbuilt.fit(WORDS, NAMES, verbose=0)


def test_a_saved_preset_comes_back(trained, tmp_path):
    trained.save_to_preset(tmp_path / "preset")
    again = TokenClassifier.from_preset(tmp_path / "preset")
    assert again.labels == LABELS and again.preprocessor.sequence_length == LENGTH
    np.testing.assert_array_equal(
        again.predict(WORDS, verbose=0).values, trained.predict(WORDS, verbose=0).values
    )


def test_an_export_takes_words_in_a_dense_tensor_and_gives_the_same(trained, tmp_path):
    trained.export(tmp_path / "served")
    served = tf.saved_model.load(tmp_path / "served")
    words = tf.ragged.constant(WORDS).to_tensor()  # with "" behind the last
    answers = served.serve(tf.concat([words, [[""] * 3] * 4], axis=1)).numpy()
    assert answers.shape == (4, 13, 4)
    wanted = trained.predict(WORDS, verbose=0)
    for row, text in zip(answers, wanted):
        np.testing.assert_allclose(row[: len(text)], text, rtol=1e-4, atol=1e-6)
        assert not row[len(text) :].any()


# Refusals


@pytest.mark.parametrize(
    "arguments, said",
    [
        ({"labels": "NV"}, "two or more names, each once.*Received: labels='NV'"),
        ({"labels": ["N", "N"]}, r"Received: labels=\['N', 'N'\]"),
        ({"labels": ["N"]}, "two or more"),
        ({"dropout": 1.0}, r"`dropout` must lie in \[0, 1\). Received: dropout=1.0"),
        (
            {"length": 2},
            "hold a token and the two around it. Received: sequence_length=2",
        ),
    ],
)
def test_arguments_that_cannot_be_are_refused_in_a_sentence(arguments, said):
    with pytest.raises(ValueError, match=said):
        quick(**arguments)


def test_labels_that_the_preprocessor_has_must_be_the_models():
    backbone = quick(LABELS).backbone
    named = preprocessor(labels=LABELS)
    assert TokenClassifier(backbone, preprocessor=named).labels == LABELS
    with pytest.raises(ValueError, match="must be those of the preprocessor. Received"):
        TokenClassifier(backbone, LABELS[::-1], preprocessor=named)


@pytest.mark.parametrize(
    "data, said",
    [
        (
            (WORDS, [*NAMES[:3], ["ADJ"]]),
            "one of DET, NOUN, PUNCT, VERB. Received: ADJ.",
        ),
        (
            (WORDS, [*NAMES[:3], []]),
            "as many labels as words. Received: 0 labels for 1",
        ),
        ((["the dog"], ["DET"]), "A text is a list of words, with as many labels"),
        ((WORDS,), r"needs batches of \(words, labels\).*Received: string"),
        (([[1, 2]], [[0, 1]]), "Received: int32.*set preprocessor=None"),
        (([["dog", "run"]], [[0, 9]]), "a number from 0 to 3. Received: 9."),
    ],
    ids=["label", "count", "text", "no labels", "numbers", "number"],
)
def test_data_that_cannot_be_is_refused_in_a_sentence(data, said):
    with pytest.raises(ValueError, match=said) as error:
        quick(LABELS).fit(*data, verbose=0)
    assert "\n" not in str(error.value)


def test_labels_of_a_file_that_the_model_lacks_are_named(tmp_path):
    path = conll(tmp_path, [["dog", "xyz"]], [["NOUN", "X"]])
    with pytest.raises(ValueError, match="Received: 'X' among the data's"):
        quick(LABELS).fit(read_conll(path), verbose=0)


def test_labels_must_be_known_before_there_are_answers():
    with pytest.raises(ValueError, match="has no labels yet. Call `fit` with words"):
        quick().predict(WORDS)

    def endless():
        while True:
            yield tf.ragged.constant(WORDS), tf.ragged.constant(NAMES)

    with pytest.raises(ValueError, match="must be known before training"):
        quick().fit(endless(), steps_per_epoch=2)
    quick(LABELS).fit(endless(), steps_per_epoch=2, verbose=0)


def test_a_tokenizer_that_pads_is_refused():
    padded = TokenClassifierPreprocessor(tokenizer(sequence_length=4), LENGTH)
    with pytest.raises(ValueError, match="Received: sequence_length=4. Try .*=None"):
        padded([["dog"]])


def test_other_families_tag_too():
    cut = byte_pairs()
    backbone = RobertaBackbone(cut.vocabulary_size(), max_sequence_length=9, **SIZE)
    model = TokenClassifier(
        backbone, preprocessor=TokenClassifierPreprocessor(cut, sequence_length=9)
    )
    model.fit([["ab", "a"], ["b"]], [["X", "Y"], ["X"]], verbose=0)
    assert [word.word for word in model.tag("ab b a ab")] == ["ab", "b", "a", "ab"]
