"""Draw a small picture of each notebook, for docs/notebooks.md.

It is the saved figure of the cell with the tag "thumbnail", or else the first one.
Run `python docs/thumbnails.py` after a notebook was saved with another figure.
"""

import base64
import io
from pathlib import Path

import nbformat
from PIL import Image

ROOT = Path(__file__).parent.parent
SIZE = (560, 350)  # twice what a card shows, for dense screens


def saved_figure(notebook):
    """Return the figure that stands for a notebook, as an image."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    tagged = [c for c in cells if "thumbnail" in c.metadata.get("tags", [])]
    outputs = [output for cell in tagged or cells for output in cell.outputs]
    drawn = next(o.data for o in outputs if "image/png" in o.get("data", {}))
    return Image.open(io.BytesIO(base64.b64decode(drawn["image/png"])))


def thumbnail(path):
    """Return the picture of the notebook at a path, in few colors to be small."""
    image = saved_figure(nbformat.read(path, as_version=4)).convert("RGB")
    image.thumbnail(SIZE)
    return image.quantize(64)


if __name__ == "__main__":
    folder = ROOT / "docs" / "thumbnails"
    folder.mkdir(exist_ok=True)
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        thumbnail(path).save(folder / f"{path.stem}.png", optimize=True)
