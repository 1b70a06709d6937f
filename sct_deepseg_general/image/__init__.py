"""Images on their grids as values, NIfTI files, the body's axes and overlap of masks.

May import: errors, files.
Main functions: `nifti.load`, `nifti.save`, `las.upright`, `metrics.agreement`.
"""
