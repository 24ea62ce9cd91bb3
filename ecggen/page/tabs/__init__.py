"""The tabs of the page, one module each; ``form`` is what Reconstruct and Translate share, ``quiz`` makes the questions
of Teach.
"""
