"""The only decider: commands in, decisions out. Start at :mod:`vaxel_router.core.engine`."""
