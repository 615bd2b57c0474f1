"""How fast to ask, how long to wait and how much to spend: pure rules, no clock, no I/O of their own.

Times are seconds of any monotonic clock, handed in; money is US dollars.
"""

from __future__ import annotations

from dataclasses import dataclass

from inbond.teachers.protocols import Price, Request

# A byte-level tokenizer never makes more tokens than there are bytes; templates add a few a message.
_TEMPLATE_TOKENS = 16


@dataclass(frozen=True)
class FailurePolicy:
    """What to do when a teacher fails. Each knob is a bound.

    - ``attempts``: askings of one request before its failure is final; rate limits do not count.
    - ``base_wait_s``, ``max_wait_s``: full-jitter exponential backoff between attempts.
    - ``timeout_s``: for one asking, from first byte sent to last byte received.
    - ``spend_cap_usd``: what one run may cost over all its interruptions; None is no cap.
    - ``patience_s``: how long a host may go on giving nothing but rate limits, or no answers at all
      to new requests, before we stop with one error.
    - ``give_up_after``: final failures before the first answer of a call that mean that nothing can
      work (wrong path, wrong model): then we stop with one error instead of failing all the rest.
    - ``retry_answered``: ask again what was refused, empty or rejected in an earlier call. Other
      failures of earlier calls are always asked again.
    """

    attempts: int = 5
    base_wait_s: float = 1.0
    max_wait_s: float = 60.0
    timeout_s: float = 300.0
    spend_cap_usd: float | None = None
    patience_s: float = 900.0
    give_up_after: int = 50
    retry_answered: bool = False


def backoff_s(attempt: int, policy: FailurePolicy, draw: float) -> float:
    """Full jitter (Brooker, AWS Architecture Blog, 2015): uniform between 0 and the exponential bound.

    ``attempt`` counts from 1; ``draw`` is uniform in [0, 1).
    """
    # Doubling 60 times passes any bound; more would overflow.
    return draw * min(policy.max_wait_s, policy.base_wait_s * 2.0 ** min(attempt - 1, 60))


def most_usd(request: Request, price: Price) -> float:
    """The most that ``request`` can cost: an upper bound of its prompt plus ``max_tokens``."""
    prompt = request.prompt
    texts = [prompt] if isinstance(prompt, str) else [message.content for message in prompt]
    prompt_tokens = sum(len(text.encode()) for text in texts) + _TEMPLATE_TOKENS * (len(texts) + 1)
    return price.cost(prompt_tokens, request.sampling.max_tokens)


@dataclass
class Budget:
    """Money reserved before asking and settled after. ``spent_usd`` starts at what the run spent before.

    As long as nothing costs more than was reserved for it, spent plus reserved never passes the cap.
    """

    cap_usd: float | None
    spent_usd: float = 0.0
    reserved_usd: float = 0.0
    in_flight: int = 0

    def _fits(self, amount: float) -> bool:
        return self.cap_usd is None or self.spent_usd + self.reserved_usd + amount <= self.cap_usd

    def reserve(self, amount: float) -> bool:
        """Takes ``amount`` aside, or says no and changes nothing."""
        if not self._fits(amount):
            return False
        self.reserved_usd += amount
        self.in_flight += 1
        return True

    def settle(self, reserved: float, cost: float) -> None:
        """Gives back what was reserved and takes what it cost."""
        self.in_flight -= 1
        # Sums of floats leave crumbs behind; with nothing in flight nothing is reserved.
        self.reserved_usd = max(0.0, self.reserved_usd - reserved) if self.in_flight else 0.0
        self.spent_usd += cost

    def must_wait(self, amount: float) -> bool:
        """Whether there is no room now, but settling what is in flight could still make some."""
        fits_alone = self.cap_usd is None or self.spent_usd + amount <= self.cap_usd
        return self.in_flight > 0 and fits_alone and not self._fits(amount)


@dataclass
class Throttle:
    """What all calls to one host share: a cool-down after a rate limit, and fewer calls at once.

    A rate limit halves how many calls may be in flight and stops new ones until the host's
    Retry-After, or a backoff, has passed; every round of answers lets one more in.
    """

    most: int
    policy: FailurePolicy
    allowed: float = 0.0
    until_s: float = 0.0
    storm: int = 0
    storm_since_s: float | None = None

    def __post_init__(self) -> None:
        self.allowed = float(self.most)

    def limited(self, now_s: float, retry_after_s: float | None, draw: float) -> None:
        """Takes in a rate limit. Those that arrive during one cool-down are one and the same event."""
        if self.storm_since_s is None:
            self.storm_since_s = now_s
        if now_s >= self.until_s:
            self.storm += 1
            self.allowed = max(1.0, self.allowed / 2)
        # A host that says how long is believed; the jitter keeps many clients from returning at once.
        jitter = backoff_s(self.storm, self.policy, draw)
        wait = jitter if retry_after_s is None else retry_after_s + draw * self.policy.base_wait_s
        self.until_s = max(self.until_s, now_s + wait)

    def answered(self) -> None:
        """Takes in an answer: the host serves again."""
        self.storm, self.storm_since_s = 0, None
        self.allowed = min(float(self.most), self.allowed + 1 / self.allowed)

    def wait_s(self, now_s: float, in_flight: int) -> float | None:
        """0 to ask now, seconds to wait, or None to wait until a call in flight has ended."""
        if now_s < self.until_s:
            return self.until_s - now_s
        return 0.0 if in_flight < int(self.allowed) else None

    def hopeless(self, now_s: float) -> bool:
        """Whether the host has done nothing but refuse, or asks for a wait, beyond our patience."""
        if self.storm_since_s is None:
            return False
        return max(now_s, self.until_s) - self.storm_since_s > self.policy.patience_s
