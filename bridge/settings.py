"""Every environment variable of the bridge, typed. Nothing else reads the environment.

A secret may be given as ``NAME`` or, to keep it out of the process list, as
``NAME_FILE`` with the path of a file that holds it.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from bridge.core.address import is_web_address
from bridge.errors import SettingsError

REPOSITORY = Path(__file__).resolve().parent.parent
# The longest spans that make sense, so that a slip of the keyboard is said instead of waited for.
TEN_MINUTES_S, HOUR_S, DAY_S = 600, 3600, 86_400
YEAR_H = 8760


@dataclass(frozen=True, slots=True)
class Variable:
    """One line of the README's table of settings."""

    name: str
    default: str
    help: str
    secret: bool = False


VARIABLES = (
    Variable(
        "DATABASE_URL",
        "sqlite:///<BRIDGE_DATA>/bridge.db",
        "Where the tables are; postgresql://… for several machines.",
        secret=True,
    ),
    Variable(
        "REDIS_URL",
        "",
        "Where wake-ups wait, redis://…; without it in the process, or on PostgreSQL.",
        secret=True,
    ),
    Variable("PORT", "8080", "The port that `serve` and `web` listen on."),
    Variable("BRIDGE_HOST", "127.0.0.1", "The address that they listen on; 0.0.0.0 for a proxy elsewhere."),
    Variable("BRIDGE_DATA", "var", "The folder of the embedded database and its lock."),
    Variable("BRIDGE_MAPPINGS", "mappings", "The folder of the mapping files."),
    Variable("BRIDGE_PUBLIC_URL", "", "How Zendesk, Slack and networks reach the bridge, https://…"),
    Variable(
        "BRIDGE_INSTALLATION",
        "bridge",
        "Short name in tickets’ external ids: letters, digits, dashes. Its database keeps it.",
    ),
    Variable("BRIDGE_THREADS", "8", "How many flows run at once in one worker."),
    Variable("BRIDGE_CALL_TIMEOUT_S", "15", "How long one call to a vendor may take, in seconds."),
    Variable(
        "BRIDGE_SETTLE_S",
        "each effect's own",
        "How long after an unclear write its result may still be invisible, in seconds.",
    ),
    Variable(
        "BRIDGE_LINGER_S",
        "3",
        "Seconds that a closing reply waits, so that many tickets solved at once are noticed.",
    ),
    Variable("BRIDGE_POLL_S", "30", "Seconds between two polls of an account that is polled."),
    Variable("BRIDGE_REREAD_S", "120", "Seconds between two looks at an open thread."),
    Variable(
        "BRIDGE_SWEEP_S", "300", "Seconds between two sweeps for what webhooks missed, and at every start."
    ),
    Variable(
        "BRIDGE_RETENTION_DAYS",
        "180",
        "Days after which the words and names of a closed case are blanked; 0 keeps them for good.",
    ),
    Variable("BRIDGE_LOG_LEVEL", "INFO", "DEBUG, INFO, WARNING or ERROR."),
    Variable("BRIDGE_LOG_FORMAT", "auto", "json, text, or auto: lines for people on a terminal, else JSON."),
    Variable("BRIDGE_ADMIN_CHANNEL", "", "The Slack channel that is told what needs somebody, once each."),
    Variable(
        "BRIDGE_SILENCE_H",
        "24",
        "Hours without a word from an account that used to be heard, before somebody is told.",
    ),
    Variable("ZENDESK_SUBDOMAIN", "", "The part before .zendesk.com."),
    Variable("ZENDESK_URL", "", "Where that account is reached instead: a proxy, the sandbox."),
    Variable("ZENDESK_CLIENT_ID", "", "OAuth client (confidential) of the bridge's own Zendesk user."),
    Variable("ZENDESK_CLIENT_SECRET", "", "Its secret.", secret=True),
    Variable(
        "ZENDESK_WEBHOOK_SECRET",
        "",
        "Signing secret of the webhook; two, with a comma, while it changes.",
        secret=True,
    ),
    Variable("ZENDESK_EMAIL", "", "Only for an old API token: its user. Stops working on 2027-04-30."),
    Variable("ZENDESK_API_TOKEN", "", "Only for an old API token.", secret=True),
    Variable("SLACK_BOT_TOKEN", "", "xoxb-…", secret=True),
    Variable("SLACK_SIGNING_SECRET", "", "The Slack app's; while it changes: new,old.", secret=True),
    Variable("SLACK_APP_TOKEN", "", "xapp-…: turns Socket Mode on.", secret=True),
    Variable("SLACK_API_URL", "https://slack.com/api/", "A proxy, the sandbox."),
)


@dataclass(frozen=True, slots=True)
class ZendeskSettings:
    subdomain: str
    url: str
    client_id: str
    client_secret: str = field(repr=False)
    webhook_secrets: tuple[str, ...] = field(repr=False)
    email: str = ""
    api_token: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SlackSettings:
    bot_token: str = field(repr=False)
    signing_secrets: tuple[str, ...] = field(repr=False)
    app_token: str = field(repr=False)
    api_url: str


@dataclass(frozen=True, slots=True)
class Settings:
    """What the environment says. ``zendesk`` and ``slack`` are None while not set up."""

    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    port: int
    host: str
    data: Path
    mappings: Path
    public_url: str
    installation: str
    threads: int
    call_timeout_s: float
    settle_s: float | None
    linger_s: float
    poll_s: float
    reread_s: float
    sweep_s: float
    retention_days: int
    log_level: str
    log_format: str
    admin_channel: str
    silence_h: float
    zendesk: ZendeskSettings | None
    slack: SlackSettings | None
    environment: Mapping[str, str] = field(repr=False)

    @property
    def wakes_url(self) -> str:
        """Where wake-ups wait for all processes; empty where each has its own."""
        embedded = self.database_url.startswith("sqlite")
        return self.redis_url or ("" if embedded else self.database_url)

    def named(self, name: str) -> tuple[str, ...]:
        """The values of a variable that a mapping file names; empty when it is not set.

        Raises SettingsError when its ``_FILE`` cannot be read.
        """
        return _split(_value(self.environment, name))


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the environment.

    Raises SettingsError, with every variable that is wrong, in words that say what to do.
    """
    env = dict(os.environ if environment is None else environment)
    wrong: list[str] = []

    def number(name: str, default: float, least: float, most: float = math.inf) -> float:
        text = env.get(name, "").strip()
        try:
            value = float(text) if text else default
        except ValueError:
            value = math.nan
        if not least <= value <= most or value == math.inf:
            bounds = f"of at least {least:g}" if most == math.inf else f"from {least:g} to {most:,.10g}"
            wrong.append(f"{name} must be a number {bounds}, not {text!r}.")
            return default
        return value

    def whole(name: str, default: int, least: int, most: int) -> int:
        value = number(name, default, least)
        if value > most or value != int(value):
            wrong.append(f"{name} must be a whole number from {least} to {most}, not {value:g}.")
            return default
        return int(value)

    def text(name: str, default: str = "") -> str:
        try:
            return _value(env, name) or default
        except SettingsError as error:
            wrong.append(str(error))
            return default

    def address(name: str, default: str = "", *, public: bool = False) -> str:
        value = text(name, default).rstrip("/")
        wrong.extend(_address_faults(name, value, public))
        return value

    data = Path(text("BRIDGE_DATA", "var"))
    database_url = _plain(text("DATABASE_URL") or _embedded(data))
    public_url = address("BRIDGE_PUBLIC_URL", public=True)
    installation = text("BRIDGE_INSTALLATION", "bridge")
    log_level = text("BRIDGE_LOG_LEVEL", "INFO").upper()
    if not installation.replace("-", "").isalnum() or not installation.isascii():
        wrong.append("BRIDGE_INSTALLATION takes letters, digits and dashes only.")
    log_format = text("BRIDGE_LOG_FORMAT", "auto").lower()
    if log_format not in ("auto", "json", "text"):
        wrong.append("BRIDGE_LOG_FORMAT must be auto, json or text.")
    if log_level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        wrong.append("BRIDGE_LOG_LEVEL must be DEBUG, INFO, WARNING or ERROR.")
    wrong += _database_faults(database_url)
    redis_url = text("REDIS_URL")
    if redis_url and not redis_url.startswith(("redis://", "rediss://", "unix://")):
        wrong.append("REDIS_URL must begin with redis:// or rediss://.")
    zendesk = ZendeskSettings(
        subdomain=text("ZENDESK_SUBDOMAIN"),
        url=address("ZENDESK_URL"),
        client_id=text("ZENDESK_CLIENT_ID"),
        client_secret=text("ZENDESK_CLIENT_SECRET"),
        webhook_secrets=_split(text("ZENDESK_WEBHOOK_SECRET")),
        email=text("ZENDESK_EMAIL"),
        api_token=text("ZENDESK_API_TOKEN"),
    )
    slack = SlackSettings(
        bot_token=text("SLACK_BOT_TOKEN"),
        signing_secrets=_split(text("SLACK_SIGNING_SECRET")),
        app_token=text("SLACK_APP_TOKEN"),
        api_url=address("SLACK_API_URL", "https://slack.com/api/") + "/",
    )
    has_zendesk = bool(zendesk.subdomain)
    if has_zendesk and not (zendesk.client_id and zendesk.client_secret) and not zendesk.api_token:
        wrong.append(
            "ZENDESK_SUBDOMAIN is set, so ZENDESK_CLIENT_ID and ZENDESK_CLIENT_SECRET must be too: "
            "create a confidential OAuth client in Zendesk's Admin Center."
        )
    if zendesk.api_token and not zendesk.email:
        wrong.append("ZENDESK_API_TOKEN needs ZENDESK_EMAIL, the user that it belongs to.")
    settings = Settings(
        database_url=database_url,
        redis_url=redis_url,
        port=whole("PORT", 8080, 0, 65535),
        host=text("BRIDGE_HOST", "127.0.0.1"),
        data=data,
        mappings=mappings_folder(text("BRIDGE_MAPPINGS")),
        public_url=public_url,
        installation=installation,
        threads=whole("BRIDGE_THREADS", 8, 1, 1000),
        call_timeout_s=number("BRIDGE_CALL_TIMEOUT_S", 15, 0.1, TEN_MINUTES_S),
        settle_s=number("BRIDGE_SETTLE_S", 0, 0, DAY_S) if text("BRIDGE_SETTLE_S") else None,
        linger_s=number("BRIDGE_LINGER_S", 3, 0, HOUR_S),
        poll_s=number("BRIDGE_POLL_S", 30, 0.1, DAY_S),
        reread_s=number("BRIDGE_REREAD_S", 120, 0.1, DAY_S),
        sweep_s=number("BRIDGE_SWEEP_S", 300, 0.1, DAY_S),
        retention_days=whole("BRIDGE_RETENTION_DAYS", 180, 0, 36_500),
        log_level=log_level,
        log_format=log_format,
        admin_channel=text("BRIDGE_ADMIN_CHANNEL"),
        silence_h=number("BRIDGE_SILENCE_H", 24, 0.001, YEAR_H),
        zendesk=zendesk if has_zendesk else None,
        slack=slack if slack.bot_token else None,
        environment=env,
    )
    if wrong:
        raise SettingsError("\n".join(wrong))
    return settings


def _value(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "").strip()
    path = env.get(f"{name}_FILE", "").strip()
    if value or not path:
        return value
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise SettingsError(f"{name}_FILE names a file that cannot be read: {path}") from None


def _split(value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


def _embedded(data: Path) -> str:
    """The address of the database in the folder *data*, whatever signs are in that one's name."""
    try:
        return URL.create("sqlite", database=str(data / "bridge.db")).render_as_string()
    except UnicodeEncodeError:
        raise SettingsError("BRIDGE_DATA is not UTF-8: give the folder another name.") from None


def _plain(url: str) -> str:
    """A PostgreSQL's address without a driver's name; ``postgres://`` is what some platforms still set."""
    return re.sub(r"^postgres(ql)?(\+psycopg)?:", "postgresql:", url)


def _address_faults(name: str, value: str, public: bool) -> Iterator[str]:
    """What is wrong with a web address; *public*: strangers' bytes travel to it over the internet."""
    if not value:
        return
    plain = "loopback" if public else "loopback and proxies"
    if not is_web_address(value):
        yield f"{name} must begin with https:// and name a host (http:// is for {plain})."
    elif public and not _is_secure(value):
        yield (
            f"{name} must begin with https:// (http:// is for {plain}): customers' words are sent there. "
            "It is the address of the proxy that ends TLS in front of the bridge."
        )


def _is_secure(url: str) -> bool:
    """Whether nobody on the way can read what is sent to the web address *url*."""
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    if parts.scheme == "https" or host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _database_faults(url: str) -> list[str]:
    try:
        parsed = make_url(url)
    except ArgumentError:
        return ["DATABASE_URL is not a database address; an embedded one is sqlite:///var/bridge.db."]
    except ValueError:
        return ["DATABASE_URL: the port must be a number, as in postgresql://user:password@host:5432/name."]
    backend = parsed.get_backend_name()
    if backend == "postgresql":
        return []
    if backend != "sqlite":
        return [f"DATABASE_URL: {backend} is not supported; use postgresql://… or sqlite:///<path>."]
    if not parsed.database or parsed.database == ":memory:":
        return ["DATABASE_URL must name a file: what is only in memory does not survive a restart."]
    return []


def served_mappings() -> Path:
    """The folder that a bridge which is started here and now serves."""
    return mappings_folder(os.environ.get("BRIDGE_MAPPINGS", "").strip())


def mappings_folder(named: str) -> Path:
    """The folder that was named, else ./mappings, else the starter that came with the package."""
    if named:
        return Path(named)
    for candidate in (Path("mappings"), REPOSITORY / "mappings", Path(__file__).parent / "starter"):
        if candidate.is_dir():
            return candidate
    return Path("mappings")
