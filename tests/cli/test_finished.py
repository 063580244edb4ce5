"""`evaluate`, `predict`, `export` and `info`: what can be done with a finished run."""

import json
import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

TEXTS = ["What a gripping finale!", "", "The plot is anything but clever."]


def test_evaluate_gives_the_accuracy_of_the_run(run, bigram, reviews):
    results = json.loads((bigram / "results.json").read_text())
    result = run(f"evaluate --json --data {reviews} --run", bigram)
    assert json.loads(result.stdout)["accuracy"] == pytest.approx(
        results["accuracy"]["test"]
    )


def test_evaluate_shows_a_table(run, bigram, reviews):
    result = run(f"evaluate --data {reviews}/test --run", bigram)
    assert result.exit_code == 0
    assert "accuracy" in result.stdout and "loss" in result.stdout


def test_evaluate_remembers_the_columns(run, table, tmp_path):
    folder = tmp_path / "run"
    columns = "--text review --label verdict"
    run(f"train --epochs 1 {columns} --data {table} --run", folder)
    result = run(f"evaluate --json --data {table} --run", folder)
    assert result.exit_code == 0
    assert 0 <= json.loads(result.stdout)["accuracy"] <= 1


def test_evaluate_refuses_a_label_that_the_model_does_not_know(refused, bigram, table):
    columns = "--text review --label verdict"
    sentence = refused(f"evaluate {columns} --data {table} --run", bigram)
    assert "['neg', 'pos']" in sentence and "line 2" in sentence


def test_evaluate_does_not_test_on_training_texts_unasked(
    refused, bigram, reviews, tmp_path
):
    shutil.copytree(f"{reviews}/train", tmp_path / "train")
    sentence = refused(f"evaluate --data {tmp_path} --run", bigram)
    assert f"Try {str(tmp_path / 'train')!r}" in sentence


def test_predict_gives_the_answers_of_the_model(run, bigram):
    result = run(f"predict --json --run {bigram}", *TEXTS)
    model = keras.saving.load_model(bigram / "model.keras")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["text"] for line in lines] == TEXTS
    assert [line["label"] for line in lines] == model.predict_labels(TEXTS, verbose=0)
    rows = [[line["probabilities"][name] for name in ("neg", "pos")] for line in lines]
    np.testing.assert_allclose(rows, model.predict(TEXTS, verbose=0), rtol=1e-5)
    assert all(line["probability"] == max(row) for line, row in zip(lines, rows))


def test_predict_answers_a_line_a_text_wherever_texts_come_from(run, bigram, tmp_path):
    (tmp_path / "texts.txt").write_text("\n".join(TEXTS) + "\n")
    shown = run(f"predict --run {bigram}", *TEXTS).stdout
    assert [line.split("  ")[2] for line in shown.splitlines()] == TEXTS
    assert run(f"predict --run {bigram} --file", tmp_path / "texts.txt").stdout == shown
    piped = run(f"predict --run {bigram}", stdin="\r\n".join(TEXTS) + "\r\n")
    assert piped.stdout == shown


def test_predict_takes_more_lines_than_a_batch(run, bigram):
    lines = "\n".join(f"line {i}" for i in range(300))
    shown = run(f"predict --run {bigram}", stdin=lines).stdout.splitlines()
    assert len(shown) == 300 and shown[-1].endswith("line 299")


def test_predict_refuses_texts_from_two_places(refused, bigram):
    assert "both" in refused(f"predict --run {bigram} text --file lines.txt")


def test_predict_refuses_a_missing_file(refused, bigram):
    assert "lines.txt" in refused(f"predict --run {bigram} --file no/lines.txt")


def test_predict_refuses_bytes_that_are_no_text(refused, bigram):
    sentence = refused(f"predict --run {bigram}", stdin=b"fine\nna\xefve\n")
    assert "0xEF in line 2" in sentence


def test_an_export_gives_the_answers_of_the_model(run, bigram, tmp_path):
    folder = tmp_path / "served" / "bigram"
    for _ in range(2):  # the second replaces the first
        result = run(f"export --run {bigram} --to", folder)
        assert result.exit_code == 0
    assert f"tf.saved_model.load({str(folder)!r})" in result.stdout
    model = keras.saving.load_model(bigram / "model.keras")
    served = tf.saved_model.load(str(folder))
    answers = served.serve(tf.constant(TEXTS))
    np.testing.assert_allclose(answers, model.predict(TEXTS, verbose=0), rtol=1e-5)


def test_an_export_replaces_nothing_but_an_export(refused, bigram, tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    assert "something else" in refused(f"export --run {bigram} --to", tmp_path)
    sentence = refused(f"export --run {bigram} --to", tmp_path / "thesis.tex")
    assert "something else" in sentence
    assert (tmp_path / "thesis.tex").read_text() == "years of work"


def test_info_tells_of_the_run_and_of_the_machine(run, bigram):
    shown = run("info --run", bigram).stdout
    assert "BagOfNgramsClassifier" in shown and "neg, pos" in shown
    assert "test accuracy" in shown
    assert tf.__version__ in shown and "CPU:0" in shown


def test_info_for_machines(run, bigram):
    told = json.loads(run("info --json --run", bigram).stdout)
    assert told["run"] == json.loads((bigram / "results.json").read_text())
    assert told["machine"]["versions"]["keras"] == keras.__version__


def test_info_needs_no_run(run):
    shown = run("info").stdout
    assert "CPU:0" in shown and "parameters" not in shown


def test_info_of_a_model_that_was_trained_elsewhere(run, bigram, tmp_path):
    shutil.copy(bigram / "model.keras", tmp_path)
    shown = run("info --run", tmp_path).stdout
    assert "neg, pos" in shown and "accuracy" not in shown


@pytest.mark.parametrize(
    "command",
    ["evaluate --data .", "predict text", "export --to served", "info"],
)
def test_a_folder_without_a_model_is_refused(refused, tmp_path, command):
    sentence = refused(command, "--run", tmp_path)
    assert str(tmp_path) in sentence and "model.keras" in sentence


def test_a_damaged_model_is_refused(refused, tmp_path):
    (tmp_path / "model.keras").write_text("half a mod")
    assert "damaged" in refused("info --run", tmp_path)


def test_a_model_of_another_kind_is_refused(refused, tmp_path):
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(
        tmp_path / "model.keras"
    )
    assert "something else" in refused("predict text --run", tmp_path)
