"""The whole work on one image: read, segment, measure, check the quality, write.

May import: inference, csa, quality, qc and what lies below.
Main functions: `job.run`, `outputs.outputs_for`.
"""
