"""The service that is loaded: its address, resolved once, and the key that it asks for."""

from __future__ import annotations

import ipaddress
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from nlpkit import reporting
from nlpkit.errors import UserError
from nlpkit.loadtesting.options import TargetOptions
from nlpkit.runs.files import small_text

KEY_VARIABLE = "NLPKIT_API_KEY"
PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Target:
    """Where requests go.

    Attributes:
        scheme: http or https.
        host: as it was given; it stands in the header Host and is what a certificate is checked against.
        port: of the service.
        path: that is asked; empty where the address has none.
        addresses: of the host, as they were resolved: every connection goes to one of them.
        key: that is sent as a bearer token; None: none. It is in no text of this object.
    """

    scheme: str
    host: str
    port: int
    path: str
    addresses: Sequence[str]
    key: str | None = field(default=None, repr=False)

    @property
    def origin(self) -> str:
        """The address without its path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def at(self, path: str) -> str:
        """The address of a path."""
        return f"{self.origin}{path}"


def find(options: TargetOptions) -> Target:
    """The service at URL, with its key.

    Raises:
        UserError: this is no address of a service, the host has no address, it is not this machine and
            --i-own-this-host is not given, or the key cannot be read.
    """
    parts = _parsed(options.url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    addresses = _resolved(host, port)
    foreign = [address for address in addresses if not is_loopback(address)]
    if foreign and not options.i_own_this_host:
        raise UserError(
            f"{host} is {foreign[0]}, not this machine: a load test may bring a service down",
            "If it is yours, or you are allowed to: --i-own-this-host.",
        )
    key = _key(options.api_key_file)
    if key is not None and foreign and parts.scheme == "http":
        reporting.current().warn(f"the key goes to {host} unencrypted, as the address begins with http://")
    return Target(parts.scheme, host, port, parts.path.rstrip("/"), addresses, key)


def is_loopback(address: str) -> bool:
    """Whether a numeric address leads back to this machine, also one of IPv4 that is written as IPv6."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return (mapped or parsed).is_loopback


def _parsed(url: str) -> SplitResult:
    example = "For example http://127.0.0.1:8000"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise UserError(f"URL {url}: {error}", f"{example}.") from None
    if "@" in parts.netloc:
        raise UserError(
            "URL: it holds a name or a password, which others can read on a command line",
            f"A key stands in the variable {KEY_VARIABLE} or in the file of --api-key-file.",
        )
    if parts.scheme not in PORTS or not parts.hostname:
        raise UserError(f"URL {url}: this is no address of a service", f"{example}.")
    if parts.query or parts.fragment:
        raise UserError(f"URL {url}: a service is asked by POST, without ? and #", "What it is asked stands in --body.")
    if port == 0:
        raise UserError(f"URL {url}: there is no port 0", f"{example}.")
    if not (url.isascii() and url.isprintable()) or " " in url:
        raise UserError(f"URL {url!r}: an address has letters, digits and marks of ASCII only", f"{example}.")
    return parts


def _resolved(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UserError(f"URL: the host {host} has no address ({reason})", "Is its name right?") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _key(path: Path | None) -> str | None:
    """The key in a file, else the one in the environment.

    Raises:
        UserError: the file cannot be read or is empty, or what it holds cannot be sent.
    """
    if path is None:
        key, where = os.environ.get("NLPKIT_API_KEY", "").strip(), KEY_VARIABLE
        if not key:
            return None
    else:
        where = f"--api-key-file {path}"
        try:
            key = small_text(path).strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            raise UserError(f"{where}: it cannot be read: {reason}", "Name a file that holds the key.") from None
        if not key:
            raise UserError(f"{where}: the file is empty", "Name a file that holds the key.")
    if not (key.isascii() and key.isprintable()):
        raise UserError(f"{where}: a key is one line of ASCII", "Write the key alone into it.")
    return key
