"""Is a classifier better for synthetic records, and is anything cheaper as good?"""
