"""What a batch is asked to do, and where it keeps what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sct_deepseg_general import __version__
from sct_deepseg_general.batch.journal import Record
from sct_deepseg_general.batch.messages import WorkerSettings
from sct_deepseg_general.batch.naming import Naming
from sct_deepseg_general.batch.resume import Decision, Rerun, Wanted
from sct_deepseg_general.batch.worklist import Item, Worklist
from sct_deepseg_general.cluster.progress import Progress
from sct_deepseg_general.cluster.shards import Shard

__all__ = ["STATE", "BatchPlan", "Listener"]

STATE = "batch"


@dataclass(frozen=True)
class BatchPlan:
    """A batch to run: which images, how, and where the results go."""

    worklist: Worklist
    """All images, whatever the shard."""
    folder: Path
    settings: WorkerSettings
    digest: str
    """The digest of the model that `settings` names."""
    naming: Naming = "bids"
    shard: Shard = field(default_factory=Shard)
    rerun: Rerun = ""
    overwrite: bool = False

    @property
    def items(self) -> tuple[Item, ...]:
        """The images of this shard."""
        return self.worklist.part(self.shard).items

    @property
    def state(self) -> Path:
        return self.folder / STATE

    @property
    def shard_folder(self) -> Path:
        """The folder of this shard's journal, progress and logs."""
        return self.state / self.shard.label

    @property
    def tables(self) -> Path:
        """Where this run's tables go: a shard's are joined later."""
        return self.folder if self.shard.count == 1 else self.shard_folder

    @property
    def wanted(self) -> Wanted:
        settings = self.settings
        return Wanted(
            folder=self.folder,
            model=self.digest,
            version=__version__,
            parameters=settings.parameters,
            csa=settings.csa,
            soft=settings.soft,
            qc=bool(settings.qc),
            rerun=self.rerun,
            overwrite=self.overwrite,
        )


@dataclass(frozen=True)
class Listener:
    """What is told while a batch runs: the decisions, each image's end, and warnings."""

    planned: Callable[[tuple[Decision, ...]], None] = lambda _: None
    ended: Callable[[Item, Record, Progress], None] = lambda *_: None
    warned: Callable[[str], None] = lambda _: None
