"""Training of the disc network: subjects, random examples, network, fit, model folder. Needs torch.

May import: levels, inference, image and what lies below.
Main functions: `fit.fit`, `assemble.assemble`.
"""
