"""The people of a batch: centiles, groups compared, and change between their sessions.

Works on the tables of a finished batch. May import: batch, change, norms and what lies below.
Main functions: `centiles.write_centiles`, `groups.compare`, `longitudinal.write_changes`.
"""
