"""What the GPU kernels take of a multiprocessor, from what the compiler says; needs no GPU.

    python custom_ops/bench/registers.py                    # all kernels, for A100 and H200
    python custom_ops/bench/registers.py --main --sm 90a    # fails if a main one spills
    python custom_ops/bench/registers.py --log build/custom_ops/build.log    # as installed

Prints, for each kernel: registers a thread, bytes spilled to memory, threads and shared memory
of a block (with tiles loaded ahead and dropout), and how many blocks, and of its warps' places
how large a share, fit on a multiprocessor by these. It needs nvcc and g++.
"""

import argparse
import concurrent.futures
import pathlib
import re
import subprocess
import sys
import tempfile

KERNELS = pathlib.Path(__file__).resolve().parent.parent / "kernels"
# Of a multiprocessor: shared memory that blocks can have, in KiB, and warps.
MULTIPROCESSORS = {"75": (64, 32), "80": (164, 64), "86": (100, 48), "90a": (228, 64)}
TYPES = ("BFloat16", "Float16", "Float32")
WIDTHS = (64, 128, 256)
# What Transformers run: half types, heads of 64 and 128, no option but causal ones. Hopper has
# kernels of its own for that.
MAIN = r"(Forward|Backward)Kernel<BFloat16, (64|128), true>"
MAIN_ON_HOPPER = r"Hopper(Forward|Backward)Kernel"
# Kind and template arguments behind the type; all that are launched.
HOPPER = [
    *(("Forward", f"64, 128, {groups}, false") for groups in (2, 3)),
    *(("Forward", f"128, {keys}, 2, false") for keys in (128, 176)),
    *(("Forward", f"{width}, 128, 2, true") for width in (64, 128)),
    *(
        ("Backward", f"{width}, {drops}")
        for width in (64, 128)
        for drops in ("false", "true")
    ),
]
ENTRY = re.compile(
    r"Compiling entry function '(\S+)' for 'sm_(\w+)'"
    r".*?(\d+) bytes spill stores.*?Used (\d+) registers",
    re.DOTALL,
)
SHAPES = """
#include <cstdio>
#include "cuda_hopper_backward.h"
#include "cuda_hopper_forward.h"
#include "cuda_launch.h"
using namespace knl::cuda;
template <class E, int kWidth>
void Print(const char* type) {
  using F = ForwardShape<E, kWidth>;
  using B = BackwardShape<E, kWidth>;
  using G = GradientShape<E, kWidth>;
  const auto line = [&](const char* name, int threads, size_t bytes) {
    std::printf("%sKernel<%s, %d|%d|%zu\\n", name, type, kWidth, threads, bytes);
  };
  line("Forward", F::kThreads, F::Bytes(true, true));
  line("Backward", B::kThreads, B::Bytes(true, true));
  line("QueryGradient", G::kThreads, G::kBytes);
  line("BiasGradient", G::kThreads, G::kBytes);
}
#define PRINT_HOPPER(kernel, name, ...)                                             \\
  {                                                                                \\
    using Shape = Hopper##kernel##Shape<knl::Element::kBFloat16, __VA_ARGS__>;     \\
    std::printf("Hopper%sKernel<Hopper%sShape<(Element)1, %s>>|%d|%zu\\n", #kernel,  \\
                #kernel, name, Shape::kThreads, size_t{Shape::kSharedBytes});      \\
  }
int main() {
  PRINTS
}
"""


def run(command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{command[0]} failed:\n{done.stderr}")
    return done.stdout + done.stderr


def shapes():
    """{the kernel's name up to its last argument: (threads, bytes of shared memory)}"""
    prints = " ".join(f'Print<{t}, {w}>("{t}");' for t in TYPES for w in WIDTHS)
    prints += " ".join(f'PRINT_HOPPER({k}, "{a}", {a})' for k, a in HOPPER)
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "shapes.cc")
        source.write_text(SHAPES.replace("PRINTS", prints))
        program = f"{folder}/shapes"
        flags = ["-std=c++17", "-w", "-DKNL_CUDA_EMULATED", f"-I{KERNELS}"]
        run(["g++", *flags, str(source), "-o", program])
        lines = [line.split("|") for line in run([program]).splitlines()]
    return {name: (int(threads), int(size)) for name, threads, size in lines}


def compile_for(source, sm):
    """What the compiler says."""
    with tempfile.TemporaryDirectory() as folder:
        target = f"arch=compute_{sm},code=sm_{sm}"
        return run(
            ["nvcc", "-std=c++17", "-O3", f"-I{KERNELS}", "-gencode", target]
            + ["-Xptxas", "-v", "-c", str(source), "-o", f"{folder}/kernels.o"]
        )


def kernels_of(log):
    """{(kernel, sm): (registers a thread, bytes spilled)}"""
    found = ENTRY.findall(log)
    if not found:
        return {}
    names = run(["c++filt", *(entry for entry, *_ in found)]).splitlines()
    return {
        (short(name), sm): (int(registers), int(spilled))
        for name, (_, sm, spilled, registers) in zip(names, found, strict=True)
    }


def short(name):
    """Without return type, parameters and namespaces."""
    name = name[: name.rindex(">(") + 1] if ">(" in name else name.partition("(")[0]
    return re.sub(r"void |knl::cuda::|knl::", "", name).replace("> >", ">>")


def blocks_at_once(sm, registers, threads, shared):
    kibibytes, warps = MULTIPROCESSORS[sm]
    # Registers are given to a warp in packs of 256; a block's memory costs 1 KiB more.
    by_registers = 65536 // (-(-registers * 32 // 256) * 256 * (threads // 32))
    return min(by_registers, kibibytes * 1024 // (shared + 1024), warps * 32 // threads)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--sm", nargs="+", choices=MULTIPROCESSORS, default=["80", "90a"]
    )
    parser.add_argument(
        "--main",
        action="store_true",
        help="those that must not spill, and fail if they do",
    )
    parser.add_argument(
        "--log", type=pathlib.Path, help="what a build said, instead of compiling"
    )
    options = parser.parse_args()

    if options.log:
        logs = [options.log.read_text()]
    else:
        sources = sorted(KERNELS.glob("*.cu"))
        work = [(source, sm) for sm in options.sm for source in sources]
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            logs = list(pool.map(lambda job: compile_for(*job), work))
    kernels = kernels_of("\n".join(logs))
    if not kernels:
        sys.exit(f"No kernel was compiled in {options.log}. Try without --log.")
    known = shapes()
    print(f"{'kernel':68} {'sm':>4} regs spill threads shared KiB blocks warps")
    spilling = []
    for (name, sm), (registers, spilled) in sorted(kernels.items()):
        main_one = re.match(MAIN_ON_HOPPER if sm == "90a" else MAIN, name)
        if sm not in MULTIPROCESSORS or (options.main and not main_one):
            continue
        if "Hopper" in name and sm != "90a":
            continue  # empty
        if spilled:
            spilling.append(f"{name} for sm_{sm}")
        line = f"{name:68} {sm:>4} {registers:4} {spilled:5}"
        shape = known.get(re.sub(r", (true|false)>$|>$", "", name)) or known.get(name)
        if shape is not None:
            threads, shared = shape
            blocks = blocks_at_once(sm, registers, threads, shared)
            share = blocks * threads / 32 / MULTIPROCESSORS[sm][1]
            line += f" {threads:7} {shared / 1024:10.1f} {blocks:6} {share:5.0%}"
        print(line)
    if options.main and spilling:
        sys.exit(f"These spill registers: {', '.join(spilling)}.")


if __name__ == "__main__":
    main()
