"""Topics, files and the language model."""
