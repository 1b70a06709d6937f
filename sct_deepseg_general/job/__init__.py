"""One image from file to files: read, segment, measure, assess, write.

May import: inference, csa, quality, qc and what lies below.
Main functions: `job.run`, `outputs.outputs_for`.
"""
