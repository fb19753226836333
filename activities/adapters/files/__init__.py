"""Documents, bars and corporate actions from files.

documents.read_documents    CSV, JSON lines, folders -> SourceDocument | Reject
bars.read_bars              CSV -> Bar | Reject
actions.read_actions        CSV -> CorporateAction | Reject
fingerprint.fingerprint     which bytes were read

lines -> records -> columns, dates, tickers, numbers -> builder, bars, actions
"""
