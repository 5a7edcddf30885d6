"""The platforms that contacts come from by webhook: one file each, pure functions and a manifest.

Adding one is adding a file here that defines ``PLATFORM``; see ``docs/adding-a-channel.md``.
"""
