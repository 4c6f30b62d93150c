"""One recipe per effect: how it is frozen, sent, looked for and settled."""

from __future__ import annotations

from bridge.core.intent import Effect
from bridge.flows.effects.desk import OpenTicket, RegisterCustomer, UpdateTicket
from bridge.flows.effects.erase import BlankPost, EraseCustomer, RedactComment, RedactTicket
from bridge.flows.effects.network import PublicReply
from bridge.flows.effects.team import PostCard, PostCopy, PostNote, UpdateCard
from bridge.flows.recipe import Recipe
from bridge.flows.world import World

RECIPES: dict[Effect, type[Recipe]] = {
    Effect.REGISTER_CUSTOMER: RegisterCustomer,
    Effect.OPEN_TICKET: OpenTicket,
    Effect.UPDATE_TICKET: UpdateTicket,
    Effect.POST_CARD: PostCard,
    Effect.UPDATE_CARD: UpdateCard,
    Effect.POST_NOTE: PostNote,
    Effect.POST_COPY: PostCopy,
    Effect.REPLY: PublicReply,
    Effect.REDACT_COMMENT: RedactComment,
    Effect.REDACT_TICKET: RedactTicket,
    Effect.ERASE_CUSTOMER: EraseCustomer,
    Effect.BLANK_POST: BlankPost,
}


def recipe(world: World, effect: str) -> Recipe:
    return RECIPES[Effect(effect)](world)
