"""Tools beside the product: phantom scans, the demos, the benchmarks. They use any room, and none uses them."""
