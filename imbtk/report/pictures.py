"""Example images and mistakes as small pictures inside the page."""

from __future__ import annotations

import base64
import io
from dataclasses import astuple, dataclass, fields

import numpy as np
from PIL import Image

from imbtk.evaluation.mistakes import surest_mistakes
from imbtk.report.blocks import Block, Details, Picture, PictureRow, Pictures, Table, Text, name_cell
from imbtk.report.blocks import Cell as C
from imbtk.report.drawings import Drawings
from imbtk.report.image_plots import gallery
from imbtk.report.palette import class_colours
from imbtk.runs.reading import RunRecord, SideRows
from imbtk.wording import one_line, per_cent, plural, shorten

__all__ = ["data_uri", "gallery_blocks", "mistake_blocks"]

_MOST_CLASSES, _MOST_EACH = 12, 6
_PICTURED, _LISTED = 12, 50
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
    kept = record.gallery
    if kept is None or kept.originals is None:
        return [_no_images(record, "to show")]
    originals, augmented = kept.originals[:_MOST_CLASSES, :_MOST_EACH], kept.augmented
    if augmented is not None:
        augmented = augmented[:_MOST_CLASSES, :_MOST_EACH]
    if augmented is not None and np.array_equal(originals, augmented):
        augmented = None
    classes = [int(k) for k in kept.classes[:_MOST_CLASSES]]
    names = [record.class_names[k] for k in classes]
    drawings.add("gallery", gallery(originals, augmented, names), None, "Example images.")
    _, rare = class_colours(record.train_counts, record.num_classes)
    rows = []
    for i, (k, name) in enumerate(zip(classes, names, strict=True)):
        rows.append(PictureRow(shorten(name, 28), _pictures(originals[i]), one_line(name), rare=k == rare))
        if augmented is not None:
            rows.append(PictureRow("as training sees them", _pictures(augmented[i]), one_line(name), quiet=True))
    text = "Training images of each class"
    text += f", for {len(classes)} of {record.num_classes} classes" if len(classes) < record.num_classes else ""
    if augmented is None:
        text += ". No strategy of this run changes images."
    else:
        text += ", and below them the same images as the strategies change them: new each time."
    return [Text(text), Pictures(tuple(rows))]


def _pictures(images: np.ndarray) -> tuple[Picture, ...]:
    return tuple(_picture(image) for image in images)


def _picture(image: np.ndarray, caption: str = "", title: str = "") -> Picture:
    return Picture(data_uri(image), caption, title, pixelated=max(image.shape[:2]) <= 64)


@dataclass(frozen=True)
class Mistake:
    """A row that the model got wrong, and how sure it was of its answer."""

    row: int
    file: str
    group: str
    truth: str
    called: str
    probability: float
    group_noun: str

    @property
    def caption(self) -> str:
        """Truth and answer on one line."""
        return f"{shorten(self.truth, 18)}, called {shorten(self.called, 18)} ({per_cent(self.probability)})"

    @property
    def title(self) -> str:
        """The whole of it, for a tooltip."""
        group = f", {self.group_noun} {one_line(self.group)}" if self.group else ""
        where = one_line(self.file or self.row)
        return f"{where}: truth {one_line(self.truth)}, called {one_line(self.called)}{group}"


def _mistakes(record: RunRecord, side: SideRows) -> list[Mistake]:
    names = record.class_names
    return [
        Mistake(
            row=int(side.rows[i]),
            file=record.file_names.get(int(side.rows[i]), ""),
            group="" if side.groups is None else str(side.groups[i]),
            truth=names[side.truth[i]],
            called=names[side.predicted[i]],
            probability=float(side.probabilities[i, side.predicted[i]]),
            group_noun=record.group_noun,
        )
        for i in surest_mistakes(side.truth, side.predicted, side.probabilities)
    ]


def mistake_blocks(record: RunRecord, side_name: str, drawings: Drawings) -> list[Block]:
    """Return the rows that the model got wrong and was surest of: images where these were kept, and a list by name."""
    side = record.predictions.get(side_name)
    if side is None:
        return [Text(f"There are no predictions on {side_name} rows.", "quiet")]
    mistakes = _mistakes(record, side)
    if not mistakes:
        return [Text(f"The model made no mistake on {plural(len(side.truth), f'{side_name} {record.noun}')}.")]
    head = [field.name for field in fields(Mistake) if field.name != "group_noun"]
    drawings.add_table("mistakes", head, [astuple(m)[: len(head)] for m in mistakes])
    blocks: list[Block] = [
        Text(
            f"The {side_name} {record.noun}s that the model got wrong and was surest of. Look at them: a wrong label, "
            f"an odd {record.noun}, or something that the model has not learnt?"
        )
    ]
    if pictures := _mistake_pictures(record, mistakes[:_PICTURED]):
        blocks.append(Pictures((PictureRow("", pictures),)))
    elif record.noun == "image":
        blocks.append(_no_images(record, "beside them"))
    most = f"The {_LISTED} surest of {len(mistakes):,} mistakes" if len(mistakes) > _LISTED else "All mistakes"
    rest = " (all of them in plots/mistakes.csv)" if len(mistakes) > _LISTED else ""
    return [*blocks, Details(f"{most}, by name{rest}", (_mistake_table(record, mistakes[:_LISTED]),))]


def _mistake_pictures(record: RunRecord, mistakes: list[Mistake]) -> tuple[Picture, ...]:
    if record.gallery is None or record.gallery.mistakes is None:
        return ()
    images = dict(zip(record.gallery.mistake_rows.tolist(), record.gallery.mistakes, strict=True))
    return tuple(_picture(images[m.row], m.caption, m.title) for m in mistakes if m.row in images)


def _mistake_table(record: RunRecord, mistakes: list[Mistake]) -> Table:
    grouped = any(m.group for m in mistakes)
    group = (C(record.group_noun.capitalize()),) if grouped else ()
    head = (C(record.noun.capitalize()), C("Truth"), C("Called"), C("Probability", look="number"), *group)
    rows = tuple(
        (
            name_cell(m.file or str(m.row), 48),
            name_cell(m.truth),
            name_cell(m.called),
            C(per_cent(m.probability), look="number"),
            *((name_cell(m.group),) if grouped else ()),
        )
        for m in mistakes
    )
    return Table(head, rows)
