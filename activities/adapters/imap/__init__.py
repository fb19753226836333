"""Newsletters in a mailbox, read over IMAP: nothing is marked, moved or deleted there.

source.ADAPTER          MailboxConfig, cursor -> MailRequest; an answer -> SourcePage. No I/O.
mailbox.MailboxFetcher  `domain.fetching.MailRequest` -> `HttpAnswer`, through the URL guard

source -> headers (the sender), pages.page (the text)
mailbox -> conversation (the commands) -> wire (one connection within caps)
"""
