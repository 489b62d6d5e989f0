"""Random crossings of data, models, strategies, options and commands: a traceback or a hang is a finding.

Run it with ``python benchmarks/reliability/crossings.py --minutes 10 [--seed 0]``. Each crossing is a command of the
program, run in this process on data made for it; a refusal (exit code 2, one paragraph) is as good as a result. What is
found is printed with the command; ``--only NUMBER`` makes one crossing again, and keeps its files.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import random
import shlex
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from imbtk.cli.program import program
from imbtk.discovery.catalogue import Catalogue
from imbtk.discovery.describe import describe_options
from imbtk.planning.reading import BUILT_IN_PLUGINS

SECONDS = 120
"""A crossing of some hundred rows that takes longer hangs."""

MODELS = ("linear", "mlp", "small-cnn", "resnet32", "mobilenet_v3_small", "squeezenet1_1", "no-such-model")

OPTIONS: dict[str, tuple[Any, ...]] = {
    "--epochs": (1, 2, 3),
    "--batch-size": (1, 2, 7, 64, 1000),
    "--optimizer": ("adamw", "sgd"),
    "--schedule": ("cosine", "step", "constant"),
    "--warmup": (0, 0.05, 0.9),
    "--clip-norm": (0.1,),
    "--early-stop": ("log_loss", "balanced_accuracy"),
    "--lr": (1e-4, 1.0, 1e6),
    "--weight-decay": (0, 10),
    "--deploy": ("uniform", "natural", "a=0.5,b=0.5"),
    "--decide": ("trained", "deploy"),
    "--precision": ("auto", "fp32", "bf16"),
    "--seed": (0, 1, 2**31),
    "--fold": (0, 1),
    "--allow-overcorrection": ("",),
}


class Hang(BaseException):
    """A crossing took too long."""


class Crossing:
    """One random command, a function of seed and number alone."""

    def __init__(self, seed: int, number: int, folder: Path, catalogue: Catalogue) -> None:
        self.random = random.Random(f"{seed}/{number}")
        self.numbers = np.random.default_rng([seed, number])
        self.folder, self.catalogue = folder, catalogue

    def commands(self) -> Iterator[list[str]]:
        """Yield the commands of the crossing, one after the other; later ones read what the first left."""
        data, run = self.data(), str(self.folder / "run")
        first = self.random.choices(("run", "dry", "check", "compare"), (8, 1, 1, 2))[0]
        if first == "check":
            yield ["check", data, *self.some({"--json": ("",)})]
            return
        options = [*self.some(OPTIONS, 3), *(["--model", self.random.choice(MODELS)] if self.chance(0.6) else [])]
        if "--epochs" not in options:
            options += ["--epochs", "2"]
        if first == "compare":
            plans = [word for _ in range(2) for word in ("--plan", " ".join(self.strategies()) or "class-weights")]
            sizes = ["--folds", str(self.random.choice((2, 3))), "--repeats", "1", "--jobs", "1"]
            yield ["compare", data, *plans, *options, *sizes, "--out", run, "--quiet"]
            yield ["report", run]
            return
        plan = [word for spec in self.strategies() for word in ("-s", spec)]
        yield ["run", data, *plan, *options, *(["--dry-run"] if first == "dry" else ["--out", run, "--quiet"])]
        for command in self.random.sample(("predict", "evaluate", "report"), self.random.randint(0, 2)):
            yield [command, run, *([] if command == "report" else [data])]

    def chance(self, share: float) -> bool:
        """Return True in a share of cases."""
        return self.random.random() < share

    def some(self, options: dict[str, tuple[Any, ...]], most: int = 1) -> list[str]:
        """Return some flags with values."""
        names = self.random.sample(sorted(options), self.random.randint(0, min(most, len(options))))
        return [str(word) for name in names for word in (name, self.random.choice(options[name])) if word != ""]

    def strategies(self) -> list[str]:
        """Return up to three strategies with options that stand in their declarations, some with a window."""
        names = self.random.sample(sorted(self.catalogue.strategies()), self.random.randint(0, 3))
        return [self.spec(name) for name in names]

    def spec(self, name: str) -> str:
        """Return a strategy with some of its options at values of their types."""
        values = []
        for option in describe_options(self.catalogue.strategies()[name][0]):
            bounds = [bound for bound in (option.minimum, option.maximum) if bound is not None]
            candidates = [*(option.choices or ()), *bounds, *((0, 1, 0.5, 3) if "number" in option.type else ())]
            candidates += ["true", "false"] if option.type == "true or false" else []
            if candidates and self.chance(0.4):
                values.append(f"{option.name}={self.random.choice(candidates)}")
        window = self.random.choice(("", "", "", "@50%-", "@0-1", "@1-"))
        return name + (":" + ",".join(values) if values else "") + window

    def data(self) -> str:
        """Make data of a random kind, size and imbalance; return their path."""
        rows = self.random.choice((6, 30, 65, 129, 300))
        classes = self.random.choice((1, 2, 2, 2, 3, 7))
        shares = self.numbers.dirichlet(np.ones(classes) * self.random.choice((0.3, 5.0)))
        labels = np.array([*"abcdefg"])[self.numbers.choice(classes, rows, p=shares)]
        kind = self.random.choice(("csv", "npz", "folder"))
        return str({"csv": self.table, "npz": self.arrays, "folder": self.images}[kind](labels))

    def table(self, labels: np.ndarray) -> Path:
        """Write a table, with texts, gaps, constants and groups at times."""
        n, path = len(labels), self.folder / "data.csv"
        frame = pd.DataFrame(self.numbers.normal(size=(n, self.random.choice((1, 4, 20)))))
        frame.columns = [f"x{column}" for column in frame]
        if self.chance(0.4):
            frame.loc[self.numbers.random(n) < 0.2, "x0"] = np.nan
        if self.chance(0.3):
            frame["colour"] = self.numbers.choice(["red", "blue", ""], n)
        if self.chance(0.2):
            frame["same"] = 1.0
        if self.chance(0.3):
            frame["patient"] = self.numbers.integers(0, max(2, n // 3), n)
        frame["label"] = labels
        frame.to_csv(path, index=False)
        return path

    def arrays(self, labels: np.ndarray) -> Path:
        """Write an ``.npz`` of images, grey or in colour, or of a table."""
        shape = self.random.choice(((8, 8), (28, 28), (12, 20, 3), (5,), (3, 3)))
        x: np.ndarray = self.numbers.integers(0, 256, (len(labels), *shape), dtype=np.uint8)
        path = self.folder / "data.npz"
        np.savez(path, images=x if len(shape) > 1 else x.astype(np.float32), labels=labels)
        return path

    def images(self, labels: np.ndarray) -> Path:
        """Write a folder of images of various sizes, a broken one among them at times."""
        root = self.folder / "images"
        for row, label in enumerate(labels[:129]):
            place = root / str(label) / f"p{row // 3}_{row}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            height, width = (int(n) for n in self.numbers.integers(4, 40, 2))
            pixels = self.numbers.integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).convert(self.random.choice(("RGB", "L", "RGBA", "P"))).save(place)
        if self.chance(0.1):
            place.write_bytes(b"no image")
        return root


def _alarm(number: int, frame: Any) -> None:
    raise Hang


def outcome(command: list[str]) -> tuple[str, str]:
    """Run a command; return how it ended, and what is to be seen of a finding."""
    said = io.StringIO()
    signal.signal(signal.SIGALRM, _alarm)
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            program.main(command, prog_name="imbtk")
    except SystemExit as end:
        return {0: "done", 2: "refused"}.get(int(end.code or 0), f"exit code {end.code}"), said.getvalue()
    except Hang:
        return "HANG", "".join(traceback.format_exc().splitlines(keepends=True)[-12:])
    except Exception:  # whatever gets here would be a traceback at a user's terminal: what is looked for
        return "TRACEBACK", traceback.format_exc()
    finally:
        signal.alarm(0)
    return "done", said.getvalue()


def main() -> None:
    """Make crossings until the time is over; exit code 1 if something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="make this crossing alone, and keep its files")
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="crossings-"))
    os.environ["IMBTK_CACHE"] = str(root / "cache")
    catalogue, ends, found = Catalogue((), BUILT_IN_PLUGINS), Counter[str](), []
    began, number = time.monotonic(), arguments.only or 0
    while time.monotonic() - began < 60 * arguments.minutes:
        folder = root / str(number)
        folder.mkdir()
        for command in Crossing(arguments.seed, number, folder, catalogue).commands():
            how, seen = outcome(command)
            ends[how] += 1
            if how not in ("done", "refused"):
                found.append(number)
                print(f"\n{number}: imbtk {shlex.join(command)}\n{how}\n{seen[-3000:]}", flush=True)
            if how != "done":
                break
        if arguments.only is not None:
            print(f"imbtk {shlex.join(command)}\n{how}\n{seen[-3000:]}")
            break
        shutil.rmtree(folder)
        number += 1
    minutes = (time.monotonic() - began) / 60
    print(f"\n{number} crossings of seed {arguments.seed} in {minutes:.1f} min: {dict(ends)}")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
