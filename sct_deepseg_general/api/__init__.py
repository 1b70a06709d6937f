"""What Python programs call: one function to segment, one to measure, and what they return.

May import: job, report and what lies below.
Main functions: `segmenting.segment`, `measuring.measure`, `models.load`, `result.Result`,
`result.Result.table`, `result.Result.mean_area`, `result.Result.plot`, `result.Result.save`,
`image.ResultImage`.
"""
