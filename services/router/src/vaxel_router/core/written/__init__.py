"""One function for each type of decision: what it changes in the state.

It never judges and never computes what a decision could have said: it writes down what it states.
"""

from vaxel_router.core.written import agents, cases, offers, queues, works
from vaxel_router.core.written.common import Handler, Place

__all__ = ["HANDLERS", "Handler", "Place"]

HANDLERS: dict[str, Handler] = {
    **agents.HANDLERS,
    **cases.HANDLERS,
    **works.HANDLERS,
    **offers.HANDLERS,
    **queues.HANDLERS,
}
"""Type of a decision → what it changes."""
