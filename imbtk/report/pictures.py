"""Example images and mistakes as small pictures inside the page."""

from __future__ import annotations

import base64
import io

import numpy as np
from PIL import Image

from imbtk.report.blocks import Block, Picture, PictureRow, Pictures, Table, Text, name_cell
from imbtk.report.blocks import Cell as C
from imbtk.report.drawings import Drawings
from imbtk.report.palette import class_colours
from imbtk.report.plots import gallery
from imbtk.report.run_folder import Predictions, RunRecord
from imbtk.report.wording import one_line, per_cent, plural, shorten

__all__ = ["data_uri", "gallery_blocks", "mistake_blocks"]

_MOST_CLASSES, _MOST_EACH, _MOST_MISTAKES = 10, 6, 12
_LARGEST_SIDE = 144


def data_uri(image: np.ndarray) -> str:
    """Return an image as a data URI: PNG where it is small, else JPEG of at most 144 pixels a side.

    Parameters
    ----------
    image : ndarray of uint8, shape (H, W, C)
        C is 1 or 3.
    """
    picture = Image.fromarray(np.ascontiguousarray(image.squeeze(axis=2) if image.shape[2] == 1 else image[..., :3]))
    small = max(picture.size) <= 48
    picture.thumbnail((_LARGEST_SIDE, _LARGEST_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if small:
        picture.save(buffer, format="PNG", optimize=True)
    else:
        picture.save(buffer, format="JPEG", quality=86)
    return f"data:image/{'png' if small else 'jpeg'};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _no_images(record: RunRecord, what: str) -> Text:
    if record.noun == "row":
        return Text(f"The data are a table: there are no images {what}.", "quiet")
    return Text(f"The images were not kept in this run folder, so there are none {what}.", "quiet")


def gallery_blocks(record: RunRecord, drawings: Drawings) -> list[Block]:
    """Return examples of each class, as they are and as training sees them."""
    if record.gallery is None or record.gallery.originals is None:
        return [_no_images(record, "to show")]
    originals, augmented = record.gallery.originals, record.gallery.augmented
    changed = augmented is not None and augmented.shape == originals.shape and not np.array_equal(originals, augmented)
    chosen, words = _chosen_classes(record)
    shown = gallery(originals[chosen], augmented[chosen] if changed else None, [record.class_names[k] for k in chosen])
    drawings.add("gallery", shown, None, "Example images.")
    _, rare = class_colours(record.train_counts, record.num_classes)
    rows = []
    for k in chosen:
        name = record.class_names[k]
        for kind, images in (("", originals), ("augmented", augmented if changed else None)):
            if images is not None:
                pictures = tuple(_picture(image) for image in images[k][:_MOST_EACH] if image.size)
                rows.append(PictureRow(kind or shorten(name, 28), pictures, one_line(name), rare=k == rare and not kind))
    text = "Training images of each class"
    text += ", and below them the same images as the strategies change them." if changed else ", as the model sees them."
    if not changed:
        text += " No strategy of this run changes images."
    return [Text(text + words), Pictures(tuple(rows))]


def _chosen_classes(record: RunRecord) -> tuple[list[int], str]:
    total, counts = record.num_classes, record.train_counts
    if total <= _MOST_CLASSES:
        return list(range(total)), ""
    order = list(np.argsort(counts, kind="stable")) if counts is not None else list(range(total))
    half = _MOST_CLASSES // 2
    return [int(k) for k in order[:half] + order[-half:]], f" Of {total} classes, the {half} rarest and {half} commonest."


def _picture(image: np.ndarray, caption: str = "", title: str = "") -> Picture:
    return Picture(data_uri(image), caption, title, pixelated=max(image.shape[:2]) <= 64)


def _confident_mistakes(record: RunRecord, side: Predictions) -> list[int]:
    """Return positions of wrong rows, the most confident first."""
    wrong = np.flatnonzero((side.predicted != side.truth) & (side.predicted >= 0))
    confidence = side.probabilities[wrong, side.predicted[wrong]]
    return [int(i) for i in wrong[np.argsort(-confidence, kind="stable")][:_MOST_MISTAKES]]


def mistake_blocks(record: RunRecord, side_name: str, drawings: Drawings) -> list[Block]:
    """Return the rows that the model got wrong and was surest of, with their images where these were kept."""
    side = record.predictions.get(side_name)
    if side is None:
        return [Text(f"There are no predictions on {side_name} rows.", "quiet")]
    places = _confident_mistakes(record, side)
    if not places:
        return [Text(f"The model made no mistake on {plural(len(side.truth), f'{side_name} {record.noun}')}.")]
    drawings.add_table("mistakes", ("row", "file", "group", "truth", "predicted", "probability"), _lines(record, side, places))
    intro = (
        f"The {side_name} {record.noun}s that the model got wrong and was surest of. Look at them: a wrong label, an odd "
        f"{record.noun}, or something that the model has not learnt?"
    )
    kept = {} if record.gallery is None else {int(row): i for i, row in enumerate(record.gallery.mistake_rows)}
    if record.gallery is not None and record.gallery.mistakes is not None and any(int(side.rows[p]) in kept for p in places):
        images = record.gallery.mistakes
        pictures = tuple(
            _picture(images[kept[int(side.rows[p])]], *_mistake_words(record, side, p)) for p in places if int(side.rows[p]) in kept
        )
        return [Text(intro), Pictures((PictureRow("", pictures),))]
    blocks: list[Block] = [Text(intro), _mistake_table(record, side, places)]
    if record.noun == "image":
        blocks.append(_no_images(record, "beside them"))
    return blocks


def _lines(record: RunRecord, side: Predictions, places: list[int]) -> list[tuple[object, ...]]:
    names = record.class_names
    return [
        (
            int(side.rows[p]),
            record.file_names.get(int(side.rows[p]), ""),
            "" if side.groups is None else side.groups[p],
            names[side.truth[p]],
            names[side.predicted[p]],
            float(side.probabilities[p, side.predicted[p]]),
        )
        for p in places
    ]


def _mistake_words(record: RunRecord, side: Predictions, place: int) -> tuple[str, str]:
    row, file, group, truth, called, probability = _lines(record, side, [place])[0]
    caption = f"{shorten(truth, 18)}, called {shorten(called, 18)} ({per_cent(float(str(probability)))})"
    title = f"{one_line(file or row)}: truth {one_line(truth)}, called {one_line(called)}"
    return caption, title + (f", patient {one_line(group)}" if group else "")


def _mistake_table(record: RunRecord, side: Predictions, places: list[int]) -> Table:
    head = (C("Row"), C("Truth"), C("Called"), C("Probability", look="number"), C("Patient"))
    rows = []
    for row, file, group, truth, called, probability in _lines(record, side, places):
        cells = (
            name_cell(str(file or row)),
            name_cell(str(truth)),
            name_cell(str(called)),
            C(per_cent(float(str(probability))), look="number"),
            name_cell(str(group)) if group else C("–"),
        )
        rows.append(cells if side.groups is not None else cells[:-1])
    return Table(head if side.groups is not None else head[:-1], tuple(rows))
