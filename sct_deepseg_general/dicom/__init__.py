"""Images from DICOM folders: the series in them, and one series as NIfTI. Needs the extra `dicom`.

May import: errors, files.
Main functions: `series.series_in`, `convert.converted`.
"""
