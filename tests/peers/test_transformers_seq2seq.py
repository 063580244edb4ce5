"""Encoder-decoders of Hugging Face's `transformers` and KerasHub score here as there.

Runs where they are installed: pip install -e ".[test,peers]".
"""

import json

import numpy as np
import pytest

from keras_nlp_lite.backbones import (
    Backbone,
    BartBackbone,
    MarianBackbone,
    families,
    warm_start,
)
from keras_nlp_lite.backbones.convert import linear, load, norm

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

B, E, T, V, W, D = 4, 9, 6, 23, 26, 12
SMALL = {
    "vocab_size": V,
    "d_model": D,
    "encoder_layers": 1,
    "decoder_layers": 2,
    "encoder_attention_heads": 3,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 20,
    "decoder_ffn_dim": 20,
    "max_position_embeddings": 16,
}
OF_MARIAN = {
    **SMALL,
    "activation_function": "swish",
    "scale_embedding": True,
    "pad_token_id": V - 1,
    "decoder_start_token_id": V - 1,
    "eos_token_id": 0,
    "forced_eos_token_id": 0,
}
KINDS = {
    "marian": ("Marian", "MarianMTModel", OF_MARIAN),
    "marian of two vocabularies": (
        "Marian",
        "MarianMTModel",
        {
            **OF_MARIAN,
            "share_encoder_decoder_embeddings": False,
            "decoder_vocab_size": W,
        },
    ),
    "bart": ("Bart", "BartForConditionalGeneration", SMALL),
}
CLASSES = {"Marian": MarianBackbone, "Bart": BartBackbone}
every_kind = pytest.mark.parametrize("kind", KINDS)


def louder(model, seed):
    """Biases that are not zero, norms that are not one."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(0.1 * torch.randn_like(weight))
    return model.eval()


def theirs(kind, seed=0):
    family, name, settings = KINDS[kind]
    torch.manual_seed(seed)
    config = getattr(transformers, f"{family}Config")(**settings)
    model = louder(getattr(transformers, name)(config), seed)
    if family == "Marian":
        model.final_logits_bias.normal_()
    return model


def rows():
    """Inputs with padding behind the tokens, before them, and nowhere."""
    rng = np.random.default_rng(0)
    read, written = np.ones((B, E), "int32"), np.ones((B, T), "int32")
    read[1, 4:] = read[2, :3] = 0
    written[2, 4:] = written[3, 1:] = 0
    return {
        "encoder_token_ids": rng.integers(0, V - 1, (B, E)),
        "encoder_padding_mask": read,
        "decoder_token_ids": rng.integers(0, V - 1, (B, T)),
        "decoder_padding_mask": written,
    }


def their_scores(model, x):
    names = {
        "input_ids": "encoder_token_ids",
        "attention_mask": "encoder_padding_mask",
        "decoder_input_ids": "decoder_token_ids",
        "decoder_attention_mask": "decoder_padding_mask",
    }
    with torch.no_grad():
        given = {there: torch.tensor(x[here]) for there, here in names.items()}
        return model(**given).logits.numpy()


def check(backbone, model, x, atol=1e-5):
    """Holds scores at real tokens to theirs: of whole rows, and token by token."""
    real = x["decoder_padding_mask"] > 0
    wanted = their_scores(model, x)[real]
    got = backbone.logits(backbone(x)["decoder_sequence_output"]).numpy()
    np.testing.assert_allclose(got[real], wanted, rtol=0, atol=atol)

    mask = x["encoder_padding_mask"]
    crossed = backbone.cross_cache(backbone.encode(x["encoder_token_ids"], mask))
    cache, found = backbone.new_cache(B, T), []
    for index in range(T):
        features, cache = backbone.call_with_cache(
            x["decoder_token_ids"][:, index : index + 1],
            cache,
            index,
            cross_cache=crossed,
            encoder_padding_mask=mask,
        )
        found.append(backbone.logits(features))
    got = np.concatenate(found, axis=1)
    np.testing.assert_allclose(got[real], wanted, rtol=0, atol=atol)


@pytest.mark.parametrize("padding_free", [True, False])
@every_kind
def test_a_folder_of_theirs_scores_as_theirs(kind, padding_free, tmp_path):
    model = theirs(kind)
    model.save_pretrained(tmp_path)
    backbone = Backbone.from_preset(tmp_path, padding_free=padding_free)
    assert type(backbone) is CLASSES[KINDS[kind][0]]
    check(backbone, model, rows())


@every_kind
def test_transformers_scores_as_the_exported_backbone(kind, tmp_path):
    theirs(kind).save_pretrained(tmp_path / "theirs")
    backbone = Backbone.from_preset(tmp_path / "theirs")
    rng = np.random.default_rng(1)
    for weight in backbone.trainable_weights:  # other ones than were loaded
        weight.assign_add(rng.normal(scale=0.1, size=weight.shape))
    backbone.export_to_transformers(tmp_path / "ours")
    kind_there = getattr(transformers, KINDS[kind][1])
    model, report = kind_there.from_pretrained(
        tmp_path / "ours", output_loading_info=True
    )
    assert not report["missing_keys"] and not report["unexpected_keys"]
    check(backbone, model.eval(), rows())


@pytest.mark.filterwarnings("ignore:.*final_logits_bias")  # which starts anew
@every_kind
def test_a_model_without_its_head_loads_too(kind, tmp_path):
    model = theirs(kind)
    model.model.save_pretrained(tmp_path)
    backbone = Backbone.from_preset(tmp_path)
    x = rows()
    with torch.no_grad():
        wanted = model.model.encoder(
            torch.tensor(x["encoder_token_ids"]),
            attention_mask=torch.tensor(x["encoder_padding_mask"]),
        ).last_hidden_state.numpy()
    real = x["encoder_padding_mask"] > 0
    got = backbone(x)["encoder_sequence_output"].numpy()
    np.testing.assert_allclose(got[real], wanted[real], rtol=0, atol=1e-5)


@every_kind
def test_the_ids_of_writing_are_those_of_the_folder(kind, tmp_path):
    model = theirs(kind)
    model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    found = families.of(config, tmp_path).generation(config)
    assert found["decoder_start_token_id"] == model.config.decoder_start_token_id
    assert found["end_token_id"] == model.config.eos_token_id
    assert found["pad_token_id"] == model.config.pad_token_id
    if kind != "bart":
        assert found["bad_words_ids"] == [[model.config.pad_token_id]]


def test_bart_of_keras_hub_with_the_same_weights_gives_the_same():
    hub = pytest.importorskip("keras_hub")
    size = {
        "vocabulary_size": V,
        "num_layers": 2,
        "num_heads": 3,
        "hidden_dim": D,
        "intermediate_dim": 20,
        "max_sequence_length": 16,
    }
    wanted, ours = hub.models.BartBackbone(**size), BartBackbone(**size)
    assert ours.count_params() == wanted.count_params()
    rng = np.random.default_rng(2)
    for layer in wanted.layers:
        for weight in layer.weights:
            weight.assign(rng.normal(scale=0.3, size=weight.shape))
        if layer.weights:
            ours.get_layer(layer.name).set_weights(layer.get_weights())
    x = rows()
    got, answers = ours(x), wanted(x)
    assert set(got) == set(answers)
    for side in ("encoder", "decoder"):
        real = x[f"{side}_padding_mask"] > 0
        name = f"{side}_sequence_output"
        np.testing.assert_allclose(
            got[name].numpy()[real], answers[name].numpy()[real], rtol=0, atol=1e-5
        )


# Warm starts


def bert(folder, vocab_size, layers, seed):
    config = transformers.BertConfig(
        vocab_size=vocab_size,
        hidden_size=D,
        num_hidden_layers=layers,
        num_attention_heads=3,
        intermediate_size=20,
        max_position_embeddings=16,
    )
    louder(transformers.BertForPreTraining(config), seed).save_pretrained(folder)
    return folder


def across(model):
    """Names there and variables here of what is new in a warm start."""
    names = []
    for i, block in enumerate(model.decoder_transformer_layers):
        name, attention = f"{i}.crossattention", block.cross_attention
        names += [
            *linear(f"{name}.self.query", attention.query_dense),
            *linear(f"{name}.self.key", attention.key_dense),
            *linear(f"{name}.self.value", attention.value_dense),
            *linear(f"{name}.output.dense", attention.output_dense, inputs=2),
            *norm(f"{name}.output.LayerNorm", block.cross_norm),
        ]
    return names


class Held:
    """The tensors of a model of theirs, as `convert.load` wants them."""

    def __init__(self, model):
        self.tensors = {n: w.detach().numpy() for n, w in model.state_dict().items()}
        self.shapes = {name: tensor.shape for name, tensor in self.tensors.items()}

    def read(self, names):
        return [(name, self.tensors[name]) for name in names]


@pytest.mark.parametrize("tie", [False, True])
def test_a_warm_start_is_their_encoder_decoder_model(tie, tmp_path):
    """The weights that are new in both are the only ones that have to be brought over.
    Their two sides have the same weights, where ours are one."""
    reader = bert(tmp_path / "reader", V, 1, seed=0)
    writer = reader if tie else bert(tmp_path / "writer", W, 2, seed=1)
    model = transformers.EncoderDecoderModel.from_encoder_decoder_pretrained(
        reader, writer
    )
    model = model.eval()
    ours = warm_start(reader, None if tie else writer, tie=tie)
    blocks = model.decoder.bert.encoder.layer
    for block in blocks:
        louder(block.crossattention, seed=3)
    load(Held(blocks), across(ours), ignore=("",))
    check(ours, model, rows())
    if not tie:
        count = sum(weight.numel() for weight in model.parameters())
        assert ours.count_params() == count


def test_two_berts_count_as_their_encoder_decoder_model():
    """Of transformers' shapes alone, on the device that holds no numbers."""
    with torch.device("meta"):
        config = transformers.BertConfig(vocab_size=30_522)
        decoder = transformers.BertConfig(
            vocab_size=30_522, is_decoder=True, add_cross_attention=True
        )
        model = transformers.EncoderDecoderModel(
            encoder=transformers.BertModel(config),
            decoder=transformers.BertLMHeadModel(decoder),
        )
    model.decoder.tie_weights()
    assert sum(weight.numel() for weight in model.parameters()) == 247_363_386
