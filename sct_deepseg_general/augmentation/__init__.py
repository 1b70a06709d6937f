"""What training sees of a case: patches, changes of contrast, images made of labels, hard cases.

May import: image and what lies below. Needs torch.
Main functions: `sampling.draw_patch`, `contrast.randomised`.
"""
