"""`keras-nlp-lite demo`: a first look that needs nothing."""

import json


def test_the_demo_shows_that_pairs_of_words_carry_negation(run, tmp_path):
    folder = tmp_path / "demo"
    result = run("demo --examples 400 --run", folder)
    assert result.exit_code == 0
    accuracy = {
        name: json.loads((folder / name / "results.json").read_text())["accuracy"][
            "test"
        ]
        for name in ("unigram", "bigram", "average", "lstm")
    }
    assert accuracy["bigram"] > accuracy["unigram"] + 0.05
    for value in accuracy.values():
        assert f"{value:.4f}" in result.stdout
    assert f"tensorboard --logdir {folder}" in result.stdout
    assert "not one boring minute" in result.stdout
    assert list((folder / "bigram" / "validation").glob("events.out.tfevents.*"))
