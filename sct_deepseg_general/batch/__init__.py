"""Many images: a BIDS dataset or a list, segmented by a pool of worker processes.

May import: job, cluster, inference, qc, zoo and what lies below.
Main functions: `run.run`, `plan.decided`, `worklist.from_bids`, `worklist.from_list`.
"""
