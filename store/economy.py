"""What documents say of the economy."""

from __future__ import annotations

from store.database import Database, insert_from_json
from store.tables.agents import AgentPerformance
from store.tables.ingestion import ExtractionRow, MacroEventRow

_SAVE = f"""
    WITH earlier AS (
             UPDATE extractions SET superseded = NOT extractions.superseded
             FROM json_populate_recordset(NULL::extractions, $1::text::json) AS new
             WHERE extractions.doc_id = new.doc_id AND extractions.agent = new.agent AND NOT new.shadow
                   AND NOT extractions.shadow
                   AND extractions.superseded = (extractions.extraction_id = new.extraction_id)
         ),
         new_extraction AS ({insert_from_json(ExtractionRow, "$1")}),
         new_call AS ({insert_from_json(AgentPerformance, "$3")})
    {insert_from_json(MacroEventRow, "$2")}
"""  # noqa: S608 - built from the names of tables


async def save(database: Database, *, extraction: str, events: str, calls: str) -> None:
    """Save readings of the economy, rows as JSON arrays; repeating it changes nothing."""
    await database.run(_SAVE, extraction, events, calls)
