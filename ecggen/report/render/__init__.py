"""The report as HTML and JSON: page, figures and ECGs."""
