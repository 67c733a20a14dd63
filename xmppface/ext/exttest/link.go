package exttest

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"strconv"
	"sync"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/wire"
)

// Link is one end: an [ext.Link] whose session can be made to stall or to drop.
type Link struct {
	// Lang is xml:lang of the stanzas it sends; set before use.
	Lang string

	net       *Net
	jid       string
	way       nodes.Way
	extension ext.Extension // may be nil
	receiver  ext.Receiver  // may be nil
	leaver    ext.Leaver    // may be nil
	in        *inbox

	mu      sync.Mutex
	pending map[string]chan answer
	dropped bool
}

type answer struct {
	payload *wire.Element
	err     error
}

var _ ext.Link = (*Link)(nil)

var errDropped = nodes.Errorf(nodes.Unreachable, "", nodes.Ref{}, "the link has dropped")

// Way returns [nodes.WayLocal].
func (l *Link) Way() nodes.Way { return l.way }

// Self returns the full JID of this end.
func (l *Link) Self() string { return l.jid }

// Net returns the net it is on.
func (l *Link) Net() *Net { return l.net }

// Ask asks another end.
func (l *Link) Ask(ctx context.Context, to, typ string, payload []byte) (*wire.Element, error) {
	Record(payload)
	return l.ask(ctx, to, typ, payload)
}

// AskRaw asks the server with a payload that is kept from the record, because it
// is wrong on purpose.
func (l *Link) AskRaw(ctx context.Context, typ, payload string) (*wire.Element, error) {
	return l.ask(ctx, ServerJID, typ, []byte(payload))
}

func (l *Link) ask(ctx context.Context, to, typ string, payload []byte) (*wire.Element, error) {
	l.net.mu.Lock()
	l.net.nextID++
	id := "q" + strconv.Itoa(l.net.nextID)
	l.net.mu.Unlock()
	stanza, err := l.parse(l.stanza("iq", typ, to, id, payload))
	if err != nil {
		l.net.t.Errorf("exttest: %s asks %s: %v: %.300s", l.jid, to, err, payload)
		return nil, err
	}
	got := make(chan answer, 1)
	l.mu.Lock()
	if l.dropped {
		l.mu.Unlock()
		return nil, errDropped
	}
	l.pending[id] = got
	l.mu.Unlock()
	defer func() {
		l.mu.Lock()
		delete(l.pending, id)
		l.mu.Unlock()
	}()
	peer := l.net.find(to)
	if peer == nil || peer.extension == nil {
		return nil, &ext.StanzaError{Type: "cancel", Condition: "service-unavailable"}
	}
	peer.in.put(len(payload), func() { peer.serve(l, id, typ, stanza) })
	select {
	case a := <-got:
		return a.payload, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// serve hands a request to the extension of this end.
func (l *Link) serve(from *Link, id, typ string, stanza *wire.Element) {
	if l.isDropped() {
		return
	}
	var once sync.Once
	l.extension.Serve(&ext.Request{
		Link:    l,
		Caller:  nodes.Caller{JID: bare(from.jid), Full: from.jid, Way: l.way, Lang: stanza.Lang()},
		ID:      id,
		Type:    typ,
		Payload: stanza.First(),
		Respond: func(payload []byte, fail *ext.StanzaError) {
			once.Do(func() { l.respond(from, id, payload, fail) })
		},
	})
}

func (l *Link) respond(to *Link, id string, payload []byte, fail *ext.StanzaError) {
	if l.isDropped() {
		return
	}
	typ := "result"
	if fail != nil {
		typ, payload = "error", fail.Append(nil)
	} else {
		Record(payload)
	}
	stanza, err := l.parse(l.stanza("iq", typ, to.jid, id, payload))
	if err != nil {
		l.net.t.Errorf("exttest: %s answers %s: %v: %.300s", l.jid, to.jid, err, payload)
		return
	}
	a := answer{payload: stanza.First()}
	if fail != nil {
		a = answer{err: ext.ParseError(stanza)}
	}
	to.in.put(len(payload), func() {
		to.mu.Lock()
		got := to.pending[id]
		delete(to.pending, id)
		to.mu.Unlock()
		if got != nil {
			got <- a
		}
	})
}

// Tell sends a message to another end. To nobody, it bounces: this end's
// extension is told that the peer is gone.
func (l *Link) Tell(ctx context.Context, to string, payload []byte) error {
	Record(payload)
	stanza, err := l.parse(l.stanza("message", "normal", to, "", payload))
	if err != nil {
		l.net.t.Errorf("exttest: %s tells %s: %v: %.300s", l.jid, to, err, payload)
		return err
	}
	if l.isDropped() {
		return errDropped
	}
	peer := l.net.find(to)
	if peer == nil {
		if l.leaver != nil {
			l.in.put(0, func() { l.leaver.Gone(l, to) })
		}
		return nil
	}
	if err := peer.in.wait(ctx); err != nil {
		return err
	}
	peer.in.put(len(payload), func() {
		if peer.receiver != nil && !peer.isDropped() {
			peer.receiver.Receive(&ext.Message{Link: peer, From: l.jid, Payload: stanza.First()})
		}
	})
	return nil
}

// Stall stops the delivery of what is sent to this end, until Resume.
func (l *Link) Stall() { l.in.stall(true) }

// Resume goes on delivering.
func (l *Link) Resume() { l.in.stall(false) }

// Drop ends the session: pending asks fail, this end's extension learns that the
// link has dropped, and every other one that this peer is gone. It returns when
// all have been told.
func (l *Link) Drop() {
	l.mu.Lock()
	l.dropped = true
	pending := l.pending
	l.pending = make(map[string]chan answer)
	l.mu.Unlock()
	for _, got := range pending {
		got <- answer{err: errDropped}
	}
	var told sync.WaitGroup
	for _, o := range l.net.remove(l) {
		if o.leaver != nil {
			told.Add(1)
			o.in.put(0, func() { defer told.Done(); o.leaver.Gone(o, l.jid) })
		}
	}
	if l.leaver != nil {
		l.leaver.Gone(l, "")
	}
	told.Wait()
	l.in.close()
}

func (l *Link) isDropped() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dropped
}

func (l *Link) stanza(name, typ, to, id string, payload []byte) []byte {
	b := append([]byte{'<'}, name...)
	b = append(b, " xmlns='jabber:client'"...)
	b = wire.AppendAttr(b, "type", typ)
	b = wire.AppendOptional(b, "id", id)
	b = wire.AppendAttr(b, "from", l.jid)
	b = wire.AppendAttr(b, "to", to)
	b = wire.AppendOptional(b, "xml:lang", l.Lang)
	b = append(b, '>')
	b = append(b, payload...)
	b = append(b, "</"...)
	b = append(b, name...)
	return append(b, '>')
}

// parse reads a stanza as it would be read from a stream.
func (l *Link) parse(stanza []byte) (*wire.Element, error) {
	if len(stanza) > MaxStanza {
		return nil, errors.New("a stanza of " + strconv.Itoa(len(stanza)) + " bytes is longer than any peer takes")
	}
	d := xml.NewDecoder(bytes.NewReader(stanza))
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	return wire.ReadElement(d, t.(xml.StartElement))
}
