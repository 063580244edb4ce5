"""How much memory this process holds, and its devices."""

import contextlib
import os

import tensorflow as tf


def memory_use():
    """Memory in use and its peak, in MB of a million bytes.

    Returns:
        dict of float: "memory_mb", what this process holds in RAM, and
        "memory_peak_mb", the most that it held; where the system tells. For each GPU
        "gpu_0_memory_mb" and "gpu_0_memory_peak_mb", what TensorFlow allocated there.

    Example:

    >>> use = memory_use()
    >>> use["memory_peak_mb"] >= use["memory_mb"] > 0  # doctest: +SKIP
    True
    """
    return {**_of_process(), **_of_gpus()}


def _of_process():
    use = {}
    with contextlib.suppress(OSError):  # another system than Linux
        with open("/proc/self/status", encoding="ascii", errors="replace") as file:
            fields = dict(line.split(":", 1) for line in file if ":" in line)
        for name, field in (("memory_mb", "VmRSS"), ("memory_peak_mb", "VmHWM")):
            if field in fields:
                use[name] = int(fields[field].split()[0]) * 1024 / 1e6
    if not use and os.name == "posix":
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # Bytes on macOS, kilobytes elsewhere.
        unit = 1 if os.uname().sysname == "Darwin" else 1024
        use["memory_peak_mb"] = peak * unit / 1e6
    return use


def _of_gpus():
    use = {}
    for number in range(len(tf.config.list_logical_devices("GPU"))):
        with contextlib.suppress(ValueError, RuntimeError):  # an allocator that is mute
            info = tf.config.experimental.get_memory_info(f"GPU:{number}")
            use[f"gpu_{number}_memory_mb"] = info["current"] / 1e6
            use[f"gpu_{number}_memory_peak_mb"] = info["peak"] / 1e6
    return use
