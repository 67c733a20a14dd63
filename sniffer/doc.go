// Package sniffer copies the traffic of a connection to whoever listens: a [Tap]
// sits on each opened device, adapters pass every frame by it, and faces take
// subscriptions. It knows neither protocols nor people; who may listen is decided
// above.
package sniffer
