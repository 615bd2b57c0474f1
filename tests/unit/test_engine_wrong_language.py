"""Whether a reply is in the question's language: surely not, or it counts as right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.engine import wrong_language as language
from inbond.engine.wrong_language import is_wrong

ENGLISH = (
    "It takes the work of others without their leave, and that harms those who made it in the first place."
)
JAPANESE = "他者の労力を許可なく利用するものであり、正当化できないと考えます。"
CHINESE = "未经许可利用他人的劳动成果是不正当的，因此我认为不应当允许这种做法存在。"
ARABIC = "إن استخدام عمل الآخرين دون إذنهم يضر بمن صنعه ولا يمكن تبريره بأي حال."
GERMAN = "Wer die Arbeit anderer ohne deren Erlaubnis verwendet, schadet denen, die sie zuerst gemacht haben."


@pytest.mark.parametrize(
    ("text", "right", "wrong"),
    [
        (ENGLISH, ["en", "", "xx"], ["ja", "zh", "ar", "de", "fr", "ko"]),
        (JAPANESE, ["ja", ""], ["en", "ar", "ko", "zh", "ru"]),
        (CHINESE, ["zh"], ["en", "ja", "he"]),
        (ARABIC, ["ar", "fa"], ["en", "ja", "he", "ru"]),
        (GERMAN, ["de"], ["en", "ja", "nl"]),
        ("GPT-4 と Claude を蒸留することは、利用規約に反します。", ["ja"], []),
        ("Yes.", ["en", "de", "ja"], []),
        ("42", ["en", "ja"], []),
    ],
)
def test_languages_are_told(text: str, right: list[str], wrong: list[str]) -> None:
    pytest.importorskip("py3langid")
    assert [code for code in right if is_wrong(text, code)] == []
    assert [code for code in wrong if not is_wrong(text, code)] == []


def test_without_the_package_latin_languages_are_not_held_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    from inbond.errors import need_extra

    def missing(_: str) -> str:
        raise need_extra("filters", "py3langid")

    monkeypatch.setattr(language, "tell", missing)
    assert not is_wrong(GERMAN, "en")
    assert is_wrong(GERMAN, "ja")


@given(st.text(max_size=120), st.sampled_from(("ja", "zh", "ar", "en", "", "xx", "ko")))
def test_any_text_is_judged(text: str, code: str) -> None:
    assert is_wrong(text, code) in (True, False)
