"""The quality report: synthetic ECGs of any origin against real ones, in fourteen sections of scores and verdicts."""
