// Package local is a small XMPP server inside the hub: direct access without a
// broker, the demo, tests. It speaks what the hub and its clients need of RFC 6120
// and RFC 6121: STARTTLS (always required), SCRAM-SHA-256, resource binding,
// routing, presence with subscriptions, and the roster. It does not talk to other
// servers, and what cannot be delivered comes back instead of being stored.
//
// It owns the listening socket, the connections and who is online. Accounts and
// rosters belong to the caller ([Accounts], [Rosters]; [Memory] is both); so do the
// certificate and its key ([NewCertificate]). It knows nothing of hubs, nodes and
// namespaces of things.
//
// The domain is the server's own and random ([NewDomain]), so that no account of a
// broker can be mistaken for a local one. The address a stanza is from is always
// that of the account logged in; who writes another one is disconnected
// (invalid-from).
//
// Choices where the RFCs leave one:
//   - A resource that is in use goes to whom asks for it last; the older stream
//     ends with conflict. A client that lost its connection gets back in at once.
//   - Messages to a bare address go to all resources of the highest priority, not
//     below 0. Nothing is kept for whom is offline: chat and normal messages bounce
//     with service-unavailable, as do messages to a resource that is not there.
//   - Subscription requests are kept until they are answered.
//
// Bounds: a stanza 256 KiB (the stream ends with policy-violation), a negotiation
// 64 KiB and 10 s, connections before login (the oldest makes room), clients,
// resources of an account, contacts, and what waits for each client. One that
// reads too slowly gets nobody else into trouble: requests to it, and answers to
// its own, turn into resource-constraint (type wait), and when even those do not
// fit it is disconnected.
//
// What is forwarded is always valid XML: content of plain spelling byte for byte,
// any other written anew from what was parsed (there, text comes before child
// elements).
package local
