"""How generated ECGs are judged: ``scores`` are pure functions, ``report`` puts them together on anybody's ECGs.

The files here run protocols on generators and baselines and keep the results.
"""
