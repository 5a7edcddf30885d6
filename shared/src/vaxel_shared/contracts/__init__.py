"""The shapes that services meet in: records of topics, and nothing else.

Pydantic models are the one truth; :mod:`vaxel_shared.contracts.wire` holds the same shapes for
hot paths, and a test holds both together.
"""
