"""Owns the errors that a caller can act on. They know no HTTP: class -> status is `answers.problems.STATUS`.

ArtifactDBError
├── BadConfiguration            the configuration file or an environment variable is wrong
├── NotFound                    no chain, workflow, artifact, transfer or tag has this id
│   └── Gone                    the row is there, its bytes were removed
├── Malformed                   it is not written as it has to be: whoever asks has to be mended
├── Denied                      no such token or session, or one that was revoked or has expired
├── Invalid                     well-formed but wrong: names the field
│   ├── UnknownServer           no server of this name is configured
│   ├── WrongFileType           the bytes are not of the type that is asked for
│   └── TooLarge                more bytes than this hub takes
├── Conflict                    a rule or the present state forbids it
│   ├── StaleRevision           If-Match named an older revision
│   ├── NotUsable               pending, rejected, deleted, or its bytes changed
│   └── TooNew                  the database was written by a newer release
├── Unavailable                 the database is busy or away; nothing is lost, try again
├── StoreFailed                 the store could not take or give the bytes (full, read-only, gone)
└── ServerFailed                a ComfyUI server did not do what was asked
    ├── ServerUnreachable       it did not answer
    ├── PromptRefused           it will not run this graph as it stands
    └── DeliveryFailed          it answered, but does not hold the right bytes
        └── Incomplete          some outputs of a prompt could not be collected; `missing` names them

Narrower ones live beside what raises them: `recording.Deleted`, `repeats.Repeated`, `bundle_reading.BadBundle`,
`exports.TargetFailed`, `sources.SourceFailed` and `SourceChanged`, `problems.ChainInvalid`, `servers.NoServer`,
`hub.RefusedByHub`. `client.problems` has the names of the tree once more, as a hub answers them.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "ArtifactDBError",
    "BadConfiguration",
    "Conflict",
    "DeliveryFailed",
    "Denied",
    "Gone",
    "Incomplete",
    "Invalid",
    "Malformed",
    "NotFound",
    "NotUsable",
    "PromptRefused",
    "ServerFailed",
    "ServerUnreachable",
    "StaleRevision",
    "StoreFailed",
    "TooLarge",
    "TooNew",
    "Unavailable",
    "UnknownServer",
    "WrongFileType",
]

UNFORESEEN = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""What Python says of values that are not what their reader takes them for, as where another release wrote them."""


class ArtifactDBError(Exception):
    """The root of the tree. `code` is stable; `data` is what a program needs to act on it."""

    code: str = "error"

    def __init__(self, message: str, **data: Any) -> None:
        super().__init__(message)
        self.data: dict[str, Any] = data


class BadConfiguration(ArtifactDBError):
    code = "bad_configuration"


class NotFound(ArtifactDBError):
    code = "not_found"


class Gone(NotFound):
    code = "gone"


class Malformed(ArtifactDBError):
    code = "malformed"


class Denied(ArtifactDBError):
    code = "unauthorized"


class Invalid(ArtifactDBError):
    """`field` names what is wrong in the request."""

    code = "invalid"

    def __init__(self, message: str, *, field: str, **data: Any) -> None:
        super().__init__(message, field=field, **data)
        self.field = field


class UnknownServer(Invalid):
    code = "unknown_server"


class WrongFileType(Invalid):
    code = "wrong_file_type"


class TooLarge(Invalid):
    code = "too_large"


class Conflict(ArtifactDBError):
    code = "conflict"


class StaleRevision(Conflict):
    code = "stale_revision"


class NotUsable(Conflict):
    code = "not_usable"


class TooNew(Conflict):
    code = "database_too_new"


class Unavailable(ArtifactDBError):
    code = "unavailable"


class StoreFailed(ArtifactDBError):
    code = "store_failed"


class ServerFailed(ArtifactDBError):
    code = "server_failed"


class ServerUnreachable(ServerFailed):
    code = "server_unreachable"


class PromptRefused(ServerFailed):
    code = "prompt_refused"


class DeliveryFailed(ServerFailed):
    code = "delivery_failed"


class Incomplete(DeliveryFailed):
    code = "incomplete"
