"""Simulated traffic is what its truth says: who asks for what, who belongs together, how they hide."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from inbond.guard.simulate import START_S, Row, Scenario, bans
from inbond.guard.simulate.actors import CLIENTS, TOOL
from inbond.guard.simulate.dice import Dice
from inbond.guard.simulate.scenario import NEW_MODEL
from inbond.guard.simulate.texts import parsed, read_phrasings, read_tongues, read_worn
from tests.unit.simulated import DAY_S, ILLICIT, LAWFUL, PROFILES, by_account, rows, some, text_of

# Truth ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("purity", [None, 0.05, 0.1])
@pytest.mark.parametrize("name", ILLICIT)
def test_the_illicit_share_is_the_purity(name: str, purity: float | None) -> None:
    found = some(name, purity=purity, most=40.0)
    share = PROFILES[name].purity if purity is None else purity
    alike = len({row.account for row in found}) if PROFILES[name].in_step else 1
    error = (share * (1 - share) / (len(found) / alike)) ** 0.5
    assert sum(row.truth.illicit for row in found) / len(found) == pytest.approx(share, abs=4 * error + 1e-9)


def asks(held_out: bool, *, audit: bool = False) -> re.Pattern[str]:
    """Every wording of every phrasing."""
    kinds = [each for each in read_phrasings(held_out).items() if each[0] != "quoted"]
    patterns = [each for kind, found in kinds if (kind == "audit") == audit for each in found]
    return re.compile("|".join("".join(map(_regex, parsed(each))) for each in patterns))


def _regex(part: object) -> str:
    if isinstance(part, tuple):
        return "(?:" + "|".join(map(re.escape, part)) + ")"
    assert isinstance(part, str)
    return re.escape(part)


def test_only_the_curious_say_what_campaigns_say_and_only_the_audit_asks_openly() -> None:
    known, held_out, audit = asks(False), asks(True), asks(False, audit=True)
    told = 0
    for name in LAWFUL:
        found = some(name)
        for row in found:
            assert not held_out.search(text_of(row))
            assert bool(audit.search(row.prompt)) == (name == "reasoning-audit")
            told += name == "reasoning-audit"
        meant = PROFILES[name].curious * len(found)
        saying = sum(bool(known.search(text_of(row))) for row in found)
        assert saying == pytest.approx(meant, abs=4 * meant**0.5 + (3 if meant else 0))
    assert told > 50


def test_how_many_are_curious_can_be_chosen_and_changes_nobody_else() -> None:
    known = asks(False)

    def saying(curious: float, name: str) -> float:
        found = some(name, curious=curious, scale=0.5)
        return sum(bool(known.search(row.prompt)) for row in found) / len(found)

    assert saying(0.0, "security-research") == saying(0.0, "classroom") == 0
    assert saying(0.3, "classroom") == pytest.approx(0.3, abs=0.06)
    assert saying(0.3, "translator") == 0
    assert some("burst-ring", curious=0.3) == some("burst-ring")


def test_a_trick_goes_round_a_class_and_half_of_those_who_know_it_ask_what_it_is() -> None:
    found = [row.prompt for row in some("classroom", curious=1.0, scale=0.3)]
    quoted = [prompt for prompt in found if prompt.endswith('"') and prompt.count('"') == 2]
    assert len(quoted) / len(found) == pytest.approx(0.5, abs=0.12)
    phrases = Counter(prompt.split('"')[1] for prompt in quoted)
    assert phrases.most_common(1)[0][1] / len(quoted) == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize("paraphrase", [False, True])
@pytest.mark.parametrize("held_out", [False, True])
@pytest.mark.parametrize("name", [name for name in ILLICIT if PROFILES[name].elicits])
def test_what_is_illicit_asks_for_hidden_reasoning_and_the_rest_does_not(
    name: str, held_out: bool, paraphrase: bool
) -> None:
    own, other = asks(held_out), asks(not held_out)
    found = some(name, purity=0.5, held_out=held_out, paraphrase=paraphrase)
    assert any(row.truth.illicit for row in found)
    for row in found:
        assert bool(own.search(text_of(row))) == row.truth.illicit
        assert not other.search(text_of(row))


def test_held_out_phrasings_share_no_four_words_with_the_others() -> None:
    def runs(held_out: bool) -> set[tuple[str, ...]]:
        found = [
            each
            for kind, patterns in read_phrasings(held_out).items()
            if kind not in ("audit", "quoted")
            for each in patterns
        ]
        words = [
            re.findall(r"\w+", read_tongues()["en"].filled(each, Dice(n), Dice(0)).lower())
            for each in found
            for n in range(20)
        ]
        return {tuple(each[i : i + 4]) for each in words for i in range(len(each) - 3)}

    assert len(runs(True)) > 100
    assert len(runs(False)) > 100
    assert not runs(True) & runs(False)
    known, held = read_phrasings(False), read_phrasings(True)
    assert known.keys() == held.keys()
    assert [kind for kind in known if known[kind] == held[kind]] == ["audit", "quoted"]


@pytest.mark.parametrize("name", ["relay", "harness"])
def test_replayed_reasoning_is_another_accounts_or_out_of_its_conversation(name: str) -> None:
    found = some(name, most=60.0)
    replayed = Counter(row.sealed for row in found if row.truth.illicit)
    assert set(replayed) == {"foreign", "rejected"}
    assert replayed["foreign"] / replayed.total() == pytest.approx(PROFILES[name].of_others, abs=0.08)
    conversations = Counter(row.conversation for row in found)
    assert all(conversations[row.conversation] == 1 for row in found if row.truth.illicit)


def test_lawful_envelopes_mostly_open_and_are_hardly_ever_anothers() -> None:
    back = Counter(row.sealed for name in LAWFUL for row in some(name, most=40.0) if row.sealed)
    assert back["foreign"] / back.total() < 0.003
    assert 0.005 < back["rejected"] / back.total() < 0.3
    router = Counter(row.sealed for row in some("failover-router", most=60.0) if row.sealed)
    assert router["rejected"] / router.total() == pytest.approx(0.5, abs=0.15)


# Who belongs together ------------------------------------------------------------------------------------


def test_the_classroom_has_one_exercise_one_campus_and_no_card() -> None:
    found = rows(Scenario(("classroom",)))
    students = by_account(found)
    assert len(students) == 300
    assert len({row.tenant for row in found}) == 300
    assert {row.payment for row in found} == {None}
    assert {row.org for row in found} == {None}
    assert len({row.ip for row in found}) == 2
    assert len({row.mail_domain for row in found}) == 1
    created = {row.created for row in found}
    assert max(created) - min(created) < 3_600
    task = Counter(row.prompt for row in found).most_common(1)[0][0]
    having = {row.account for row in found if task in row.prompt}
    assert len(having) > 290
    hours = Counter(int(row.ts // 3_600) for row in found)
    assert sum(count for _, count in hours.most_common(3)) > 0.4 * len(found)


def test_the_popular_app_has_one_system_prompt_and_independent_keys() -> None:
    assert PROFILES["popular-app"].accounts == 10_000
    found = rows(Scenario(("popular-app",), scale=0.05))
    assert {row.system for row in found} == {read_worn()["app"]}
    people = by_account(found)
    assert len(people) > 350
    assert len({own[0].payment for own in people.values()}) == len(people)
    assert len({own[0].tenant for own in people.values()}) == len(people)
    assert len({row.asn for row in found}) > 30
    prompts = Counter(row.prompt for row in found if len(row.prompt) > 60)
    assert prompts.most_common(1)[0][1] == 1


def test_a_rings_accounts_share_cards_issuers_a_build_and_a_sign_up() -> None:
    found = by_account(rows(Scenario(("burst-ring",), scale=0.02, most=20)))
    first = [own[0] for own in found.values()]
    assert len(first) == 70
    assert sorted(Counter(row.payment for row in first).values()) == [20, 25, 25]
    assert len({(row.payment or "").split("-")[0] for row in first}) == 3
    assert len({row.client for row in first}) == 1
    created = [row.created for row in first]
    assert max(created) - min(created) < 9 * 3_600
    assert {row.system for own in found.values() for row in own} == {first[0].system}
    hidden = by_account(rows(Scenario(("burst-ring",), scale=0.02, most=20, own_cards=True)))
    assert len({own[0].payment for own in hidden.values()}) == len(hidden)


def test_a_careful_ring_has_clients_that_people_use_and_accounts_of_every_age() -> None:
    found = by_account(some("slow-ring", own_clients=True, aged=True))
    first = [own[0] for own in found.values()]
    assert len({row.client for row in first}) > 5
    assert {row.client for row in first} <= set(CLIENTS)
    ages = sorted((START_S - row.created) / DAY_S for row in first)
    assert ages[0] < 60
    assert ages[-1] > 300
    assert {row.client for row in some("harness", own_clients=True)} == {TOOL}


def test_a_companys_two_tenants_have_one_card_and_one_template() -> None:
    cards: dict[str | None, list[Row]] = defaultdict(list)
    for row in some("twin-tenants"):
        cards[row.payment].append(row)
    assert len(cards) == 20
    for own in cards.values():
        assert len({row.tenant for row in own}) == len({row.account for row in own}) == 2
        assert len({row.system for row in own}) == len({row.mail_domain for row in own}) == 1


def test_a_gateways_accounts_are_one_tenants_with_one_card_and_no_client() -> None:
    tenants: dict[str, list[Row]] = defaultdict(list)
    for row in some("corporate-gateway"):
        tenants[row.tenant].append(row)
    assert len(tenants) == 20
    for own in tenants.values():
        assert len({row.account for row in own}) == 3
        assert len({row.payment for row in own}) == len({row.ip for row in own}) == 1
        assert {row.client for row in own} == {row.conversation for row in own} == {None}
        assert {row.org for row in own} != {None}


def test_a_build_pipelines_addresses_and_agents_last_for_one_job() -> None:
    for own in by_account(some("ci-review", most=60.0)).values():
        assert len({row.ip for row in own}) > 5
        assert len({row.ip for row in own}) >= len({row.client for row in own}) > 5


def test_synchronised_accounts_do_the_same_within_seconds_of_each_other() -> None:
    found = rows(Scenario(("synchronised",), most=30))
    asked: dict[str, list[Row]] = defaultdict(list)
    for row in found:
        asked[row.prompt].append(row)
    together = [own for own in asked.values() if len(own) >= 10]
    assert sum(map(len, together)) > 0.8 * len(found)
    assert all(own[-1].ts - own[0].ts < 3.001 for own in together)
    assert len({row.payment for row in found}) == 1


def test_a_pivot_moves_half_of_its_traffic_within_a_day_of_the_release() -> None:
    found = rows(Scenario(("pivot",), scale=0.02, days=3, most=15))

    def moved(first_day: float, last_day: float) -> float:
        there = [row for row in found if first_day <= (row.ts - START_S) / DAY_S < last_day]
        return sum(row.model == NEW_MODEL for row in there) / len(there)

    assert moved(0, 0.5) == 0
    assert 0.1 < moved(0.5, 1.5) < 0.4
    assert moved(1.5, 3) == pytest.approx(0.5, abs=0.06)
    late = [row for row in rows(Scenario(("release-day-benchmarker",), scale=0.1, days=2, most=40))
            if row.ts > START_S + 0.6 * DAY_S]  # fmt: skip
    assert {row.model for row in late} == {NEW_MODEL}


def test_a_public_benchmark_is_the_same_for_everybody_and_other_templates_are_not() -> None:
    assert len({row.system for row in some("release-day-benchmarker")}) == 1
    for name in ("synthetic-data", "nightly-evaluation", "ci-review", "backfill", "reasoning-audit"):
        own = [{row.system for row in each} for each in by_account(some(name)).values()]
        assert all(len(each) == 1 for each in own)
        assert len(set().union(*own)) == len(own)


def test_a_regression_suite_asks_the_same_questions_again() -> None:
    found = by_account(rows(Scenario(("nightly-evaluation",), scale=0.01, volume=0.8)))
    for own in found.values():
        assert len(own) > 600
        assert 300 < len({row.prompt for row in own}) <= 500


def test_after_a_ban_the_next_pool_takes_the_template_over() -> None:
    scenario = Scenario(("burst-ring",), scale=0.01, days=3, most=90)
    found, gone = rows(scenario), bans(scenario, 7)
    at = START_S + 2 * DAY_S
    assert {ban.ts for ban in gone} == {at}
    before = {row.account for row in found if row.ts < at}
    after = [row for row in found if row.ts >= at]
    assert {ban.account for ban in gone} >= before
    assert not before & {row.account for row in after}
    assert min(row.ts for row in after) >= at + 45 * 60
    assert {row.system for row in found} == {found[0].system}
    born = Counter(own[0].created >= at for own in by_account(after).values())
    assert born == {False: 15, True: 20}
    assert bans(Scenario(("burst-ring",), scale=0.01, days=2), 7) == []


def test_a_new_key_works_off_its_archive_on_the_first_day() -> None:
    found = rows(Scenario(("backfill",), scale=0.02, days=2, volume=0.02))
    days = Counter(int((row.ts - START_S) // DAY_S) for row in found)
    assert days[0] > 10 * days[1]
    assert {row.created for row in found} == {START_S}


# Hiding --------------------------------------------------------------------------------------------------


def test_paraphrased_requests_repeat_no_wording() -> None:
    plain = {row.system for row in some("burst-ring")}
    reworded = Counter(row.system for row in some("burst-ring", paraphrase=True))
    assert len(plain) == 1
    assert len(reworded) > 50


def test_random_timing_has_a_persons_hours_and_pauses() -> None:
    def quartile_gap_s(jitter: bool) -> float:
        found = rows(Scenario(("harness",), scale=0.01, most=80, jitter=jitter))
        gaps = sorted(
            second.ts - first.ts for own in by_account(found).values() for first, second in pairwise(own)
        )
        return gaps[len(gaps) // 4]

    assert quartile_gap_s(False) < 5 < quartile_gap_s(True)
