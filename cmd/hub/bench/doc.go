// Package bench measures the hub: its tests print the tables of docs/benchmarks.md
// when HUB_BENCH=1, which "make bench" sets. Everything that is compared runs in
// one process in turns, and medians are told, because machines are noisy.
package bench
