// Package sensordata is the sensor data interface at both ends: the hub answers
// readouts of its nodes ([Server]), and a [Client] reads any hub.
//
// The interface is that of urn:nfi:iot:sd:1.0, published by the Neuro-Foundation;
// the families urn:nf and urn:ieee share its schema. A request is answered, and
// later messages are sent, in the family of the request.
//
// A readout whose values are all fresh enough, and whose answer is short, is
// answered with a resp in the result. Any other one is accepted; then come a
// message started, messages resp, and at last a resp without more='true' or a
// done. Each node is sent as soon as its values are there; a long one is divided.
//
// Where the schema and deployed software differ:
//
//   - req and cancel are accepted in an iq of type get and of type set.
//   - A req that names no category asks for all of them, as does all='true'.
//   - A req without nd reads the root node, which is the hub itself; the answer
//     then holds ts elements without nd. All other answers hold nd elements, with the
//     address as it was written in the request.
//   - Times without a zone are UTC. Tokens (dt, st, ut) are accepted and ignored.
//     Elements of other namespaces in a req are ignored.
//   - A node that cannot be read, or not whole, has an err in a ts of its own. A
//     node of which nothing is wanted is an nd without ts.
//   - A req whose when lies ahead is accepted with queued='true' and kept until
//     then, also while the link or the peer is away, but not over a restart of the
//     hub. A later req with its id takes its place, cancel takes it away. When its time
//     has come, it is read as any other, with the rights of that moment; while the
//     hub is offline it waits, up to an hour.
//   - A second req with the id of one that runs takes its place. cancel ends a
//     running readout without another message, and its result is always empty.
//
// The package knows no connection, no tree and no rights: its [Backend] answers as
// the caller may read. The messages of event subscriptions are resp elements of
// this namespace too; the client ignores those whose id is not its own, so whoever
// mounts both clients on a link hands every message to both.
package sensordata
