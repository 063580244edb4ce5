"""What the tests of all readers need: folders to read, and datasets as lists."""


def write_folder(root, files):
    """Writes a folder of class folders. files: dict of "class/name" to str or bytes."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root


def write_reviews(root, count):
    """Writes `count` texts to each of two class folders: "neg 0", "pos 0", "neg 1", ..."""
    return write_folder(
        root,
        {f"{c}/{i}.txt": f"{c} {i}" for c in ("neg", "pos") for i in range(count)},
    )


def pairs(dataset):
    """A labelled dataset's examples in order: list of (str, int)."""
    return [
        (text.decode(), int(label))
        for texts, labels in dataset.as_numpy_iterator()
        for text, label in zip(texts, labels)
    ]


def texts(dataset):
    """An unlabelled dataset's examples in order: list of str."""
    return [text.decode() for batch in dataset.as_numpy_iterator() for text in batch]
