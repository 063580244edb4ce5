"""`keras-nlp-lite tune`: what it finds, keeps and refuses."""

import json

import pytest

SMALL = "--epochs 2 --trials 2 --set max_tokens=500 --set learning_rate=0.01:0.1:log"


def test_it_keeps_the_best_model_which_predict_knows(run, reviews, tmp_path):
    folder = tmp_path / "run"
    command = f"tune --data {reviews} --space ngrams {SMALL} --run {folder}"
    result = run(command)
    assert result.exit_code == 0
    assert "Search of BagOfNgramsClassifier: random, 2 trials" in result.stdout
    assert f"keras-nlp-lite predict --run {folder}" in result.stdout
    kept = json.loads((folder / "results.json").read_text())
    assert set(kept["accuracy"]) == {"validation", "test"}
    assert kept["settings"]["learning_rate"] >= 0.01
    said = run("predict --run", folder, "not good")
    assert said.stdout.split()[0] in ("neg", "pos")
    again = run(command)
    assert "2 trials are done already" in again.stdout


def test_several_objectives_come_with_commas(run, reviews, tmp_path):
    folder = tmp_path / "run"
    result = run(
        f"tune --data {reviews} {SMALL} --run {folder} "
        "--objective val_accuracy,size --direction max,min"
    )
    assert result.exit_code == 0
    assert (folder / "front.svg").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("--space ngram", "Did you mean 'ngrams'?"),
        ("--set ngrams", "--set takes NAME=VALUES"),
        ("--set max_token=5", "Did you mean 'max_tokens'?"),
        ("--set num_classes=3", "--data says how many classes"),
        ("--set preset=x", "Try --preset"),
        ("--preset x", "--preset is for encoder"),
        ("--tuner gird", "Did you mean 'grid'?"),
        ("--direction up", "must be one of 'max', 'min'"),
        ("--budget soon", "`budget` must be a time"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_runs(
    refused, reviews, tmp_path, words, sentence
):
    command = f"tune --data {reviews} --run {tmp_path / 'run'} {words}"
    assert sentence in refused(command)
    assert not (tmp_path / "run").exists()
