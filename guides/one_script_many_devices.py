"""How does one script train on a laptop, on several GPUs and on several machines?

One line on top of it looks at what there is. The rest of the script stays as it is: the
same model, the same `compile`, the same `fit`.

    python guides/one_script_many_devices.py                # a CPU, or all GPUs
    python guides/one_script_many_devices.py --devices 2    # two logical CPUs
    keras-nlp-lite launch --workers 2 guides/one_script_many_devices.py

All of them print the same losses. How to start it on machines of a cluster stands in
`several_machines.md`.
"""

import argparse
import os
import pathlib

import keras
import tensorflow as tf

import keras_nlp_lite as knl

parser = argparse.ArgumentParser()
parser.add_argument(
    "--devices", type=int, default=1, help="logical CPUs to try it on, without GPUs"
)
parser.add_argument("--small", action="store_true", help="a try in seconds")
parser.add_argument(
    "--work-dir", type=pathlib.Path, default="runs/one_script_many_devices"
)
options = parser.parse_args()

"""
## Devices to try it on

A machine without GPUs has one device, its CPU. TensorFlow can divide it into several,
which gains no time, and shows that everything works.
"""

if options.devices > 1:
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * options.devices,
    )

"""
## The line

It comes before anything else that uses TensorFlow, and holds for the whole program: no
model needs a `with strategy.scope()`. The seed stands right behind it, in front of the data
and the model, which draw random numbers. It makes the three ways to start this script
comparable. Without one, workers agree on a seed by themselves, so that all of them shuffle
alike.
"""

strategy = knl.training.distribute("auto")
keras.utils.set_random_seed(1)

"""
## The rest

`batch_size` is that of all devices together: 32 reviews are 16 on each of two. Each
machine reads and tokenizes its own share of a batch. The loss is the mean over all 32,
however they are spread, and gradients are clipped when they have been summed. So the
course of training does not depend on the number of devices; with dropout it would, since
each device draws for its own rows.
"""

reviews = knl.data.write_sample_reviews(
    options.work_dir / f"reviews_{os.getpid()}",  # workers may share the folder
    examples=200 if options.small else 2000,
)
train = knl.data.read_directory(os.path.join(reviews, "train"), seed=1)
test = knl.data.read_directory(os.path.join(reviews, "test"))

model = knl.models.TransformerClassifier(num_classes=2, max_tokens=1000, dropout=0.0)
model.adapt(train)
model.compile(knl.training.optimizer("adamw", 2e-3, schedule="cosine", clip=1.0))
history = model.fit(train, epochs=2).history
tested = model.evaluate(test, return_dict=True)

"""
## Who speaks, who writes

Several workers run the same script, so that each `print` in it is printed by each. `fit`,
`evaluate` and `predict` show one progress bar, the chief's, and `save`, `export` and this
package's callbacks write the chief's files only. All workers have to call them, and all get
the same numbers. So does Keras's `ModelCheckpoint`, which calls `save`, unless it is to save
weights only. Its other callbacks that write, such as `CSVLogger`, would do so on each worker,
into one file if they share a disk: `callbacks=[log] if knl.training.is_chief() else []`.
"""

model.save(options.work_dir / "model.keras")
losses = ", ".join(f"{loss:.5f}" for loss in history["loss"])
print(f"Replicas: {strategy.num_replicas_in_sync}. Losses of the epochs: {losses}.")
print(f"Accuracy on test reviews: {tested['accuracy']:.3f}.")
