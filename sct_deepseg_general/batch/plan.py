"""The plan of a batch: which images, how, where to; and for each image whether it is to be done.

An image is segmented when it is new, changed, unfinished or requested, and left alone
otherwise. Files that the batch did not write are replaced only with `-overwrite`; a mask that
was edited, or made by another program, only if it is named after that flag. An edited mask is
measured, so that the tables hold its area.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from sct_deepseg_general import __version__
from sct_deepseg_general.batch.journal import History, Record
from sct_deepseg_general.batch.messages import MEASURING, WorkerSettings
from sct_deepseg_general.batch.naming import Naming
from sct_deepseg_general.batch.worklist import Item, Worklist
from sct_deepseg_general.cluster.progress import Progress
from sct_deepseg_general.cluster.shards import Part, Shard
from sct_deepseg_general.errors import OutputError
from sct_deepseg_general.files import FileStamp, digest_of, sha256
from sct_deepseg_general.job.outputs import Outputs
from sct_deepseg_general.job.overwrite import EDITED, Overwrite, mask_origin

__all__ = ["RERUNS", "STATE", "BatchPlan", "Decision", "Listener", "Rerun", "decided"]

Rerun = Literal["", "failed", "warn", "all"]
RERUNS = ("failed", "warn", "all")
STATE = "batch"
"""The state folder, below the output folder."""

_RERUN_STATUS: dict[str, tuple[str, ...]] = {
    "": (),
    "failed": ("error", "missing", "fail"),
    "warn": ("error", "missing", "fail", "warn"),
    "all": ("error", "missing", "fail", "warn", "ok", "edited"),
}
_LASTING = ("image", "program")  # failures that the same image would meet again


@dataclass(frozen=True)
class BatchPlan:
    """A batch to run: which images, how they are segmented, and where the results go."""

    worklist: Worklist
    """All images, of all parts."""
    folder: Path
    """The output folder."""
    settings: WorkerSettings
    digest: str
    """The digest of the model that `settings` names."""
    naming: Naming = "bids"
    part: Part = field(default_factory=Shard)
    """What this process works on."""
    rerun: Rerun = ""
    """Which finished images are segmented again."""
    overwrite: Overwrite = field(default_factory=Overwrite)
    """Which files are replaced that were edited, or that the batch did not write."""

    @property
    def items(self) -> tuple[Item, ...]:
        """The images of this part."""
        return self.worklist.part(self.part).items

    @property
    def state(self) -> Path:
        """The state folder of the batch, with a folder for each shard or participant."""
        return self.folder / STATE

    @property
    def places(self) -> tuple[Path, ...]:
        """The state folders of this part; its progress is in the first."""
        return tuple(self.state / label for label in self.part.labels)

    def place_of(self, item: Item) -> Path:
        """The state folder that holds the journal and the log of an image."""
        return self.state / self.part.label_of(item.owner)

    @property
    def tables(self) -> tuple[Path, ...]:
        """The folders of this run's tables; those of several parts are joined later."""
        return (self.folder,) if self.part.whole else self.places


@dataclass(frozen=True)
class Decision:
    """What is done with an image, and the reason.

    "do": it is segmented. "measure": its mask was edited, and is measured. "keep": its results
    are up to date. "blocked": it would be segmented, but a file would be lost that the batch did
    not write, or that was edited since.
    """

    item: Item
    act: Literal["do", "measure", "keep", "blocked"]
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

    Examples
    --------
    >>> from sct_deepseg_general.job.outputs import outputs_for
    >>> item = Item("t2.nii.gz", Path("t2.nii.gz"))
    >>> plan = BatchPlan(Worklist(Path(), "study", (item,)), Path("out"), WorkerSettings(), "")
    >>> outputs = outputs_for(item.image, Path("out"))
    >>> decision = decided(item, outputs, History({}, frozenset()), plan)
    >>> decision.act, decision.reason
    ('do', 'new')
    """
    record = history.ended.get(item.key)
    if item.key in history.open:
        return Decision(item, "do", "interrupted before")
    if record is None:
        return _decided_new(item, outputs, plan)
    if record.event == "failed":
        return _decided_failed(item, outputs, record, plan)
    return _decided_done(item, outputs, record, plan)


def _decided_done(item: Item, outputs: Outputs, record: Record, plan: BatchPlan) -> Decision:
    """Decide on an image that was segmented, or whose edited mask was measured."""
    mask = outputs.segmentation
    changed = _edited_output(record, plan.folder, only=mask)
    edited = changed is not None or (record.status == EDITED and mask.exists())
    if edited and plan.overwrite.names_mask(mask):
        return Decision(item, "do", f"-overwrite {mask.name}")
    if changed is not None:
        return Decision(item, "measure", f"{mask.name} was edited since")
    if edited:
        return _decided_edited(item, outputs, record, plan)
    reason = _reason_to_repeat(item, outputs, record, plan)
    if not reason:
        return Decision(item, "keep", "done before")
    other = None if plan.overwrite.own else _edited_output(record, plan.folder)
    if other is not None:
        return Decision(item, "blocked", f"{other} was edited since ({reason})")
    return Decision(item, "do", reason)


def _decided_edited(item: Item, outputs: Outputs, record: Record, plan: BatchPlan) -> Decision:
    """Decide on an image whose edited mask was measured, and is as it was then."""
    if plan.settings.csa and not outputs.csa.exists():
        return Decision(item, "measure", f"{outputs.csa.name} is missing")
    reason = _requested(record, plan) or _changed_image(item, record)
    reason = reason or _changed_settings(record, plan, made=True)
    if not reason:
        again = _changed_discs(item, record, plan) or _changed_settings(record, plan)
        if again:
            return Decision(item, "measure", again)
        return Decision(item, "keep", "its mask was edited, and measured before")
    return Decision(item, "blocked", f"{outputs.segmentation.name} was edited since ({reason})")


def _decided_new(item: Item, outputs: Outputs, plan: BatchPlan) -> Decision:
    existing = [path for path in _paths(outputs, plan) if path.exists()]
    if existing and not plan.overwrite.own:
        return Decision(item, "blocked", f"{existing[0].name} exists and is not in the journal")
    return _unless_protected(Decision(item, "do", "new"), outputs, plan)


def _decided_failed(item: Item, outputs: Outputs, record: Record, plan: BatchPlan) -> Decision:
    reason = record.reasons[0] if record.reasons else "no reason recorded"
    why = _requested(record, plan)
    if not why and record.kind not in _LASTING:
        why = f"failed before ({record.kind})"
    why = why or _changed_image(item, record) or _changed_discs(item, record, plan)
    why = why or _changed_settings(record, plan)
    if not why:
        return Decision(item, "keep", f"failed before: {reason}")
    return _unless_protected(Decision(item, "do", why), outputs, plan)


def _unless_protected(decision: Decision, outputs: Outputs, plan: BatchPlan) -> Decision:
    """The decision to segment, unless the mask was edited or may be of another program."""
    mask = outputs.segmentation
    origin = "absent" if plan.overwrite.names_mask(mask) else mask_origin(outputs)
    if origin == "edited":
        return replace(decision, act="measure", reason=f"{mask.name} was edited since")
    if origin in ("foreign", "unknown"):
        whose = "is of another program" if origin == "foreign" else "has no sidecar"
        return replace(decision, act="blocked", reason=f"{mask.name} {whose}")
    return decision


def _reason_to_repeat(item: Item, outputs: Outputs, record: Record, plan: BatchPlan) -> str:
    """Why a finished image is segmented again; "" if its results are up to date."""
    requested = _requested(record, plan)
    if requested:
        return requested
    recorded = {plan.folder / name for name in record.outputs}
    for path in _paths(outputs, plan):
        if path not in recorded or not path.exists():
            return f"{path.name} is missing"
    if plan.settings.qc and not record.qc:
        return "it has no QC entry"
    changed = _changed_image(item, record) or _changed_discs(item, record, plan)
    return changed or _changed_settings(record, plan)


def _requested(record: Record, plan: BatchPlan) -> str:
    return f"-rerun {plan.rerun}" if record.status in _RERUN_STATUS[plan.rerun] else ""


def _paths(outputs: Outputs, plan: BatchPlan) -> tuple[Path, ...]:
    return outputs.paths(plan.settings.csa, plan.settings.soft)


def _changed_image(item: Item, record: Record) -> str:
    try:
        if FileStamp.of(item.image) == FileStamp(record.size, record.mtime_ns):
            return ""
        return "" if sha256(item.image) == record.sha256 else "the image changed"
    except OSError:
        return "the image cannot be read any more" if record.sha256 else ""


def _changed_discs(item: Item, record: Record, plan: BatchPlan) -> str:
    """Whether the labelled discs of the dataset are others than those that gave the levels."""
    if not plan.settings.levels:
        return ""
    now = digest_of(item.discs)
    if now == record.discs:
        return ""
    if not record.discs:
        return "its discs were labelled"
    return "the labelled discs changed" if now else "the labelled discs were removed"


def _changed_settings(record: Record, plan: BatchPlan, *, made: bool = False) -> str:
    """Which setting is another one; with `made` only of those that change the mask itself."""
    if record.model != plan.digest:
        return f"another model ({record.model[:8]}, now {plan.digest[:8]})"
    for name, value in plan.settings.parameters.items():
        before = record.parameters.get(name)
        if before != value and not (made and name in MEASURING):
            return f"{name} was {before}, is {value}"
    if record.version != __version__:
        return f"made by version {record.version}, this is {__version__}"
    return ""


def _edited_output(record: Record, folder: Path, only: Path | None = None) -> str | None:
    """The name of a recorded output (or of one path) whose content is not what was written."""
    for name, digest in record.outputs.items():
        path = folder / name
        try:
            if only in (None, path) and path.exists() and sha256(path) != digest:
                return path.name
        except OSError as error:
            raise OutputError(f"Cannot read {path}: {error.strerror or error}.") from error
    return None
