"""What declines to answer beside a vote, and what only sounds like it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.roundtable.declining import declines


@pytest.mark.parametrize(
    "text",
    [
        "I'm sorry, but I can't help with that request.",
        "I’m sorry, but I can’t assist with that.",
        "Sorry, I can't help.",
        "I'm sorry, but as an AI I can't answer that question.",
        "I apologize, but I cannot engage in this discussion.",
        "I am unable to assist with this request as it involves harmful content.",
        "I decline to choose.",
        "I'd rather not say.",
        "I won't take sides on political questions.",
        "I cannot provide an opinion on this. It is a sensitive topic.",
        "I'm sorry, but I can't help with that. However, I'd be happy to help with something else.",
        "As an AI language model, I do not have personal opinions.",
        "\"I'm sorry, but I can't help with that.\"",
        "申し訳ありませんが、その質問にはお答えできません。",
        "誠に申し訳ございませんが、ご質問にはお答えいたしかねます。",
        "お答えできません。他のご質問があれば、お気軽にお知らせください。",
    ],
)
def test_it_declines(text: str) -> None:
    assert declines(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I cannot help but agree with the second view.",
        "I cannot help with that, one would say, and yet I judge it wrong.",
        "I cannot support this. It harms creators.",
        "I can't share that view.",
        "I cannot recommend it.",
        "I refuse to accept that premise; no.",
        "I cannot choose both, so yes.",
        "We cannot take the risk.",
        "Unfortunately, we cannot provide everyone with schooling at nine.",
        "I cannot answer this with certainty. Still, no.",
        "I can't help with that request. On the question itself my vote is no.",
        "\"I'm sorry, but I can't help with that\" is what a model should say. So yes.",
        "Refusing to answer would be wrong. No.",
        "As an AI, I do not have personal opinions, but weighing both sides, no is better.",
        "As an AI language model, I do not have personal opinions. Authors lose income by it.",
        "残念ながら、この規制は十分な保護を提供できません。したがって反対です。",
        "申し訳ないが、反対です。",
        "お答えできませんが、あえて選ぶなら反対です。",
    ],
)
def test_it_does_not(text: str) -> None:
    assert not declines(text)


@given(st.text(max_size=200))
def test_what_comes_to_an_answer_does_not_decline(text: str) -> None:
    declines(text)
    assert not declines(f"I can't help with that request. {text} \nBut my vote is no.")
