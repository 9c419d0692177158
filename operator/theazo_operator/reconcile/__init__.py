"""The decisions: observed state in, desired objects and status out. Nothing here does I/O.

Every event about an object leads to the same question, asked again from what is there now (level-triggered), so a
crash between any two writes heals on the next pass.
"""
