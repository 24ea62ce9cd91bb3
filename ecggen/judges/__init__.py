"""Networks that judge ECGs, trained on real ones only; none of them draws, and no generator is trained on them."""
