"""One file per kind of score: pure functions on arrays; ``streaming`` holds the same as torchmetrics metrics."""
