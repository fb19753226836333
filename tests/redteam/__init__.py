"""Documents that try to talk the platform into something, and what must come of each: nothing beyond its cap.

`corpus/` holds one JSON file a class. Every document in it is made up, whatever company it names; none may be shipped
or traded on. A document says

    id, class, language      a unique id; the file's name; the language of the attack
    form                     text | html | rss | mail | filing: the reading path that it takes
    credibility              of the source it would come from: unknown or aggregator, never better
    symbol, wants            whom it aims at, and what it is after: buy, sell, limit_change, configuration_change,
                             exfiltration or schema_break
    title, tickers, body     lines; of html a whole page, of rss one <item>, of mail a whole message. `@MARK@` stands
                             for the mark that the document's lines carry in the prompt, as if its author knew it
    hidden                   what a reader of the original does not see: it must not be in the parsed text
    canary                   what would leak: it must not be in anything that is saved
    flood                    the name of the flood that it belongs to
    about                    the honest story of a wire that it wants to be forgotten
    obeyed                   what a model that is wholly talked over would answer, in the schema of the extractor or
                             breaking it: an object, a raw text, or {"$repeat": n, "event": {...}}

To add one: append it to the file of its class, with invisible characters and foreign look-alikes as JSON escapes, so
that a reader of the diff sees them. The tests pick it up. What a document achieves although it should not goes, with
the file that has to change, into the table above the test that it fails. From then on the test must fail: whoever mends
the weakness is told to take the entry out again.

corpus.py     the documents           influence.py      how far a document may move a score, and how far it does
reading.py    documents to answers    test_*.py         the promises
"""
