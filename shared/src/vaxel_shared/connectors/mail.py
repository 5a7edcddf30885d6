"""An agent's mailbox: offers arrive as mail, and signed links in them accept and decline.

Of assignments it hears where nobody was asked: those that follow an offer are no news.

Opening a link changes nothing, because mail scanners open every link; the page's buttons act.
"""

from __future__ import annotations

from vaxel_shared.connectors.connector import Connector, Manifest

MANIFEST = Manifest(
    slug="mail",
    title="Mailbox",
    told=("offer", "assigned"),
    verbs={"accept": "link", "decline": "link"},
    authority=("vaxel",),
    bound="the link to one offer and one agent; it ends with the offer",
)

CONNECTOR = Connector(MANIFEST)
