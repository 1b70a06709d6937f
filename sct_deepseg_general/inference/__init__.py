"""From an image to a probability and a segmentation on the image's own grid.

May import: zoo, image and what lies below.
Main functions: `pipeline.segment`, `predictor.load_predictor`, `locate.locate`.
"""
