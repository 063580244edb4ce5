"""What does a model do while it learns?

Loss and accuracy say that something is wrong, and not what. One callback shows the
rest in TensorBoard: how fast the run is and how much of its work is padding, whether
gradients are in health, which texts the model gets wrong and how sure it is of them,
what its attention looks at, and where its words lie.

    python guides/watch_a_run.py
    tensorboard --logdir runs/watch_a_run
"""

import argparse
import pathlib
import shutil

import keras
import tensorflow as tf

import keras_nlp_lite as knl

parser = argparse.ArgumentParser()
parser.add_argument("--small", action="store_true", help="a try in seconds")
parser.add_argument("--work-dir", type=pathlib.Path, default="runs/watch_a_run")
options = parser.parse_args()

reviews = knl.data.write_sample_reviews(
    options.work_dir / "reviews", examples=100 if options.small else 2_000
)
train, val = knl.data.read_directory(
    f"{reviews}/train", validation_split=0.2, seed=1, batch_size=16
)

"""
## Two runs that differ in one setting

`hparams` says which: each run has its row in the tab HParams, with its metrics beside
it. The other options cost time, and are asked for:

- `health`: every so many steps, the norms of gradients and weights, by layer, and how
  many numbers are zero, NaN or infinite;
- `flops`: the arithmetic that the model needs, against what this machine can do;
- `projector`: the words' vectors, which the tab Projector shows in space;
- `attention_texts`: who looks at whom, a picture for each layer.
"""


def learn(learning_rate):
    keras.utils.set_random_seed(1)
    layers = 1 if options.small else 2
    model = knl.models.TransformerClassifier(
        num_classes=2, max_tokens=2_000, sequence_length=64, num_layers=layers
    )
    model.adapt(train)
    model.compile(knl.training.optimizer("adamw", learning_rate))
    run = options.work_dir / f"rate_{learning_rate}"
    shutil.rmtree(run, ignore_errors=True)  # of an earlier try
    watch = knl.monitoring.TensorBoard(
        run,
        update_freq=10,
        hparams={"learning_rate": learning_rate, "layers": layers},
        health=10,
        flops=True,
        projector=True,
        attention_texts=["the film was not good", "a joy from start to end"],
        write_graph=True,
    )
    history = model.fit(
        train,
        validation_data=val,
        epochs=1 if options.small else 4,
        verbose=0,
        callbacks=[watch],
    ).history
    print(
        f"rate {learning_rate}: validation accuracy {history['val_accuracy'][-1]:.3f}"
    )
    return run


runs = [learn(rate) for rate in (1e-2, 1e-4)]

"""
## The same numbers without a browser

Event files are open to programs, too. Here is what the first run knows of its speed:
"""

from tensorboard.backend.event_processing.event_accumulator import (  # noqa: E402
    EventAccumulator,
)

events = EventAccumulator(str(runs[0] / "train"), {"tensors": 0}).Reload()
for tag in (
    "epoch_tokens_per_second",
    "epoch_padding_share",
    "epoch_model_gflops_per_second",
    "epoch_share_of_matmul_ceiling",
    "epoch_memory_mb",
    "gradient_norm/all",
):
    last = events.Tensors(tag)[-1]
    value = float(tf.make_ndarray(last.tensor_proto))
    print(f"{tag}: {value:,.3f} at step {last.step}")

print("Look: tensorboard --logdir", options.work_dir)

"""
What to conclude:

- **Look at `padding_share` first.** It is work that nobody asked for; a shorter
  `sequence_length`, or batches of texts of like length, take it away.
- **A gradient norm that grows by the step** comes before a loss that is NaN, and says
  in which layer.
- **Misclassified texts that are right** point at labels, and not at the model.
- **A calibration curve below the diagonal** means that the model is too sure of itself:
  trust its order, and not its numbers.
- **What is off by default costs something**: `flops` half a second once, `projector`
  and `attention_texts` some time after each epoch, `health` the more, the more often.
"""
