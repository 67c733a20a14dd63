// Package gpiotest is GPIO in memory: a [Board] with simulated chips whose lines a
// test, a demo or a fault injector drives from outside. To the adapter it looks as
// the kernel does; edges pass through a pipe as the records that the kernel writes.
// It is fit for parallel tests and starts no goroutines but for debounce.
package gpiotest
