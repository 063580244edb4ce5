import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite import samplers
from keras_nlp_lite.backbones import GPT2Backbone
from keras_nlp_lite.models import load_model
from keras_nlp_lite.tasks import CausalLM, CausalLMPreprocessor
from keras_nlp_lite.tasks.continuation import BUCKET
from tests.tasks.writers import SIZE, causal_lm, shaken, tokenizer

TEXTS = ["the dog", "one two three the cat", "fox", "the dog barks the cat"]


@pytest.fixture(scope="module")
def lm():
    return causal_lm()


def uncached(lm, text, length):
    """The greedy continuation by the formula: all tokens anew at each step."""
    pre = lm.preprocessor
    ids = pre.generate_preprocess([text], sequence_length=length)
    count = int(np.sum(ids["padding_mask"]))
    row = ids["token_ids"].numpy()
    end = pre.tokenizer.end_token_id
    while count < length:
        mask = np.arange(length)[None] < count
        logits = lm({"token_ids": row, "padding_mask": mask}).numpy()
        row[0, count] = logits[0, count - 1].argmax()
        count += 1
        if row[0, count - 1] == end:
            break
    return row[0, :count]


def test_a_cache_changes_no_token(lm):
    for text in TEXTS:
        given = lm.preprocessor.generate_preprocess([text], sequence_length=16)
        end = lm.preprocessor.tokenizer.end_token_id
        outputs = lm.generate_step(given, [end], samplers.GreedySampler())
        ids, mask = (outputs[x].numpy()[0] for x in ("token_ids", "padding_mask"))
        np.testing.assert_array_equal(ids[mask], uncached(lm, text, 16))
        assert (ids[~mask] == lm.preprocessor.tokenizer.pad_token_id).all()


@pytest.mark.parametrize(
    "sampler", ["greedy", samplers.BeamSampler(3), samplers.ContrastiveSampler(3)]
)
def test_a_batch_gives_what_each_text_gives_by_itself(lm, sampler):
    for stops in ("auto", None):  # without ends, all texts grow to one length
        together = lm.generate(TEXTS, stop_token_ids=stops, sampler=sampler)
        alone = [lm.generate(x, stop_token_ids=stops, sampler=sampler) for x in TEXTS]
        assert together == alone
    together = lm.generate(TEXTS, sampler=sampler)
    assert lm.generate(TEXTS, sampler=sampler, batch_size=3) == together
    batches = tf.data.Dataset.from_tensor_slices(TEXTS).batch(3)
    assert lm.generate(batches, sampler=sampler) == together


def test_a_beam_search_copies_no_cache_and_finds_what_copying_finds(lm):
    given = lm.preprocessor.generate_preprocess(TEXTS, sequence_length=16)
    sampler = samplers.BeamSampler(3, return_all_beams=True)
    next, prompts, cache, _ = lm._begun(given)
    options = {"starts": prompts.starts, "index": prompts.index}
    tokens, scores = sampler(next, prompts.tokens, cache, **options)

    plain, prompts, cache, _ = lm._begun(given)  # whose reorder nobody sees
    expected = sampler(lambda *args: plain(*args), prompts.tokens, cache, **options)
    np.testing.assert_array_equal(tokens, expected[0])
    np.testing.assert_allclose(scores, expected[1], rtol=1e-4)
    assert len(np.unique(scores)) == scores.shape[0] * scores.shape[1]


def test_a_cache_grows_over_its_buckets():
    lm = causal_lm(sequence_length=2 * BUCKET + 20)
    text = "the dog barks"
    for sampler in ("greedy", "beam"):
        long = lm.generate(text, stop_token_ids=None, sampler=sampler)
        assert len(long.split()) > BUCKET
    given = lm.preprocessor.generate_preprocess([text])
    outputs = lm.generate_step(given, None, samplers.GreedySampler())
    np.testing.assert_array_equal(
        outputs["token_ids"][0, : BUCKET + 9].numpy(),
        _all_at_once(lm, outputs["token_ids"][:, : BUCKET + 9].numpy(), 4),
    )


def _all_at_once(lm, ids, given):
    """Of tokens that were written greedily, what the formula would have written."""
    logits = lm({"token_ids": ids, "padding_mask": np.ones_like(ids)}).numpy()
    best = logits[0].argmax(-1)
    return np.concatenate([ids[0, :given], best[given - 1 : -1]])


def test_no_length_compiles_anew(lm):
    traced = []

    class Counting(samplers.GreedySampler):
        def get_next_token(self, probabilities):
            traced.append(1)
            return super().get_next_token(probabilities)

    lm.generate(TEXTS, sampler=Counting())
    before = len(traced)
    lm.generate(["one"], sampler=Counting(), max_length=9)
    lm.generate(["one two three", "fox"], sampler=Counting())
    assert len(traced) == before > 0


def test_two_samplers_of_one_kind_keep_their_own_random_numbers(lm):
    def two_texts(between):
        sampler = samplers.RandomSampler(seed=1)
        first = lm.generate(TEXTS, sampler=sampler)
        between()
        return first, lm.generate(TEXTS, sampler=sampler)

    other = samplers.RandomSampler(seed=2)
    alone = two_texts(lambda: None)
    assert two_texts(lambda: lm.generate(TEXTS, sampler=other)) == alone


def test_a_sampler_of_the_same_name_is_not_taken_for_another(lm):
    def sampler(token):
        class Always(samplers.Sampler):
            def get_next_token(self, probabilities):
                return tf.fill([tf.shape(probabilities)[0]], token)

        return Always()

    texts = [
        lm.generate("the", max_length=4, sampler=sampler(token)) for token in (6, 7)
    ]
    assert texts == ["the dog dog", "the cat cat"]


def test_a_contrastive_search_compares_with_all_tokens_before(lm):
    """By the formula: at each step, all hidden states anew."""
    k, alpha = 3, 0.6
    for text in TEXTS:
        given = lm.preprocessor.generate_preprocess([text], sequence_length=12)
        row, count = given["token_ids"].numpy(), int(np.sum(given["padding_mask"]))

        def features(row, count):
            mask = np.arange(12)[None] < count
            x = lm.backbone({"token_ids": row, "padding_mask": mask})
            return x[0, :count].numpy(), lm.backbone.logits(x)[0, count - 1].numpy()

        while count < 12:
            said, logits = features(row, count)
            probabilities = np.exp(logits - logits.max())
            probabilities /= probabilities.sum()
            scores = {}
            for token in np.argsort(-logits)[:k]:
                row[0, count] = token
                new = features(row, count + 1)[0][-1]
                cosines = said @ new / np.linalg.norm(said, axis=1)
                same = (cosines / np.linalg.norm(new)).max()
                scores[token] = (1 - alpha) * probabilities[token] - alpha * same
            row[0, count] = max(scores, key=scores.get)
            count += 1
        outputs = lm.generate_step(given, None, samplers.ContrastiveSampler(k, alpha))
        np.testing.assert_array_equal(outputs["token_ids"], row)


def test_unequal_prompts_may_fill_all_positions_there_are():
    backbone = shaken(GPT2Backbone(18, **{**SIZE, "max_sequence_length": 12}))
    lm = CausalLM(backbone, CausalLMPreprocessor(tokenizer(), 12))
    for sampler in ("greedy", "beam"):
        together = lm.generate(TEXTS, stop_token_ids=None, sampler=sampler)
        alone = [lm.generate(x, stop_token_ids=None, sampler=sampler) for x in TEXTS]
        assert together == alone


def test_many_rows_write_what_few_write(lm):
    texts = 12 * TEXTS
    assert lm.generate(texts, sampler="greedy") == 12 * lm.generate(
        TEXTS, sampler="greedy"
    )


def test_quantized_weights_write_on():
    lm = causal_lm()
    before, score = lm.generate(TEXTS, sampler="greedy"), lm.score(TEXTS)
    lm.backbone.quantize("int8")
    after = lm.generate(TEXTS, sampler="greedy")
    assert lm.backbone.token_embedding.quantization_mode == "int8"
    assert all(x.split()[0] == y.split()[0] for x, y in zip(before, after))
    again = lm.score(TEXTS)
    assert (again != score).all()
    np.testing.assert_allclose(again, score, rtol=0.1)


def test_a_prompt_of_nothing_is_begun():
    lm = causal_lm()
    lm.preprocessor.add_start_token = False
    start = lm.preprocessor.tokenizer.start_token_id
    given = lm.preprocessor.generate_preprocess(["", "the dog"], sequence_length=8)
    assert given["token_ids"][0, 0] == start
    np.testing.assert_array_equal(given["padding_mask"].numpy().sum(1), [1, 2])


@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"batch_size": -1}, "batch_size=-1"),
        ({"sampler": print}, "builtin_function_or_method"),
        ({"inputs": None}, "NoneType"),
        ({"inputs": [["one"]]}, "a list of lists"),
        ({"inputs": tf.data.Dataset.from_tensors("one")}, "dataset.batch"),
    ],
)
def test_what_makes_no_sense_is_refused(lm, arguments, words):
    with pytest.raises(ValueError, match=words):
        lm.generate(**{"inputs": ["one"], **arguments})


def test_the_same_seed_writes_the_same(lm):
    def write(seed):
        return lm.generate(TEXTS, sampler=samplers.RandomSampler(seed=seed))

    assert write(1) == write(1)
    assert write(1) != write(2)
    drawn = samplers.RandomSampler(seed=1)
    assert lm.generate(TEXTS, sampler=drawn) == write(1)
    assert lm.generate(TEXTS, sampler=drawn) != write(1)  # it goes on


def test_each_text_may_get_several_continuations(lm):
    sampler = samplers.RandomSampler(seed=3, num_return_sequences=3)
    texts = lm.generate(["the dog", "one"], sampler=sampler)
    assert [text.split()[0] for text in texts] == 3 * ["the"] + 3 * ["one"]
    assert len(set(texts)) > 2
    assert len(lm.generate("one", sampler=sampler)) == 3


def test_a_stream_adds_up_to_what_generate_writes(lm):
    for text in TEXTS:
        pieces = list(lm.stream(text, sampler="greedy"))
        assert text + "".join(pieces) == lm.generate(text, sampler="greedy")
        assert len(pieces) > 1
    with pytest.raises(ValueError, match="BeamSampler"):
        list(lm.stream("one", sampler="beam"))


def test_the_prompt_can_be_left_out(lm):
    for text in TEXTS:
        whole = lm.generate(text, sampler="greedy")
        rest = lm.generate(text, sampler="greedy", strip_prompt=True)
        assert f"{text} {rest}".strip() == whole


def test_a_text_is_at_most_as_long_as_asked(lm):
    for length in (4, 7):
        for text in lm.generate(TEXTS, max_length=length, stop_token_ids=None):
            ids = lm.preprocessor.tokenizer(text)
            assert len(ids) < length  # with a start token
    with pytest.raises(ValueError, match="max_length=2000, max_sequence_length=1024"):
        lm.generate("one", max_length=2000)


def test_a_prompt_without_room_is_warned_of(lm):
    with pytest.warns(UserWarning, match="1 of 2 prompts fill all 4 tokens"):
        texts = lm.generate(["one two three the cat", "fox"], max_length=4)
    assert texts[0] == "one two three"
    assert len(texts[1].split()) > 1


def test_without_a_preprocessor_ids_are_continued(lm):
    bare = CausalLM(lm.backbone)
    given = lm.preprocessor.generate_preprocess(TEXTS, sequence_length=16)
    end = lm.preprocessor.tokenizer.end_token_id
    outputs = bare.generate(given, stop_token_ids=[end], sampler="greedy")
    texts = lm.preprocessor.generate_postprocess(outputs).numpy().tolist()
    assert [text.decode() for text in texts] == lm.generate(TEXTS, sampler="greedy")
    with pytest.raises(ValueError, match='"auto" asks the preprocessor'):
        bare.generate(given)


def test_scores_are_sums_of_log_probabilities(lm):
    features, ids, weights = lm.preprocessor(TEXTS)
    logits = lm(features)
    each = tf.gather(tf.nn.log_softmax(logits), ids, batch_dims=2)
    expected = tf.reduce_sum(each * weights, axis=1).numpy()
    np.testing.assert_allclose(lm.score(TEXTS, batch_size=3), expected, rtol=1e-5)

    said = lm.perplexity(TEXTS, return_dict=True)
    tokens, size = float(tf.reduce_sum(weights)), sum(map(len, TEXTS))
    assert said["tokens"] == tokens
    assert said["perplexity"] == pytest.approx(np.exp(-expected.sum() / tokens))
    bits = -expected.sum() / np.log(2) / size
    assert said["bits_per_byte"] == pytest.approx(bits)


def test_packed_rows_train_as_rows_by_themselves():
    losses = []
    for packed in (True, False):
        lm = causal_lm(packed=packed)
        lm.compile("sgd")
        history = lm.fit(TEXTS, batch_size=4, epochs=2, shuffle=False, verbose=0)
        losses.append(history.history["loss"])
    np.testing.assert_allclose(*losses, rtol=1e-5)


def test_packing_leaves_little_padding():
    preprocessor = CausalLMPreprocessor(tokenizer(), 16)
    features, ids, weights = preprocessor(4 * TEXTS, packed=True)
    alone = preprocessor(4 * TEXTS)
    assert float(tf.reduce_mean(weights)) > 2 * float(tf.reduce_mean(alone[2]))
    assert float(tf.reduce_sum(weights)) == float(tf.reduce_sum(alone[2]))
    np.testing.assert_array_equal(features["padding_mask"] > 0, weights > 0)
    for packed, single in (
        (features["token_ids"], alone[0]["token_ids"]),
        (ids, alone[1]),
    ):
        np.testing.assert_array_equal(packed[weights > 0], single[alone[2] > 0])


def test_a_weight_counts_for_all_tokens_of_its_text():
    preprocessor = CausalLMPreprocessor(tokenizer(), 16)
    weights = np.arange(1.0, 5.0)
    packed = preprocessor(TEXTS, None, weights, packed=True)[2]
    alone = preprocessor(TEXTS, None, weights)[2].numpy()
    np.testing.assert_array_equal(packed[packed > 0], alone[alone > 0])
    assert set(np.unique(alone)) == {0.0, 1.0, 2.0, 3.0, 4.0}


def test_label_smoothing_is_the_mean_over_smoothed_targets():
    lm = causal_lm(label_smoothing=0.2)
    lm.compile()
    features, ids, weights = lm.preprocess(TEXTS)
    logits = lm(features)
    V = logits.shape[-1]
    targets = 0.8 * tf.one_hot(ids, V) + 0.2 / V
    each = -tf.reduce_sum(targets * tf.nn.log_softmax(logits), -1)
    expected = tf.reduce_sum(each * weights) / tf.reduce_sum(weights)
    assert lm.evaluate(TEXTS, verbose=0)[0] == pytest.approx(float(expected), rel=1e-5)


def test_it_learns_what_it_reads():
    lm = causal_lm()
    shaken(lm.backbone, seed=1, scale=0.01)
    before = lm.perplexity(["the dog barks"])
    texts = 100 * ["the dog barks", "one two three"]
    lm.fit(texts, batch_size=8, epochs=8, verbose=0)
    assert lm.perplexity(["the dog barks"]) < before / 2
    assert lm.generate("one", sampler="greedy") == "one two three"


def test_a_model_comes_back_from_its_file_and_its_preset(lm, tmp_path):
    expected = lm.generate(TEXTS, sampler="greedy")
    lm.compile(sampler=samplers.TopPSampler(0.9, seed=4))
    lm.save(tmp_path / "lm.keras")
    loaded = load_model(tmp_path / "lm.keras")
    assert loaded.generate(TEXTS, sampler="greedy") == expected
    assert loaded.sampler.p == 0.9
    lm.save_to_preset(tmp_path / "preset")
    again = CausalLM.from_preset(tmp_path / "preset")
    assert again.generate(TEXTS, sampler="greedy") == expected
    lm.compile()


def test_an_export_continues_strings_in_another_process(tmp_path):
    lm = causal_lm()
    lm.compile(sampler="greedy")
    with pytest.raises(ValueError, match="Received: length"):
        lm.export(tmp_path / "served", length=12)
    lm.export(tmp_path / "served", max_length=12)
    program = (
        "import sys, tensorflow as tf, tensorflow_text\n"
        "served = tf.saved_model.load(sys.argv[1])\n"
        "for text in served.serve(tf.constant(sys.argv[2:])).numpy():\n"
        "    print(text.decode())\n"
    )
    out = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "served"), *TEXTS],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert out.stdout.splitlines() == lm.generate(TEXTS, max_length=12)


def test_data_of_too_many_parts_are_refused(lm):
    parts = tf.data.Dataset.from_tensors((["one"], [1], [1.0], [2]))
    with pytest.raises(ValueError, match="Received: 4 parts"):
        lm.fit(parts, verbose=0)


def test_a_backbone_that_cannot_write_is_refused():
    ids = keras.Input((None,), dtype="int32")
    model = keras.Model(ids, keras.layers.Embedding(9, 4)(ids))
    with pytest.raises(ValueError, match="GPT2Backbone"):
        CausalLM(model)
