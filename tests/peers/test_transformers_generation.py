"""Texts that `transformers` writes with its own models, and that ours write with them."""

import numpy as np
import pytest

from keras_nlp_lite import samplers
from keras_nlp_lite.backbones import Backbone
from keras_nlp_lite.tasks import CausalLM, Seq2SeqLM

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

V, PAD, END, START = 61, 1, 2, 3
LENGTH = 24
SAMPLERS = {
    "greedy": (samplers.GreedySampler(), {}),
    "4 beams": (samplers.BeamSampler(4, length_penalty=1.0), {"num_beams": 4}),
    "3 beams, short": (
        samplers.BeamSampler(3, length_penalty=0.6, early_stopping=True),
        {"num_beams": 3, "length_penalty": 0.6, "early_stopping": True},
    ),
    "3 beams, no pair twice": (
        samplers.BeamSampler(3, length_penalty=1.0, no_repeat_ngram_size=2),
        {"num_beams": 3, "no_repeat_ngram_size": 2},
    ),
}


def decoders():
    ids = {"bos_token_id": START, "eos_token_id": END, "pad_token_id": PAD}
    small = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4}
    yield (
        "gpt2",
        transformers.GPT2LMHeadModel(
            transformers.GPT2Config(
                vocab_size=V, n_positions=40, n_embd=24, n_layer=2, n_head=4, **ids
            )
        ),
    )
    yield (
        "llama",
        transformers.LlamaForCausalLM(
            transformers.LlamaConfig(
                vocab_size=V,
                intermediate_size=40,
                num_key_value_heads=2,
                max_position_embeddings=40,
                **small,
                **ids,
            )
        ),
    )


def pairs():
    ids = {
        "bos_token_id": START,
        "eos_token_id": END,
        "forced_eos_token_id": None,
        "pad_token_id": PAD,
        "d_model": 24,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 40,
        "decoder_ffn_dim": 40,
        "vocab_size": V,
        "max_position_embeddings": 40,
    }
    yield (
        "marian",
        transformers.MarianMTModel(
            transformers.MarianConfig(**ids, decoder_start_token_id=PAD)
        ),
    )
    yield (
        "bart",
        transformers.BartForConditionalGeneration(
            transformers.BartConfig(
                **ids, decoder_start_token_id=END, forced_bos_token_id=None
            )
        ),
    )


def saved(model, folder, seed=0):
    """The folder of a model, with weights so large that its answers differ."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:  # which waves for positions do not
                weight.add_(0.4 * torch.randn_like(weight))
    model.eval()
    model.tie_weights()
    model.generation_config.bad_words_ids = None
    model.save_pretrained(folder)
    return str(folder)


def rows(lengths, width):
    """(ids, mask), [B, width], tokens before padding."""
    rng = np.random.default_rng(0)
    ids = rng.integers(START + 1, V, (len(lengths), width))
    mask = np.arange(width) < np.asarray(lengths)[:, None]
    return np.where(mask, ids, PAD).astype("int32"), mask


def check_same(ours, mask, theirs):
    """That all rows are the same up to their ends."""
    assert len(ours) == len(theirs)
    for mine, kept, other in zip(ours, mask, theirs):
        np.testing.assert_array_equal(mine[kept], other[: kept.sum()])
        assert set(other[kept.sum() :]) <= {PAD}


@pytest.mark.parametrize("how", SAMPLERS)
@pytest.mark.parametrize("name", ["gpt2", "llama"])
def test_language_models_write_the_same(name, how, tmp_path):
    model = dict(decoders())[name]
    lm = CausalLM(Backbone.from_preset(saved(model, tmp_path / name)))
    lengths = [7, 3, 5]
    ids, mask = rows(lengths, LENGTH)
    sampler, options = SAMPLERS[how]
    outputs = lm.generate(
        {"token_ids": ids, "padding_mask": mask}, stop_token_ids=[END], sampler=sampler
    )
    for row, length in enumerate(lengths):  # as they would, each by itself
        with torch.no_grad():
            theirs = model.generate(
                torch.tensor(ids[row : row + 1, :length].astype("int64")),
                max_length=LENGTH,
                do_sample=False,
                **options,
            ).numpy()
        check_same(
            outputs["token_ids"][row : row + 1],
            outputs["padding_mask"][row : row + 1],
            theirs,
        )


@pytest.mark.parametrize("how", SAMPLERS)
@pytest.mark.parametrize("name", ["marian", "bart"])
def test_sequence_to_sequence_models_write_the_same(name, how, tmp_path):
    model = dict(pairs())[name]
    mt = Seq2SeqLM(Backbone.from_preset(saved(model, tmp_path / name)))
    ids, mask = rows([9, 4, 6], 9)
    start = model.config.decoder_start_token_id
    written = np.full((3, LENGTH), PAD, "int32")
    written[:, 0] = start
    sampler, options = SAMPLERS[how]
    outputs = mt.generate(
        {
            "encoder_token_ids": ids,
            "encoder_padding_mask": mask,
            "decoder_token_ids": written,
            "decoder_padding_mask": np.arange(LENGTH)[None] < np.ones((3, 1)),
        },
        stop_token_ids=[END],
        sampler=sampler,
    )
    with torch.no_grad():
        theirs = model.generate(
            torch.tensor(ids.astype("int64")),
            attention_mask=torch.tensor(mask.astype("int64")),
            max_length=LENGTH,
            do_sample=False,
            **options,
        ).numpy()
    check_same(outputs["decoder_token_ids"], outputs["decoder_padding_mask"], theirs)
