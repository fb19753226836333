"""The explanation adds up, names its sources, and follows an order to its fills."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import update
from sqlmodel import col

from domain.decisions import DecisionRecord
from domain.ids import digest
from domain.recommendation import replay
from domain.record_text import stored_hash
from store import recommendations
from store.objects import key_for
from store.tables.decisions import DecisionRecordRow
from tests.api.harness import Caller, Platform, assert_problem, eventually
from tests.api.library import company
from workflows.names import Queue

pytestmark = pytest.mark.stack


async def explained(api: Caller, wanted: str) -> Any:
    return await api.get(f"/v1/recommendations/{wanted}/explanation")


async def test_explanation_when_read_then_its_shares_sum_to_the_score_exactly(platform: Platform, api: Caller) -> None:
    recommendation = await platform.recommendation(await company(platform, "ZEXA"), publish=True)
    body = await explained(api, recommendation.recommendation_id)
    layers = {layer["layer"]: layer for layer in body["layers"]}
    assert list(layers) == ["company", "macro", "competitive"]
    assert sum(layer["nano"] for layer in body["layers"]) + body["market"]["nano"] == body["score"]["nano"]
    shares = [Decimal(layer["share"]) for layer in body["layers"]] + [Decimal(body["market"]["share"])]
    assert sum(shares) == Decimal(body["score"]["value"])
    assert body["score"]["nano"] == recommendation.assessment.score_nano
    own = layers["company"]
    assert sum(share["nano"] for share in own["evidence"]) == own["nano"]
    assert own["weight"] == 0.6

    strongest = own["evidence"][0]
    assert abs(strongest["nano"]) == max(abs(share["nano"]) for share in own["evidence"])
    assert strongest["title"].startswith("Acme raises guidance")
    assert strongest["quote"] == "Acme raised its full-year guidance"
    assert strongest["publisher"] == "wire"
    assert strongest["url"] == f"https://wire.test/{strongest['doc_id']}"
    assert strongest["published_at"].endswith("Z")
    assert {"weight", "novelty", "age_td", "sentiment"} <= set(strongest)

    assert {gate["name"] for gate in body["gates"]} >= {"score", "conviction", "edge", "liquidity"}
    assert all(gate["value"] and gate["limit"] for gate in body["gates"])
    assert body["versions"] == {
        "config": recommendation.config_version,
        "code": "1.2.3",
        "extractors": ["rules-7"],
    }
    assert body["record_hash"] == recommendation.record_hash
    assert body["reproduced"] is True
    assert body["temporal_url"] == "http://ui.test/namespaces/stonks/workflows/symbol%2FZEXA"
    assert body["intents"] == []


async def test_explanation_when_an_order_followed_then_it_is_told_to_its_fills(platform: Platform, api: Caller) -> None:
    async with platform.working(Queue.TRADING):
        waiting = await platform.waiting(await company(platform, "ZEXB"), quantity=800)
        path = f"/v1/approvals/{waiting['approval_id']}/review"
        body = {"approve": True, "reason": "the thesis holds", "order_hash": waiting["order_hash"]}
        assert (await api("POST", path, json=body)).status_code == 200

        async def filled() -> Any:
            (intent,) = (await explained(api, "zexb"))["intents"]
            return intent if intent["state"] == "filled" else None

        intent = await eventually(filled)
    assert (intent["quantity"], intent["reference_price"], intent["notional"]) == ("800", "50.00", "40000.00")
    assert intent["risk"]["outcome"] == "allow"
    assert intent["risk"]["needs_approval"] is True
    assert len(intent["risk"]["checks"]) > 3
    assert (intent["approval"]["status"], intent["approval"]["decision_reason"]) == ("approved", "the thesis holds")
    assert intent["order"]["status"] == "filled"
    (fill,) = intent["order"]["fills"]
    assert (fill["quantity"], fill["price"], fill["fee"]) == ("800", "50.00", "0.00")
    assert intent["temporal_url"].endswith(f"/order%2F{intent['intent_id']}")


async def test_explanation_when_the_record_was_changed_then_it_says_so(platform: Platform, api: Caller) -> None:
    recommendation = await platform.recommendation(await company(platform, "ZEXC"))
    before = await explained(api, recommendation.recommendation_id)
    stored = (await platform.parts.objects.get(before["record_key"])).decode()
    forged = stored.replace('"sentiment":0.9', '"sentiment":0.1').encode()
    assert forged.decode() != stored
    key = key_for("records", digest(forged.decode(), length=64))
    await platform.parts.objects.put(key, forged, "application/json")
    async with platform.parts.database.transaction() as session:
        await session.exec(
            update(DecisionRecordRow)
            .where(col(DecisionRecordRow.recommendation_id) == recommendation.recommendation_id)
            .values(record_key=key)
        )
    assert (await explained(api, recommendation.recommendation_id))["reproduced"] is False


async def test_explanation_when_an_earlier_version_decided_then_it_is_still_reproduced(
    platform: Platform, api: Caller
) -> None:
    """A record that lacks settings which came later is what it was, by the hash of its own bytes."""
    recommendation = await platform.recommendation(await company(platform, "ZEXD"))
    before = await explained(api, recommendation.recommendation_id)
    older = json.loads(await platform.parts.objects.get(before["record_key"]))
    del older["terms"], older["config"]["signals"]["macro"], older["config"]["signals"]["competitive"]
    body = json.dumps(older).encode()
    identity = stored_hash(body)
    key = key_for("records", digest(body.decode(), length=64))
    await platform.parts.objects.put(key, body, "application/json")
    found = replay(DecisionRecord.model_validate_json(body), identity=identity)
    assert found.record_hash == identity != recommendation.record_hash
    async with platform.parts.database.transaction() as session:
        await recommendations.save(session, [(found, key)], decided_by="", recorded_at=found.as_of)
    after = await explained(api, found.recommendation_id)
    assert (after["reproduced"], after["score"]) == (True, before["score"])


async def test_explanation_when_nothing_is_known_then_404(api: Caller) -> None:
    for wanted in ("NOPE", "0" * 24, "%2e%2e", "a" * 500):
        answer = await api("GET", f"/v1/recommendations/{wanted}/explanation")
        assert_problem(answer, 404, "RECOMMENDATION_NOT_FOUND")
