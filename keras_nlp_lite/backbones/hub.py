"""Where a preset lies."""

import os


def local_folder(preset):
    """The folder of a preset.

    Args:
        preset: A folder, or "hf://organisation/name", which the package
            `huggingface_hub` brings into its cache.

    Raises:
        ValueError: there is no such folder.
        ImportError: the preset is on a hub, and `huggingface_hub` is not installed.
    """
    preset = os.fspath(preset)
    if preset.startswith("hf://"):
        return _from_hugging_face(preset.removeprefix("hf://"))
    if not os.path.isdir(preset):
        raise ValueError(
            'A preset is a folder, or "hf://organisation/name". Received: '
            f"{preset!r}, which is no folder."
        )
    return preset


def _from_hugging_face(name):
    try:
        import huggingface_hub
    except ImportError:
        raise ImportError(
            f"hf://{name} needs the package huggingface_hub. Try "
            "pip install huggingface_hub."
        ) from None
    kinds = ("json", "txt", "safetensors", "h5", "model", "spm")
    return huggingface_hub.snapshot_download(
        name, allow_patterns=[f"*.{kind}" for kind in kinds]
    )
