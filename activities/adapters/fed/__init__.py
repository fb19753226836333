"""Statements and minutes of the Federal Open Market Committee, from the board's feed of press releases; no I/O.

source.ADAPTER           the feed, then each page -> SourceDocument | Reject
texts.document_of_text   a statement or minutes as plain text -> SourceDocument
policy.read_policy       a text -> the decision: direction, target range, votes

source -> links (what is followed), article (a page without what stands around its text), texts
"""
