package stream

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldhub/hub/xmppface/wire"
)

// Options of a stream. The zero value is good.
type Options struct {
	// Queue is how many bytes may wait to be written; 1 MiB when 0. [Stream.Reply]
	// may use as much again.
	Queue int
	// WriteTimeout is how long the peer may take no byte of what is written; 30 s
	// when 0.
	WriteTimeout time.Duration
	// Trace gets the exact bytes of every stanza, sent (when it is queued) or
	// received, until it returns. It is called by several goroutines and must not
	// call the stream. May be nil.
	Trace func(sent bool, stanza []byte)
	// Drop is called by Read with the opening tag of a stanza that is well-formed but
	// larger than [MaxStanza], or nested too deeply, or has too many elements or
	// attributes; it is passed over, and nothing of it is kept. The element has no name
	// when not even the tag was read. A client wants this: what its server passes on
	// comes from anybody, and servers write some characters as six. Nil: such a stanza
	// ends the stream.
	Drop func(e *wire.Element, why *Error)
}

// Stream is a negotiated XMPP stream. One goroutine reads, one is in Run; sending
// is safe from any.
type Stream struct {
	c *Conn
	o Options
	d *xml.Decoder

	opening []byte // the other side's opening tag

	wake     chan struct{} // 1: something to write
	dead     chan struct{} // closed: the connection is gone
	readEnd  chan struct{} // closed: nothing more will be read
	readDone bool          // nothing more will be read; for the reader
	heard    atomic.Int64  // elements
	received atomic.Uint32 // stanzas

	mu      sync.Mutex
	m       *management // nil without stream management
	p       pace
	lost    error         // why the connection is gone, of a stream that stays
	down    bool          // dead is closed
	out     []byte        // waits to be written
	ends    []int         // where its stanzas end, with stream management
	writing int           // bytes taken out of it, not yet written
	room    chan struct{} // closed when there is room again; nil: nobody waits
	ended   bool          // our end tag is queued
	err     error         // why the connection is gone
}

// New takes over a connection after the negotiation has read its last element.
// The caller must call Run, which closes the connection.
func New(c *Conn, o Options) (*Stream, error) {
	if o.Queue <= 0 {
		o.Queue = 1 << 20
	}
	if o.WriteTimeout <= 0 {
		o.WriteTimeout = 30 * time.Second
	}
	s := &Stream{o: o, wake: make(chan struct{}, 1)}
	if err := s.attach(c); err != nil {
		return nil, err
	}
	return s, nil
}

// attach takes over a connection.
func (s *Stream) attach(c *Conn) error {
	// The decoder is a new one, which must know the prefixes of the opening tag.
	// The one of the negotiation takes any element of the streams' namespace, at
	// any depth, for the end of the stream.
	opening := c.opening()
	d, err := restart(c, opening)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.c, s.d, s.opening, s.readDone, s.down = c, d, opening, false, false
	s.dead, s.readEnd = make(chan struct{}), make(chan struct{})
	return nil
}

// restart makes a decoder for what comes within a stream.
func restart(c *Conn, opening []byte) (*xml.Decoder, error) {
	c.rewind(opening)
	d := xml.NewDecoder(c)
	t, err := d.Token()
	start, ok := t.(xml.StartElement)
	if err != nil || !ok || start.Name.Space != NS {
		return nil, errors.New("the other side's opening tag of the stream was not found")
	}
	return d, nil
}

// Read waits for the next stanza, or another whole element at the level of
// stanzas; those of stream management it handles itself. It returns io.EOF when the peer ended the stream, an [*Error] when the
// peer reported one or sent what must end the stream (answer the latter with
// [Stream.End]), and other errors when the connection is lost. After an error
// there is nothing more to read.
func (s *Stream) Read() (*wire.Element, error) {
	for {
		e, err := s.next()
		if err == errPassed {
			s.heard.Add(1)
			continue
		}
		if err == nil && s.m != nil && e.Name.Space == NSManagement {
			if err = s.manage(e); err == nil {
				s.heard.Add(1)
				continue
			}
		}
		if err != nil {
			if !s.readDone {
				s.readDone = true
				close(s.readEnd)
			}
			if s.m != nil && s.m.id != "" && lostConnection(err) {
				s.Cut(err)
			}
			return nil, err
		}
		s.heard.Add(1)
		s.count(e.Name.Local)
		if s.o.Trace != nil {
			s.o.Trace(false, s.c.raw())
		}
		return e, nil
	}
}

// count counts a stanza, for stream management.
func (s *Stream) count(name string) {
	switch name {
	case "iq", "message", "presence":
		s.received.Add(1)
	}
}

// Heard returns how many elements have come.
func (s *Stream) Heard() int64 { return s.heard.Load() }

// Raw returns the exact bytes of the element that Read returned last; they are
// valid until the next Read. Prefixes may be declared in the opening tag.
func (s *Stream) Raw() []byte { return s.c.raw() }

func (s *Stream) next() (*wire.Element, error) {
	if err := s.c.next(); err != nil {
		return nil, explain(s.c, err)
	}
	r := &tokens{d: s.d}
	t, err := r.Token()
	if err != nil {
		return nil, s.pass(r, err)
	}
	switch t := t.(type) {
	case xml.EndElement: // the decoder checked that it is the stream's
		return nil, io.EOF
	case xml.StartElement:
		e, err := wire.ReadElement(r, t)
		if err != nil {
			return nil, s.pass(r, err)
		}
		if e.Name.Space == NS {
			if e.Name.Local == "error" {
				return nil, ParseError(e)
			}
			return nil, &Error{Condition: "bad-format", Text: "unexpected <" + e.Name.Local + "/>"}
		}
		return e, nil
	}
	return nil, &Error{Condition: "not-well-formed", Text: "text between stanzas"}
}

// errPassed is returned for a stanza that was passed over.
var errPassed = errors.New("a stanza was passed over")

// pass goes on to the end of a stanza that is too large or too complex, and tells of
// it. It returns errPassed, or why the stream must end.
func (s *Stream) pass(r *tokens, err error) error {
	why, ok := explain(s.c, err).(*Error)
	if s.o.Drop == nil || s.c.err != nil && s.c.err != ErrTooLarge || !ok || why.Condition != "policy-violation" {
		return explain(s.c, err)
	}
	for _, name := range []string{"iq", "message", "presence"} {
		if bytes.HasPrefix(s.c.raw(), []byte("<"+name)) {
			s.count(name)
		}
	}
	if err := s.c.skip(); err != nil {
		return explain(s.c, err)
	}
	if s.d, err = restart(s.c, s.opening); err != nil {
		return err
	}
	s.o.Drop(&wire.Element{Name: r.start.Name, Attrs: r.start.Attr[:min(len(r.start.Attr), maxAttrs)]}, why)
	return errPassed
}

// maxAttrs is how many attributes an element may have.
const maxAttrs = 64

var errAttrs = &Error{Condition: "policy-violation", Text: "element with too many attributes"}

// tokens refuses what XMPP forbids and encoding/xml lets pass.
type tokens struct {
	d     *xml.Decoder
	begun bool
	start xml.StartElement // the first
}

func (r *tokens) Token() (xml.Token, error) {
	t, err := r.d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case xml.StartElement:
		if !r.begun {
			r.begun, r.start = true, t
		}
		if len(t.Attr) > maxAttrs {
			return nil, errAttrs
		}
		for i := range t.Attr {
			for j := range i {
				if t.Attr[i].Name == t.Attr[j].Name {
					return nil, &Error{Condition: "not-well-formed", Text: "attribute " + t.Attr[i].Name.Local + " twice"}
				}
			}
		}
	case xml.Comment, xml.Directive, xml.ProcInst:
		return nil, &Error{Condition: "restricted-xml", Text: "comments, directives and processing instructions are not allowed"}
	}
	return t, nil
}
