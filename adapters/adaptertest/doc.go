// Package adaptertest is the contract between the hub and its adapters, as tests
// that every adapter runs ([Run]), and a [Host] that records what a device tells
// the hub. It knows no adapter and no protocol.
package adaptertest
