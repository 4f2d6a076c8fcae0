"""The same pack by datatrove's executor on Ray, on a cluster of one process on this machine."""

import pytest

pytest.importorskip("datatrove", reason="needs pip install 'bbyte[data]'")
ray = pytest.importorskip("ray", reason="needs pip install 'bbyte[cluster]'")

from pipelines import check, make_inputs, steps  # noqa: E402


@pytest.fixture
def cluster(tmp_path):
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=100 << 20, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of datatrove's way to call Ray
def test_the_ray_executor(cluster, tmp_path):
    from datatrove.executor import RayPipelineExecutor

    inputs = make_inputs(tmp_path / "in")
    RayPipelineExecutor(
        steps(inputs, tmp_path), tasks=2, workers=2, mem_per_cpu_gb=0.1, logging_dir=str(tmp_path / "logs")
    ).run()
    check(inputs, tmp_path)
