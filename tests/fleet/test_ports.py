"""The ports that tests, benchmarks and load runs draw for themselves."""

from fleet.ports import free_port


def test_no_port_is_given_twice_and_none_is_one_of_the_systems_own() -> None:
    ports = [free_port() for _ in range(200)]
    assert len(set(ports)) == len(ports)
    assert max(ports) < 32_768
