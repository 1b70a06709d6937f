"""Images from DICOM folders: the series that are there, one of them as NIfTI, and who was imaged.

`series.series_in` lists, `convert.converted` converts through dcm2niix. Needs the extra `dicom`
(pydicom and dcm2niix). May import `errors`.
"""
