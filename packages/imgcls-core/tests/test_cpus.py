from __future__ import annotations

import os

import pytest
from imgcls_core.cpus import allotted_cpus


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no CPU affinity")
def test_an_affinity_mask_lowers_the_count() -> None:
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert allotted_cpus() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert 1 <= allotted_cpus() <= len(before)
