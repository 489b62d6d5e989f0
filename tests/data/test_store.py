import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from imbtk.data import store
from imbtk.data.store import common_size, stored_images
from imbtk.errors import DataError


def _paths(folder: Path, write_image: object, count: int = 3, **options: object) -> list[Path]:
    return [write_image(folder / f"{i}.png", **options) for i in range(count)]  # type: ignore[operator]


def _names(paths: list[Path]) -> list[str]:
    return [path.name for path in paths]


def test_images_are_stored_as_pillow_reads_them(tmp_path: Path, write_image: object) -> None:
    paths = _paths(tmp_path / "in", write_image)
    stored = stored_images(paths, _names(paths), image_size=None, resize="pad", cache_dir=str(tmp_path / "c"))
    expected = np.stack([np.asarray(Image.open(path)) for path in paths]).transpose(0, 3, 1, 2)
    assert stored.images.dtype == torch.uint8
    assert (stored.images.numpy() == expected).all()
    assert stored.digests.shape == (3, 16)


def test_the_second_time_nothing_is_decoded(
    tmp_path: Path, write_image: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = _paths(tmp_path / "in", write_image)
    first = stored_images(paths, _names(paths), image_size=4, resize="pad", cache_dir=str(tmp_path / "c"))

    def refuse(*_: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr(store, "read_image", refuse)
    monkeypatch.setattr(store, "probe", refuse)
    second = stored_images(paths, _names(paths), image_size=4, resize="pad", cache_dir=str(tmp_path / "c"))
    assert torch.equal(first.images, second.images)
    assert (first.digests == second.digests).all()
    assert first.content == second.content


def test_a_changed_file_is_noticed_even_with_an_old_date(tmp_path: Path, write_image: object) -> None:
    paths = _paths(tmp_path / "in", write_image)
    before = stored_images(paths, _names(paths), image_size=None, resize="pad", cache_dir=str(tmp_path / "c"))
    times = paths[1].stat()
    write_image(paths[1], seed=7)  # type: ignore[operator]
    os.utime(paths[1], ns=(times.st_atime_ns, times.st_mtime_ns))
    after = stored_images(paths, _names(paths), image_size=None, resize="pad", cache_dir=str(tmp_path / "c"))
    assert [torch.equal(a, b) for a, b in zip(before.images, after.images, strict=True)] == [True, False, True]


def test_each_policy_has_a_store_of_its_own(tmp_path: Path, write_image: object) -> None:
    paths = _paths(tmp_path / "in", write_image, size=(8, 4))
    padded = stored_images(paths, _names(paths), image_size=8, resize="pad", cache_dir=str(tmp_path / "c"))
    cropped = stored_images(paths, _names(paths), image_size=8, resize="crop", cache_dir=str(tmp_path / "c"))
    small = stored_images(paths, _names(paths), image_size=4, resize="pad", cache_dir=str(tmp_path / "c"))
    assert not torch.equal(padded.images, cropped.images)
    assert small.images.shape == (3, 3, 4, 4)
    assert len(list((tmp_path / "c").glob("images-*"))) == 3
    assert not list((tmp_path / "c").glob(".*"))


def test_writing_to_the_tensor_leaves_the_store_alone(tmp_path: Path, write_image: object) -> None:
    paths = _paths(tmp_path / "in", write_image)
    arguments = {"image_size": None, "resize": "pad", "cache_dir": str(tmp_path / "c")}
    first = stored_images(paths, _names(paths), **arguments)  # type: ignore[arg-type]
    kept = first.images.clone()
    first.images.zero_()
    assert torch.equal(stored_images(paths, _names(paths), **arguments).images, kept)  # type: ignore[arg-type]


def test_grey_stays_one_channel_only_if_all_are_grey(tmp_path: Path, write_image: object) -> None:
    grey = _paths(tmp_path / "in", write_image, mode="L")
    mixed = [*grey, write_image(tmp_path / "in" / "colour.png")]  # type: ignore[operator]
    for paths, channels in ((grey, 1), (mixed, 3)):
        stored = stored_images(paths, _names(paths), image_size=None, resize="pad", cache_dir=str(tmp_path / "c"))
        assert stored.images.shape[1] == channels


def test_a_grey_image_saved_in_colour_is_the_same_image(tmp_path: Path, write_image: object) -> None:
    grey = write_image(tmp_path / "grey.png", mode="L")  # type: ignore[operator]
    Image.open(grey).convert("RGB").save(tmp_path / "colour.png")
    paths = [grey, tmp_path / "colour.png"]
    stored = stored_images(paths, _names(paths), image_size=None, resize="pad", cache_dir=str(tmp_path / "c"))
    assert (stored.digests[0] == stored.digests[1]).all()


@pytest.mark.parametrize(
    ("sides", "size"), [([50, 50, 50, 20], 50), ([28, 30, 45], 45), ([700] * 4, 64), ([30, 500], 64), ([64], 64)]
)
def test_the_default_size(sides: list[int], size: int) -> None:
    assert common_size(sides) == size


def test_every_broken_file_is_named_and_nothing_is_left(tmp_path: Path, write_image: object) -> None:
    paths = _paths(tmp_path / "in", write_image, 5, size=(40, 40))
    paths[1].write_bytes(b"")
    paths[3].write_bytes(paths[3].read_bytes()[:900])
    paths.append(tmp_path / "in" / "absent.png")
    message = (
        r"3 of 6 image files cannot be read: 1\.png \(.*\), 3\.png \(.*truncated.*\), absent\.png \(no such file or "
        r"directory\)\. Replace"
    )
    with pytest.raises(DataError, match=message):
        stored_images(paths, _names(paths), image_size=None, resize="pad", cache_dir=str(tmp_path / "c"))
    assert list((tmp_path / "c").iterdir()) == []


@pytest.mark.parametrize("cores", [1, 2, 5])
def test_every_core_decodes_at_the_same_time(cores: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "available_cores", lambda: cores)
    # Each row waits until as many others are at work: with fewer threads nobody would ever go on.
    together = threading.Barrier(cores, timeout=60)
    rows = 4 * cores
    waited = store.on_all_cores(lambda row: (row, together.wait() >= 0)[0], rows, None, "")
    assert waited == list(range(rows))


def test_the_number_of_cores_changes_nothing(
    tmp_path: Path, write_image: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = _paths(tmp_path / "in", write_image, 90, size=(12, 9))
    found = []
    for cores in (1, 2, 7):
        monkeypatch.setattr(store, "available_cores", lambda cores=cores: cores)
        told: list[int] = []
        cache = str(tmp_path / f"c{cores}")
        found.append(
            stored_images(
                paths, _names(paths), image_size=8, resize="pad", cache_dir=cache,
                progress=lambda what, done, total, told=told: told.append(done) if what == "decoding images" else None,
            )
        )  # fmt: skip
        assert told == sorted(told)
        assert told[-1] == 90
    for other in found[1:]:
        assert torch.equal(found[0].images, other.images)
        assert (found[0].digests == other.digests).all()
        assert found[0].content == other.content
    paths[40].write_bytes(b"")
    with pytest.raises(DataError, match=r"1 of 90 image files cannot be read: 40\.png \("):
        stored_images(paths, _names(paths), image_size=8, resize="pad", cache_dir=str(tmp_path / "c"))


def test_a_long_list_of_broken_files_is_cut(tmp_path: Path) -> None:
    paths = [tmp_path / f"{i}.png" for i in range(30)]
    for path in paths:
        path.write_text("no image")
    with pytest.raises(DataError, match=r"30 of 30 image files .* 19\.png \([^)]*\) and 10 more\."):
        stored_images(paths, _names(paths), image_size=None, resize="pad", cache_dir=str(tmp_path / "c"))


def test_a_cache_that_cannot_be_written_is_said(tmp_path: Path, write_image: object) -> None:
    paths = _paths(tmp_path / "in", write_image)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DataError, match=r"image store .* cannot be written: .*--cache-dir or the environment variable"):
        stored_images(paths, _names(paths), image_size=None, resize="pad", cache_dir=str(tmp_path / "file"))


def test_a_full_disk_is_said_before_anything_is_written(
    tmp_path: Path, write_image: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = _paths(tmp_path / "in", write_image)
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 10}))
    with pytest.raises(DataError, match=r"needs 0\.0 GB and .* has 0\.0 GB free\. Make room"):
        stored_images(paths, _names(paths), image_size=None, resize="pad", cache_dir=str(tmp_path / "c"))


def test_a_damaged_store_is_said(tmp_path: Path, write_image: object) -> None:
    paths = _paths(tmp_path / "in", write_image)
    arguments = {"image_size": None, "resize": "pad", "cache_dir": str(tmp_path / "c")}
    stored_images(paths, _names(paths), **arguments)  # type: ignore[arg-type]
    (folder,) = (tmp_path / "c").iterdir()
    (folder / "images.npy").write_bytes(b"\x93NUMPY")
    with pytest.raises(DataError, match=f"the image store {folder} is damaged. Delete that folder"):
        stored_images(paths, _names(paths), **arguments)  # type: ignore[arg-type]


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path: Path, write_image: object) -> None:
    paths = _paths(tmp_path / "in", write_image)
    old, new = (tmp_path / "c" / f".images-{name}.1.tmp" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (time.time() - 2 * 86400,) * 2)
    stored_images(paths, _names(paths), image_size=None, resize="pad", cache_dir=str(tmp_path / "c"))
    assert (old.exists(), new.exists()) == (False, True)


def test_two_processes_at_once_make_one_store(tmp_path: Path, write_image: object) -> None:
    paths = _paths(tmp_path / "in", write_image, 60, size=(96, 96))
    code = (
        "import sys; from pathlib import Path; from imbtk.data.store import stored_images\n"
        "paths = [Path(sys.argv[1]) / f'{i}.png' for i in range(60)]\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "stored = stored_images(paths, [p.name for p in paths], image_size=64, resize='pad', cache_dir=sys.argv[2])\n"
        "print(int(stored.images.long().sum()))"
    )
    command = [sys.executable, "-c", code, str(paths[0].parent), str(tmp_path / "c")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        assert other.stdin is not None
        other.stdin.write("go\n")
        other.stdin.flush()
        own = stored_images(paths, _names(paths), image_size=64, resize="pad", cache_dir=str(tmp_path / "c"))
        theirs = other.communicate()[0]
    assert other.returncode == 0
    assert int(theirs) == int(own.images.long().sum())
    assert [path.name[:7] for path in (tmp_path / "c").iterdir()] == ["images-"]


def test_the_loser_of_a_race_uses_the_winners_store(tmp_path: Path) -> None:
    for name in ("mine", "theirs"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "meta.json").write_text(name)
    store._rename(tmp_path / "mine", tmp_path / "theirs")
    assert (tmp_path / "theirs" / "meta.json").read_text() == "theirs"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").write_text("")
    with pytest.raises(OSError, match="not empty"):
        store._rename(tmp_path / "mine", tmp_path / "other")


def test_progress_is_told(tmp_path: Path, write_image: object) -> None:
    paths = _paths(tmp_path / "in", write_image)
    told: list[tuple[str, int, int]] = []
    stored_images(
        paths, _names(paths), image_size=None, resize="pad", cache_dir=str(tmp_path / "c"),
        progress=lambda *said: told.append(said),
    )  # fmt: skip
    assert told[-1] == ("decoding images", 3, 3)
    assert ("reading files", 3, 3) in told
