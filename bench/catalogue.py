"""Every benchmark by its name, in the order in which they run."""

from bench import cold_start, import_time, membership, warm_cpu
from bench.benchmark import Benchmark

BENCHMARKS: dict[str, Benchmark] = {
    module.BENCHMARK.name: module.BENCHMARK for module in (cold_start, import_time, warm_cpu, membership)
}
