// Package mqtt is the adapter for MQTT: brokers, and what publishes on them, as nodes.
//
// A broker node owns a connection ([nodes.Type.Connects]); devices below it are read
// from topics, each of their fields from a place in a payload. The parts:
//
//   - payload, the folder below: what is in a payload. Pure.
//   - topic.go, feed.go, receive.go: which message belongs to which fields. A message is
//     taken apart in the goroutine of the client library that delivers it, which never
//     waits there: what it holds replaces the fields' values, each of which has one place,
//     so that a burst costs no memory and the newest value is never lost.
//   - report.go: what changed is handed to the hub, in batches, in a goroutine of its own.
//   - connect.go, dial.go, limit.go: one client of github.com/eclipse/paho.mqtt.golang for
//     each connection. Reconnecting, subscribing and the outbox are ours: the library's own
//     keep what cannot be sent in memory, and forget subscriptions.
//
// All state is below one mutex, held for a message at a time and never while the network,
// the disk or the hub is called.
//
// server, the folder below, is a broker in the process: of the node type mqtt.server, in
// serve.go, and of tests. ws makes streams of WebSockets, for both ends.
//
// mqtttest holds brokers and simulated devices. The package knows nothing of trees, XMPP
// or files.
package mqtt
