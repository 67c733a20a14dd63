package stream

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"regexp"
)

// MaxStanza is how large a stanza may be, in bytes; the whole negotiation must
// not be larger either.
const MaxStanza = 256 << 10

// ErrTooLarge is returned for more than [MaxStanza] bytes.
var ErrTooLarge = errors.New("stanza larger than 256 KiB")

// Conn is the readable side of a connection, where bytes are plain: it buffers,
// counts, and gives them out one by one, so that an XML decoder never reads ahead
// and its successor can go on where it stopped. Writing goes straight through.
// Reading is for one goroutine.
type Conn struct {
	net.Conn
	buf  []byte
	r, w int
	mark int // from here the bytes are kept
	left int // bytes that may still come
	err  error
}

// NewConn puts a Conn on a connection. Every byte of the negotiation is kept
// until [New] takes over, which needs the stream's opening tag.
func NewConn(c net.Conn) *Conn {
	return &Conn{Conn: c, buf: make([]byte, 4096), left: MaxStanza}
}

// Buffered returns how many bytes were received but not yet read.
func (c *Conn) Buffered() int { return c.w - c.r }

// ConnectionState returns the state of TLS, or the zero value when there is none.
func (c *Conn) ConnectionState() tls.ConnectionState {
	if t, ok := c.Conn.(*tls.Conn); ok {
		return t.ConnectionState()
	}
	return tls.ConnectionState{}
}

// ReadByte returns the next byte, or [ErrTooLarge].
func (c *Conn) ReadByte() (byte, error) {
	if c.r == c.w {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	if c.left == 0 {
		c.err = ErrTooLarge
		return 0, ErrTooLarge
	}
	c.left--
	b := c.buf[c.r]
	c.r++
	return b, nil
}

// Read returns one byte or more; it counts them as ReadByte does.
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if c.r == c.w {
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	if c.left == 0 {
		c.err = ErrTooLarge
		return 0, ErrTooLarge
	}
	n := copy(p[:min(len(p), c.left)], c.buf[c.r:c.w])
	c.r += n
	c.left -= n
	return n, nil
}

// fill waits for more bytes, keeping those from mark on.
func (c *Conn) fill() error {
	if c.err != nil {
		return c.err
	}
	if c.mark > 0 {
		copy(c.buf, c.buf[c.mark:c.w])
		c.r -= c.mark
		c.w -= c.mark
		c.mark = 0
	}
	if c.w == len(c.buf) {
		if c.w > MaxStanza {
			c.err = ErrTooLarge
			return c.err
		}
		c.buf = append(c.buf, make([]byte, len(c.buf))...)
	}
	for range 100 {
		n, err := c.Conn.Read(c.buf[c.w:])
		c.w += n
		if n > 0 {
			return nil
		}
		if err != nil {
			c.err = err
			return err
		}
	}
	c.err = io.ErrNoProgress
	return c.err
}

// next waits for the first byte of the next stanza, passing over whitespace,
// forgets the last one and starts counting anew.
func (c *Conn) next() error {
	c.left = MaxStanza
	c.mark = c.r
	if len(c.buf) > 64<<10 && c.w-c.r <= 4096 {
		small := make([]byte, 4096)
		c.w = copy(small, c.buf[c.r:c.w])
		c.buf, c.r, c.mark = small, 0, 0
	}
	for {
		if c.r == c.w {
			c.mark = c.r
			if err := c.fill(); err != nil {
				return err
			}
		}
		switch c.buf[c.r] {
		case ' ', '\t', '\r', '\n':
			c.r++
		default:
			c.mark = c.r
			return nil
		}
	}
}

// skip reads on to the end of the element that next has found, from its beginning,
// and keeps nothing of it. What is no element in plain tags is an error.
func (c *Conn) skip() error {
	if c.err == ErrTooLarge {
		c.err = nil
	}
	c.r = c.mark
	var t tags
	for {
		for c.r < c.w {
			b := c.buf[c.r]
			c.r++
			if end, err := t.take(b); end || err != nil {
				return err
			}
		}
		c.mark = c.r
		if err := c.fill(); err != nil {
			return err
		}
	}
}

// tags follows the tags of an element, byte by byte.
type tags struct {
	depth int
	in    byte // 0 text, '<' at the beginning of a tag, '>' in one, '/' in one that ends, or the quote of an attribute
	last  byte
}

// take takes the next byte; end is true after the last one.
func (t *tags) take(b byte) (end bool, err error) {
	switch t.in {
	case 0:
		if b == '<' {
			t.in = '<'
		}
	case '<':
		switch b {
		case '!', '?':
			return false, &Error{Condition: "restricted-xml", Text: "a comment, directive or processing instruction in a stanza that is too large or too complex"}
		case '/':
			t.in = '/'
		default:
			t.in = '>'
		}
	case '/':
		if b == '>' {
			t.depth--
			t.in = 0
		}
	case '>':
		switch b {
		case '"', '\'':
			t.in = b
		case '>':
			if t.last != '/' {
				t.depth++
			}
			t.in = 0
		}
	case b:
		t.in = '>'
	}
	t.last = b
	return b == '>' && t.in == 0 && t.depth <= 0, nil
}

// raw returns the bytes read since next.
func (c *Conn) raw() []byte { return c.buf[c.mark:c.r] }

// rewind makes head the next to be read, before what was not yet read, and
// forgets everything else.
func (c *Conn) rewind(head []byte) {
	rest := c.buf[c.r:c.w]
	buf := make([]byte, max(4096, 2*(len(head)+len(rest))))
	n := copy(buf, head)
	c.w = n + copy(buf[n:], rest)
	c.buf, c.r, c.mark, c.left = buf, 0, 0, MaxStanza
}

var opening = regexp.MustCompile(`<(?:[\pL_][\pL\pN._-]*:)?stream(?:\s+[\pL_][\pL\pN.:_-]*\s*=\s*(?:'[^'<]*'|"[^"<]*"))*\s*>`)

// opening returns the last opening tag of a stream among the bytes of the
// negotiation, or nil.
func (c *Conn) opening() []byte {
	all := opening.FindAll(c.raw(), -1)
	if len(all) == 0 {
		return nil
	}
	return append([]byte(nil), all[len(all)-1]...)
}
