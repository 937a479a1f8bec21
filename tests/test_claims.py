"""What a claim prints, records and refuses; the book's seeds."""

import json

import keras
import numpy as np
import pytest

from ganbook import ClaimError, claim, seed


@pytest.mark.parametrize(
    ("value", "bound", "printed"),
    [
        (8, {"at_least": 8}, "at least 8"),
        (np.float32(0.25), {"at_most": 0.3}, "at most 0.3"),
        (keras.ops.convert_to_tensor(0.5), {"within": (0.45, 0.55)}, "between 0.45 and 0.55"),
        (0.0, {"at_least": 0}, "at least 0"),
    ],
)
def test_a_true_claim_prints_its_bound_and_no_value(capsys, value, bound, printed):
    claim("it is so", value, **bound)
    assert capsys.readouterr().out == f"✓ it is so: {printed}\n"


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        (7.999, {"at_least": 8}),
        (0.31, {"at_most": 0.3}),
        (0.44, {"within": (0.45, 0.55)}),
        (0.56, {"within": (0.45, 0.55)}),
        (float("nan"), {"at_least": 0}),
        (float("nan"), {"at_most": 0}),
        (float("nan"), {"within": (0, 1)}),
    ],
)
def test_a_false_claim_raises_with_its_value(capsys, value, bound):
    with pytest.raises(ClaimError, match=f"it is so.*not true of {value:.6g}"):
        claim("it is so", value, **bound)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("value", "bound"),
    [
        (1, {}),
        (1, {"at_least": 0, "at_most": 2}),
        (1, {"within": (2, 0)}),
        ([1, 2], {"at_least": 0}),
    ],
)
def test_a_claim_that_asks_nothing_or_cannot_hold_is_refused(value, bound):
    with pytest.raises(ValueError, match=r"it is so.*want"):
        claim("it is so", value, **bound)


def test_the_record_has_values_of_true_and_false_claims(tmp_path, monkeypatch, capsys):
    record = tmp_path / "claims.jsonl"
    monkeypatch.setenv("GANBOOK_RECORD", str(record))
    monkeypatch.setenv("GANBOOK_SEED", "7")
    claim("first", 3.5, at_least=3)
    with pytest.raises(ClaimError):
        claim("second", 2.5, at_least=3)
    first, second = (json.loads(line) for line in record.read_text().splitlines())
    assert first == {"claim": "first", "value": 3.5, "bound": "at least 3", "holds": True, "seed": 7000}
    assert (second["value"], second["holds"]) == (2.5, False)


def test_one_variable_shifts_every_seed(monkeypatch):
    monkeypatch.delenv("GANBOOK_SEED", raising=False)
    before = {seed(k) for k in range(1000)}
    monkeypatch.setenv("GANBOOK_SEED", "1")
    assert before.isdisjoint(seed(k) for k in range(1000))


@pytest.mark.parametrize("shift", ["-1", "x", "1.5", "99999999999"])
def test_a_wrong_shift_is_refused(monkeypatch, shift):
    monkeypatch.setenv("GANBOOK_SEED", shift)
    with pytest.raises(ValueError, match="GANBOOK_SEED="):
        seed()
