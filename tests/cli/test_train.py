"""`keras-nlp-lite train`: what it reads, what it leaves, what it refuses."""

import json
import shutil

import keras
import pytest

from keras_nlp_lite import data
from keras_nlp_lite.cli.runs import free_folder


def results_of(folder):
    return json.loads((folder / "results.json").read_text())


def logs_of(folder, part):
    return list((folder / part).glob("events.out.tfevents.*"))


def test_a_run_leaves_model_results_and_curves(bigram):
    results = results_of(bigram)
    assert results["model"] == "bigram"
    assert results["class"] == "BagOfNgramsClassifier"
    assert results["class_names"] == ["neg", "pos"]
    assert results["parameters"] == results["vocabulary_size"] + 1
    assert results["settings"]["epochs"] == 2
    assert results["settings"]["learning_rate"] == 0.03
    assert results["settings"]["max_tokens"] == 20_000
    assert set(results["accuracy"]) == {"training", "validation", "test"}
    assert all(seconds > 0 for seconds in results["seconds"].values())
    assert len(logs_of(bigram, "train")) == len(logs_of(bigram, "validation")) == 1


def test_its_test_accuracy_is_that_of_the_saved_model(bigram, reviews):
    model = keras.saving.load_model(bigram / "model.keras")
    test = data.read_directory(f"{reviews}/test")
    accuracy = model.evaluate(test, return_dict=True, verbose=0)["accuracy"]
    assert results_of(bigram)["accuracy"]["test"] == pytest.approx(accuracy)


def test_it_says_what_came_out_and_what_to_do_next(run, table, tmp_path):
    folder = tmp_path / "my run"
    result = run(
        "train --model unigram --epochs 1 --text review --label verdict",
        *("--data", table, "--run", folder),
    )
    assert result.exit_code == 0
    assert "unigram (BagOfNgramsClassifier)" in result.stdout
    assert "validation accuracy" in result.stdout
    assert "test accuracy" not in result.stdout
    assert f"tensorboard --logdir '{folder}'" in result.stdout
    assert f"keras-nlp-lite predict --run '{folder}'" in result.stdout


@pytest.mark.parametrize("model", ["average", "lstm", "transformer"])
def test_every_model_trains(run, table, tmp_path, model):
    result = run(
        f"train --model {model} --epochs 1 --sequence-length 5 --max-tokens 50",
        *("--text", "review", "--label", "verdict", "--validation-split", "0"),
        *("--data", table, "--run", tmp_path / model),
    )
    assert result.exit_code == 0
    assert set(results_of(tmp_path / model)["accuracy"]) == {"training"}


def test_the_same_command_gives_the_same_model(run, table, tmp_path):
    command = "train --epochs 2 --text review --label verdict --seed 3 --batch-size 4"
    for name in ("first", "second"):
        run(command, "--data", table, "--run", tmp_path / name)
    first, second = (results_of(tmp_path / name) for name in ("first", "second"))
    weights = [
        keras.saving.load_model(tmp_path / name / "model.keras").get_weights()
        for name in ("first", "second")
    ]
    assert first["accuracy"] == second["accuracy"]
    assert all((a == b).all() for a, b in zip(*weights))


def test_an_earlier_run_is_replaced_only_if_asked(run, refused, table, tmp_path):
    command = f"train --epochs 1 --text review --label verdict --data {table} --run"
    folder = tmp_path / "run"
    run(command, folder)
    model = (folder / "model.keras").read_bytes()
    assert "--overwrite" in refused(command, folder)
    assert (folder / "model.keras").read_bytes() == model

    result = run(command, folder, "--overwrite", "--model", "unigram")
    assert result.exit_code == 0
    assert results_of(folder)["model"] == "unigram"
    assert len(logs_of(folder, "train")) == 1  # no curve of the earlier run


def test_without_a_name_each_run_gets_a_folder_of_its_own(tmp_path):
    folder = str(tmp_path / "bigram")
    assert free_folder(folder) == folder
    (tmp_path / "bigram").mkdir()
    (tmp_path / "bigram-2").mkdir()
    assert free_folder(folder) == f"{folder}-3"


ROWS = [(f"{word} plot", word) for word in ("good", "bad") for _ in range(5)]


@pytest.mark.parametrize(
    ("name", "text", "options"),
    [
        ("a.tsv", "".join(f"{t}\t{y}\n" for t, y in [("text", "label"), *ROWS]), ""),
        (
            "b.csv",
            "".join(f"{y},{t}\n" for t, y in ROWS),
            "--no-header --text 1 --label 0",
        ),
        (
            "c.jsonl",
            "".join(json.dumps({"t": t, "y": y}) + "\n" for t, y in ROWS),
            "--text t --label y",
        ),
    ],
)
def test_every_kind_of_file_is_read(run, tmp_path, name, text, options):
    (tmp_path / name).write_text(text)
    result = run(
        f"train --epochs 1 {options}",
        *("--data", tmp_path / name, "--run", tmp_path / "run"),
    )
    assert result.exit_code == 0
    assert results_of(tmp_path / "run")["class_names"] == ["bad", "good"]


# What it refuses, always without a trace of a run


@pytest.fixture
def train_refused(refused, tmp_path):
    def train_refused(*words):
        sentence = refused("train --run", tmp_path / "run", *words)
        assert not (tmp_path / "run").exists()
        return sentence

    return train_refused


def test_a_missing_path_is_refused_with_a_guess(train_refused, table):
    assert "nothing" in train_refused("--data", "no/such/place")
    misspelt = str(table).replace("reviews.csv", "review.csv")
    assert f"Did you mean {str(table)!r}?" in train_refused("--data", misspelt)


def test_a_wrong_column_is_refused_with_those_there_are(train_refused, table):
    sentence = train_refused("--data", table, "--label", "verdict")
    assert "text='text'" in sentence
    assert "['review', 'verdict']" in sentence


def test_a_column_without_a_header_is_a_number(train_refused, table):
    words = ("--data", table, "--no-header", "--text", "review")
    assert "--text must be a column's number" in train_refused(*words)


def test_an_unknown_model_is_refused_with_a_guess(train_refused, reviews):
    sentence = train_refused("--data", reviews, "--model", "bigrams")
    assert "Did you mean 'bigram'?" in sentence


def test_an_option_of_other_models_is_refused_with_their_names(train_refused, reviews):
    sentence = train_refused("--data", reviews, "--model", "lstm", "--mode", "count")
    assert "--mode is for unigram, bigram." in sentence


def test_an_unknown_mode_is_refused(train_refused, reviews):
    assert "'tf_idf'" in train_refused("--data", reviews, "--mode", "tfidf")


def test_a_file_of_another_kind_is_refused(train_refused, tmp_path):
    (tmp_path / "reviews.zip").write_text("")
    assert "unpack" in train_refused("--data", tmp_path / "reviews.zip")


def test_classes_that_the_test_lacks_are_refused(run, train_refused, reviews, tmp_path):
    corpus = tmp_path / "corpus"
    shutil.copytree(reviews, corpus)
    shutil.copytree(corpus / "train" / "pos", corpus / "train" / "unsup")
    assert "--classes neg,pos" in train_refused("--data", corpus)
    result = run(
        "train --epochs 1 --classes neg,pos",
        *("--data", corpus, "--run", tmp_path / "run"),
    )
    assert result.exit_code == 0
