"""A recorded log happening again under another policy or with other people: ``vaxel whatif``."""
