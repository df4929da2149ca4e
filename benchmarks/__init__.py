"""What backs the numbers of docs/benchmarks.md."""
