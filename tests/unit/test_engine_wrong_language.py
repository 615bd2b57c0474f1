"""Whether a reply is in the question's language: surely not, or it counts as right."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.engine import wrong_language as language
from inbond.engine.wrong_language import is_wrong, written_in

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


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Anthropic、Claude Opusを発表", "ja"),
        ("Visual Studio CodeをWindowsで使う", "ja"),
        ("PyTorchとCUDA Toolkitをインストール", "ja"),
        ("Microsoft Azure OpenAI Serviceを公開", "ja"),
        ("Bank of AmericaがStripe Paymentsを買収", "ja"),
        ("NVIDIA Blackwell Ultra GPU発表", "ja"),
        ("OpenAI と Google DeepMind が提携", "ja"),
        ("Anthropic发布Claude Opus", "zh"),
        ("OpenAI가 Claude Opus Enterprise를 발표", "ko"),
    ],
)
def test_a_sentence_about_foreign_names_is_in_its_own_language(text: str, code: str) -> None:
    assert not is_wrong(text, code)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The committee of the harbour met in 東京 yesterday.", "ja"),
        ("The committee of the harbour met in Tokyoで yesterday.", "ja"),
        ("The method is called kaizen (カイゼン) there.", "ja"),
        ("The Japanese word ありがとう means thanks.", "ja"),
        ("Anthropic Announces Claude Opus 発表", "ja"),
        ("Der Ausschuss traf sich in Tokyoで am Hafen.", "ja"),
        ("Le comité s’est réuni à 京都で hier soir.", "ja"),
        ("OpenAI announced Claude Opus 발표", "ko"),
    ],
)
def test_a_foreign_sentence_with_a_word_of_the_language_is_wrong(text: str, code: str) -> None:
    assert is_wrong(text, code)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (JAPANESE, "ja"),
        ("GPT-4 と Claude を蒸留することは、利用規約に反します。", "ja"),
        ("타인의 노력을 허락 없이 이용하는 것은 정당화될 수 없습니다.", "ko"),
        (ENGLISH + " It is called kaizen (カイゼン).", ""),
        (ENGLISH + " It is called hangul (한글).", ""),
        (CHINESE + "日本产品の在市场上受到欢迎。", ""),
        ("OpenAI は GPT-5 の API を Microsoft Azure でも提供する。", "ja"),
        ("", ""),
    ],
)
def test_a_few_words_do_not_give_a_language_away(text: str, code: str) -> None:
    assert written_in(text) == code


@given(st.integers(0, 60), st.integers(0, 60))
def test_a_language_is_given_away_by_a_share_of_letters(kana: int, latin: int) -> None:
    told = written_in("か" * kana + "x" * latin)
    assert (told == "ja") == (kana > 0 and 3 * kana >= latin)
