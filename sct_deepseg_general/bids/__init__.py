"""BIDS datasets: names, images with their labels, and the filter files of BIDS Apps.

May import: content, errors, text_files.
Main functions: `dataset.index`, `filter.selected`.
"""
