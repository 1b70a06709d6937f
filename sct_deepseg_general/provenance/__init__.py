"""What a run and an installation say of themselves: records, schemas, settings, methods text.

May import: job and what lies below.
Main functions: `info.info_record`, `methods.methods_text`, `references.bibtex`,
`schemas.schema`, `settings.as_toml`, `settings.read_toml`.
"""
