"""Every benchmark by its name, in the order in which they run."""

from bench import cold_start, cost_model, end_to_end, import_time, membership, memory, warm_cpu
from bench.benchmark import Benchmark

BENCHMARKS: dict[str, Benchmark] = {
    module.BENCHMARK.name: module.BENCHMARK
    for module in (cold_start, import_time, warm_cpu, end_to_end, membership, memory, cost_model)
}
