"""Owns what calls raise: problems as the contract words them, each also the library's error of the same name.

Problem                     status, code, title, detail, errors, and how things stand: artifact, transfer, servers …
├── HubUnreachable          no hub answered, or no answer of its came through; after all tries
├── HubFailed               it answered with something that is no problem of ours (a proxy's page), or has failed itself
├── Malformed, NotBuilt     it cannot read the request; it has this in its contract only
├── Denied, Forbidden       the token is none of its tokens; it may not do that
├── BadConfiguration        the hub's own
├── NotFound, Gone
├── Invalid                 `errors` name each field; UnknownServer (`servers`), WrongFileType, TooLarge
├── Conflict                StaleRevision, NotUsable (`artifact` as it is now), TooNew
├── Unavailable, StoreFailed
├── ServerFailed            ServerUnreachable, PromptRefused, DeliveryFailed (`transfer`), Incomplete (`missing`)
└── BytesChanged            what was downloaded has another hash than was recorded
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .. import errors
from .records import Artifact, Transfer


class Problem(errors.ArtifactDBError):
    """`status` is HTTP's, 0 where nobody answered; `code` is stable; `detail` is what the message says.

    `artifact` and `transfer` are as they are now, where their state was in the way; `data` has all further members.
    """

    def __init__(
        self,
        body: Mapping[str, Any],
        artifact: Callable[[Mapping[str, Any]], Artifact] = Artifact.from_json,
    ) -> None:
        self.status: int = body["status"]
        self.code = str(body["code"])
        self.title: str = body["title"]
        self.detail: str = body["detail"]
        self.errors: list[dict[str, str]] = body.get("errors", [])
        self.artifact = artifact(body["artifact"]) if "artifact" in body else None
        self.transfer = Transfer.from_json(body["transfer"]) if "transfer" in body else None
        known = ("type", "status", "code", "title", "detail", "errors", "artifact", "transfer")
        more = {name: value for name, value in body.items() if name not in known}
        errors.ArtifactDBError.__init__(self, self.detail, **more)

    def __reduce__(self) -> tuple[Any, ...]:
        # Runners hand errors from process to process; by default only the message would be taken along.
        return _remade, (type(self), self.__dict__)


def _remade(cls: type[Problem], state: dict[str, Any]) -> Problem:
    problem = cls.__new__(cls, state["detail"])
    problem.__dict__.update(state)
    return problem


class HubUnreachable(Problem):
    """Nobody answered. What was asked for may have been done; asked again with the same key it is done once."""


class HubFailed(Problem): ...


class Malformed(Problem, errors.Malformed): ...


class NotBuilt(Problem): ...


class Forbidden(Problem): ...


class Denied(Problem, errors.Denied): ...


class BadConfiguration(Problem, errors.BadConfiguration): ...


class NotFound(Problem, errors.NotFound): ...


class Gone(NotFound, errors.Gone): ...


class Invalid(Problem, errors.Invalid):
    """`field` is the first that is wrong."""

    def __init__(self, body: Mapping[str, Any], artifact: Any = Artifact.from_json) -> None:
        Problem.__init__(self, {"errors": [], **body}, artifact)
        self.field = self.errors[0]["field"] if self.errors else ""

    @property
    def servers(self) -> list[str]:
        """The configured names, where another one was named."""
        return list(self.data.get("servers", []))


class UnknownServer(Invalid, errors.UnknownServer): ...


class WrongFileType(Invalid, errors.WrongFileType): ...


class TooLarge(Invalid, errors.TooLarge): ...


class Conflict(Problem, errors.Conflict): ...


class StaleRevision(Conflict, errors.StaleRevision): ...


class NotUsable(Conflict, errors.NotUsable): ...


class TooNew(Conflict, errors.TooNew): ...


class Unavailable(Problem, errors.Unavailable): ...


class StoreFailed(Problem, errors.StoreFailed): ...


class ServerFailed(Problem, errors.ServerFailed): ...


class ServerUnreachable(ServerFailed, errors.ServerUnreachable): ...


class PromptRefused(ServerFailed, errors.PromptRefused): ...


class DeliveryFailed(ServerFailed, errors.DeliveryFailed): ...


class Incomplete(DeliveryFailed, errors.Incomplete):
    @property
    def missing(self) -> list[dict[str, Any]]:
        """The outputs that could not be had."""
        return list(self.data.get("missing", []))


class BytesChanged(Problem): ...


_BY_CODE: dict[str, type[Problem]] = {
    **{
        cls.code: cls
        for cls in (
            *(
                BadConfiguration,
                Malformed,
                Denied,
                NotFound,
                Gone,
                Invalid,
                UnknownServer,
                WrongFileType,
                TooLarge,
                Conflict,
            ),
            *(StaleRevision, NotUsable, TooNew, Unavailable, StoreFailed),
            *(ServerFailed, ServerUnreachable, PromptRefused, DeliveryFailed, Incomplete),
        )
    },
    "not_built": NotBuilt,
    "forbidden": Forbidden,
    "repeated": Conflict,
    "hub_unreachable": HubUnreachable,
    "bytes_changed": BytesChanged,
}

_BY_STATUS: dict[int, type[Problem]] = {
    **{400: Malformed, 401: Denied, 403: Forbidden, 404: NotFound, 409: Conflict, 410: Gone, 412: StaleRevision},
    **{413: TooLarge, 422: Invalid, 501: NotBuilt, 503: Unavailable},
}


def problem_of(
    body: Mapping[str, Any], artifact: Callable[[Mapping[str, Any]], Artifact] = Artifact.from_json
) -> Problem:
    """The exception that a problem is: by its code; of a code that a later release adds, by its status."""
    cls = _BY_CODE.get(body["code"]) or _BY_STATUS.get(body["status"], HubFailed)
    return cls(body, artifact)


def told(code: str, detail: str, *, status: int = 0, title: str = "", **more: Any) -> Problem:
    """A problem that this side of the wire has."""
    return problem_of({"status": status, "code": code, "title": title or code, "detail": detail, **more})
