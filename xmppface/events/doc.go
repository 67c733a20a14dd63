// Package events is the event subscription interface at both ends: the hub tells
// its peers of changes of values ([Server]), and a [Client] subscribes at any hub.
//
// The interface is that of urn:nfi:iot:events:1.0, published by the
// Neuro-Foundation; the families urn:nf and urn:ieee share its schema. The answer to
// a subscription and its messages are elements of the sensor data interface, in
// the family of the request.
//
// A subscription is kept per full address and id; a new one with the same id takes
// the place of the former. It ends with unsubscribe, when its peer goes offline or
// bounces a message, and when the link drops; the peer subscribes again. That it has to
// it sees from the hub's presence: a hub that has restarted, or connected anew, has
// another resource. A peer that does not show its presence, and for which its server
// keeps messages, is told until the link drops.
//
// What triggers a message: a field of the wanted names and categories changes its
// value or a quality flag, or a node fails. Where its f has by, up or dn, the number
// has to differ by as much from the last one sent, from v, or from the value at the
// time of the subscription. Booleans count as 1 and 0, times as seconds; of texts
// any difference is enough, up and dn go by their order. The message is one resp or
// more, the last without more='true', with the newest values of the fields that
// changed since the last one. It comes at once, but at most one in minInt, or in
// 20 ms. After maxInt without a message all fields are read and sent.
//
// Where the schema and deployed software differ:
//
//   - subscribe and unsubscribe are accepted in an iq of type get and of type set.
//   - The answer is accepted of the sensor data namespace, with req='true' too,
//     where deployed servers take the events namespace.
//   - No category means all of them. No nd means the root node, which is the hub
//     itself; the messages then hold ts elements without nd.
//   - No f means that any field triggers. A field that is named twice has to have the
//     same rule twice.
//   - What is older than maxAge when it comes neither triggers nor is sent, but for
//     identity fields: what a device is does not age. Without maxAge, or with PT0S, all
//     is sent. Tokens (dt, st, ut) and an empty v are ignored.
//   - In durations a month is 30 days. maxInt is at least 100 ms.
//   - Values are polled as often as minInt says, or maxInt when there is no minInt.
//
// The messages arrive in the sensor data namespace, of which sensordata's client
// takes the readouts: whoever mounts both clients on a link hands every message of
// that namespace to both. Each ignores ids that are not its own.
//
// The package knows no connection, no tree and no rights: its [Backend] tells only
// what the caller may read.
package events
