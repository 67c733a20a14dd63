// Package adapters says what an adapter is: a [Factory], a value that publishes
// node types and opens devices. A [Set] of them is what a hub is built with. The
// adapters themselves live in the folders below; adaptertest is the contract that
// each of them passes.
package adapters
