"""The deployment's own files, read once, checked whole, with file and line for every error.

``channels.yaml`` says where contacts come in, ``routing.yaml`` how they are routed,
``roster.yaml`` who works, ``connectors.yaml`` what it talks to.
"""
