"""`imgcls-deploy cost` prices a replica as the platform's list does."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Deploy


def test_an_l4_with_four_processors_and_16_gb_costs_what_the_list_says(deploy: Deploy) -> None:
    """0.000222 + 4 × 0.00000655 + 16 × 0.00000222 = 0.00028372 $ a second; 200 img/s: 1.42 $ a million."""
    result = deploy("cost", "200", "--busy", "1")
    assert result.exit_code == 0, result.stderr
    assert result.stdout.splitlines()[1].split() == ["ADA_L4", "1.021", "735", "1.42"]


def test_a_replica_that_is_busy_half_of_its_time_costs_twice_as_much_an_image(deploy: Deploy) -> None:
    assert deploy("cost", "200", "--busy", "0.5").stdout.splitlines()[1].split()[-1] == "2.84"


def test_the_protected_tier_costs_twice_as_much(deploy: Deploy, copy: Path) -> None:
    path = copy / "cerebrium.toml"
    path.write_text(path.read_text().replace('"interruptible"', '"protected"'))
    assert deploy("cost", "200", "--busy", "1").stdout.splitlines()[1].split()[1] == "2.043"


def test_no_speed_is_no_price(deploy: Deploy) -> None:
    assert deploy("cost", "0").exit_code == 2
