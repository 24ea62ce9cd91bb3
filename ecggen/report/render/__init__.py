"""Rendering of the report as HTML and JSON: templates, figures and ECG tracings."""
