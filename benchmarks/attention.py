"""Fused attention beside Keras's composite and PyTorch's, in one run.

Every contender is a process of its own, with its own threads; they take turns of some calls
each, so that a machine whose speed drifts is fair to all. Medians of the turns, printed as a
table and written as JSON.

    python benchmarks/attention.py                    # everything, about half an hour
    python benchmarks/attention.py --shapes 8x512x12x64 --dtypes float32 --repeats 5
    python benchmarks/attention.py --memory --errors  # what it needs, and how exact it is

Contenders: ours (`ops.attention`; ragged rows unpadded, with `row_splits`); Keras, the
faster of XLA on and off (`keras.ops.dot_product_attention`, and with dropout the steps of
`keras.layers.MultiHeadAttention`, which alone knows dropout); PyTorch's
`scaled_dot_product_attention`, where torch is installed. Ragged rows are padded and masked
for the peers, who have no other way.
"""

import argparse
import importlib.util
import json
import multiprocessing
import os
import pathlib
import resource

from turns import Contender, take_turns

SHAPES = [
    (8, 128, 12, 64),
    (8, 512, 12, 64),
    (2, 2048, 12, 64),
    (1, 4096, 12, 64),
    (64, 32, 12, 64),
    (16, 197, 12, 64),
]  # batch, tokens, heads, width
KINDS = ("full", "causal", "ragged", "dropout")
DTYPES = ("float32", "bfloat16")
DROPOUT = 0.1


def make_inputs(shape, seed=0):
    """q, k, v and the output's gradient, float32 [B, S, H, D]; lengths int [B]."""
    import numpy as np

    rng = np.random.default_rng(seed)
    arrays = [rng.normal(size=shape).astype("float32") for _ in range(4)]
    batch, tokens = shape[:2]
    lengths = np.linspace(0.2 * tokens, tokens, batch).round().astype("int32")
    return arrays, lengths


# ---- Contenders: each gives a function that runs one call to its end ----


def tensorflow_call(shape, kind, dtype, backward, attend, jit_compile, packed=False):
    import numpy as np
    import tensorflow as tf

    arrays, lengths = make_inputs(shape)
    if packed:
        real = np.arange(shape[1]) < lengths[:, None]
        arrays = [array[real] for array in arrays]  # [total, H, D]
    q, k, v, gradient = (tf.cast(tf.constant(array), dtype) for array in arrays)
    lengths = tf.constant(lengths)

    @tf.function(jit_compile=jit_compile)
    def forward(q, k, v):
        return attend(q, k, v, kind, lengths)

    @tf.function(jit_compile=jit_compile)
    def both(q, k, v, gradient):
        with tf.GradientTape() as tape:
            tape.watch((q, k, v))
            out = attend(q, k, v, kind, lengths)
        return out, tape.gradient(out, (q, k, v), gradient)

    def run():
        # One number is fetched, to be sure that the call has ended; a whole array would
        # be copied, which is no part of attention.
        if backward:
            out, _ = both(q, k, v, gradient)
        else:
            out = forward(q, k, v)
        return out[0, 0].numpy()

    run.outputs = lambda: both(q, k, v, gradient)
    return run


def ours(shape, kind, dtype, backward):
    import tensorflow as tf

    from keras_nlp_lite import ops

    def attend(q, k, v, kind, lengths):
        if kind == "ragged":
            splits = tf.concat([[0], tf.cumsum(lengths)], axis=0)
            return ops.attention(q, k, v, row_splits=splits)
        if kind == "dropout":
            return ops.attention(q, k, v, dropout=DROPOUT, seed=[1, 2])
        return ops.attention(q, k, v, causal=kind == "causal")

    packed = kind == "ragged"
    return tensorflow_call(shape, kind, dtype, backward, attend, False, packed)


def keras_call(shape, kind, dtype, backward, jit_compile):
    import keras
    import tensorflow as tf

    dropout = keras.layers.Dropout(DROPOUT, dtype=dtype)
    softmax = keras.layers.Softmax(axis=-1, dtype=dtype)

    def attend(q, k, v, kind, lengths):
        if kind == "dropout":
            scores = keras.ops.einsum("bshd,bthd->bhts", k, q * q.shape[-1] ** -0.5)
            weights = dropout(softmax(scores), training=True)
            return keras.ops.einsum("bhts,bshd->bthd", weights, v)
        mask = None
        if kind == "ragged":
            mask = tf.sequence_mask(lengths, shape[1])[:, None, None, :]
        return keras.ops.dot_product_attention(
            q, k, v, mask=mask, is_causal=kind == "causal"
        )

    return tensorflow_call(shape, kind, dtype, backward, attend, jit_compile)


def keras_plain(*case):
    return keras_call(*case, jit_compile=False)


def keras_xla(*case):
    return keras_call(*case, jit_compile=True)


def torch_call(shape, kind, dtype, backward):
    import torch

    arrays, lengths = make_inputs(shape)
    kept = torch.arange(shape[1]) < torch.tensor(lengths)[:, None]
    q, k, v, gradient = (
        torch.tensor(array).to(getattr(torch, dtype)).transpose(1, 2)
        for array in arrays
    )
    options = {
        "full": {},
        "causal": {"is_causal": True},
        "ragged": {"attn_mask": kept[:, None, None, :]},
        "dropout": {"dropout_p": DROPOUT},
    }[kind]

    def run():
        for array in (q, k, v):
            array.requires_grad_(backward)
        out = torch.nn.functional.scaled_dot_product_attention(q, k, v, **options)
        if backward:
            torch.autograd.grad(out, (q, k, v), gradient)

    return run


def matmul(shape, kind, dtype, backward):
    import tensorflow as tf

    a = tf.cast(tf.random.normal((2048, 2048)), dtype)
    b = tf.cast(tf.random.normal((2048, 2048)), dtype)
    return lambda: tf.matmul(a, b)[0, 0].numpy()


CONTENDERS = {
    "ours": ours,
    "keras": keras_plain,
    "keras-xla": keras_xla,
    "torch": torch_call,
    "matmul": matmul,
}


# ---- Memory, errors ----


def peak_memory(name, shape, pipe):
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    tokens = shape[1]
    CONTENDERS[name]((1, 64, *shape[2:]), "full", "float32", True)()  # opens libraries
    run = CONTENDERS[name]((1, tokens, *shape[2:]), "full", "float32", True)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    run()
    pipe.send((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)


def measure_memory(tokens=4096):
    """{contender: MiB that forward and backward added to the process's peak}."""
    context = multiprocessing.get_context("spawn")
    peaks = {}
    for name in ("ours", "keras", "keras-xla"):
        pipe, theirs = context.Pipe()
        process = context.Process(
            target=peak_memory, args=(name, (1, tokens, 12, 64), theirs)
        )
        process.start()
        theirs.close()
        peaks[name] = pipe.recv()
        process.join()
    return peaks


def exact(arrays, causal):
    """out, dq, dk, dv in float64, by the plain formula."""
    import numpy as np

    q, k, v, gradient = (array.astype("float64") for array in arrays)
    scale = q.shape[-1] ** -0.5
    scores = np.einsum("bthd,bshd->bhts", q, k) * scale
    if causal:
        scores[..., ~np.tri(q.shape[1], dtype=bool)] = -np.inf
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    weights /= weights.sum(-1, keepdims=True)
    dp = np.einsum("bthd,bshd->bhts", gradient, v)
    ds = weights * (dp - (weights * dp).sum(-1, keepdims=True)) * scale
    return (
        np.einsum("bhts,bshd->bthd", weights, v),
        np.einsum("bhts,bshd->bthd", ds, k),
        np.einsum("bhts,bthd->bshd", ds, q),
        np.einsum("bhts,bthd->bshd", weights, gradient),
    )


def measure_errors(dtype, kind, shape=(2, 512, 4, 64)):
    """{contender: largest error of out, dq, dk, dv, relative to each one's largest}."""
    import numpy as np
    import tensorflow as tf

    arrays, _ = make_inputs(shape)
    arrays = [tf.cast(tf.cast(a, dtype), "float64").numpy() for a in arrays]
    truth = exact(arrays, kind == "causal")
    errors = {}
    for name in ("ours", "keras"):
        out, gradients = CONTENDERS[name](shape, kind, dtype, True).outputs()
        got = [tf.cast(x, "float64").numpy() for x in (out, *gradients)]
        errors[name] = [
            float(np.abs(x - y).max() / np.abs(y).max()) for x, y in zip(got, truth)
        ]
    return errors


# ---- The report ----


def parse(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    shapes = ["x".join(map(str, shape)) for shape in SHAPES]
    parser.add_argument("--shapes", nargs="*", default=shapes, help="BxSxHxD ...")
    parser.add_argument("--kinds", nargs="*", default=KINDS, choices=KINDS)
    parser.add_argument("--dtypes", nargs="*", default=DTYPES, choices=DTYPES)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--memory", action="store_true", help="peak memory instead")
    parser.add_argument("--errors", action="store_true", help="errors instead")
    parser.add_argument("--json", type=pathlib.Path, default="benchmarks/results")
    return parser.parse_args(argv)


def flops(shape, kind, backward):
    """Of the products, each counted once: 2 forward, 5 more backward (one made again)."""
    _, lengths = make_inputs((shape[0], shape[1], 1, 1))
    rows = [int(n) for n in lengths] if kind == "ragged" else [shape[1]] * shape[0]
    pairs = sum(n * n for n in rows) * (0.5 if kind == "causal" else 1)
    return 2 * (7 if backward else 2) * pairs * shape[2] * shape[3]


def report_speed(arguments):
    from rich.console import Console
    from rich.table import Table

    names = ["ours", "keras", "keras-xla"]
    if importlib.util.find_spec("torch"):
        names.append("torch")
    contenders = {name: Contender(CONTENDERS[name]) for name in (*names, "matmul")}
    table = Table(title="Attention: ours against its peers, higher is better for ours")
    for column in ("case", "ours ms", "of matmul", "x Keras", "x torch"):
        table.add_column(column, justify="left" if column == "case" else "right")
    results = []
    for text in arguments.shapes:
        shape = tuple(map(int, text.split("x")))
        for dtype in arguments.dtypes:
            for kind in arguments.kinds:
                for backward in (False, True):
                    case = (shape, kind, dtype, backward)
                    # The ceiling is the same for all shapes.
                    ceiling = (None, None, dtype, None)
                    seconds = take_turns(
                        contenders,
                        lambda name: ceiling if name == "matmul" else case,  # noqa: B023
                        arguments.repeats,
                    )
                    rate = flops(shape, kind, backward) / seconds["ours"]
                    row = {
                        "shape": text,
                        "dtype": dtype,
                        "kind": kind,
                        "backward": backward,
                        "seconds": seconds,
                        "of_matmul": rate * seconds["matmul"] / (2 * 2048**3),
                        "keras": min(seconds["keras"], seconds["keras-xla"])
                        / seconds["ours"],
                        "torch": seconds["torch"] / seconds["ours"]
                        if "torch" in seconds
                        else None,
                    }
                    results.append(row)
                    name = f"{text} {dtype} {kind}{' + backward' if backward else ''}"
                    cells = (
                        name,
                        f"{seconds['ours'] * 1e3:.2f}",
                        f"{row['of_matmul']:.2f}",
                        f"{row['keras']:.2f}",
                        "" if row["torch"] is None else f"{row['torch']:.2f}",
                    )
                    table.add_row(*cells)
                    print("  ".join(cells), flush=True)
    for contender in contenders.values():
        contender.end()
    Console(width=100).print(table)
    return results


def main():
    arguments = parse()
    results = {}
    if arguments.memory:
        results["memory_mib"] = measure_memory()
        print("forward + backward at 4096 tokens, MiB:", results["memory_mib"])
    if arguments.errors:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        for dtype in arguments.dtypes:
            for kind in ("full", "causal"):
                errors = measure_errors(dtype, kind)
                results.setdefault("errors", {})[f"{dtype} {kind}"] = errors
                for name, values in errors.items():
                    line = " ".join(f"{value:.2e}" for value in values)
                    print(f"{dtype} {kind} {name}: out dq dk dv {line}")
    if not results:
        results["speed"] = report_speed(arguments)
    arguments.json.mkdir(parents=True, exist_ok=True)
    for name, result in results.items():
        path = arguments.json / f"attention_{name}.json"
        path.write_text(json.dumps(result, indent=1))
        print(f"Written to {path}")


if __name__ == "__main__":
    main()
