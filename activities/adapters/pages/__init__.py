"""Web pages, plain texts, PDFs and e-mails made into text with sections.

page.parse_page    bytes, declared type, address -> ParsedPage

sniffing, decoding -> markup | plain | pdf | mail -> assembly (text and offsets), language
"""
