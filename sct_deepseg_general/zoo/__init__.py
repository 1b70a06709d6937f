"""Models: their records, the index, download, installation and the cache.

May import: errors, files, locks, schema, content.
Main functions: `zoo.resolve`, `model.Model.load`, `install.fetch`, `archive.unpack_model`.
"""
