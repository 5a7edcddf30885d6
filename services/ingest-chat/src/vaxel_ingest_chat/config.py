"""Settings of chat and webhooks; every limit with its reason. Variables begin with ``VAXEL_``."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from vaxel_shared.settings import Settings


class IngestChatSettings(Settings):
    """What ingest-chat is told by its environment."""

    chat_public_url: str | None = None
    """Where browsers reach this service, where that isn't its own address: https://chat.shop.example."""
    chat_proxy_hops: int = Field(default=0, ge=0, le=5)
    """How many proxies of ours stand before it: the visitor's address is that many places from the
    right of X-Forwarded-For. With 0 that header is believed by nobody."""
    chat_frame_bytes_max: int = Field(default=40_000, ge=1_000)
    """Of one frame or request: the longest text in four bytes a character, and its envelope."""
    chat_text_chars_max: int = Field(default=8_000, ge=1)
    """Of one message: three pages. Longer things are mails."""
    chat_messages_per_second_max: float = Field(default=2.0, gt=0)
    """Of one conversation, over time: nobody types faster."""
    chat_messages_burst_max: int = Field(default=20, ge=1)
    """Of one conversation at once: what a visitor wrote while the line was down."""
    chat_frames_per_second_max: float = Field(default=10.0, gt=0)
    """Of any kind, of one socket, over time."""
    chat_frames_burst_max: int = Field(default=60, ge=1)
    """Of any kind, of one socket, at once."""
    chat_pending_max: int = Field(default=32, ge=1)
    """Messages of one socket that wait for the broker: above the burst, so it takes a flood."""
    chat_outgoing_max: int = Field(default=500, ge=10)
    """Frames that wait for a slow visitor; then the socket is closed, to resume from its cursor."""
    chat_sockets_max: int = Field(default=10_000, ge=1)
    """Open at once, event streams included: each takes about 50 kB."""
    chat_sockets_per_ip_max: int = Field(default=50, ge=1)
    """From one network (/24 or /64): an office. This machine itself is not limited."""
    chat_conversations_per_ip_per_minute_max: int = Field(default=60, ge=1)
    """New ones from one network. This machine itself is not limited."""
    chat_hello_timeout_ms: int = Field(default=10_000, ge=50)
    """Upgrade to first frame."""
    chat_heartbeat_ms: int = Field(default=25_000, ge=50)
    """Between two pings; a socket without pong for half of it is dead. Proxies cut after 60 s."""
    chat_idle_timeout_ms: int = Field(default=1_800_000, ge=50)
    """Without a word from either side; the widget comes back when its page is looked at."""
    chat_left_after_ms: int = Field(default=60_000, ge=0)
    """With no line of the visitor's open for so long they have left, which the router is told: long
    enough for a page that is loaded again, or a train in a tunnel. 0: never."""
    chat_token_ttl_ms: int = Field(default=30 * 24 * 3_600_000, ge=1_000)
    """How long a visitor may continue: as long as the log is kept."""
    chat_history_records_max: int = Field(default=50_000, ge=100)
    """Records of the log read at a time for one who was long away; then others have a turn."""
    chat_history_readers_max: int = Field(default=4, ge=1)
    """Visitors for whom the log is read at once; the others wait their turn."""
    chat_recent_messages_max: int = Field(default=50_000, ge=0)
    """Messages remembered, so that whoever comes back soon needs no reading of the log: 50 MB."""
    chat_send_timeout_ms: int = Field(default=1_500, ge=100)
    """A message or webhook to the log's acknowledgement; then it is spooled: the hastiest providers
    give up after two to three seconds."""
    spool_dir: Path | None = None
    """Where what the log doesn't take in time waits; left out, in the data folder."""
    spool_bytes_max: int = Field(default=1024**3, ge=1024**2)
    """Of all that waits: an hour without Kafka at a hundred webhooks a second. Then senders are
    told to come again."""
    spool_free_bytes_min: int = Field(default=128 * 1024**2, ge=0)
    """Left free on the spool's disk: it isn't the spool that fills it up."""
    spool_send_timeout_ms: int = Field(default=10_000, ge=100)
    """A part of the spool to the log's acknowledgement."""
    http_body_timeout_ms: int = Field(default=10_000, ge=50)
    """Of a request's body: what comes slower is an attack, or a line that will come again."""
    hook_timeout_ms: int = Field(default=9_000, ge=100)
    """A webhook to its answer: providers wait ten seconds or longer."""
    hook_inflight_max: int = Field(default=200, ge=1)
    """Webhooks being kept at once; the others are told to come back."""
    hook_inflight_per_account_max: int = Field(default=100, ge=1)
    """Of one account; nor ever more than are left free, so that nobody takes the others' places."""
    hook_storing_max: int = Field(default=4, ge=1)
    """Bodies written to the disk at once; accounts take turns. Fewer than a process has threads, so
    that spool and configuration never stand behind webhooks."""
    hook_requests_per_second_max: float = Field(default=100.0, gt=0)
    """Of one account, over time: far more than a support team can answer. What isn't signed by it
    has as much of its own."""
    hook_requests_burst_max: int = Field(default=2_000, ge=1)
    """Of one account at once: what a provider held back while we were away."""
    hook_unverified_per_minute_max: int = Field(default=120, ge=1)
    """Refused webhooks of one network; then its bodies aren't even read. This machine itself is not
    limited."""
    config_poll_ms: int = Field(default=500, ge=50)
    """How often channels.yaml and the secrets are looked at."""

    @property
    def spool(self) -> Path:
        """This instance's own spool."""
        return (self.spool_dir or self.data_dir / "spool") / f"ingest-chat-{self.instance}"
