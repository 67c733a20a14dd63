// Package stream is the stanza loop over an XMPP stream that others negotiate, at
// either end of it: the same for the hub as a client of a broker and for its own
// small server.
//
// It owns the bytes: [Conn] counts what comes in before the XML decoder sees it
// (which holds a text of any length in memory), [Stream] yields whole stanzas
// and writes what is queued in as few writes as possible. It knows nothing of
// addresses, requests and answers.
//
//	c := stream.NewConn(tcp)              // under the negotiation already
//	…negotiate over c, with stream.StartTLS…
//	s, err := stream.New(c2, stream.Options{}) // c2: the Conn that the negotiation ended with
//	go s.Run(ctx)                         // writes; closes the connection at the end
//	for { e, err := s.Read(); … }         // one reader
package stream
