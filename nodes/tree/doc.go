// Package tree is one live data source: configured nodes in their order, the
// devices opened for them, their last values, messages and states, and who is told
// of changes. It decides what is current, what is stale, and what a device's
// reading is made of, once for all adapters.
//
// It owns the only lock over these things; no device, store, watcher or
// subscriber is called while it is held. It owns every device it opens: Run
// returns after all of them. It knows neither callers and their rights nor any
// protocol or database; it declares the [Store] and the [Opener] it needs.
package tree
