"""Filings, insiders' reports and reported figures from the SEC's EDGAR.

adapter.first, adapter.read                  a company's new filings -> SourceDocument | Reject
submissions.parse_submissions                a company's listing -> Filing | Reject
current_feed.current_request, read_current   the feed of all filings -> CurrentFiling | Reject
full_submission.parse_full_submission        a filing's header and documents
html_text.document_text                      a document's readable text
ownership.parse_ownership                    forms 3, 4 and 5 -> Transaction, Holding | Reject
companyfacts.parse_company_facts, known_on   reported figures, as known on a day
errors.require_answer                        EDGAR's error pages -> domain errors

fields -> each of them
"""
