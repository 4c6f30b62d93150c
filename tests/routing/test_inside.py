"""Links, names and addresses that only work inside the company."""

from __future__ import annotations

import time

import pytest

from bridge.routing.inside import leads_inside


@pytest.mark.parametrize(
    "text",
    [
        "https://wiki, and more", "https://wiki! ", '"https://wiki"', "<https://wiki>", "https://wiki; or",
        "https://wiki.", "(https://wiki)", "https://wiki’s", "ที่https://wiki", "HTTP://WIKI",
        "https://user@wiki/x", "https://user:secret@wiki", "https://wiki:8443", "ftp://nas/x", "ssh://build",
        "smb://server/share", "smb://files.acme.example/share", "file:///etc/x",
        r"\\server\share", r"see \\fs01.acme.example\public\x",
    ],
)  # fmt: skip
def test_a_host_of_one_word_is_inside(text):
    """Whatever stands behind it; and a shared folder."""
    assert leads_inside(text)


@pytest.mark.parametrize(
    "text",
    [
        "http://[fd00::1]/", "http://[::1]/", "http://[fe80::1%25eth0]/", "http://[::]:80/", "ssh fd12:3::1",
        "http://[::ffff:10.0.0.5]/", "http://169.254.169.254/", "http://100.64.0.1/", "http://0.0.0.0:8080/",
        "ที่10.0.0.5", "ping 192.168.1.20.",
    ],
)  # fmt: skip
def test_a_private_address_is_inside(text):
    """Of both kinds, on its own and in a link."""
    assert leads_inside(text)


@pytest.mark.parametrize(
    "name", ["nas.home", "nas.home.arpa", "wiki.private", "box.localdomain", "wiki.internal", "nas.local"]
)
def test_a_name_that_no_public_server_answers_is_inside(name):
    """In a link, and in a sentence."""
    assert leads_inside(f"https://{name}/x")
    assert leads_inside(f"It is on {name}.")
    assert not leads_inside(f"It is on {name}.kopi.example")


@pytest.mark.parametrize(
    "page",
    [
        "acme.zendesk.com/agent/tickets/5", "acme.zendesk.com/admin/people", "zendesk.com/api/v2/tickets/5",
        "zendesk.com/explore", "acme.zendesk.com:443//admin", "acme.atlassian.net/projects/X",
        "acme.atlassian.net/servicedesk", "acme.atlassian.net/servicedesk/agent/X/queues",
        "acme.atlassian.net/secure/Dashboard.jspa", "acme.atlassian.net/issues/?jql=x",
        "hooks.slack.com/services/T0/B0/x", "hooks.slack.com/workflows/T0", "x.slack.com/team/U1",
        "x.slack.com/docs/T1/F1", "files.slack.com/files-pri/T1-F1/x.png", "slack://channel?id=C1",
    ],
)  # fmt: skip
def test_a_page_for_staff_is_inside(page):
    """Of Zendesk, Slack and Atlassian, with and without the scheme."""
    assert leads_inside(f"See {page}, please")
    assert leads_inside(f"(https://{page})".replace("https://slack:", "slack:"))


@pytest.mark.parametrize(
    "text",
    [
        "https://acme.zendesk.com/hc/en-us/articles/4408846544922-Admin", "https://acme.zendesk.com",
        "https://www.zendesk.com/explore", "https://developer.zendesk.com/api-reference/",
        "https://acme.atlassian.net/servicedesk/customer/portal/1",
        "https://status.atlassian.com https://status.slack.com/2026-05 https://acme.statuspage.io/issues",
        "https://api.slack.com/docs https://slack.com/help/articles/1 https://join.slack.com/t/kopi",
        "https://kopi.example, https://kopi.example! <https://kopi.example>; https://kopi.example:8080",
        "https://เว็บไซต์.example https://zażółć.example/x https://… and https://",
        "kopi://orders/5",
        "http://8.8.8.8/ http://[2606:4700:4700::1111]/ 1.1.1.1 172.32.0.1 100.128.0.1",
        "Version 0.9.1.2 of 10:30:45; mask 255.255.255.0; 10.4.2; 1.10.0.0.5",
        "std::vector, a :: b, Note:: that",
        "At home. Private messages only; go home! The .home of it",
        "¯\\_(ツ)_/¯ and a\\b and \\\\",
    ],
)  # fmt: skip
def test_what_everybody_can_open_is_not_inside(text):
    """Help centres, status pages, vendors' own pages, public addresses; and signs that look like some."""
    assert not leads_inside(text)


@pytest.mark.parametrize(
    "part",
    [
        ":", "::", "a:", "fd:", "1.", "10.0.", "https://", "https://a@", "http://a", "ssh://", "\\", "\\\\a",
        "zendesk.com/", "x.", "a@", "-", "a.home",
    ],
)  # fmt: skip
def test_no_text_takes_long(part):
    """Fifty thousand letters of anything."""
    text = part * (50_000 // len(part))
    started = time.thread_time()
    leads_inside(text)

    assert time.thread_time() - started < 1  # it takes a tenth of that
