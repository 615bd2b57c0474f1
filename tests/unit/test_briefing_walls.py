"""Pages that show their beginning are told from free ones that only speak of members, in time that does not
grow faster than the page."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from inbond.briefing.article import Article
from inbond.briefing.pages import read_page
from tests.growing import cpu_ratio

ENGLISH = (
    "<p>The committee of the harbour said on Monday that the crane would be mended before the storms.</p>",
    "<p>The boats of the town must stay away until it is done, and that may take more than three weeks.</p>",
)
JAPANESE = (
    "<p>港の委員会は月曜日、クレーンを冬の嵐の前に修理すると発表した。費用は約1200万円になる。</p>",
    "<p>町の漁船は工事が終わるまで外で待つことになり、作業には三週間ほどかかる見込みだという。</p>",
)
BROKEN = "<p>町の漁船は工事が終わるまで外で待つことになり、作業には三週間ほどかかる見込みで、来年の</p>"
LONG = "<p>" + "The committee of the harbour said so. " * 8 + "</p>"


def page(text: str, after: str = "") -> Article:
    return read_page(
        f"<html><head><title>Crane</title></head><body class='with-sidebar'><article>{text}</article>{after}",
        source="x",
    )


@pytest.mark.parametrize(
    "after",
    [
        "<div id=footer><a href=/m>有料会員のご案内</a></div>",
        "<footer><a href=/m>有料会員のご案内</a></footer>",
        "<div class=rank><h3>会員限定記事ランキング</h3><p><a href=/1>記事一</a></p></div>",
        "<aside><h3>会員限定記事ランキング</h3></aside>", "<p>無料会員登録でもっと便利に。</p>",
        "<div class=box><p>Become a member to read without ads.</p></div>",
        "<p>Subscribe to our newsletter.</p>",
        "<div class=related><a href=/n>北の門</a><p>この記事は有料会員限定です。</p></div>",
        "<p>Subscribe to keep up with the harbour.</p>", "<p>Already a subscriber? Manage your letters.</p>",
        "<p>Subscribe to read more stories like this in your inbox.</p>",
    ],
)  # fmt: skip
@pytest.mark.parametrize("text", ["".join(ENGLISH), "".join(JAPANESE)], ids=["en", "ja"])
def test_words_of_membership_beside_a_whole_text_are_no_wall(text: str, after: str) -> None:
    for article in (page(text, after), page(text + after)):
        assert article.notices == ()
        assert len(article.blocks) >= 2


def test_a_link_in_a_footer_is_no_wall_where_the_text_breaks_off() -> None:
    assert page(JAPANESE[0] + BROKEN, "<div id=footer><p>有料会員のご案内</p></div>").notices == ()


@pytest.mark.parametrize(
    "wall",
    [
        "<p>Subscribe to continue reading this article.</p>", "<p>Subscribe to read</p>",
        "<div>Please log in or register to continue.</div>",
        "<p>This post is for paying subscribers only.</p>",
        "<p>The rest of this article is available to members.</p>",
        "<span>残り1,234文字</span>",
        "<p>To continue reading, become a member.</p>",
        "<div><a href=/p>Sign up to read the full story</a></div>",
        "<div><p>この記事は有料会員限定です。</p></div>", "<h3>続きを読むには会員登録が必要です</h3>",
        "<p>ログインして続きを読む</p>", "<div class='paywall'><b>有料会員</b>になる</div>",
        "<div class=article-footer><p>Subscribe to continue reading</p></div>",
        "<aside class=gate>Become a member to read the rest.</aside><div id=footer>" + LONG + "</div>",
    ],
)  # fmt: skip
@pytest.mark.parametrize("text", ["".join(ENGLISH), "".join(JAPANESE)], ids=["en", "ja"])
def test_a_sentence_that_asks_to_pay_for_the_rest_is_a_wall(text: str, wall: str) -> None:
    for article in (page(text, wall), page(text + wall)):
        assert article.notices[0].endswith("characters are open: the rest is for subscribers")
        assert "".join(f"<p>{block.text}</p>" for block in article.blocks) == text


@pytest.mark.parametrize("words", ["有料会員限定", "会員限定コンテンツ", "Members only"])
def test_words_of_membership_are_a_wall_where_the_text_breaks_off(words: str) -> None:
    assert page(JAPANESE[0] + BROKEN + f"<p>{words}</p>").notices
    assert page(JAPANESE[0] + BROKEN.replace("来年の", "来年の…") + f"<p>{words}</p>").notices
    assert not page("".join(JAPANESE) + f"<p>{words}</p>").notices


def test_a_text_about_walls_is_whole() -> None:
    text = "".join(ENGLISH) + "<p>The paper asks you to become a member to read on.</p>"
    assert len(page(text).blocks) == 3
    assert page(text).notices == ()


@pytest.mark.parametrize(
    "part",
    [
        lambda n: "<span>subscribe to read</span>" * n + LONG + "<p>x</p>" * n,
        lambda n: "<p>subscribe to read</p>" * n + LONG,
        lambda n: LONG + "".join(f"<div><h2><a href=/{i}>Headline {i}</a></h2></div>" for i in range(n)),
        lambda n: LONG + "<div class=paywall>" * 50 + "<i>a</i>" * 2 * n + "</div>" * 50,
        lambda n: LONG + "<span>" * 50 + "<i>a</i>" * 2 * n + "</span>" * 50,
        lambda n: "<p><a href=/x>Out of here</a></p>" * n + LONG,
    ],
)
def test_a_page_of_eight_times_the_length_takes_no_square_of_the_time(part: Callable[[int], str]) -> None:
    assert cpu_ratio(lambda count: page(part(count)), 200) < 30
