"""Run folders: the one reader and writer of what a run was asked, chose and left behind.

`reading` needs no torch, so that whoever only looks at a run starts at once.
"""
