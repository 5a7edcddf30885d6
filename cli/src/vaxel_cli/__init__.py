"""The command `vaxel`."""
