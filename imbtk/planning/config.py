"""Everything that a run can be told, declared once: flags, ``study.toml`` and ``config.toml`` all come from here."""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import tomli_w
from pydantic import Field, ValidationError, model_validator

from imbtk.authoring.options import split_specs
from imbtk.data.options import DataOptions
from imbtk.errors import ImbtkError, OptionError, did_you_mean
from imbtk.runs.unfinished import check_unfinished

__all__ = ["RunConfig", "read_config", "write_config"]

Config = TypeVar("Config", bound="RunConfig")

EarlyStopMetric = Literal[
    "corrected_log_loss", "balanced_log_loss", "log_loss", "balanced_accuracy", "worst_sensitivity", "none"
]


class RunConfig(DataOptions):
    """The configuration of one run. None means: the default that suits the data, which the run prints and records."""

    holds_one_plan: ClassVar[bool] = True
    """Whether `plan` is the run's, and not one of several to compare."""

    data: str | None = Field(None, description="Path, or builtin:NAME.")
    strategies: tuple[str, ...] = Field((), description="Strategies as NAME[:option=value,…][@from-to].")
    plan: tuple[str, ...] = Field(
        (), description="A plan by its name (imbtk plans), or strategies with spaces between, in quotes."
    )
    plugins: tuple[str, ...] = Field((), description="Python files that offer strategies.")
    without: tuple[str, ...] = Field((), description="Installed plugins to leave out.")
    fold: int = Field(0, ge=0, description="Which fold of the split to train, from 0.")
    positive: str | None = Field(None, description="The positive class of binary data; the rarer one unless given.")
    allow_overcorrection: bool = Field(False, description="Run a plan that corrects the class prior twice.")

    deploy: str = Field(
        "natural",
        description="Class frequencies where the model is used: natural, uniform, or benign=0.9,malignant=0.1.",
    )
    decide: Literal["trained", "deploy", "balanced"] = Field(
        "trained",
        description="How a class is picked: as trained; the most probable one at the deployment prior; balanced: the "
        "one with the largest probability over its frequency there.",
    )
    from_comparison: str | None = Field(
        None, description="Folder of a comparison, one of whose plans is trained on all rows: see row."
    )
    row: str | None = Field(None, description="With from_comparison: which row of its table.")

    model: str | None = Field(None, description="Network by name, or package.module:factory.")
    pretrained: bool = Field(False, description="Start from torchvision's weights.")
    weights: str | None = Field(None, description="Start from the weights in this file.")
    freeze: Literal["backbone"] | None = Field(None, description="Keep the backbone as it is.")

    epochs: int | None = Field(
        None, ge=1, description="Passes over the training rows; unless given, at most what suits the data."
    )
    batch_size: int = Field(64, ge=1, description="Samples in a batch.")
    accumulate: int = Field(
        1, ge=1, description="Parts in which a batch goes through the network, where it does not fit its memory whole."
    )
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="AdamW, or SGD with Nesterov momentum 0.9.")
    lr: float | None = Field(
        None, gt=0, description="Peak learning rate; what suits the model and the optimizer unless given."
    )
    lr_backbone: float | None = Field(None, gt=0, description="Peak learning rate of the backbone.")
    weight_decay: float | None = Field(
        None, ge=0, description="Not applied to norms and biases; what suits the model unless given."
    )
    schedule: Literal["cosine", "step", "constant"] = Field("cosine", description="After the warm-up.")
    warmup: float = Field(0.05, ge=0, lt=1, description="Share of the steps in which the rate rises.")
    milestones: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(
        (0.6, 0.8), description="With the schedule step: after which shares of the steps after the warm-up it falls."
    )
    fall: float = Field(
        0.1, gt=0, le=1, description="With the schedule step: the factor on the rate at each of its milestones."
    )
    clip_norm: float | None = Field(None, gt=0, description="Largest norm of the gradient.")
    early_stop: EarlyStopMetric | None = Field(
        None,
        description="Keep the best epoch of the last phase by this metric of the validation rows; unless given, "
        "corrected_log_loss where epochs are left open too, none where they are given.",
    )
    patience: int | None = Field(None, ge=1, description="With early_stop: stop after so many epochs without a gain.")

    device: str = Field("auto", description="auto, cpu, cuda, cuda:1.")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="Of training; auto tries what is fastest with the same losses, unless training is short."
    )
    memory_format: Literal["auto", "contiguous", "channels-last"] = Field(
        "auto", description="Of images in memory; auto tries it together with the precision."
    )
    max_minutes: float | None = Field(
        None, gt=0, description="End training at the end of an epoch, before the next would take longer than this."
    )
    threads: int | None = Field(None, ge=1, description="CPU threads.")
    out: str | None = Field(None, description="Run folder; runs/<time>-<plan> unless given.")
    discard_unfinished: bool = Field(
        False, description="Delete what an earlier run into the same folder left unfinished, its checkpoint too."
    )

    @model_validator(mode="before")
    @classmethod
    def _unfold_plan(cls, values: Any) -> Any:
        """Put the strategies of `plan` before those of `strategies`: what comes after knows one list."""
        if not cls.holds_one_plan or not isinstance(values, dict) or not values.get("plan"):
            return values
        plan = values["plan"]
        texts = [plan] if isinstance(plan, str) else plan
        try:
            specs = [spec for text in texts for spec in split_specs(text)]
        except (TypeError, AttributeError):
            return values  # what is no text is refused with its field
        return {**values, "plan": (), "strategies": [*specs, *values.get("strategies", ())]}

    @property
    def stops_early(self) -> bool:
        """Whether the best epoch is kept, given validation rows: whoever says how many epochs gets the last one."""
        return self.epochs is None if self.early_stop is None else self.early_stop != "none"


def read_config(path: str | Path) -> dict[str, Any]:
    """Read a TOML file of options.

    Returns
    -------
    dict
        The options that the file gives, by name.

    Raises
    ------
    OptionError
        If it cannot be read, is no TOML, or has an option that does not exist.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise OptionError(f"there is no configuration file '{path}'.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise OptionError(f"'{path}' cannot be read as TOML: {error}.") from None
    values = {key.replace("-", "_"): value for key, value in values.items()}
    for key in values:
        if key not in RunConfig.model_fields:
            raise OptionError(
                f"'{path}' has an option '{key}' that there is not.{did_you_mean(key, RunConfig.model_fields)}"
            )
    return values


def make_config(values: dict[str, Any]) -> RunConfig:
    """Return the validated configuration.

    Raises
    ------
    OptionError
        If an option does not exist or its value is refused.
    """
    return validated(values, RunConfig)


def validated(values: dict[str, Any], model: type[Config]) -> Config:
    """Return a configuration of a kind; paths are taken as text.

    Raises
    ------
    OptionError
        If an option does not exist or its value is refused.
    """
    try:
        return model(**{name: _as_text(value) for name, value in values.items()})
    except ValidationError as error:
        raise OptionError(option_errors(error, model)) from None


def _as_text(value: Any) -> Any:
    """Return a path as text, alone or in a list: a configuration holds plain values."""
    if isinstance(value, (list, tuple)):
        return [_as_text(entry) for entry in value]
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def option_errors(error: ValidationError, model: type[RunConfig]) -> str:
    """Return one paragraph about every option of a configuration that was refused."""
    return " ".join(dict.fromkeys(_sentence(problem, model) for problem in error.errors()))


def _sentence(problem: Any, model: type[RunConfig]) -> str:
    name = str(problem["loc"][0]) if problem["loc"] else ""
    if problem["type"] == "extra_forbidden":
        return f"unknown option '{name}'.{did_you_mean(name, model.model_fields)}"
    if problem["type"] == "tuple_type":
        return f"option '{name}' (given: {problem['input']!r}): write a list, such as [{problem['input']!r}]."
    message = str(problem["msg"]).removeprefix("Value error, ").rstrip(".")
    return f"option '{name}' (given: {problem['input']!r}): {message[0].lower()}{message[1:]}."


def write_config(config: RunConfig, path: Path) -> None:
    """Write a configuration so that ``imbtk run -c`` repeats the run; what is None is left out."""
    dumped = config.model_dump(
        mode="json", exclude={"out", "discard_unfinished"} | (set() if config.plan else {"plan"})
    )
    values = {key: value for key, value in dumped.items() if value is not None}
    path.write_bytes(tomli_w.dumps(values).encode())


def check_paths(config: RunConfig) -> None:
    """Refuse a run folder that exists already, or that something unfinished is in the way of.

    Raises
    ------
    ImbtkError
        If the folder is there: runs are never overwritten; nor, unless asked, what is unfinished.
    """
    if config.out and Path(config.out).exists():
        raise ImbtkError(
            f"the folder '{config.out}' exists already, and a run is never overwritten. Choose another --out."
        )
    if config.out:
        check_unfinished(Path(config.out), config.discard_unfinished)
