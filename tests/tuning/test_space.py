"""Spaces of models: what varies by default, and what comes of what is said."""

import random

import keras
import keras_tuner
import pytest

from keras_nlp_lite import data, models, tuning
from keras_nlp_lite.tuning.defaults import own
from keras_nlp_lite.tuning.space import TRAINING, _rebatched, declared
from tests.tuning.small import LABELS, TEXTS

BASELINES = (
    models.BagOfNgramsClassifier,
    models.AveragedEmbeddingClassifier,
    models.RecurrentClassifier,
    models.TransformerClassifier,
)


@pytest.mark.parametrize("model", BASELINES, ids=lambda model: model.__name__)
def test_a_search_begins_with_the_models_own_defaults(model):
    space = tuning.space(model, num_classes=2)
    first = space.settings(declared(space))
    assert {"ngrams", "embedding_dim"} & set(space.varied())
    arguments = set(space.varied()) - set(TRAINING)
    assert {name: first[name] for name in arguments} == {
        name: own(model)[name] for name in arguments
    }
    assert first["learning_rate"] == 1e-3 and first["optimizer"] == "adam"


def test_a_space_reaches_representation_architecture_and_training():
    varied = tuning.space(models.TextClassifier, num_classes=2).varied()
    assert {
        *("tokenizer", "vocabulary_size", "sequence_length"),
        *("num_layers", "hidden_dim", "num_heads", "dropout", "normalize_first"),
        *("activation", "pooling", "learning_rate", "warmup", "batch_size"),
        "weight_decay",
    } <= set(varied)
    assert (
        "ngrams" in tuning.space(models.BagOfNgramsClassifier, num_classes=2).varied()
    )


@pytest.mark.parametrize("model", BASELINES, ids=lambda model: model.__name__)
def test_every_argument_of_the_constructor_reaches_it(model):
    class Recording(model):
        def __init__(self, **settings):
            received.update(settings)
            super().__init__(**settings)

    received = {}
    said = {"num_classes": 2, **own(model)}
    fixed = {name: tuning.fixed(value) for name, value in said.items()}
    space = tuning.space(Recording, defaults=False, **fixed)
    space.build(declared(space))
    assert received == said


def test_what_is_said_reaches_the_model_and_its_optimizer():
    space = tuning.space(
        models.BagOfNgramsClassifier,
        num_classes=2,
        defaults=False,
        ngrams=tuning.fixed((1, 2)),
        mode=["count", "tf_idf"],
        learning_rate=(0.01, 0.1, "log"),
        weight_decay=0.25,
        schedule="cosine",
    )
    hp = declared(space)
    hp.values.update(mode="tf_idf", learning_rate=0.02)
    model = space.build(hp)
    assert tuple(model.preprocessor.ngrams) == (1, 2)
    assert model.preprocessor.mode == "tf_idf"
    assert model.optimizer.weight_decay == 0.25
    schedule = model.optimizer._learning_rate
    assert (schedule.peak, schedule.shape) == (0.02, "cosine")
    assert list(space.varied()) == ["mode", "learning_rate"]


def test_a_trial_trains_in_batches_of_its_own_size():
    space = tuning.space(
        models.BagOfNgramsClassifier, num_classes=2, defaults=False, batch_size=[4, 8]
    )
    hp = declared(space)
    for size in (4, 8):
        hp.values["batch_size"] = size
        model = space.build(hp)
        space.fit(hp, model, TEXTS, LABELS, epochs=2, verbose=0)
        assert model.optimizer.iterations == 2 * len(TEXTS) // size


def test_a_dataset_in_other_batches_is_what_it_was(tmp_path):
    reviews = data.write_sample_reviews(tmp_path, examples=10)
    dataset = data.read_directory(f"{reviews}/train", batch_size=4, seed=1)
    batches = _rebatched(dataset, 3)
    assert len(batches) == 4 and batches.class_names == ["neg", "pos"]
    rows = [
        sorted(x for b, _ in one.as_numpy_iterator() for x in b)
        for one in (dataset, batches)
    ]
    assert rows[0] == rows[1]
    assert _rebatched(dataset, 4) is dataset


def test_an_encoder_from_nothing_learns_its_tokenizer_from_the_corpus(tmp_path):
    space = tuning.space(
        models.TextClassifier,
        num_classes=2,
        corpus=TEXTS,
        sequence_length=16,
        hidden_dim=8,
        num_layers=1,
        num_heads=2,
        vocabulary_size=300,
    )
    hp = declared(space)
    hp.values.update(tokenizer="bpe", normalize_first="True", pooling="mean")
    answers = space.build(hp).predict(TEXTS[:3], verbose=0)
    assert answers.shape == (3, 2)
    hp.values.update(tokenizer="wordpiece", normalize_first="False")
    model = space.build(hp)
    space.fit(hp, model, TEXTS, LABELS, verbose=0)
    wanted = model.predict(TEXTS[:3], verbose=0)
    model.save(tmp_path / "m.keras")
    again = models.load_model(tmp_path / "m.keras")
    assert again.predict(TEXTS[:3], verbose=0) == pytest.approx(wanted, abs=1e-5)


def test_a_tokenizer_without_a_corpus_is_refused():
    space = tuning.space(models.TextClassifier, num_classes=2)
    with pytest.raises(ValueError, match=r"learned from texts. Received: none"):
        space.build(declared(space))


def test_keras_tuner_runs_a_space_by_itself(tmp_path):
    space = tuning.space(
        models.BagOfNgramsClassifier, num_classes=2, defaults=False, ngrams=[1, 2]
    )
    tuner = keras_tuner.GridSearch(
        space,
        objective=keras_tuner.Objective("val_accuracy", "max"),
        directory=tmp_path,
    )
    tuner.search(TEXTS, LABELS, validation_data=(TEXTS, LABELS), verbose=0)
    found = {t.hyperparameters.values["ngrams"] for t in tuner.oracle.trials.values()}
    assert found == {1, 2}


def test_an_unknown_argument_is_refused_with_a_guess():
    with pytest.raises(ValueError, match="Did you mean 'max_tokens'"):
        tuning.space(models.BagOfNgramsClassifier, num_classes=2, max_token=[1])
    with pytest.raises(ValueError, match="Did you mean 'learning_rate'"):
        tuning.space(models.BagOfNgramsClassifier, num_classes=2, learning_rates=[1])


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"mode": ["multi_hot", "tfidf"]}, "mode='tfidf'. Did you mean 'tf_idf'"),
        ({"ngrams": [1, 0]}, "`ngrams` must be an integer of at least 1"),
        ({"max_tokens": (1e4, 5e4)}, r"Try max_tokens=\(10000, 50000\)"),
        ({"epochs": (1.0, 5.0)}, "`epochs` takes whole numbers"),
        ({"preset": "bert-folder"}, "`preset` is for tasks on an encoder"),
    ],
    ids=str,
)
def test_what_no_trial_could_use_is_refused_at_once(said, sentence):
    with pytest.raises(ValueError, match=sentence):
        tuning.space(models.BagOfNgramsClassifier, num_classes=2, **said)


def test_values_that_suit_some_values_of_others_are_taken():
    space = tuning.space(
        models.TransformerClassifier,
        num_classes=2,
        embedding_dim=[32, 48],
        num_heads=[2, 3],  # 3 goes with 48 alone
    )
    assert space.ranges["num_heads"].values == (2, 3)


def test_making_a_space_draws_no_random_numbers():
    keras.utils.set_random_seed(3)
    wanted = random.random()
    keras.utils.set_random_seed(3)
    tuning.space(models.AveragedEmbeddingClassifier, num_classes=2, dropout=[0.1, 0.2])
    assert random.random() == wanted


def test_a_missing_argument_is_refused():
    with pytest.raises(ValueError, match=r"BagOfNgramsClassifier needs num_classes"):
        tuning.space(models.BagOfNgramsClassifier)


def test_what_is_no_task_is_refused():
    with pytest.raises(ValueError, match="must be the class of a task"):
        tuning.space("bigram", num_classes=2)
    with pytest.raises(ValueError, match="must be the class of a task"):
        tuning.space(keras.Model, num_classes=2)


@pytest.mark.parametrize(
    ("model", "needed"),
    [
        (models.TextClassifier, {"num_classes": 2}),
        (models.TokenClassifier, {"labels": ["O", "B-PER"]}),
    ],
)
def test_what_begins_with_a_preset_is_searched_at_small_rates(model, needed):
    space = tuning.space(model, preset="a folder", **needed)
    assert space.varied()["learning_rate"].high <= 1e-4
