"""The QC page: pictures of an image and its mask, entries, the folder that holds them.

May import: image and what lies below.
Main functions: `entry.add_entry`, `folder.publish`.
"""
