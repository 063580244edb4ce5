"""`keras-nlp-lite tokenizer`: train a vocabulary, and see what it makes of a text."""

import gzip
import json
import sys

import pytest

from keras_nlp_lite.tokenizers import load_tokenizer
from tests.tokenizers.corpus import made_up_texts

KINDS = ["bpe", "wordpiece", "unigram"]
TEXT = "Vébeti -,7So 中"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A compressed file with a text a line."""
    path = tmp_path_factory.mktemp("corpus") / "texts.txt.gz"
    path.write_bytes(gzip.compress("\n".join(made_up_texts()).encode()))
    return path


@pytest.fixture(scope="module")
def trained(run, corpus, tmp_path_factory):
    """A folder that holds a tokenizer of each kind, in a folder of its name."""
    folder = tmp_path_factory.mktemp("trained")
    for kind in KINDS:
        size = {"bpe": 400, "wordpiece": 150, "unigram": 90}[kind]
        result = run(
            f"tokenizer train --kind {kind} --vocabulary-size {size} --output",
            folder / kind,
            corpus,
        )
        assert result.exit_code == 0, result.output
        assert f"tokenizer inspect {folder / kind}" in result.stdout
    return folder


@pytest.mark.parametrize("command", ["train", "encode", "decode", "inspect"])
def test_every_command_explains_itself_with_an_example(run, command):
    shown = run("tokenizer", command, "--help").stdout
    assert f"Example: keras-nlp-lite tokenizer {command}" in shown
    assert f" {command} " in run("tokenizer --help").stdout


@pytest.mark.parametrize(
    "kind, size, files",
    [
        ("bpe", 400, {"tokenizer.json", "vocab.json", "merges.txt"}),
        ("wordpiece", 150, {"tokenizer.json", "vocab.txt"}),
        ("unigram", 90, {"vocabulary.spm"}),
    ],
)
def test_training_writes_the_files_of_its_kind(trained, kind, size, files):
    assert {path.name for path in (trained / kind).iterdir()} == files
    assert load_tokenizer(trained / kind).vocabulary_size() == size


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_encoded_is_decoded(run, trained, kind):
    ids = run("tokenizer encode", trained / kind, TEXT).stdout
    assert list(map(int, ids.split())) == (
        load_tokenizer(trained / kind)(TEXT).numpy().tolist()
    )
    text = run(f"tokenizer decode {trained / kind} {ids}").stdout
    assert text.replace(" ", "") == TEXT.replace(" ", "") + "\n"


def test_texts_come_as_arguments_or_as_lines(run, trained):
    texts = [TEXT, "", "Ra <mask>!"]
    shown = run("tokenizer encode", trained / "bpe", *texts).stdout
    assert shown.count("\n") == 3
    lines = "\r\n".join(texts) + "\n"
    assert run("tokenizer encode", trained / "bpe", stdin=lines).stdout == shown


def test_special_tokens_stay_whole(run, trained):
    line = run("tokenizer encode --json", trained / "bpe", "Ra <mask>!").stdout
    tokens = json.loads(line)["tokens"]
    assert " <mask>".strip() in tokens
    line = run("tokenizer encode --json", trained / "wordpiece", "[MASK]").stdout
    assert json.loads(line)["tokens"] == ["[MASK]"]


@pytest.mark.parametrize("kind", KINDS)
def test_inspect_says_where_tokens_stand_and_what_words_cost(run, trained, kind):
    line = json.loads(run("tokenizer inspect --json", trained / kind, TEXT).stdout)
    data = TEXT.encode()
    for token in line["tokens"]:
        piece = data[token["start"] : token["end"]]
        assert token["text"] == piece.decode("utf-8", "replace")
    assert line["words"] == 3
    shown = run("tokenizer inspect", trained / kind, TEXT).stdout
    count = len(line["tokens"])
    assert f"{count} tokens for 3 words: {count / 3:.2f} tokens a word." in shown
    assert all(str(token["id"]) in shown for token in line["tokens"])


def test_inspect_shows_a_text_without_words(run, trained):
    shown = run("tokenizer inspect", trained / "bpe", "").stdout
    assert "0 tokens for 0 words." in shown


def test_a_sample_of_a_large_corpus_does(run, corpus, tmp_path):
    path = tmp_path / "large.txt"
    path.write_bytes(gzip.decompress(corpus.read_bytes()) * 60)
    with pytest.warns(UserWarning, match="an even sample"):
        result = run(
            "tokenizer train --vocabulary-size 300 --max-megabytes 1",
            path,
            "--output",
            tmp_path / "bpe",
        )
    assert result.exit_code == 0


def test_settings_of_another_kind_are_refused(refused, corpus, tmp_path):
    for options in (
        "--kind bpe --lowercase",
        "--kind unigram --strip-accents",
        "--kind unigram --special-tokens <s>",
    ):
        sentence = refused(
            f"tokenizer train {options} --output", tmp_path / "new", corpus
        )
        assert f"Received: --kind {options.split()[1]}." in sentence
    assert "[UNK]" in refused(
        "tokenizer train --kind wordpiece --special-tokens [PAD] --output",
        tmp_path / "new",
        corpus,
    )
    assert not (tmp_path / "new").exists()


def test_a_tokenizer_is_replaced_only_if_asked(run, refused, corpus, tmp_path):
    command = f"tokenizer train --vocabulary-size 300 {corpus} --output"
    folder = tmp_path / "tokenizer"
    assert run(command, folder).exit_code == 0
    assert "Try --overwrite" in refused(command, folder)
    assert run(command + f" {folder} --overwrite --kind wordpiece").exit_code == 0
    assert not (folder / "merges.txt").exists()
    (folder / "thesis.tex").write_text("years of work")
    assert "thesis.tex" in refused(command + f" {folder} --overwrite")
    assert "a file" in refused(command, folder / "thesis.tex")


def test_what_is_wrong_is_said_in_a_sentence(refused, run, trained, tmp_path, corpus):
    output = f"--output {tmp_path / 'new'}"
    assert "'gone.txt'" in refused(f"tokenizer train {output} gone.txt")
    assert "Try 261 or more" in refused(
        f"tokenizer train {output} --vocabulary-size 9", corpus
    )
    assert "Try at most" in refused(f"tokenizer train {output} --kind unigram", corpus)
    assert "does not exist" in refused("tokenizer encode", tmp_path / "no", "text")
    assert "holds nothing" in refused("tokenizer inspect", tmp_path, "text")
    assert "id=9999" in refused("tokenizer decode", trained / "bpe", 9999)
    assert run("tokenizer decode", trained / "bpe", "word").exit_code == 2


def test_a_missing_library_is_a_sentence(refused, monkeypatch, corpus, tmp_path):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    sentence = refused("tokenizer train", corpus, "--output", tmp_path / "new")
    assert "pip install keras-nlp-lite[tokenizers]" in sentence
