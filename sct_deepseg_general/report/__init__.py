"""A page about one person: picture, areas, norms, change and quality, as PDF or HTML.

May import: job, change and what lies below.
Main functions: `content.content_of`, `pdf.write_pdf`, `html.write_html`.
"""
