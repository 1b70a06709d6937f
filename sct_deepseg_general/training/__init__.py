"""Training of one network: cases, patches, contrast, loss, trainer. Needs torch and nnU-Net.

May import: inference, datasets, image and what lies below.
Main functions: `fit.fit`.
"""
