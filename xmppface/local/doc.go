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
//   - A stanza in no language is in that of its sender's stream.
//   - SCRAM is offered without channel binding, since clients disagree on its kinds
//     with TLS 1.3. Clients must know the certificate, whose fingerprint is shown.
//
// Bounds: a stanza 256 KiB (the stream ends with policy-violation), a negotiation
// 64 KiB and 10 s, connections before login (the oldest makes room), clients,
// resources of an account, contacts, and what waits for each client. Failed logins
// delay the next ones for the same account or from the same address, by 4 s at most,
// and an account that does not exist looks like a wrong password. A client that
// reads too slowly gets nobody else into trouble: requests to it, and answers to
// its own, turn into resource-constraint (type wait), and when even those do not
// fit it is disconnected.
//
// What is forwarded is always XML that every reader takes: content of plain spelling
// byte for byte, any other written anew from what was parsed (there, text comes
// before child elements). Names that cannot be written again, or that would end the
// stream of whom it goes to, end that of the sender.
//
// The way of a connection: [Server.Run] accepts, negotiation does everything up to
// the wish for a resource, client serves its stanzas one after the other in one
// goroutine (so that they stay in order) and hands them to the streams of others
// (table); social keeps rosters and presence, one change at a time.
package local
