"""Writes the small random checkpoints beside this file, and what their models answer.

    pip install -e ".[peers]" && python tests/backbones/make_checkpoints.py

`transformers` and KerasHub make them, so that the tests compare with these libraries
without needing them.
"""

import json
import pathlib
import shutil

import numpy as np

HERE = pathlib.Path(__file__).parent / "checkpoints"
B, T, V = 3, 11, 37
SMALL = {
    "vocab_size": V,
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 3,
    "intermediate_size": 40,
    "max_position_embeddings": 19,
    "initializer_range": 0.3,  # answers that depend on every weight
}


def inputs():
    rng = np.random.default_rng(0)
    lengths = np.array([T, 4, 7])
    return {
        "token_ids": rng.integers(5, V, (B, T)).astype("int32"),
        "padding_mask": (np.arange(T) < lengths[:, None]).astype("int32"),
        "segment_ids": (np.arange(T) >= [[6], [2], [9]]).astype("int32"),
    }


def from_transformers():
    import torch
    import transformers

    def answers(model, **others):
        x = inputs()
        with torch.no_grad():
            return model.eval()(
                input_ids=torch.tensor(x["token_ids"]),
                attention_mask=torch.tensor(x["padding_mask"]),
                **others,
            )

    torch.manual_seed(0)
    bert = transformers.BertModel(transformers.BertConfig(**SMALL))
    segments = torch.tensor(inputs()["segment_ids"])
    yield "bert", bert, answers(bert, token_type_ids=segments)

    distilbert = transformers.DistilBertModel(
        transformers.DistilBertConfig(
            vocab_size=V,
            dim=24,
            n_layers=2,
            n_heads=3,
            hidden_dim=40,
            max_position_embeddings=19,
            initializer_range=0.3,
        )
    )
    yield "distilbert", distilbert, answers(distilbert)

    roberta = transformers.RobertaModel(
        transformers.RobertaConfig(**SMALL, pad_token_id=1, type_vocab_size=1)
    )
    yield "roberta", roberta, answers(roberta)

    modernbert = transformers.ModernBertModel(
        transformers.ModernBertConfig(
            **{**SMALL, "num_hidden_layers": 4},
            local_attention=4,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            cls_token_id=1,
            sep_token_id=2,
        )
    )
    modernbert.set_attn_implementation("eager")
    yield "modernbert", modernbert, answers(modernbert)


def from_keras_hub():
    import keras_hub

    sizes = {
        "vocabulary_size": V,
        "num_layers": 2,
        "num_heads": 3,
        "hidden_dim": 24,
        "intermediate_dim": 40,
        "max_sequence_length": 19,
    }
    for name in ("BertBackbone", "DistilBertBackbone", "RobertaBackbone"):
        backbone = getattr(keras_hub.models, name)(**sizes)
        rng = np.random.default_rng(1)
        for weight in backbone.weights:
            weight.assign(weight + rng.normal(scale=0.2, size=weight.shape))
        x = {name: x for name, x in inputs().items() if name in backbone.input}
        yield name, backbone, backbone.predict(x, verbose=0)


def main():
    shutil.rmtree(HERE, ignore_errors=True)
    for name, model, answer in from_transformers():
        folder = HERE / "transformers" / name
        model.save_pretrained(folder)
        pooled = getattr(answer, "pooler_output", None) if name == "bert" else None
        outputs = {"sequence_output": answer.last_hidden_state.numpy()}
        if pooled is not None:
            outputs["pooled_output"] = pooled.numpy()
        np.savez(folder / "answers.npz", **inputs(), **outputs)
    for name, backbone, answer in from_keras_hub():
        folder = HERE / "keras_hub" / name
        folder.mkdir(parents=True)
        backbone.save_to_preset(str(folder))
        if not isinstance(answer, dict):
            answer = {"sequence_output": answer}
        np.savez(folder / "answers.npz", **inputs(), **answer)
    for path in HERE.rglob("*.json"):  # no dates, no versions
        content = json.loads(path.read_text())
        content.pop("date_saved", None)
        content.pop("transformers_version", None)
        path.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
