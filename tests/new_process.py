"""A new process that loads an export, and has TensorFlow and nothing else."""

import json
import subprocess
import sys

PROGRAM = """
import importlib, json, sys
import tensorflow as tf
path, library, *modules = sys.argv[1:]
for module in modules:
    importlib.import_module(module)
if library:
    tf.load_op_library(library)
texts = tf.constant(json.load(sys.stdin))
print(json.dumps(tf.saved_model.load(path).serve(texts).numpy().tolist()))
"""


def served(export, texts, *, library="", modules=()):
    """What an export's `serve` gives there, as nested lists.

    Args:
        export: Folder of the export.
        texts: list of str.
        library: Path of compiled ops that the process loads; "" for none.
        modules: Names of what else it imports.
    """
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(export), str(library), *modules],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)
