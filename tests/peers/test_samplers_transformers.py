"""Searches find what those of Hugging Face's `transformers` find, for the same scores.

Runs where `transformers` and PyTorch are installed: pip install -e ".[test,peers]".
"""

import numpy as np
import pytest
import tensorflow as tf

from keras_nlp_lite.samplers import BeamSampler, GreedySampler
from keras_nlp_lite.samplers.truncation import min_p, smallest_set, typicality

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

END, PAD = 7, 59


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    torch.set_num_threads(1)  # a thread for so little costs more than it brings
    config = transformers.GPT2Config(
        vocab_size=60,
        n_positions=40,
        n_embd=32,
        n_layer=2,
        n_head=2,
        tie_word_embeddings=False,  # tied, it says one word over and over
        bos_token_id=None,
        eos_token_id=None,
        pad_token_id=PAD,
    )
    model = transformers.GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        for weight in model.parameters():  # opinions stronger than those at first
            weight.mul_(3.0 if weight.ndim == 2 else 1.0)
    return model


def scores(model):
    """Their model as a `next`, without a cache."""

    def logits(prompt, index):
        with torch.no_grad():
            return model(torch.tensor(prompt[:, :index])).logits[:, -1].numpy()

    def next(prompt, cache, index):
        found = tf.numpy_function(logits, [prompt, index], tf.float32)
        found.set_shape([None, 60])
        return found, None, cache

    return next


def prompts(B, T, L, seed=0):
    ids = np.random.default_rng(seed).integers(8, 59, size=(B, T))
    return np.pad(ids, [(0, 0), (0, L - T)], constant_values=PAD).astype("int32")


def theirs(model, prompt, index, **options):
    L = prompt.shape[1]
    options.setdefault("eos_token_id", None)
    found = model.generate(
        torch.tensor(prompt[:, :index], dtype=torch.long),
        attention_mask=torch.ones(len(prompt), index, dtype=torch.long),
        max_length=L,
        do_sample=False,
        **options,
    ).numpy()
    return np.pad(found, [(0, 0), (0, L - found.shape[1])], constant_values=PAD)


@pytest.mark.parametrize("end", [None, [END], [END, 33, 45]], ids=str)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"length_penalty": 1.0},
        {"length_penalty": 2.0, "early_stopping": "never"},
        {"length_penalty": -0.5, "early_stopping": "never"},
        {"early_stopping": True, "num_return_sequences": 3},
        {"no_repeat_ngram_size": 2, "num_return_sequences": 4},
        {"repetition_penalty": 1.3, "min_length": 9, "length_penalty": 0.6},
        {"bad_words_ids": [[29], [2, 42], [16, 56, 2]]},
    ],
    ids=lambda options: "-".join(options) or "plain",
)
def test_beams_are_theirs(model, end, options):
    B, T, L, N = 4, 3, 15, 4
    prompt = prompts(B, T, L, seed=len(options))
    searched = BeamSampler(num_beams=N, **options)(
        scores(model), prompt, index=T, stop_token_ids=end
    )
    wanted = theirs(
        model,
        prompt,
        T,
        num_beams=N,
        eos_token_id=end,
        **{"length_penalty": 0.0, "early_stopping": False, **options},
    )
    np.testing.assert_array_equal(searched.numpy(), wanted)
    if end and not options:  # some came to their end, which high penalties put off
        assert np.isin(wanted[:, T:], end).any()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"no_repeat_ngram_size": 3},
        {"repetition_penalty": 1.5},
        {"bad_words_ids": [[29], [2, 42], [16, 56, 2]], "min_length": 8},
    ],
    ids=lambda options: "-".join(options) or "plain",
)
def test_greedy_texts_are_theirs(model, options):
    B, T, L = 5, 3, 17
    prompt = prompts(B, T, L)
    searched = GreedySampler(**options)(
        scores(model), prompt, index=T, stop_token_ids=[END, 33]
    )
    wanted = theirs(model, prompt, T, eos_token_id=[END, 33], **options)
    np.testing.assert_array_equal(searched.numpy(), wanted)


def test_scores_of_beams_are_theirs(model):
    T, L, N = 3, 12, 4
    prompt = prompts(3, T, L)
    _, ours = BeamSampler(N, return_all_beams=True, length_penalty=0.7)(
        scores(model), prompt, index=T, stop_token_ids=[END]
    )
    found = model.generate(
        torch.tensor(prompt[:, :T], dtype=torch.long),
        attention_mask=torch.ones(3, T, dtype=torch.long),
        max_length=L,
        num_beams=N,
        num_return_sequences=N,
        length_penalty=0.7,
        eos_token_id=END,
        do_sample=False,
        output_scores=True,
        return_dict_in_generate=True,
    )
    wanted = found.sequences_scores.numpy().reshape(3, N)
    np.testing.assert_allclose(ours.numpy(), wanted, rtol=1e-5)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.92])
def test_draws_are_from_the_tokens_of_theirs(share):
    from transformers.generation import logits_process as their

    logits = np.random.default_rng(0).normal(scale=3, size=(7, 101)).astype("float32")

    def kept_by(process):
        return torch.isfinite(process(None, torch.tensor(logits))).numpy()

    def kept_of(kept, ids):
        there = np.zeros(logits.shape, bool)
        np.put_along_axis(there, ids.numpy(), np.isfinite(kept.numpy()), axis=1)
        return there

    log_probs = tf.nn.log_softmax(logits)
    ours = kept_of(*smallest_set(log_probs, share, 101)[:2])
    np.testing.assert_array_equal(ours, kept_by(their.TopPLogitsWarper(share)))
    ours = np.isfinite(min_p(logits, share).numpy())
    np.testing.assert_array_equal(ours, kept_by(their.MinPLogitsWarper(share)))
    ours = kept_of(*smallest_set(log_probs, share, 101, typicality(log_probs))[:2])
    np.testing.assert_array_equal(ours, kept_by(their.TypicalLogitsWarper(share)))
