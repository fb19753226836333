"""The thesis rewriter: a recommendation's reasons in plain words, from its numbers and short quotes alone.

It never sees an article. Titles and quotes are other people's text and stand behind the mark; an answer that says
anything which the brief does not say is refused.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, ValidationError

from activities.adapters.agents import frame
from activities.adapters.agents.frame import Answer
from domain.agents import AgentKind, AgentSettings
from domain.decisions import Gate
from domain.prompting import Judged, Message, Prompt
from domain.written_thesis import (
    MAX_CHARACTERS,
    MAX_CONDITIONS,
    MAX_SENTENCES,
    CitedEvidence,
    ThesisBrief,
    WrittenSentence,
    WrittenThesis,
    check_thesis,
)

TASK = """\
You write in plain words why a recommendation was made, for somebody who knows the company but not the method. Say
first what the decision rests on, then what speaks against it, then what it should earn against what it costs. Write
short and sober sentences. Do not praise, do not guess, and give no advice of your own.
"""

FIELDS = """\
What to return
- "sentences": one to {sentences} sentences. "text" is one sentence of plain text; "evidence" lists the ids of the
  pieces of evidence that it rests on, and at least one sentence rests on some.
- "invalidation": what would make the recommendation wrong, up to {conditions} sentences of the same form; at least one
  where the action is buy or hold, none is needed otherwise.

What is checked, and refused otherwise
- Every number is one that you were given, with its sign and its unit, as it is or rounded to no fewer than two digits.
  A share such as 0.47 may be written as 47 %. Numbers and dates of a piece of evidence only stand in a sentence that
  lists its id. Do not compute numbers, and do not write them out in words.
- The action is the one that you were given. Do not write of any other, and name no other company by its symbol.
- No links, no markup, no line breaks, and no sentence longer than {characters} characters.
"""

USER = """\
symbol: {symbol}
as of: {day}
action: {action}
previous action: {previous}
score: {score} on a scale of -1 to 1
conviction: {conviction}
of the score, market confirmation: {market}
contradiction among the evidence: {contradiction}
expected edge: {edge} bp
cost to enter and leave: {cost} bp
horizon: {horizon} trading days

gates, as name: value, what is needed, result
{gates}

{mark} BEGIN EVIDENCE
{evidence}
{mark} END EVIDENCE

Answer with the JSON object only.
"""


class _Sentence(Answer):
    text: Annotated[str, Field(min_length=1, max_length=MAX_CHARACTERS)]
    evidence: Annotated[tuple[Annotated[str, Field(max_length=80)], ...], Field(max_length=12)] = ()


class _Thesis(Answer):
    sentences: Annotated[list[_Sentence], Field(min_length=1, max_length=MAX_SENTENCES)]
    invalidation: Annotated[tuple[_Sentence, ...], Field(max_length=MAX_CONDITIONS)] = ()


SCHEMA: dict[str, Any] = frame.schema_of(_Thesis)

_FIELDS = frame.filled(FIELDS, sentences=MAX_SENTENCES, conditions=MAX_CONDITIONS, characters=MAX_CHARACTERS)


class ThesisRewriter:
    """Asks for a thesis in plain words and checks the answer. Without state: one object serves everybody."""

    kind = AgentKind.THESIS_REWRITER

    def prompt(self, source: ThesisBrief, settings: AgentSettings) -> Prompt:
        """Ask for the thesis of a recommendation."""
        mark = frame.mark_for(source.recommendation_id)
        system, template_hash = frame.with_instructions(
            task=TASK, fields=_FIELDS, schema=SCHEMA, settings=settings, mark=mark, user=USER
        )
        evidence = "\n".join(_lines(each) for each in source.evidence) or "(none)"
        # The rules' conditions hold the title of a document: they are read as data as well.
        conditions = "".join(f"\ncondition of invalidation: {condition}" for condition in source.invalidation)
        user = frame.filled(
            USER,
            symbol=source.symbol,
            day=source.day.isoformat(),
            action=source.action.value,
            previous=source.previous_action.value,
            score=f"{source.score:+.4f}",
            conviction=f"{source.conviction:.4f}",
            market=f"{source.market:+.4f}",
            contradiction=f"{source.contradiction:.2f}",
            edge=f"{source.edge_bp:.2f}",
            cost=f"{source.cost_bp:.2f}",
            horizon=f"{source.horizon_td:.1f}",
            gates="\n".join(_gate(gate) for gate in source.gates) or "(none)",
            mark=mark,
            evidence=frame.datamarked(evidence + conditions, mark),
        )
        return frame.asked(system, user, SCHEMA, template_hash)

    def repair(self, problem: str) -> Message:
        """Ask for the answer again, saying what was wrong with it."""
        return frame.repair(problem)

    def judge(self, text: str, source: ThesisBrief, version: str) -> Judged[WrittenThesis]:
        """Read an answer and check it whole: a thesis that may not be shown is a problem, not a value.

        Quotes are the ids cited; one that the brief does not list is not valid.
        """
        try:
            answered = frame.parsed(text, _Thesis)
        except ValidationError as error:
            return Judged[WrittenThesis](problem=frame.problem_of(error))
        written = WrittenThesis(
            sentences=tuple(_written(each) for each in answered.sentences),
            invalidation=tuple(_written(each) for each in answered.invalidation),
        )
        ids = [each for sentence in (*written.sentences, *written.invalidation) for each in sentence.evidence]
        known = {each.evidence_id for each in source.evidence}
        valid = sum(each in known for each in ids)
        problems = check_thesis(written, source)
        if problems:
            shown = "\n".join(f"- {problem}" for problem in problems)[: frame.PROBLEM_CHARACTERS]
            return Judged[WrittenThesis](problem=shown, quotes_total=len(ids), quotes_valid=valid)
        return Judged[WrittenThesis](value=written, quotes_total=len(ids), quotes_valid=valid)


def _written(answered: _Sentence) -> WrittenSentence:
    return WrittenSentence(text=answered.text.strip(), evidence=tuple(dict.fromkeys(answered.evidence)))


def _gate(gate: Gate) -> str:
    return f"- {gate.name}: {gate.value}, {gate.limit}, {'passed' if gate.passed else 'not passed'}"


def _lines(each: CitedEvidence) -> str:
    """A piece of evidence, one line for each thing: nobody's text opens a line."""
    head = f"evidence {each.evidence_id}: contribution {each.contribution:+.4f}, {each.share * 100:.1f} % of all terms"
    told = [("day", each.day.isoformat()), ("publisher", each.publisher), ("title", each.title), ("quote", each.quote)]
    return "\n".join([head, *(f"{name}: {words}" for name, words in told if words)])
