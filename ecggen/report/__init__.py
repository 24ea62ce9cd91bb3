"""The quality report: synthetic ECGs of any origin against real ones, in twelve sections of scores and verdicts."""
