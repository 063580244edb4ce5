"""Decoders of Hugging Face's `transformers` give here what they give there, and back.

Runs where `transformers` and PyTorch are installed: pip install -e ".[test,peers]".
"""

import contextlib
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.backbones import Backbone, families
from keras_nlp_lite.ops import portable_ops

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

B, T, V = 3, 11, 37
LENGTHS = np.array([T, 4, 7])[:, None]
BEHIND = (np.arange(T) < LENGTHS).astype("int32")  # padding behind the tokens
BEFORE = BEHIND[:, ::-1].copy()
SMALL = {
    "vocab_size": V,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "intermediate_size": 40,
    "max_position_embeddings": 64,
    "initializer_range": 0.3,  # answers that depend on every weight
    "bos_token_id": 1,
    "eos_token_id": None,
    "pad_token_id": 0,
}


def rotary(rope_type, **settings):
    return {"rope_parameters": {"rope_type": rope_type, **settings}}


LLAMA3 = {
    "rope_theta": 500.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,  # so that all three kinds of pairs occur
}
YARN = {"rope_theta": 500.0, "factor": 4.0, "original_max_position_embeddings": 16}
CONFIGS = {
    "gpt2": lambda: transformers.GPT2Config(
        vocab_size=V,
        n_embd=24,
        n_layer=2,
        n_head=3,
        n_positions=64,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=None,
        pad_token_id=0,
    ),
    "gpt2, other numbers": lambda: transformers.GPT2Config(
        vocab_size=V,
        n_embd=24,
        n_layer=1,
        n_head=4,
        n_inner=30,
        n_positions=19,
        initializer_range=0.3,
        activation_function="relu",
        layer_norm_epsilon=1e-3,
        eos_token_id=None,
        pad_token_id=0,
    ),
    "llama": lambda: transformers.LlamaConfig(**{**SMALL, "num_key_value_heads": 6}),
    "llama, tied, shared keys": lambda: transformers.LlamaConfig(
        **SMALL, tie_word_embeddings=True, rms_norm_eps=1e-3
    ),
    "llama3": lambda: transformers.LlamaConfig(**SMALL, **rotary("llama3", **LLAMA3)),
    "llama, wide heads, linear": lambda: transformers.LlamaConfig(
        **SMALL, head_dim=6, **rotary("linear", rope_theta=100.0, factor=3.0)
    ),
    "mistral": lambda: transformers.MistralConfig(**SMALL, sliding_window=4),
    "mistral, no window": lambda: transformers.MistralConfig(
        **SMALL, sliding_window=None
    ),
    "qwen2": lambda: transformers.Qwen2Config(**SMALL),
    "qwen2, window, yarn": lambda: transformers.Qwen2Config(
        **SMALL,
        use_sliding_window=True,
        sliding_window=4,
        max_window_layers=0,
        **rotary("yarn", **YARN),
    ),
}
NAMES = list(CONFIGS)


def model_of(name):
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(
        CONFIGS[name](), attn_implementation="eager"
    )
    with torch.no_grad():
        for weight in model.parameters():  # biases that are not zero, norms not one
            weight.add_(0.1 * torch.randn_like(weight))
    return model.eval()


@pytest.fixture(scope="module", params=NAMES)
def saved(request, tmp_path_factory):
    """(their model, a folder with it)"""
    folder = tmp_path_factory.mktemp("model")
    model = model_of(request.param)
    model.save_pretrained(folder)
    return model, folder


def token_ids(rows=B):
    return np.random.default_rng(0).integers(2, V, (rows, T)).astype("int32")


def their_logits(model, ids, mask):
    with torch.no_grad():
        return model(
            input_ids=torch.tensor(ids).long(),
            attention_mask=torch.tensor(mask).long(),
        ).logits.numpy()


def our_logits(backbone, ids, mask):
    features = backbone({"token_ids": ids, "padding_mask": mask})
    return np.asarray(backbone.token_embedding(features, reverse=True))


@pytest.mark.parametrize("way", ["compiled ops", "padded", "portable ops"])
def test_a_folder_gives_its_models_scores(saved, way):
    model, folder = saved
    ids, mask = token_ids(2 * B), np.concatenate([BEHIND, BEFORE])
    wanted = their_logits(model, ids, mask)[mask > 0]
    assert np.ptp(wanted) > 1  # so that a wrong weight would show
    backbone = Backbone.from_preset(folder, padding_free=way != "padded")
    with portable_ops() if way == "portable ops" else contextlib.nullcontext():
        got = our_logits(backbone, ids, mask)[mask > 0]
    np.testing.assert_allclose(got, wanted, rtol=0, atol=2e-5)


def test_what_is_exported_gives_the_same_scores_there(saved, tmp_path):
    model, folder = saved
    Backbone.from_preset(folder).export_to_transformers(tmp_path / "again")
    again = transformers.AutoModelForCausalLM.from_pretrained(
        tmp_path / "again", attn_implementation="eager"
    ).eval()
    ids = token_ids()
    got, wanted = (their_logits(x, ids, BEHIND) for x in (again, model))
    np.testing.assert_allclose(got[BEHIND > 0], wanted[BEHIND > 0], rtol=0, atol=1e-6)
    said = json.loads((tmp_path / "again" / "config.json").read_text())
    came = json.loads((folder / "config.json").read_text())
    ids = {name for name in said if name.endswith("_token_id")}
    differing = {
        name
        for name in set(said) - ids
        if name in came and came[name] not in (None, said[name])
    }
    # Mistral without a window is Llama.
    assert differing <= {"model_type", "architectures"}, differing


@pytest.mark.parametrize("chunk", [1, 3])
def test_token_by_token_the_greedy_text_is_theirs(saved, chunk):
    """The prompts' tokens in one pass, or some at a time; then one by one."""
    model, folder = saved
    prompts, new = token_ids(), 8
    with torch.no_grad():
        wanted = model.generate(
            torch.tensor(prompts).long(),
            attention_mask=torch.tensor(BEFORE).long(),
            do_sample=False,
            max_new_tokens=new,
            pad_token_id=0,
            eos_token_id=None,
        ).numpy()[:, T:]
    backbone = Backbone.from_preset(folder)
    starts = (T - LENGTHS[:, 0]).astype("int32")
    cache = backbone.new_cache(B, T + new)

    step = tf.function(
        lambda ids, cache, index: backbone.call_with_cache(
            ids, cache, index, starts=starts
        ),
        reduce_retracing=True,
    )
    if chunk == 1:
        x, cache = backbone.call_with_cache(prompts, cache, 0, starts=starts)
    else:
        for index in range(0, T, chunk):
            ids = tf.constant(prompts[:, index : index + chunk])
            x, cache = step(ids, cache, tf.constant(index))
    got = []
    for index in range(T, T + new):
        scores = backbone.token_embedding(x[:, -1:], reverse=True)
        got.append(keras.ops.argmax(scores, axis=-1))  # [B, 1]
        x, cache = step(got[-1], cache, tf.constant(index))
    np.testing.assert_array_equal(np.concatenate(got, axis=1), wanted)


# Folders as others have them


def test_the_head_is_not_needed_for_features(tmp_path):
    for name in ("gpt2", "llama"):
        model = model_of(name)
        model.save_pretrained(tmp_path / "with")
        getattr(model, model.base_model_prefix).save_pretrained(tmp_path / "without")
        ids = token_ids()
        x = {"token_ids": ids, "padding_mask": BEHIND}
        wanted = Backbone.from_preset(tmp_path / "with")(x)
        with contextlib.ExitStack() as stack:
            if name == "llama":
                stack.enter_context(pytest.warns(UserWarning, match="lm_head.weight"))
            got = Backbone.from_preset(tmp_path / "without")(x)
        np.testing.assert_array_equal(got, wanted)


def test_settings_of_older_folders_are_read(tmp_path):
    """`rope_theta` and `rope_scaling` beside each other, where now is one dict."""
    model = model_of("llama3")
    model.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    config = json.loads(path.read_text())
    scaling = config.pop("rope_parameters")
    config["rope_theta"] = scaling.pop("rope_theta")
    config["rope_scaling"] = scaling
    path.write_text(json.dumps(config))
    ids = token_ids()
    got = our_logits(Backbone.from_preset(tmp_path), ids, BEHIND)
    wanted = their_logits(model, ids, BEHIND)
    np.testing.assert_allclose(got[BEHIND > 0], wanted[BEHIND > 0], atol=2e-5)


def test_ids_that_begin_and_end_a_text_are_told():
    config = {"model_type": "llama", "bos_token_id": 1, "eos_token_id": [2, 7]}
    assert families.of(config, "").generation(config) == {
        "start_token_id": 1,
        "end_token_id": [2, 7],
        "pad_token_id": None,
    }
