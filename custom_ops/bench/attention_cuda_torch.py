"""Our attention on a GPU beside PyTorch's flash attention and cuDNN's, in one run.

    cmake -S custom_ops -B build -G Ninja -DKNL_TESTS_ONLY=ON -DWITH_CUDA=ON
    cmake --build build --target attention_cuda
    python custom_ops/bench/attention_cuda_torch.py --library build/libattention_cuda.so
    python custom_ops/bench/attention_cuda_torch.py --shapes 4x4096x16x128 --dtypes bfloat16

Contenders take turns on the same arrays and stream, timed by the GPU; medians of the turns.
"ratio" is the time of the faster peer by ours: above 1, ours is faster. Ragged rows are packed
for ours and for the peers that know packed rows: flash_attn, and `varlen_attn` of newer
PyTorch. TFLOP/s count 4 S S D H B forward and 2.5 times as many backward, half of them when
causal, and of ragged rows the squares of their lengths.
"""

import argparse
import contextlib
import ctypes
import importlib
import json
import os
import pathlib
import statistics
import sys

LENGTHS = (512, 1024, 2048, 4096, 8192, 16384)
SHAPES = [
    (16384 // length, length, 2048 // width, width)
    for width in (64, 128)
    for length in LENGTHS
]  # batch, tokens, heads, width
KINDS = ("full", "causal", "dropout", "ragged")
DTYPES = ("bfloat16", "float16")
DROPOUT = 0.1
ELEMENTS = {"float32": 0, "bfloat16": 1, "float16": 2}


class Unable(Exception):
    """What is missing, in one sentence."""


# ---- Ours ----


class Call(ctypes.Structure):
    """`knl_attention` of attention_cuda_library.cc."""

    _fields_ = [
        ("element", ctypes.c_int32),
        ("causal", ctypes.c_int32),
        ("batch", ctypes.c_int64),
        ("queries", ctypes.c_int64),
        ("keys", ctypes.c_int64),
        ("heads", ctypes.c_int64),
        ("kv_heads", ctypes.c_int64),
        ("width", ctypes.c_int64),
        ("dropout", ctypes.c_float),
        ("deterministic", ctypes.c_int32),
        ("query_splits", ctypes.c_void_p),
        ("key_splits", ctypes.c_void_p),
        ("seed", ctypes.c_void_p),
        ("stream", ctypes.c_void_p),
    ]


class Library:
    """The functions of libattention_cuda.so, on PyTorch's tensors."""

    def __init__(self, path):
        try:
            self._library = ctypes.CDLL(os.path.abspath(path))
        except OSError as error:
            raise Unable(
                f"{path} cannot be loaded: {error}. Try building attention_cuda_library, "
                "as --help says."
            ) from None
        for name, arrays in (("forward", 5), ("backward", 9)):
            function = getattr(self._library, f"knl_attention_{name}")
            function.argtypes = [ctypes.POINTER(Call)] + [ctypes.c_void_p] * arrays
            function.restype = ctypes.c_char_p
        self._library.knl_attention_implementation.restype = ctypes.c_char_p
        self._library.knl_attention_implementation.argtypes = [
            ctypes.c_int32,
            ctypes.c_int64,
        ]

    def implementation(self, dtype, width):
        """Its name; None if this GPU is not served."""
        name = self._library.knl_attention_implementation(ELEMENTS[dtype], width)
        return name and name.decode()

    def forward(self, call, *tensors):
        self._run("forward", call, tensors)

    def backward(self, call, *tensors):
        self._run("backward", call, tensors)

    def _run(self, name, call, tensors):
        function = getattr(self._library, f"knl_attention_{name}")
        problem = function(ctypes.byref(call), *(x.data_ptr() for x in tensors))
        if problem:
            raise RuntimeError(problem.decode())


# ---- One case: its arrays, and who computes it ----


class Case:
    """q, k, v and the output's gradient, [B, S, H, D] or, ragged, [total, H, D]."""

    def __init__(self, torch, shape, kind, dtype):
        self.torch, self.shape, self.kind, self.dtype = torch, shape, kind, dtype
        batch, tokens, heads, width = shape
        self.causal = kind == "causal"
        self.lengths = [tokens] * batch
        if kind == "ragged":
            shares = [
                0.1 + 0.9 * i / (batch - 1) if batch > 1 else 0.55 for i in range(batch)
            ]
            self.lengths = [max(1, round(share * tokens)) for share in shares]
        size = (batch, tokens) if kind != "ragged" else (sum(self.lengths),)
        torch.manual_seed(0)
        self.q, self.k, self.v, self.gradient = (
            torch.randn(*size, heads, width, device="cuda", dtype=getattr(torch, dtype))
            for _ in range(4)
        )

    def splits(self, dtype):
        sums = self.torch.tensor([0, *self.lengths]).cumsum(0)
        return sums.to(device="cuda", dtype=dtype)

    def flops(self, backward):
        _, _, heads, width = self.shape
        pairs = sum(n * n for n in self.lengths) * (0.5 if self.causal else 1)
        return 4 * pairs * heads * width * (2.5 if backward else 1)


def ours(case, library, backward):
    torch = case.torch
    batch, tokens, heads, width = case.shape
    rows = sum(case.lengths) if case.kind == "ragged" else tokens
    seed = torch.tensor([1, 2], device="cuda", dtype=torch.int32)
    splits = case.splits(torch.int64) if case.kind == "ragged" else None
    call = Call(
        element=ELEMENTS[case.dtype],
        causal=case.causal,
        batch=batch,
        queries=rows,
        keys=rows,
        heads=heads,
        kv_heads=heads,
        width=width,
        dropout=DROPOUT if case.kind == "dropout" else 0,
        query_splits=splits.data_ptr() if splits is not None else None,
        key_splits=splits.data_ptr() if splits is not None else None,
        seed=seed.data_ptr(),
        stream=torch.cuda.current_stream().cuda_stream,
    )
    out = torch.empty_like(case.q)
    lse = torch.empty(case.q.shape[:-1], device="cuda", dtype=torch.float32)
    arrays = (case.q, case.k, case.v, out, lse)
    gradients = [torch.empty_like(case.q) for _ in range(3)]

    def forward():
        library.forward(call, *arrays)
        return out

    def back():
        library.backward(call, *arrays, case.gradient, *gradients)
        return gradients

    forward()
    run = back if backward else forward
    run.keeps = (seed, splits)  # the call has their addresses only
    return run


def of_autograd(case, attend, backward):
    """Times attend(q, k, v), or its gradients alone."""
    torch = case.torch
    inputs = [x.detach().requires_grad_(backward) for x in (case.q, case.k, case.v)]
    if not backward:
        return lambda: attend(*inputs)
    out = attend(*inputs)
    return lambda: torch.autograd.grad(out, inputs, case.gradient, retain_graph=True)


def scaled_dot_product(case, backend, backward):
    """PyTorch's, held to one of its backends."""
    torch = case.torch
    kernel = importlib.import_module("torch.nn.attention")
    chosen = getattr(kernel.SDPBackend, backend)

    def attend(q, k, v):
        return torch.nn.functional.scaled_dot_product_attention(
            *(x.transpose(1, 2) for x in (q, k, v)),
            is_causal=case.causal,
            dropout_p=DROPOUT if case.kind == "dropout" else 0.0,
        ).transpose(1, 2)

    with kernel.sdpa_kernel(chosen):
        run = of_autograd(case, attend, backward)
    run.inside = lambda: kernel.sdpa_kernel(
        chosen
    )  # costs time: once a turn, not a call
    return run


def flash_attn_packed(case, backward):
    function = importlib.import_module("flash_attn").flash_attn_varlen_func
    splits, most = case.splits(case.torch.int32), max(case.lengths)

    def attend(q, k, v):
        return function(q, k, v, splits, splits, most, most)

    return of_autograd(case, attend, backward)


def varlen_packed(case, backward):
    function = importlib.import_module("torch.nn.attention.varlen").varlen_attn
    splits, most = case.splits(case.torch.int32), max(case.lengths)

    def attend(q, k, v):
        return function(q, k, v, splits, splits, most, most)

    return of_autograd(case, attend, backward)


def once(run):
    with getattr(run, "inside", contextlib.nullcontext)():
        return run()


def contenders_of(case, library, backward):
    """{name: function that runs once}, without those who cannot; and why they cannot."""
    makers = {"ours": lambda: ours(case, library, backward)}
    if case.kind == "ragged":
        makers["flash_attn"] = lambda: flash_attn_packed(case, backward)
        makers["varlen"] = lambda: varlen_packed(case, backward)
    else:
        for name, backend in (
            ("flash", "FLASH_ATTENTION"),
            ("cudnn", "CUDNN_ATTENTION"),
        ):
            makers[name] = lambda backend=backend: scaled_dot_product(
                case, backend, backward
            )
    able, unable = {}, {}
    for name, make in makers.items():
        try:
            run = make()
            once(run)
            case.torch.cuda.synchronize()
            able[name] = run
        except (ImportError, AttributeError, RuntimeError, TypeError) as error:
            unable[name] = str(error).splitlines()[0]
    return able, unable


def largest_difference(case, library, peer, backward):
    """Of ours from a peer's results, by the largest number there."""
    wanted, got = once(peer), ours(case, library, backward)()
    pairs = zip(got, wanted) if backward else [(got, wanted)]
    return max(
        float((x.float() - y.float()).abs().max() / y.float().abs().max())
        for x, y in pairs
    )


# ---- Timing ----


def take_turns(torch, contenders, repeats):
    """{name: median seconds of a call}"""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))

    def turn(run, calls):
        with getattr(run, "inside", contextlib.nullcontext)():
            run()  # keeps the GPU busy until the first that counts is there
            begin.record()
            for _ in range(calls):
                run()
            end.record()
        end.synchronize()
        return begin.elapsed_time(end) / 1e3 / calls

    calls, seconds = {}, {name: [] for name in contenders}
    for name, run in contenders.items():
        turn(run, 2)
        # A turn takes about 4 milliseconds.
        calls[name] = max(1, min(1000, round(0.004 / max(turn(run, 2), 1e-6))))
        turn(run, calls[name])
    for _ in range(repeats):
        for name, run in contenders.items():
            seconds[name].append(turn(run, calls[name]))
    return {name: statistics.median(values) for name, values in seconds.items()}


# ---- The report ----


def measure(torch, library, arguments):
    rows = []
    print(f"{'case':46} {'ours ms':>9} {'TFLOP/s':>8} {'ratio':>6}  peers, ms")
    for dtype in arguments.dtypes:
        for shape in arguments.shapes:
            for kind in arguments.kinds:
                case = Case(torch, shape, kind, dtype)
                for backward in (False, True):
                    rows.append(measure_one(torch, library, case, backward, arguments))
    return rows


def measure_one(torch, library, case, backward, arguments):
    direction = "backward" if backward else "forward"
    text = "x".join(map(str, case.shape))
    name = f"{case.dtype} {text} {case.kind} {direction}"
    contenders, unable = contenders_of(case, library, backward)
    row = {
        "dtype": case.dtype,
        "shape": text,
        "kind": case.kind,
        "backward": backward,
        "unable": unable,
    }
    if "ours" not in contenders:
        print(f"{name:46} {unable['ours']}", flush=True)
        return row
    peers = [peer for peer in contenders if peer != "ours"]
    if peers and case.kind != "dropout":  # they drop others
        row["difference"] = largest_difference(
            case, library, contenders[peers[0]], backward
        )
    seconds = take_turns(torch, contenders, arguments.repeats)
    best = min((seconds[peer] for peer in peers), default=None)
    row["seconds"] = seconds
    row["tflops"] = {
        who: case.flops(backward) / value / 1e12 for who, value in seconds.items()
    }
    row["ratio"] = best / seconds["ours"] if best else None
    ratio = f"{row['ratio']:.2f}" if best else "-"
    others = ", ".join(f"{peer} {seconds[peer] * 1e3:.3f}" for peer in peers)
    others += "".join(f", no {peer}" for peer in unable)
    print(
        f"{name:46} {seconds['ours'] * 1e3:9.3f} {row['tflops']['ours']:8.1f} "
        f"{ratio:>6}  {others.removeprefix(', ')}",
        flush=True,
    )
    if row.get("difference", 0) > 0.05:
        print(
            f"{'':46} differs from {peers[0]} by {row['difference']:.3g} of the largest"
        )
    return row


def write_whole(path, text):
    """Readers see the old file or the new one, nothing between."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise Unable(f"{path} cannot be written: {error}.") from None
    print(f"Written to {path}")


def parse_shape(text):
    try:
        shape = tuple(map(int, text.split("x")))
    except ValueError:
        shape = ()
    if len(shape) != 4 or min(shape) < 1 or shape[3] > 256:
        raise argparse.ArgumentTypeError(
            "a shape is batch x tokens x heads x width (1 to 256), 4x4096x16x128 say. "
            f"Received: {text!r}."
        )
    return shape


def parse(argv=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--library", default="build/libattention_cuda.so")
    parser.add_argument("--shapes", nargs="+", type=parse_shape, default=SHAPES)
    parser.add_argument("--kinds", nargs="+", default=KINDS, choices=KINDS)
    parser.add_argument("--dtypes", nargs="+", default=DTYPES, choices=DTYPES)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=pathlib.Path, help="a file to write, too")
    arguments = parser.parse_args(argv)
    if arguments.repeats < 1:
        parser.error(f"--repeats is at least 1. Received: {arguments.repeats}.")
    return arguments


def main():
    arguments = parse()
    try:
        try:
            import torch
        except ImportError:
            raise Unable("PyTorch is not installed. Try: pip install torch.") from None
        if not torch.cuda.is_available():
            raise Unable(
                f"PyTorch {torch.__version__} finds no GPU. Try `nvidia-smi`, and a PyTorch "
                "that is built for CUDA."
            )
        library = Library(arguments.library)
        device = torch.cuda.get_device_name()
        print(f"{device}, PyTorch {torch.__version__}")
        for dtype in arguments.dtypes:
            print(f"ours, {dtype}: {library.implementation(dtype, 128)}")
        rows = measure(torch, library, arguments)
        if arguments.json:
            result = {"device": device, "torch": torch.__version__, "attention": rows}
            write_whole(arguments.json, json.dumps(result, indent=1))
    except Unable as error:
        print(error, file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
