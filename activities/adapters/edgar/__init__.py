"""Filings, insiders' reports and reported figures from the SEC's EDGAR.

adapter.FILINGS                              a company's new filings -> SourceDocument | Reject
submissions.parse_submissions                a company's listing -> Filing | Reject, and the pages of older ones
current_feed.current_request, read_current   the feed of all filings -> CurrentFiling | Reject
daily_index.parse_daily_index                all filings of a day -> DailyFiling | Reject
full_submission.parse_full_submission        a filing's header and documents
filing_text.read_filing, read_loose          a filing -> title, text, sections, 8-K items
sections.split_sections, competition_text    a report's items; what it says of competition
eight_k_items.item_codes, filing_items       what an 8-K is about -> 5.02
html_text.read_document, document_text       a document's readable text, and what stands out in it
filing_facts.filing_facts, cover             XBRL, inline or not -> XbrlFact | Reject; the cover's facts
ownership.parse_ownership                    forms 3, 4 and 5 -> Transaction, Holding | Reject
companyfacts.parse_company_facts, known_on   reported figures, as known on a day
errors.require_answer                        EDGAR's error pages -> domain errors

fields -> each of them
xbrl_names -> xbrl_formats; xbrl -> inline_xbrl, xbrl_instance -> filing_facts
readable -> table_rows, xml_text -> html_text -> headings, competition, eight_k_items -> sections -> filing_text
filing_text -> adapter
"""
