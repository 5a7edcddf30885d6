"""The tools that agents work in: one file each, a manifest and pure functions both ways.

Adding one is adding a file here that defines ``CONNECTOR``; ``docs/tools.md`` is made from them.
"""
