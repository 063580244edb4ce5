"""Which machines train together: what the environment says of them."""

import os

import tensorflow as tf
from tensorflow.python.distribute.cluster_resolver.slurm_cluster_resolver import (
    expand_hostlist,
    expand_tasks_per_node,
)

from keras_nlp_lite.workers import WORKER, WORKERS

_SLURM_PORT = 8888  # of a machine's first task; the next ones have those behind it


def find_cluster():
    """The workers that this process is one of, as the environment says.

    Looks, in this order, at
    - `TF_CONFIG`, TensorFlow's own, which Kubeflow's training operator sets, too;
    - `KERAS_NLP_LITE_WORKERS`, "host:port,host:port,...", with this worker's number,
      from 0, in `KERAS_NLP_LITE_WORKER` or in `JOB_COMPLETION_INDEX`, which Kubernetes
      gives the pods of an indexed job;
    - what Slurm sets inside `srun`.

    Returns:
        tf.distribute.cluster_resolver.ClusterResolver; None if there is one worker only.

    Raises:
        ValueError: The variables do not fit together.
    """
    environment = os.environ
    if environment.get("TF_CONFIG"):
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    elif environment.get(WORKERS):
        resolver = _listed(environment)
    elif int(environment.get("SLURM_STEP_NUM_TASKS", 1)) > 1:
        resolver = _of_slurm(environment)
    else:
        return None
    return resolver if count_workers(resolver) > 1 else None


def count_workers(resolver):
    """int, of a cluster: its chief, if it has one, and its workers."""
    jobs = resolver.cluster_spec().as_dict()
    return sum(len(jobs.get(job, ())) for job in ("chief", "worker"))


def _listed(environment):
    """The cluster that `KERAS_NLP_LITE_WORKERS` lists."""
    workers = environment[WORKERS].split(",")
    number = environment.get(WORKER, environment.get("JOB_COMPLETION_INDEX", ""))
    if not number.isdecimal() or int(number) >= len(workers):
        raise ValueError(
            f"{WORKERS} lists {len(workers)} workers, so that {WORKER} must be this "
            f"one's number, from 0 to {len(workers) - 1}. Received: {number!r}."
        )
    return _resolver(workers, int(number))


def _of_slurm(environment):
    """The cluster of a step of Slurm's.

    TensorFlow's resolver sorts the machines as words, n10 before n2, which gives tasks
    others' addresses, and it fails where there is no `nvidia-smi`.
    """
    names = expand_hostlist(environment["SLURM_STEP_NODELIST"])
    tasks = expand_tasks_per_node(environment["SLURM_STEP_TASKS_PER_NODE"])
    workers = [
        f"{name}:{_SLURM_PORT + i}"
        for name, count in zip(names, tasks, strict=True)
        for i in range(count)
    ]
    return _resolver(workers, int(environment["SLURM_PROCID"]))


def _resolver(workers, number):
    return tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": workers}),
        task_type="worker",
        task_id=number,
        rpc_layer="grpc",
    )
