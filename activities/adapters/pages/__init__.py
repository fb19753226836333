"""Web pages, plain texts, PDFs and e-mails made into text with sections.

page.parse_page    bytes, declared type, address -> ParsedPage
source.ADAPTER     pages that are looked at again and again -> SourceDocument | Reject
stories.story_of   the name under which all versions of a story are known

css_values, css_media, cascade -> activities.adapters.visible: what a page's style hides
sniffing, decoding -> markup | plain | pdf | mail -> assembly (text and offsets), language
"""
