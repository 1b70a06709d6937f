"""What Python programs call: one function to segment, one to measure, and what they return.

May import: job, report and what lies below.
Main functions: `segmenting.segment`, `measuring.measure`, `models.load`, `result.CordResult`,
`result.CordResult.table`, `result.CordResult.mean_area`, `result.CordResult.plot`,
`result.CordResult.save`, `image.ResultImage`.
"""
