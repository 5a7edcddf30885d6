"""The commands that ask and drive a running system; one file each."""
