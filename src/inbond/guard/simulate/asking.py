"""What one request says and carries: text, model, address, envelope, sizes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from inbond.guard.simulate.actors import CLIENTS, TOOL, Actor, Group, address
from inbond.guard.simulate.arrivals import HOUR_MS, read_traces
from inbond.guard.simulate.curious import wondering
from inbond.guard.simulate.dice import Dice, key
from inbond.guard.simulate.row import Row, Sealed, Truth
from inbond.guard.simulate.scenario import NEW_MODEL, RELEASE_MS, START_S, Scenario
from inbond.guard.simulate.texts import Tongue, read_phrasings, read_templates, read_tongues, read_worn

_CHAT = ("chat", "homework")
_HANDS_BACK = 0.4
"""The share of later turns that hand sealed reasoning back."""
_MOVED = 0.0002
"""The share of these that a person carried over from another account of theirs: lawful, and authentic."""
_HOUSE, _PERSON, _SESSION, _ROW, _ITEM, _PHRASE, _HOMEWORK, _CONVERSATION, _ADDRESS, _CURIOUS = range(11, 21)


@final
@dataclass(frozen=True, slots=True)
class Person:
    """Who sits behind an account in one session."""

    tongue: Tongue
    system: str | None
    client: str


@final
class Writer:
    """Writes a scenario's rows. The scenario, the account and the request's place decide everything."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._tongues = read_tongues()
        self._templates = read_templates()
        self._worn = read_worn()
        self._phrasings = read_phrasings(scenario.held_out)

    def row(self, actor: Actor, day: int, session: int, turn: int, at_ms: int) -> Row:
        """The request of an account at ``at_ms`` after the start; a turn of a session of a day."""
        profile = actor.group.profile
        sitting, dice = Dice(actor.voice, day, session, _SESSION), Dice(actor.voice, day, session, turn, _ROW)
        person = self._person(actor, sitting)
        ip, asn = _address(actor, day, session, sitting)
        illicit = dice.chance(self._scenario.purity_of(profile))
        context, generated = dice.pick(read_traces()[profile.trace].sizes)
        chatting = profile.says in _CHAT or not (illicit or profile.lawful)
        system, prompt = self._said(actor, person, dice, illicit, turn, context)
        heard = Dice(actor.voice, day, session, turn, _CURIOUS)
        if profile.lawful and heard.chance(self._scenario.curious_of(profile)):
            prompt = wondering(actor.group, person.tongue, prompt, heard)
        sealed = _sealed(actor, dice, illicit, chatting and turn > 0)
        alone = not chatting or (illicit and profile.replays > 0)
        length = _tokens(system) + _tokens(prompt)
        return Row(
            ts=START_S + at_ms / 1_000,
            request_id=f"{key(actor.key, day, session, turn):016x}",
            tenant=actor.tenant,
            account=actor.account,
            org=actor.org,
            registered=profile.registered,
            ip=ip,
            asn=asn,
            client=_client(actor, person, day, session),
            payment=actor.payment,
            mail_domain=actor.mail_domain,
            created=float(actor.created_s),
            plan=profile.plan,
            model=_model(actor, sitting if profile.mixes_models else None, dice, at_ms),
            conversation=_conversation(actor, day, session, turn if alone else None),
            system=system,
            prompt=prompt,
            prompt_tokens=max(length, context) if chatting and turn else length,
            output_tokens=max(1, min(profile.max_tokens, int(generated * profile.wordy))),
            sealed=sealed,
            refused=dice.chance(profile.refusals),
            truth=Truth(actor.group.name, profile.lawful, illicit),
        )

    def _person(self, actor: Actor, sitting: Dice) -> Person:
        profile = actor.group.profile
        dice = Dice(actor.voice, sitting.below(profile.end_users), _PERSON)
        tongue = self._tongues[dice.pick(profile.languages)]
        client, habit = dice.pick(CLIENTS), dice.below(100)
        if profile.wears is not None:
            return Person(tongue, self._worn[profile.wears], client)
        if habit < 50:
            return Person(tongue, None, client)
        if habit < 75:
            return Person(tongue, self._worn["helpful"], client)
        if habit < 85:
            return Person(tongue, self._worn["coding-tool"], TOOL)
        return Person(tongue, tongue.passage(dice, 4), client)

    def _said(
        self, actor: Actor, person: Person, dice: Dice, illicit: bool, turn: int, context: int
    ) -> tuple[str | None, str]:
        """(system, prompt)."""
        profile, group = actor.group.profile, actor.group
        if not (illicit or profile.lawful):
            return person.system, _chat(person, dice, turn, context)
        if profile.says == "homework" and turn == 0:
            return person.system, _homework(group, self._tongues[profile.languages[0]], dice)
        if profile.says in _CHAT:
            system, prompt = person.system, _chat(person, dice, turn, context)
        else:
            system, prompt = self._templated(actor, person, dice)
        if not profile.elicits:
            return system, prompt
        return self._coaxed(group, person, dice, system, prompt)

    def _templated(self, actor: Actor, person: Person, dice: Dice) -> tuple[str | None, str]:
        """What a program sends: its template, with its author's house rules unless each is reworded."""
        group = actor.group
        template, tongue = self._templates[group.profile.says], person.tongue
        reworded = self._scenario.paraphrase and not group.profile.lawful
        shape = dice if reworded else Dice(group.script, _HOUSE)
        house = "" if group.profile.says in ("agentic", "probe") else self._tongues["en"].passage(shape, 3)
        items = group.profile.items
        slots = Dice(group.script, dice.below(items), _ITEM) if items else dice
        system: str | None = tongue.filled(template.system, shape, slots)
        prompt = tongue.filled(template.prompt, shape, slots)
        if group.profile.wears is not None:
            return self._worn[group.profile.wears], prompt
        return (f"{system} {house}", prompt) if system else (None, f"{house}\n{prompt}" if house else prompt)

    def _coaxed(
        self, group: Group, person: Person, dice: Dice, system: str | None, prompt: str
    ) -> tuple[str | None, str]:
        """With the phrase that asks for hidden reasoning: the campaign's own, or a new wording each time."""
        kind = dice.pick(group.profile.elicits)
        if kind == "native":
            kind = person.tongue.code if person.tongue.code in self._phrasings else "tags"
        reworded = self._scenario.paraphrase and not group.profile.lawful
        shape = dice if reworded else Dice(group.key, _PHRASE, len(kind), ord(kind[0]))
        phrase = person.tongue.filled(shape.pick(self._phrasings[kind]), shape, dice)
        match group.profile.place:
            case "system":
                house = "" if reworded else " " + self._tongues["en"].passage(shape, 3)
                return phrase + house, prompt
            case "before":
                return system, f"{phrase}\n{prompt}"
            case "after":
                return system, f"{prompt}\n{phrase}"


def _chat(person: Person, dice: Dice, turn: int, context: int) -> str:
    """A person's words: a question, and as much beside it as the trace's requests were long."""
    tongue = person.tongue
    if turn:
        return tongue.joiner.join((tongue.follow_up(dice), tongue.passage(dice, dice.below(3)))).strip()
    return tongue.joiner.join((tongue.passage(dice, min(10, context // 150)), tongue.question(dice))).strip()


def _homework(group: Group, tongue: Tongue, dice: Dice) -> str:
    """The same exercise for the whole class; one in five puts a word of their own before it."""
    shared = Dice(group.key, _HOMEWORK)
    task = f"Exercise {shared.below(20)}. {tongue.passage(shared, 6)} {tongue.question(shared)}"
    return f"{tongue.follow_up(dice)} {task}" if dice.chance(0.2) else task


def _tokens(text: str | None) -> int:
    """About as many as a tokenizer makes: four letters each, of scripts beyond U+2E80 one."""
    if not text:
        return 0
    if text.isascii():
        return len(text) // 4 + 1
    wide = sum(letter > "\u2e80" for letter in text)
    return wide + (len(text) - wide) // 4 + 1


def _sealed(actor: Actor, dice: Dice, illicit: bool, later_turn: bool) -> Sealed | None:
    """What became of an envelope. Replayed ones are of another account, or of the same one's past."""
    profile = actor.group.profile
    first, second = dice.unit(), dice.unit()
    if illicit and first < profile.replays:
        return "foreign" if second < profile.of_others else "rejected"
    if not later_turn or first >= _HANDS_BACK:
        return None
    if second < _MOVED:
        return "foreign"
    return "rejected" if second < _MOVED + profile.broken else "ok"


def _address(actor: Actor, day: int, session: int, sitting: Dice) -> tuple[str, int]:
    group, count = actor.group, actor.group.profile.address_count
    match group.profile.addresses:
        case "own":
            return address(group, actor.key, sitting.below(count))
        case "pool":
            return address(group, group.key, key(actor.key, day, session) % (count * group.size))
        case "nat":
            return address(group, group.key, sitting.below(count))
        case "fresh":
            return address(group, actor.key, key(day, session))


def _client(actor: Actor, person: Person, day: int, session: int) -> str | None:
    match actor.group.profile.client:
        case "person":
            return person.client
        case "fresh":
            return f"ci-agent/{key(actor.key, day, session) >> 40:06x}"
        case "habit":
            return TOOL if person.client == TOOL and actor.group.profile.says == "chat" else actor.client
        case _:
            return actor.client


def _model(actor: Actor, sitting: Dice | None, dice: Dice, at_ms: int) -> str:
    profile = actor.group.profile
    since_h = (at_ms - RELEASE_MS) / HOUR_MS
    usual = actor.model if sitting is None else sitting.pick(profile.models)
    moved = dice.chance(profile.moves * min(1.0, max(0.0, since_h) / profile.moves_in_hours))
    return NEW_MODEL if moved else usual


def _conversation(actor: Actor, day: int, session: int, turn: int | None) -> str | None:
    """An id for the session, or for the one request that is a conversation of its own."""
    if not actor.group.profile.conversations:
        return None
    place = (day, session) if turn is None else (day, session, turn)
    return f"c-{key(actor.key, _CONVERSATION, *place):016x}"
