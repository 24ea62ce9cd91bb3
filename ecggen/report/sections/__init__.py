"""One file for each section of the report: its scores, their references and a verdict."""
