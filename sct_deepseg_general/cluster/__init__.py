"""Shards of a batch, the resources of this machine, progress, and SLURM.

May import: errors, files, locks.
Main functions: `shards.parse`, `resources.allotted`, `slurm.shard_words`.
"""
