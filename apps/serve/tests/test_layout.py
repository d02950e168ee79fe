import pytest
from imgcls_serve.scheduler.layout import choose_layout


@pytest.mark.parametrize(("requested", "provider"), [("auto", "cpu"), ("parallel", "cpu"), ("parallel", "cuda")])
def test_parallel_runs_one_single_threaded_inference_per_core(requested: str, provider: str) -> None:
    layout = choose_layout(requested, provider=provider, cpus=6)
    assert (layout.name, layout.all_round, layout.decoders, layout.runners) == ("parallel", 6, 0, 0)
    assert layout.max_batch == 1


@pytest.mark.parametrize(("requested", "provider"), [("auto", "cuda"), ("wide", "cpu")])
def test_wide_runs_one_inference_fed_by_decoders(requested: str, provider: str) -> None:
    layout = choose_layout(requested, provider=provider, cpus=6)
    assert (layout.name, layout.all_round, layout.decoders, layout.runners) == ("wide", 0, 6, 1)
    assert layout.max_batch == 32


def test_the_largest_batch_can_be_set() -> None:
    assert choose_layout("auto", provider="cpu", cpus=2, max_batch=4).max_batch == 4


def test_parallel_inferences_on_a_cpu_keep_to_batches_that_fit_the_cache() -> None:
    """A forced batch of 32 answered 2.7 times fewer images than one of 1."""
    assert choose_layout("auto", provider="cpu", cpus=2, max_batch=32).max_batch == 4
    assert choose_layout("parallel", provider="cuda", cpus=2, max_batch=32).max_batch == 32
    assert choose_layout("wide", provider="cpu", cpus=2, max_batch=32).max_batch == 32


def test_costly_images_get_processes_by_processors_and_memory() -> None:
    def isolated(cpus: int, most: int) -> int:
        return choose_layout("auto", provider="cpu", cpus=cpus, most_isolated=most).isolated

    assert [isolated(1, 9), isolated(2, 9), isolated(6, 9), isolated(64, 9)] == [1, 1, 3, 4]
    assert [isolated(64, 2), isolated(64, 0)] == [2, 1]
