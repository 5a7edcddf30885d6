"""``vaxel simulate``: the router in virtual time, and what comes of a scenario.

``scenario`` is what a user writes, ``randomness`` where chance comes from, ``loop`` lets customers
arrive and agents work, ``routed`` asks the router who takes whom, ``tally`` counts, ``intervals``
and ``figures`` say how sure one can be.
"""
