"""Whether a result is plausible, and the interval of its area.

May import: inference, morphometry, image and what lies below.
Main functions: `assess.assess`, `assess.assess_mask`, `uncertainty.with_interval`.
"""
