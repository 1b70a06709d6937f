"""A BIDS dataset or a list of images, segmented by a pool of worker processes.

May import: job, cluster, inference, qc, zoo and what lies below.
Main functions: `run.run`, `worklist.from_bids`, `worker.segmenting`.
"""
