"""A page about one person: picture, areas, norms, change, quality.

`content.content_of` gathers what is shown, `pdf.write_pdf` and `html.write_html` write it. May
import job, change and what lies below.
"""
