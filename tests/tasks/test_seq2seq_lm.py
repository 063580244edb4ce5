import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite import samplers
from keras_nlp_lite.models import load_model
from keras_nlp_lite.tasks import Seq2SeqLM, Seq2SeqLMPreprocessor
from keras_nlp_lite.tokenizers.bert_tokenizer import BertTokenizer
from tests.tasks.writers import seq2seq_lm, tokenizer

SOURCES = ["one two", "three", "one two three one two", "the dog"]
TARGETS = ["eins zwei", "drei", "eins zwei drei eins zwei", "fox cat cat"]


@pytest.fixture(scope="module")
def mt():
    """One that has learned a little, so that it writes texts of different lengths."""
    mt = seq2seq_lm()
    mt.compile(keras.optimizers.Adam(3e-3))
    mt.fit(50 * SOURCES, 50 * TARGETS, batch_size=16, epochs=10, verbose=0)
    return mt


def uncached(mt, source):
    """The greedy answer by the formula: all tokens anew at each step."""
    given = mt.preprocessor.generate_preprocess([source])
    x = {name: value.numpy() for name, value in given.items()}
    count, length = 1, x["decoder_token_ids"].shape[1]
    end = mt.preprocessor.tokenizer.end_token_id
    while count < length:
        x["decoder_padding_mask"] = np.arange(length)[None] < count
        best = mt(x).numpy()[0, count - 1].argmax()
        x["decoder_token_ids"][0, count] = best
        count += 1
        if best == end:
            break
    return x["decoder_token_ids"][0, :count]


def test_a_cache_changes_no_token(mt):
    for source in SOURCES:
        given = mt.preprocessor.generate_preprocess([source])
        end = mt.preprocessor.tokenizer.end_token_id
        outputs = mt.generate_step(given, [end], samplers.GreedySampler())
        mask = outputs["decoder_padding_mask"][0]
        ids = outputs["decoder_token_ids"][0][mask]
        np.testing.assert_array_equal(ids, uncached(mt, source))


@pytest.mark.parametrize(
    "sampler", ["greedy", samplers.BeamSampler(3), samplers.BeamSampler(2)]
)
def test_a_batch_gives_what_each_text_gives_by_itself(mt, sampler):
    together = mt.generate(SOURCES, sampler=sampler)
    assert together == [mt.generate(text, sampler=sampler) for text in SOURCES]
    assert len(set(together)) > 1


def test_beams_share_the_encoder_and_find_what_copies_would_find(mt):
    given = mt.preprocessor.generate_preprocess(SOURCES)
    end = mt.preprocessor.tokenizer.end_token_id
    sampler = samplers.BeamSampler(3, return_all_beams=True)
    next, prompts, cache, _ = mt._begun(given)
    options = {
        "starts": prompts.starts,
        "index": prompts.index,
        "stop_token_ids": [end],
    }
    tokens, scores = sampler(next, prompts.tokens, cache, **options)
    plain, prompts, cache, _ = mt._begun(given)  # whose reorder nobody sees
    expected = sampler(lambda *args: plain(*args), prompts.tokens, cache, **options)
    np.testing.assert_array_equal(tokens, expected[0])
    np.testing.assert_allclose(scores, expected[1], rtol=1e-4)


def test_what_is_written_may_be_given_a_beginning(mt):
    x = {"encoder_text": ["one two"], "decoder_text": ["fox"]}
    (text,) = mt.generate(x, sampler="greedy")
    assert text.startswith("fox")
    (rest,) = mt.generate(x, sampler="greedy", strip_prompt=True)
    assert text == f"fox {rest}".strip()


def test_a_stream_adds_up_to_what_generate_writes(mt):
    for source in SOURCES:
        pieces = list(mt.stream(source, sampler="greedy"))
        assert "".join(pieces) == mt.generate(source, sampler="greedy")


def test_packed_pairs_train_as_rows_by_themselves():
    losses = []
    for packed in (True, False):
        mt = seq2seq_lm(packed=packed)
        mt.compile("sgd")
        history = mt.fit(
            SOURCES, TARGETS, batch_size=4, epochs=2, shuffle=False, verbose=0
        )
        losses.append(history.history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_packing_keeps_pairs_together():
    preprocessor = Seq2SeqLMPreprocessor(tokenizer(), 9, 8)
    features, ids, weights = preprocessor(3 * SOURCES, 3 * TARGETS, packed=True)
    alone = preprocessor(3 * SOURCES, 3 * TARGETS)
    assert len(ids) < 12
    masks = [features[f"{side}_padding_mask"] for side in ("encoder", "decoder")]
    # As many texts on both sides of each row.
    np.testing.assert_array_equal(*(tf.reduce_max(mask, axis=1) for mask in masks))
    for name in ("encoder_token_ids", "decoder_token_ids"):
        mask = features[name.replace("token_ids", "padding_mask")] > 0
        used = alone[0][name.replace("token_ids", "padding_mask")]
        if name.startswith("decoder"):
            used = alone[2] > 0
        np.testing.assert_array_equal(features[name][mask], alone[0][name][used])
    np.testing.assert_array_equal(ids[weights > 0], alone[1][alone[2] > 0])


def test_all_forms_of_pairs_are_alike(mt):
    as_dict = {"encoder_text": SOURCES, "decoder_text": TARGETS}
    batches = tf.data.Dataset.from_tensor_slices((SOURCES, TARGETS)).batch(2)
    expected = mt.score((SOURCES, TARGETS))
    np.testing.assert_allclose(mt.score(batches), expected, rtol=1e-5)
    features = mt.preprocessor(as_dict)
    for one, other in zip(
        tf.nest.flatten(features), tf.nest.flatten(mt.preprocessor(SOURCES, TARGETS))
    ):
        np.testing.assert_array_equal(one, other)


def test_each_side_has_its_own_special_tokens():
    source = tokenizer()
    words = ["[SEP]", "[PAD]", "[UNK]", "[MASK]", "[CLS]", "drei", "zwei"]
    preprocessor = Seq2SeqLMPreprocessor(
        source, 6, 6, target_tokenizer=BertTokenizer(words)
    )
    features, ids, _ = preprocessor(["one two"], ["drei zwei"])
    np.testing.assert_array_equal(features["encoder_token_ids"][0, -2:], [0, 0])
    np.testing.assert_array_equal(features["decoder_token_ids"], [[4, 5, 6, 0, 1, 1]])
    np.testing.assert_array_equal(ids, [[5, 6, 0, 1, 1, 1]])


def test_texts_without_counterparts_are_refused(mt):
    with pytest.raises(ValueError, match="one to read and one to write"):
        mt.fit(SOURCES, verbose=0)
    with pytest.raises(ValueError, match="one to read and one to write"):
        mt.fit(SOURCES, [1, 2, 3, 4], verbose=0)
    with pytest.raises(ValueError, match="Received: en, de"):
        mt.preprocessor({"en": SOURCES, "de": TARGETS})


def test_it_learns_to_translate(mt):
    assert mt.generate(SOURCES, sampler="greedy") == TARGETS
    assert mt.generate(SOURCES, sampler="beam") == TARGETS
    assert mt.perplexity((SOURCES, TARGETS)) < 1.5


def test_a_model_comes_back_from_its_file_and_its_preset(mt, tmp_path):
    expected = mt.generate(SOURCES, sampler="beam")
    mt.save(tmp_path / "mt.keras")
    loaded = load_model(tmp_path / "mt.keras")
    assert loaded.generate(SOURCES, sampler="beam") == expected
    mt.save_to_preset(tmp_path / "preset")
    again = Seq2SeqLM.from_preset(tmp_path / "preset")
    assert again.generate(SOURCES, sampler="beam") == expected


def test_an_export_turns_strings_into_strings_in_another_process(mt, tmp_path):
    mt.compile(sampler=samplers.BeamSampler(2))
    mt.export(tmp_path / "served")
    program = (
        "import sys, tensorflow as tf, tensorflow_text\n"
        "served = tf.saved_model.load(sys.argv[1])\n"
        "for text in served.serve(tf.constant(sys.argv[2:])).numpy():\n"
        "    print(text.decode())\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "served"), *SOURCES],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert out.stdout.splitlines() == mt.generate(SOURCES)
