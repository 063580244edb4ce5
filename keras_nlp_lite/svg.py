"""Pictures that stand in a file of their own."""

import os

from keras_nlp_lite.atomic import replacing


def write_svg(path, picture):
    """Writes a picture to a file, whole or not at all.

    Args:
        path: File, of the ending ".svg".
        picture: str, an SVG image.

    Raises:
        ValueError: the path has another ending.
    """
    path = os.fspath(path)
    if not path.lower().endswith(".svg"):
        better = os.path.splitext(path)[0] + ".svg"
        raise ValueError(
            f"The picture is an SVG. Received: path={path!r}. Try {better!r}."
        )
    with (
        replacing(path) as temporary,
        open(temporary, "w", encoding="utf-8") as file,
    ):
        file.write(picture)
