"""Which addresses may be called: every spelling of our own network stays shut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaxel_shared.connectors.targets import may_call, url_fault

FORBIDDEN = [
    # not public, however it is spelt
    "https://127.0.0.1/", "https://127.0.0.1:443/", "https://127.1/", "https://127.0.1/",
    "https://127.255.255.254/", "https://2130706433/", "https://017700000001/", "https://0x7f000001/",
    "https://0x7f.0x0.0x0.0x1/", "https://0x7f.1/", "https://0177.0.0.1/", "https://00127.0.0.1/",
    "https://0/", "https://0.0.0.0/", "https://00000000/", "https://10.0.0.1/", "https://10.1/",
    "https://172.16.0.1/", "https://172.31.255.255/", "https://192.168.1.1/",
    "https://192.168.0.1:8443/", "https://169.254.169.254/latest/meta-data/", "https://100.64.0.1/",
    "https://100.127.255.254/", "https://198.18.0.1/", "https://192.0.2.1/", "https://198.51.100.1/",
    "https://203.0.113.1/", "https://192.0.0.1/", "https://224.0.0.1/", "https://239.255.255.255/",
    "https://240.0.0.1/", "https://255.255.255.255/", "https://[::1]/", "https://[::]/",
    "https://[0:0:0:0:0:0:0:1]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/",
    "https://[::ffff:10.0.0.1]/", "https://[0:0:0:0:0:ffff:a9fe:a9fe]/", "https://[::127.0.0.1]/",
    "https://[64:ff9b::7f00:1]/", "https://[64:ff9b:1::1]/", "https://[2002:7f00:1::]/",
    "https://[2001:0:7f00:1::]/", "https://[fe80::1]/", "https://[fe80::1%25eth0]/",
    "https://[fc00::1]/", "https://[fd12:3456:789a::1]/", "https://[fec0::1]/", "https://[ff02::1]/",
    "https://[2001:db8::1]/", "https://[100::1]/",
    # not as a web address is written
    "http://tool.example/", "ftp://tool.example/", "file:///etc/passwd", "gopher://tool.example/",
    "//tool.example/", "tool.example", "https://", "https:///x", "https://:443/",
    "https://user@tool.example/", "https://user:word@tool.example/", "https://tool.example@10.0.0.1/",
    "https://127.0.0.1#@tool.example/", "https://tool.example#x", "https://tool.example:22/",
    "https://tool.example:8080/", "https://tool.example:0/", "https://tool.example:99999/",
    "https://tool.example:x/", "https://tool.example./", "https://tool..example/",
    "https://tool_.example-/", "https://-tool.example/", "https://täst.example/",
    "https://tool.example\\@10.0.0.1/", "https://tool.example/ x", "https://tool.example/\r\nX: y",
    "https://tool.example\x00.evil.example/", "https://①②⑦.⓪.⓪.①/", "https://127。0。0。1/",
    "https://[::1", "https://[tool.example]/", "https://" + "a" * 64 + ".example/",
    "https://tool.example/" + "x" * 2_000,
]  # fmt: skip


@pytest.mark.parametrize("url", FORBIDDEN)
def test_a_url_that_may_not_be_called_is_named_with_what_to_write_instead(url):
    fault = url_fault(url, allow_private=False)
    assert fault is not None
    assert "\n" not in fault
    assert fault.startswith(("must ", "has ", "names "))


def test_the_table_is_not_a_short_one():
    assert len(FORBIDDEN) == len(set(FORBIDDEN)) >= 60


@pytest.mark.parametrize(
    "url",
    [
        "https://tool.example", "https://tool.example/hooks?x=1", "https://tool.example:443/",
        "https://tool.example:8443/a", "https://xn--tst-qla.example/", "https://8.8.8.8/",
        "https://[2606:4700::1111]/", "https://TOOL.example/",
    ],
)  # fmt: skip
def test_a_public_url_may_be_called(url):
    assert url_fault(url, allow_private=False) is None


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:9000/x", "http://localhost:9000", "https://10.0.0.7/", "http://[::1]:81/"],
)
def test_allow_private_lets_in_the_own_machine_and_house(url):
    assert url_fault(url, allow_private=True) is None


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "224.0.0.1", "0.0.0.0", "::",
        "255.255.255.255", "64:ff9b::a9fe:a9fe", "2002:a9fe:a9fe::", "ff02::1", "no address", "",
    ],
)  # fmt: skip
def test_some_addresses_are_called_by_nobody(address):
    assert not may_call(address, allow_private=True)


@given(st.ip_addresses())
def test_an_address_that_may_be_called_is_public_and_its_mapped_form_is_judged_alike(address):
    allowed = may_call(str(address), allow_private=False)
    assert allowed <= address.is_global
    assert allowed <= may_call(str(address), allow_private=True)
    if address.version == 4:
        assert may_call(f"::ffff:{address}", allow_private=False) == allowed


@given(st.text(max_size=40))
def test_no_text_makes_it_raise(text):
    url_fault(text, allow_private=False)
    url_fault(f"https://{text}/", allow_private=True)
    may_call(text, allow_private=False)
