"""The plan of a batch: which images, how, where to; and for each image whether it is to be done.

An image is segmented when it is new, changed, unfinished or requested, and left alone
otherwise. Files that the batch did not write, or that were edited since, are never replaced
unless the user asks for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sct_deepseg_general import __version__
from sct_deepseg_general.batch.journal import History, Record
from sct_deepseg_general.batch.messages import WorkerSettings
from sct_deepseg_general.batch.naming import Naming
from sct_deepseg_general.batch.worklist import Item, Worklist
from sct_deepseg_general.cluster.progress import Progress
from sct_deepseg_general.cluster.shards import Shard
from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.files import FileStamp, sha256
from sct_deepseg_general.job.outputs import Outputs

__all__ = ["RERUNS", "STATE", "BatchPlan", "Decision", "Listener", "Rerun", "decided"]

Rerun = Literal["", "failed", "warn", "all"]
RERUNS = ("failed", "warn", "all")
STATE = "batch"
"""The state folder, below the output folder."""

_RERUN_STATUS: dict[str, tuple[str, ...]] = {
    "": (),
    "failed": ("error", "missing", "fail"),
    "warn": ("error", "missing", "fail", "warn"),
    "all": ("error", "missing", "fail", "warn", "ok"),
}
_LASTING = ("image", "program")  # failures that the same image would meet again


@dataclass(frozen=True)
class BatchPlan:
    """A batch to run: which images, how they are segmented, and where the results go."""

    worklist: Worklist
    """All images, of all shards."""
    folder: Path
    """The output folder."""
    settings: WorkerSettings
    digest: str
    """The digest of the model that `settings` names."""
    naming: Naming = "bids"
    shard: Shard = field(default_factory=Shard)
    rerun: Rerun = ""
    """Which finished images are segmented again."""
    overwrite: bool = False
    """Whether edited files, and files that the batch did not write, are replaced."""

    @property
    def items(self) -> tuple[Item, ...]:
        """The images of this shard."""
        return self.worklist.part(self.shard).items

    @property
    def state(self) -> Path:
        """The state folder of the batch, with a folder for each shard."""
        return self.folder / STATE

    @property
    def shard_folder(self) -> Path:
        """The folder of this shard's journal, progress and logs."""
        return self.state / self.shard.label

    @property
    def tables(self) -> Path:
        """The folder of this run's tables; those of several shards are joined later."""
        return self.folder if self.shard.count == 1 else self.shard_folder


@dataclass(frozen=True)
class Decision:
    """What is done with an image, and the reason.

    "do": it is segmented. "keep": its results are up to date. "blocked": it would be segmented,
    but a file would be lost that the batch did not write, or that was edited since.
    """

    item: Item
    act: Literal["do", "keep", "blocked"]
    reason: str


@dataclass(frozen=True)
class Listener:
    """Functions that are called while a batch runs."""

    on_plan: Callable[[tuple[Decision, ...]], None] = lambda _: None
    """Called once, with the decision on each image."""
    on_image: Callable[[Item, Record, Progress], None] = lambda *_: None
    """Called when an image is done or has failed."""
    on_warning: Callable[[str], None] = lambda _: None
    """Called with a sentence for the user."""


def decided(item: Item, outputs: Outputs, history: History, plan: BatchPlan) -> Decision:
    """Decide on one image from its last record and the files on the disk.

    Parameters
    ----------
    item
        The image.
    outputs
        The paths of its outputs.
    history
        What the journals say of earlier runs.
    plan
        The batch; its model, parameters and outputs are compared with those recorded.

    Returns
    -------
    Decision
        What to do, and the reason in a few words.

    Raises
    ------
    OutputError
        A recorded output exists but cannot be read.
    """
    record = history.ended.get(item.key)
    if item.key in history.open:
        return Decision(item, "do", "interrupted before")
    if record is None:
        return _decided_new(item, outputs, plan)
    if record.event == "failed":
        return _decided_failed(item, record, plan)
    reason = _reason_to_repeat(item, outputs, record, plan)
    if not reason:
        return Decision(item, "keep", "done before")
    edited = None if plan.overwrite else _edited_output(record, plan.folder)
    if edited is not None:
        return Decision(item, "blocked", f"{edited} was edited since ({reason})")
    return Decision(item, "do", reason)


def _decided_new(item: Item, outputs: Outputs, plan: BatchPlan) -> Decision:
    existing = [path for path in _paths(outputs, plan) if path.exists()]
    if existing and not plan.overwrite:
        return Decision(item, "blocked", f"{existing[0].name} exists and is not in the journal")
    return Decision(item, "do", "new")


def _decided_failed(item: Item, record: Record, plan: BatchPlan) -> Decision:
    reason = record.reasons[0] if record.reasons else "no reason recorded"
    if record.status in _RERUN_STATUS[plan.rerun]:
        return Decision(item, "do", f"-rerun {plan.rerun}")
    if record.kind not in _LASTING:
        return Decision(item, "do", f"failed before ({record.kind})")
    changed = _changed_image(item, record) or _changed_settings(record, plan)
    if changed:
        return Decision(item, "do", changed)
    return Decision(item, "keep", f"failed before: {reason}")


def _reason_to_repeat(item: Item, outputs: Outputs, record: Record, plan: BatchPlan) -> str:
    """Why a finished image is segmented again; "" if its results are up to date."""
    if record.status in _RERUN_STATUS[plan.rerun]:
        return f"-rerun {plan.rerun}"
    recorded = {plan.folder / name for name in record.outputs}
    for path in _paths(outputs, plan):
        if path not in recorded or not path.exists():
            return f"{path.name} is missing"
    if plan.settings.qc and not record.qc:
        return "it has no QC entry"
    return _changed_image(item, record) or _changed_settings(record, plan)


def _paths(outputs: Outputs, plan: BatchPlan) -> tuple[Path, ...]:
    return outputs.wanted(plan.settings.csa, plan.settings.soft)


def _changed_image(item: Item, record: Record) -> str:
    try:
        if FileStamp.of(item.image) == FileStamp(record.size, record.mtime_ns):
            return ""
        return "" if sha256(item.image) == record.sha256 else "the image changed"
    except OSError:
        return "the image cannot be read any more" if record.sha256 else ""


def _changed_settings(record: Record, plan: BatchPlan) -> str:
    if record.model != plan.digest:
        return f"another model ({record.model[:8]}, now {plan.digest[:8]})"
    for name, value in plan.settings.parameters.items():
        before = record.parameters.get(name)
        if before != value:
            return f"{name} was {before}, is {value}"
    if record.version != __version__:
        return f"made by version {record.version}, this is {__version__}"
    return ""


def _edited_output(record: Record, folder: Path) -> str | None:
    """The name of a recorded output whose content is no longer what was written."""
    for name, digest in record.outputs.items():
        path = folder / name
        try:
            if path.exists() and sha256(path) != digest:
                return path.name
        except OSError as error:
            raise OutputError(f"Cannot read {path}: {error.strerror or error}.") from error
    return None
