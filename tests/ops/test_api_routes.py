"""The paths of the API."""

from ichat_gw.ops import api_routes


def test_routes_are_told_apart_and_say_what_they_do() -> None:
    assert len({(route.method, route.path) for route in api_routes.ROUTES}) == len(api_routes.ROUTES)
    assert all(route.path.startswith("/") and route.sentence.endswith(".") for route in api_routes.ROUTES)
    assert [route.path for route in api_routes.ROUTES if route.method == "POST"] == ["/reload"]
