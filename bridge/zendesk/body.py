"""The parts of Zendesk's answers that the bridge reads. What it does not read, it does not mind.

https://developer.zendesk.com/api-reference/ticketing/tickets/ticket_audits/
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from bridge.zendesk.answer import other_shape


class Body(BaseModel):
    # A validation error must not quote its input: that is a customer's words.
    model_config = ConfigDict(extra="ignore", hide_input_in_errors=True)


class UserBody(Body):
    # Null for the "Anonymous user" that Zendesk answers when nobody has signed in.
    id: int | None
    email: str | None = None
    role: str | None = None
    external_id: str | None = None
    suspended: bool | None = None
    active: bool | None = None  # False of who was deleted, or merged into somebody else

    @property
    def is_staff(self) -> bool:
        return self.role in ("agent", "admin")


class UserAnswer(Body):
    user: UserBody


class UsersAnswer(Body):
    users: list[UserBody] = []


class TicketBody(Body):
    id: int
    status: str
    external_id: str | None = None
    requester_id: int | None = None
    tags: list[str] = []
    updated_at: str | None = None  # as it is written: a safe update says it back


class TicketAnswer(Body):
    ticket: TicketBody
    users: list[UserBody] = []


class TicketsAnswer(Body):
    tickets: list[TicketBody]


class AuditId(Body):
    id: int


class UpdatedAnswer(Body):
    audit: AuditId


def _object_or_none(found: Any) -> dict[str, Any] | None:
    return found if isinstance(found, dict) else None


# Channels say different things of both ends; only a ticket's number is read of them.
_End = Annotated[dict[str, Any] | None, BeforeValidator(_object_or_none)]


class SourceBody(Body):
    rel: str | None = None
    from_: _End = Field(default=None, alias="from")
    to: _End = None


class ViaBody(Body):
    channel: str | int | None = None
    source: SourceBody | None = None


_READ = ("Comment", "CommentPrivacyChange", "Change")


class EventBody(Body):
    """An event of an audit. Of other types than those that are read, only that it is there is known:
    Zendesk has some forty, adds to them at any time, and gives each what fields it likes.
    """

    id: int | None = None
    type: str | None = None
    via: ViaBody | None = None
    # of a Comment
    author_id: int | None = None
    public: bool = False
    body: str | None = None
    plain_body: str | None = None
    # of a CommentPrivacyChange, which has "public" too
    comment_id: int | None = None
    # of a Change; its values may be of any kind
    field_name: str | None = None
    value: Any = None

    @model_validator(mode="before")
    @classmethod
    def _pass_over(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("type") not in _READ:
            return {"via": _object_or_none(given.get("via"))}
        return given


class MetadataBody(Body):
    custom: dict[str, Any] | None = None


class AuditBody(Body):
    id: int
    created_at: AwareDatetime
    author_id: int
    via: ViaBody | None = None
    metadata: MetadataBody | None = None
    events: list[EventBody] = []


class _Meta(Body):
    has_more: bool | None = None


class _Links(Body):
    next: str | None = None


class _Page(Body):
    meta: _Meta | None = None
    links: _Links | None = None
    next_page: str | None = None

    @property
    def next(self) -> str | None:
        """The next page's address, under cursor or offset paging; archived tickets have one page."""
        if self.meta is not None and self.meta.has_more is not None:
            return self.links.next if self.meta.has_more and self.links else None
        return self.next_page


class AuditsAnswer(_Page):
    audits: list[AuditBody]
    users: list[UserBody] = []


class CommentBody(Body):
    id: int
    audit_id: int | None = None
    html_body: str | None = None
    plain_body: str | None = None
    body: str | None = None


class CommentsAnswer(_Page):
    comments: list[CommentBody]


Answer = TypeVar("Answer", bound=BaseModel)


def read(model: type[Answer], content: bytes, operation: str, *, repeatable: bool = True) -> Answer:
    """*content* as *model*. Raises what ``other_shape`` says."""
    try:
        return model.model_validate_json(content)
    except ValidationError:
        raise other_shape(operation, repeatable=repeatable) from None
