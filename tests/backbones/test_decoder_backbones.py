"""GPT2Backbone and LlamaBackbone: what they owe as all backbones do, how they write, and
what they make of folders that transformers could have written."""

import inspect
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from keras_nlp_lite.backbones import Backbone, GPT2Backbone, LlamaBackbone
from keras_nlp_lite.ops import portable_ops
from tests.marks import where_padding_is_dropped

B, T, V, D = 4, 9, 31, 24
SMALL = {
    "vocabulary_size": V,
    "num_layers": 2,
    "hidden_dim": D,
    "intermediate_dim": 40,
    "max_sequence_length": 17,
}
OF_CLASS = {
    GPT2Backbone: {"num_heads": 3},
    LlamaBackbone: {"num_query_heads": 6, "num_key_value_heads": 2},
}
LLAMA3 = {
    "rope_frequency_adjustment_factor": 4.0,
    "rope_low_freq_factor": 1.0,
    "rope_high_freq_factor": 4.0,
    "rope_pretraining_sequence_length": 32,
}
KINDS = {
    "gpt2": (GPT2Backbone, {}),
    "llama": (LlamaBackbone, {**LLAMA3, "tie_word_embeddings": True}),
    "mistral": (LlamaBackbone, {"sliding_window": 3, "head_dim": 6}),
    "qwen2": (LlamaBackbone, {"use_qkv_bias": True, "rope_max_wavelength": 500}),
}
EACH_KIND = pytest.mark.parametrize("kind", KINDS)
CLASSES = pytest.mark.parametrize("kind", ["gpt2", "llama"])
BEHIND = np.arange(T) < np.array([T, 1, 6, 0])[:, None]  # one row is empty
BEFORE = BEHIND[:, ::-1]
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def made(kind, **settings):
    cls, own = KINDS[kind]
    keras.utils.set_random_seed(0)
    backbone = cls(**{**SMALL, **OF_CLASS[cls], **own, **settings})
    rng = np.random.default_rng(3)
    for weight in backbone.trainable_weights:  # larger than at the start of training
        noise = rng.normal(scale=0.2, size=weight.shape)
        weight.assign(keras.ops.cast(weight, "float32") + noise)
    return backbone


def inputs(mask, seed=1):
    ids = np.random.default_rng(seed).integers(1, V, mask.shape)
    return {
        "token_ids": tf.constant(ids, tf.int32),
        "padding_mask": tf.constant(mask, tf.int32),
    }


# Reading


@EACH_KIND
@pytest.mark.parametrize("padding_free", [True, False])
def test_what_stands_at_padding_never_reaches_a_token(kind, padding_free):
    backbone = made(kind, padding_free=padding_free)
    for mask in (BEHIND, BEFORE):
        x = inputs(mask)
        other = inputs(mask, seed=2)["token_ids"]
        other = {**x, "token_ids": tf.where(mask, x["token_ids"], other)}
        got, wanted = np.asarray(backbone(other)), np.asarray(backbone(x))
        np.testing.assert_array_equal(got[mask], wanted[mask])
        assert np.isfinite(wanted).all()


@EACH_KIND
def test_a_row_is_read_as_if_it_had_no_padding(kind):
    backbone = made(kind)
    x = inputs(BEHIND)
    got = np.asarray(backbone(x))
    with portable_ops():
        formula = np.asarray(backbone(x))
    np.testing.assert_allclose(got[BEHIND], formula[BEHIND], **CLOSE)
    for row, length in enumerate(BEHIND.sum(axis=1)):
        if length:
            alone = {n: part[row : row + 1, :length] for n, part in x.items()}
            np.testing.assert_allclose(got[row, :length], backbone(alone)[0], **CLOSE)


@EACH_KIND
def test_a_later_token_changes_no_earlier_feature(kind):
    backbone, x = made(kind), inputs(np.ones((B, T)))
    before = np.asarray(backbone(x))
    later = tf.where(np.arange(T) >= 5, inputs(np.ones((B, T)), 2)["token_ids"], 0)
    ids = tf.where(np.arange(T) >= 5, later, x["token_ids"])
    after = np.asarray(backbone({**x, "token_ids": ids}))
    np.testing.assert_array_equal(after[:, :5], before[:, :5])
    assert not np.allclose(after[:, 5:], before[:, 5:])


NUMBERS = np.array([[1, 1, 1, 1, 2, 2, 3, 3, 3], [1, 1, 2, 2, 2, 2, 2, 0, 0]])


@EACH_KIND
@pytest.mark.parametrize("padding_free", [True, False])
def test_each_text_of_a_row_is_read_as_if_it_were_alone(kind, padding_free):
    backbone = made(kind, padding_free=padding_free)
    x = inputs(NUMBERS)
    got = np.asarray(backbone(x))
    for row, text in [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2)]:
        own = NUMBERS[row] == text
        alone = {n: part[row][own][None] for n, part in x.items()}
        alone["padding_mask"] = tf.ones_like(alone["padding_mask"])
        np.testing.assert_allclose(got[row, own], backbone(alone)[0], **CLOSE)


@where_padding_is_dropped
@CLASSES
def test_the_blocks_see_no_padding(kind):
    backbone, seen = made(kind), []
    for block in backbone.transformer_layers:
        block.call = spied(block.call, seen)
    backbone(inputs(BEHIND))
    assert seen == [(1, int(BEHIND.sum()), D)] * 2


def spied(call, seen):
    def spy(x, *args, **kwargs):
        seen.append(tuple(x.shape))
        return call(x, *args, **kwargs)

    return spy


# Writing


OF_CACHE = {"gpt2": (3, 8), "llama": (2, 4), "mistral": (2, 6), "qwen2": (2, 4)}


@EACH_KIND
def test_token_by_token_it_gives_what_it_gives_all_at_once(kind):
    backbone, x = made(kind), inputs(BEFORE)
    starts = T - BEFORE.sum(axis=1).astype("int32")
    cache, got, index = backbone.new_cache(B, T + 3), [], 0
    assert [y.shape for y in cache] == 2 * [(B, 2, T + 3, *OF_CACHE[kind])]
    for length in (5, 1, 1, 2):
        ids = x["token_ids"][:, index : index + length]
        y, cache = backbone.call_with_cache(ids, cache, index, starts=starts)
        got.append(y)
        index += length
    got = np.concatenate(got, axis=1)
    assert np.isfinite(got).all()
    for row, start in enumerate(starts[:3]):  # the last row is empty
        ids = x["token_ids"][row : row + 1, start:]
        wanted = backbone({"token_ids": ids, "padding_mask": tf.ones_like(ids)})
        np.testing.assert_allclose(got[row, start:], wanted[0], **CLOSE)


# Training


@CLASSES
def test_under_xla_a_step_trains_every_weight(kind):
    backbone = made(kind)
    model = keras.Model(backbone.input, keras.layers.Dense(1)(backbone.output))
    model.compile("sgd", "mse", jit_compile=True)
    before = [w.numpy().copy() for w in backbone.trainable_weights]
    loss = model.train_on_batch(inputs(BEHIND), np.ones((B, T, 1)))
    assert np.isfinite(loss)
    weights = backbone.trainable_weights
    still = [w.path for w, x in zip(weights, before) if (w.numpy() == x).all()]
    # The softmax over keys does not change with what all keys have in common.
    assert all("key/bias" in path for path in still), still


@CLASSES
def test_recomputing_and_dropping_padding_change_no_gradient(kind):
    results = []
    for settings in ({}, {"remat": True}, {"padding_free": False}):
        backbone = made(kind, dropout=0.0, **settings)
        target = np.random.default_rng(4).normal(size=(B, T, D)) * BEHIND[..., None]
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(backbone(inputs(BEHIND), training=True) * target)
        weights = [w.value for w in backbone.trainable_weights]
        results.append([tf.convert_to_tensor(g) for g in tape.gradient(loss, weights)])
    for wanted, *others in zip(*results, strict=True):
        for got in others:
            scale = 1 + np.abs(wanted).max()
            np.testing.assert_allclose(got / scale, wanted / scale, atol=1e-5)


@CLASSES
def test_freeze_keeps_the_first_blocks(kind):
    backbone = made(kind)
    backbone.freeze(up_to=1)
    names = {w.path.split("/")[0] for w in backbone.trainable_weights}
    assert names == {"transformer_layer_1", "final_norm"}


@CLASSES
def test_lora_trains_little_and_changes_nothing_at_first(kind):
    backbone, x = made(kind), inputs(BEHIND)
    before = backbone(x).numpy()
    backbone.enable_lora(2)
    np.testing.assert_allclose(backbone(x), before, atol=1e-5)
    narrow = [w for w in backbone.trainable_weights if "lora" in w.path]
    assert len(narrow) == 2 * 2 * 2  # two matrices at queries and values of two blocks


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
@CLASSES
def test_half_precision_stays_near_full(kind, policy):
    full = made(kind)(inputs(BEHIND)).numpy()
    half = made(kind, dtype=policy)(inputs(BEHIND))
    assert half.dtype.name in policy
    error = np.abs(half.numpy().astype("float32") - full)[BEHIND]
    assert error.mean() < (0.04 if "bfloat" in policy else 0.005)


@CLASSES
def test_quantized_weights_stay_near_full_ones(kind):
    backbone, x = made(kind), inputs(BEHIND)
    full = backbone(x).numpy()
    backbone.quantize("int8")
    error = np.abs(backbone(x).numpy() - full)[BEHIND]
    assert 0 < error.mean() < 0.05 * np.abs(full[BEHIND]).mean()


# Keeping


@CLASSES
def test_a_saved_backbone_gives_the_same(kind, tmp_path):
    backbone, x = made(kind), inputs(BEHIND)
    backbone.save(tmp_path / "backbone.keras")
    backbone.save_to_preset(tmp_path / "preset")
    for again in (
        keras.saving.load_model(tmp_path / "backbone.keras"),
        Backbone.from_preset(tmp_path / "preset"),
    ):
        assert type(again) is type(backbone)
        assert again.get_config() == backbone.get_config()
        np.testing.assert_array_equal(again(x), backbone(x))


@EACH_KIND
def test_the_config_holds_every_argument(kind):
    backbone = made(kind, dtype="mixed_bfloat16", dropout=0.3)
    config = backbone.get_config()
    named = set(inspect.signature(type(backbone).__init__).parameters)
    assert named - {"self", "kwargs"} <= set(config)
    again = type(backbone).from_config(config)
    assert again.get_config() == config
    assert [w.shape for w in again.weights] == [w.shape for w in backbone.weights]


@CLASSES
@pytest.mark.parametrize("size", [V + 3, V - 2])
def test_another_vocabulary_keeps_the_vectors_of_known_ids(kind, size):
    backbone, x = made(kind), inputs(BEHIND)
    resized = backbone.resize_vocabulary(size)
    x["token_ids"] %= V - 2
    np.testing.assert_array_equal(resized(x), backbone(x))
    assert resized.token_embedding(resized(x), reverse=True).shape == (B, T, size)


def gpt2_parameters(vocabulary_size, num_layers, hidden_dim, intermediate_dim, length):
    D, F = hidden_dim, intermediate_dim
    block = 4 * (D * D + D) + 2 * D * F + F + D + 2 * 2 * D
    return (vocabulary_size + length) * D + num_layers * block + 2 * D


def test_the_smallest_gpt2_of_the_paper_has_124_439_808_parameters():
    small = gpt2_parameters(V, 2, D, 40, 17)
    assert made("gpt2").count_params() == small
    assert gpt2_parameters(50_257, 12, 768, 3072, 1024) == 124_439_808


def test_some_of_llama3s_numbers_without_the_others_are_refused():
    with pytest.raises(ValueError, match="Received: rope_low_freq_factor, rope_pre"):
        made("qwen2", rope_low_freq_factor=1.0)


# Folders of Hugging Face's


def exported(kind, folder):
    backbone = made(kind)
    backbone.export_to_transformers(folder)
    return backbone


@EACH_KIND
def test_what_is_exported_to_transformers_comes_back(kind, tmp_path):
    backbone, x = exported(kind, tmp_path / "folder"), inputs(BEHIND)
    again = Backbone.from_preset(tmp_path / "folder")
    config, wanted = again.get_config(), backbone.get_config()
    changed = {k: (config[k], wanted[k]) for k in config if config[k] != wanted[k]}
    assert set(changed) <= {"name", "head_dim"}, changed  # told, not guessed
    np.testing.assert_array_equal(again(x), backbone(x))
    scores = [y.token_embedding(y(x), reverse=True) for y in (again, backbone)]
    np.testing.assert_array_equal(*scores)


def rewritten(folder, change=None, rename=None, more=None):
    """Changes a folder's settings, its tensors' names, and adds tensors."""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **(change or {})}))
    path = folder / "model.safetensors"
    tensors = {(rename or str)(n): x for n, x in load_file(path).items()}
    save_file({**tensors, **(more or {})}, path)


def test_names_may_begin_with_the_models_or_not(tmp_path):
    gpt2 = exported("gpt2", tmp_path / "gpt2")
    more = {  # the mask and the head, as older versions stored them
        "transformer.h.0.attn.bias": np.tri(5, dtype="float32")[None, None],
        "transformer.h.1.attn.masked_bias": np.float32([-1e4]),
        "lm_head.weight": np.zeros((V, D), "float32"),
    }
    rewritten(tmp_path / "gpt2", rename="transformer.{}".format, more=more)
    llama = exported("llama", tmp_path / "llama")
    more = {"layers.1.self_attn.rotary_emb.inv_freq": np.zeros(2, "float32")}
    rewritten(
        tmp_path / "llama", rename=lambda name: name.removeprefix("model."), more=more
    )
    for backbone, name in ((gpt2, "gpt2"), (llama, "llama")):
        again = Backbone.from_preset(tmp_path / name)
        np.testing.assert_array_equal(again(inputs(BEHIND)), backbone(inputs(BEHIND)))


def test_a_tensor_that_is_not_known_is_refused(tmp_path):
    exported("gpt2", tmp_path / "gpt2")
    more = {"h.0.crossattention.c_attn.bias": np.zeros(3, "float32")}
    rewritten(tmp_path / "gpt2", more=more)
    with pytest.raises(ValueError, match="crossattention.*is not known"):
        Backbone.from_preset(tmp_path / "gpt2")


def test_half_a_model_says_that_its_scores_start_at_random(tmp_path):
    llama = exported("mistral", tmp_path / "folder")
    path = tmp_path / "folder" / "model.safetensors"
    tensors = load_file(path)
    tensors.pop("lm_head.weight")
    save_file(tensors, path)
    with pytest.warns(UserWarning, match="lm_head.weight"):
        again = Backbone.from_preset(tmp_path / "folder")
    np.testing.assert_array_equal(again(inputs(BEHIND)), llama(inputs(BEHIND)))


def rope(rope_type, **settings):
    return {"rope_parameters": {"rope_type": rope_type, **settings}}


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("gpt2", {"tie_word_embeddings": False}, "tie_word_embeddings=False"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "inverse_layer_idx=True"),
        ("llama", {"attention_bias": True}, "attention_bias=True"),
        ("llama", {"mlp_bias": True}, "mlp_bias=True"),
        ("llama", rope("dynamic", factor=2.0), "rope_type='dynamic'"),
        ("llama", rope("default", partial_rotary_factor=0.5), "partial_rotary_factor"),
        ("llama", rope("yarn", factor=2.0, beta_fast=16), "beta_fast=16"),
        (
            "qwen2",
            {"use_sliding_window": True, "sliding_window": 4, "max_window_layers": 1},
            r"layer_types=\['full_attention', 'sliding_attention'\]",
        ),
    ],
)
def test_a_setting_that_would_change_the_answers_is_refused(
    kind, change, said, tmp_path
):
    exported(kind, tmp_path / "folder")
    rewritten(tmp_path / "folder", change)
    with pytest.raises(ValueError, match=said):
        Backbone.from_preset(tmp_path / "folder")


def test_what_transformers_has_no_word_for_is_not_written(tmp_path):
    backbone = made("mistral", rope_scaling_type="dynamic")
    with pytest.raises(ValueError, match="rope_scaling_type='dynamic'"):
        backbone.export_to_transformers(tmp_path / "folder")
