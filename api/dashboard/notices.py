"""What the next page says after an act. The address carries a name, never the sentence: nobody else can write one."""

from __future__ import annotations

_TEXTS = {
    "paused": "Trading is paused: nothing new is opened.",
    "halted": "Trading is halted: nothing is sent, and open orders are being canceled.",
    "resumed": "Trading goes on.",
    "approved": "Approved. The order is on its way once risk has looked again.",
    "voted": "Your vote is recorded; the order needs another person.",
    "declined": "Declined. Nothing was sent.",
    "amended": "The size is changed; the question is asked anew, of somebody else.",
    "asked": "The what-if is being computed.",
    "retried": "It runs again from the failed step.",
    "retried-all": "Those that could be retried run again.",
    "discarded": "Taken off the list. The workflow keeps its history.",
    "started": "It has started.",
    "ended": "It is ended.",
    "activated": "The variant takes part from the next document on.",
    "deactivated": "The variant takes part no more.",
    "changed": "Changed, and in force.",
    "proposed": "It loosens something: another person must approve it first.",
    "unchanged": "Nothing was different.",
    "reviewed": "Your decision is recorded.",
    "reset": "The breaker is let go.",
    "revoked": "The key is ended.",
    "tested": "A test message is on its way.",
    "reconciling": "Book and broker are being compared.",
    "theme": "The theme is kept in a cookie of this browser.",
    "added": "Added.",
    "reprocessing": "It is being read again.",
    "cancel-asked": "A cancel is asked for. The broker has not carried it out yet, and is asked again by itself.",
    "order-canceled": "The order is canceled. What was filled stays filled.",
    "order-filled": "The order was filled before it could be canceled.",
    "order-ended": "The order had ended already.",
    "job-canceled": "It was asked to end, and ends by itself once it has noted how.",
    "schedule-paused": "The schedule rests. What it has started goes on.",
    "schedule-resumed": "The schedule goes on.",
    "person-added": "Added. A sign-in link lets the person in.",
    "person-disabled": "Shut out: every session has ended, and keys are refused.",
    "person-enabled": "Let in again. A sign-in link begins a session.",
    "backing-up": "A backup is being made.",
    "drilling": "The backup is being restored to a scratch database and compared.",
    "signed-out": "Signed out everywhere; unused links have ended too.",
}


def text(name: str) -> str:
    """The sentence of an act; empty for a name that is not one of ours."""
    return _TEXTS.get(name, "")
