"""What files are called decides the order of routes, and nothing else."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.routing.decide import consider, decide
from bridge.routing.load import load_files
from bridge.routing.model import Mapping, Place
from tests.routing.catalogue import NETWORKS
from tests.routing.conftest import MONDAY_NOON, starter_files
from tests.routing.test_decide import POSTS

SOCIAL = "routes/10-social.yaml"
NAMES = st.text(alphabet="abcxyz019-_ é", min_size=1, max_size=12)


def parted(names: list[str]) -> Mapping:
    """The starter with its routes in files of these names, in the same order: one route in each."""
    files = starter_files()
    _, *routes = files.pop(SOCIAL).split("\n  - name: ")
    ordered = sorted(f"routes/{name}.yaml" for name in names)
    # What is left over goes to the last.
    parts = [*routes[: len(ordered) - 1], "\n  - name: ".join(routes[len(ordered) - 1 :])]
    for name, part in zip(ordered, parts, strict=True):
        files[name] = f"routes:\n  - name: {part}\n"
    return load_files(files, NETWORKS)


WHOLE = parted(["10-social"])


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(names=st.lists(NAMES, min_size=1, max_size=5, unique=True), posts=st.lists(POSTS, max_size=5))
def test_files_of_other_names_in_the_same_order_change_nothing_but_places(names, posts):
    """And the version, which is that of the texts and their names."""
    renamed = parted(names)
    nowhere = Place("", 0)
    for post in posts:
        before, after = decide(post, WHOLE, MONDAY_NOON), decide(post, renamed, MONDAY_NOON)
        version = after.mapping_version
        assert replace(before, place=nowhere, mapping_version=version) == replace(after, place=nowhere)
        seen = [
            [replace(one, place=nowhere) for one in consider(post, m, MONDAY_NOON)] for m in (WHOLE, renamed)
        ]
        assert seen[0] == seen[1]
