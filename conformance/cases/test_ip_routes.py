"""Who announces the addresses. Findings speak to mail engineers: PYTEST_DONT_REWRITE."""

from __future__ import annotations

from typing import TYPE_CHECKING

from conformance.check import check, listed, seen

if TYPE_CHECKING:
    from conformance.facts.routing import Route


@check(
    "Y sending IPs: info",
    fix=(
        "Have the prefix of {address.ip} announced by your network, with a route object and a ROA for both; where the "
        "network named here is yours, or your provider's, name it in origins of mailconform_routing."
    ),
)
def test_ip_routed(route: Route) -> None:
    """Every sending address lies in a prefix that is announced, by a network that the inventory expects.

    What nobody announces gets no answer; what another network announces may have been taken over. Whether a ROA
    covers the prefix is not seen here: a validator of RPKI tells that.
    """
    answer = route.answer
    assert route.announcements, seen(f"no prefix around it is announced: {answer.question}: {answer.describe()}")
    strange = route.strange
    expected = listed(f"AS{number}" for number in route.origins.expected)
    assert not strange, seen(f"announced: {listed(strange)}; expected: {expected}")
