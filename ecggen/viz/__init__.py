"""An ECG on paper, as a cardiologist reads it: ``draw`` makes the figure, ``save`` writes it."""
