"""What this room's pictures share: letters, colours, and a sheet to draw on. Pillow is
imported inside functions: only those who draw pay for it."""

import numpy as np

MARGIN = 16  # pixels around a picture
NAME_LENGTH = 20  # characters: longer names would take more room than what they name

WHITE, INK = np.array([[255, 255, 255], [33, 37, 41]])
GREY, PALE = np.array([[110, 116, 122], [205, 209, 213]])
BLUE, ORANGE = np.array([[31, 105, 178], [222, 119, 28]])


def sheet(width, height):
    """A white image of so many pixels, and what draws on it."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (width, height), tuple(WHITE))
    return image, ImageDraw.Draw(image)


def letters(size):
    """Pillow's own font, so many pixels high."""
    from PIL import ImageFont

    return ImageFont.load_default(size)


def short_name(name, number, font):
    """The name, cut to 20 characters; its number, "#7", where the font lacks one of its
    letters: Pillow's own knows Latin ones."""
    name = " ".join(name.split())
    missing = bytes(font.getmask("\uffff"))
    if any(bytes(font.getmask(letter)) == missing for letter in set(name)):
        return f"#{number}"
    return name if len(name) <= NAME_LENGTH else name[: NAME_LENGTH - 1] + "…"


def text_width(font, text):
    """int, in pixels."""
    return int(np.ceil(font.getlength(text)))


def widest(font, texts):
    """int, in pixels; 0 for no text."""
    return max((text_width(font, text) for text in texts), default=0)


def write_upwards(image, x, y, text, font, ink=INK):
    """Writes from (x, y) upwards, x in the middle of the line."""
    from PIL import Image, ImageDraw

    mask = Image.new("L", (max(text_width(font, text), 1), font.size + 8))
    ImageDraw.Draw(mask).text((0, mask.height // 2), text, 255, font, "lm")
    mask = mask.transpose(Image.Transpose.ROTATE_90)
    image.paste(tuple(ink), (int(x) - mask.width // 2, int(y) - mask.height), mask)
