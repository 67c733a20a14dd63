// Package nodes is the vocabulary of the hub: the words in which every other
// package speaks of devices, values and people. It holds types and comments,
// almost no code, and imports nothing of this module.
//
// # The house
//
// A hub stands between field devices and the people who run them. Below it are
// Modbus lines, MQTT brokers and GPIO pins; above it is one XMPP address. Every
// device is a node in a tree; a tree belongs to a data source.
//
//	device -> adapters/<x> -> nodes/tree -> datasources -> xmppface   values, states, events
//	device <- adapters/<x> <- nodes/tree <- datasources <- xmppface   reads, commands, changes
//
// Up is push, down is call, and nothing below holds anything above it: a device
// has a [Host], a tree has a store, a face has a backend.
//
// # The words
//
//   - A [Ref] names a node. A [Spec] is what a person configured: name, type,
//     parameters. An [Info] is what a client sees.
//   - A [Type] says what kind of node it is, what may stand below it, which
//     parameters it has and what it can do ([Caps]).
//   - What a person calls a device (a Modbus unit, an MQTT device, a GPIO chip)
//     is one readable node with many fields; the nodes that describe its
//     registers, topics or lines are its parts ([Type.Part]), each readable
//     alone, and their fields are also fields of the device.
//   - A [Field] is one named [Value] with its time, [Category] and [QoS]. A
//     [Reading] is what one node delivered at once: fields, or the reason why
//     there are none.
//   - A [Device] is a live subtree: the adapter is opened once for each node that
//     owns a connection ([Type.Connects]) with everything below it.
//   - A [Caller] is who asks, and by which way in; [Rights] are what he may do.
//   - An [Error] crosses package borders: an operation, a node, a kind.
//
// How these words are spelled on the wire is the business of the faces and
// adapters; no type here knows of XML, Modbus or a database.
package nodes
