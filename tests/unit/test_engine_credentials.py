"""The short cut past detect-secrets: lines that it skips must hold nothing that a detector would find."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inbond.engine import credentials

ASCII = st.characters(codec="ascii")
SAMPLES = {
    "AWS Access Key": "AKIAZQ3DRSTUVWXY2345",
    "Artifactory Credentials": " AKCp5budTFpbypBqQbGJPz3pGCi28pPivfWczqjfYb9drAmd9LbRZbj6UpKFxJXA8ksWGc9fM",
    "Azure Storage Account access key": "AccountKey="
    + "lJzRc1YdHaAA2KCNJJ1tkYwF/+mKK6Ygw0NGe170Xu592euJv2wYUtBlV8z+q" * 1
    + "nlcNQSnIYVTkLWntUO1F8j8rQ==",
    "Basic Auth Credentials": "see http://u:p4x@h/ there",
    "Cloudant Credentials": "cloudant_password = " + "a1b2c3d4" * 8,
    "Discord Bot Token": "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs",
    "GitHub Token": "ghp_" + "aB3dE6gH9" * 4,
    "GitLab Token": "glpat-hellOworld380_testin",
    "IBM Cloud IAM Key": "ibm_cloud_api_key: " + "abcdEFGHijkl0123456789-_abcdEFGHijkl01234567",
    "IBM COS HMAC Credentials": "cos_hmac_secret_access_key = " + "1234567890abcdef" * 3,
    "JSON Web Token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0."
    "dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
    "Mailchimp Access Key": "343ea45721923ed956e2b38c31db76aa-us30",
    "NPM tokens": "//registry.npmjs.org/:_authToken=npm_xxxxxxxxxxxq1w2e3r4t5y6u7i8o9p0",
    "OpenAI Token": "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",
    "Private Key": "BEGIN EC PRIVATE KEY",
    "PyPI Token": "pypi-AgEIcHlwaS5vcmcCJDU3OTM1MjliLWIyYTYtNDEwOC05NzRkLTM0MjNiNmEwNWIzYgACF1sxLFs"
    "iLWIyYTYtNDEwOC05NzRkLTM0MjNiNmEwNWIzYgAABiDjaWRl",
    "SendGrid API Key": "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",
    "Secret Keyword": 'the password = "Vq8zLp3n7w"',
    "Slack Token": "xoxb-34532454-e039d02840a0b9379c",
    "SoftLayer Credentials": "softlayer_api_key = " + "a1b2c3d4" * 8,
    "Square OAuth Secret": "sq0csp-ABCDEFGHIJK_LMNOPQRSTUVWXYZ-0123456789\\abcd",
    "Stripe Access Key": "sk_live_" + "ReTllpYQYfIZu2Jnf2lAPFjD",
    "Telegram Bot Token": "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsawF",
    "Twilio API Key": "SK" + "a1b2c3d4" * 4,
    "Base64 High Entropy String": "x = 'c3VwZXIgbG9uZyBzdHJpbmcgc2hvdWxkIGNhdXNlIGVub3VnaCBlbnRyb3B5'",
    "Hex High Entropy String": "x = '2b00042f7481c7b056c4b410d28f33cf'",
}


def test_there_is_a_sample_for_every_detector() -> None:
    assert set(SAMPLES) == {detector.secret_type for detector in credentials.detectors()}


@pytest.mark.parametrize("kind", sorted(SAMPLES))
def test_every_kind_is_found(kind: str) -> None:
    sample = SAMPLES[kind]
    assert kind in kinds_without_the_short_cut(sample), "the sample itself is wrong"
    for text in (sample, f"水\n{sample} \nmore", f"{'Some words before. ' * 20}\n{sample}"):
        assert credentials.find(text) is not None


def kinds_without_the_short_cut(line: str) -> set[str]:
    return {d.secret_type for d in credentials.detectors() if next(iter(d.analyze_string(line)), None)}


@given(st.data())
def test_whatever_a_pattern_matches_is_not_skipped(data: st.DataObject) -> None:
    patterns = [
        (detector.secret_type, pattern)
        for detector in credentials.detectors()
        for pattern in getattr(detector, "denylist", ())
        # Look-arounds cannot be generated from; Slack and Artifactory allow tokens too short to be real.
        if "(?<" not in pattern.pattern
        and detector.secret_type not in ("Slack Token", "Artifactory Credentials")
    ]
    kind, pattern = data.draw(st.sampled_from(patterns))
    secret = data.draw(st.from_regex(pattern, fullmatch=True, alphabet=ASCII))
    if kind == "Basic Auth Credentials" or "\n" in secret or not kinds_without_the_short_cut(secret):
        return
    assert credentials._has_token(secret), (kind, secret)
