// Package xmppface connects to XMPP servers and stays connected: as the hub
// towards its people, and as a client towards a hub.
//
// It owns the connection ([Dial], [Session]: STARTTLS, SCRAM, binding), the
// dispatch of requests to the namespaces mounted on it ([Extensions]), answers,
// roster and presence, and coming back after every failure ([Face]). It does not
// know what the namespaces do, and they know nothing of connections: they see an
// ext.Link.
//
// Requests of one sender are handled in order, those of different senders at the
// same time, on a bounded pool; a handler that hangs or panics harms nobody else.
// What is not well-formed ends the stream; what is well-formed but wrong gets a
// stanza error. Answers to our own requests count only from whom they were asked.
//
// The library mellium.im/xmpp negotiates; the loop over the negotiated stream is
// xmppface/stream. Whoever calls Run of a [Session] or [Face] owns it; it closes
// everything before it returns.
package xmppface
