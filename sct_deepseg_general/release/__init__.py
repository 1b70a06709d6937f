"""Model folders made of trained networks, imported from nnU-Net, exported and released.

May import: evaluation, datasets, inference, zoo and what lies below.
Main functions: `release.release`, `assemble.assemble`, `nnunet_results.import_results`,
`quantise.quantise`.
"""
