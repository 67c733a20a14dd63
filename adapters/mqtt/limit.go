package mqtt

import (
	"bufio"
	"io"
	"net"
	"time"
)

// limited is a connection on which no message is longer than a limit: of a longer one
// the end is dropped as it comes in, so that it is never in memory. What is left of it
// is longer than the limit by a little, which tells it from others.
type limited struct {
	net.Conn
	r    *bufio.Reader // many small reads of the library become few of the system
	most int           // bytes behind the fixed header
	head []byte        // of a packet, to be handed over
	buf  [5]byte
	pass int // bytes of the packet to be handed over
	skip int // bytes behind those to be dropped
	stop func() bool
}

// longestTopic is how much of a publication is not payload, at most: the topic with its
// length, and the packet id.
const longestTopic = 65535 + 2 + 2

func newLimited(c net.Conn, payload int) *limited {
	return &limited{Conn: c, r: bufio.NewReaderSize(c, 16<<10), most: payload + 1 + longestTopic}
}

// SetDeadline implements [net.Conn]. That the library takes the deadline away means
// that the connection is one of MQTT now.
func (l *limited) SetDeadline(t time.Time) error {
	if t.IsZero() && l.stop != nil {
		l.stop()
	}
	return l.Conn.SetDeadline(t)
}

// Close implements [net.Conn].
func (l *limited) Close() error {
	if l.stop != nil {
		l.stop()
	}
	return l.Conn.Close()
}

// Read implements [net.Conn].
func (l *limited) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for len(l.head) == 0 && l.pass == 0 {
		if l.skip > 0 {
			n, err := l.r.Discard(l.skip)
			l.skip -= n
			if err != nil {
				return 0, err
			}
			continue
		}
		if err := l.header(); err != nil {
			return 0, err
		}
	}
	if len(l.head) > 0 {
		n := copy(p, l.head)
		l.head = l.head[n:]
		return n, nil
	}
	n, err := l.r.Read(p[:min(len(p), l.pass)])
	l.pass -= n
	return n, err
}

// publish is the type of a publication, in the high half of the first byte.
const publish = 3

// header reads the fixed header of a packet (MQTT 3.1.1, 2.2).
func (l *limited) header() error {
	first, err := l.r.ReadByte()
	if err != nil {
		return err
	}
	length, shift := 0, 0
	for {
		c, err := l.r.ReadByte()
		if err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		length |= int(c&127) << shift
		if shift += 7; c < 128 {
			break
		}
		if shift > 21 {
			return errLength
		}
	}
	l.pass = length
	if length > l.most {
		if first>>4 != publish {
			return errLength
		}
		l.pass, l.skip = l.most, length-l.most
	}
	l.head = append(l.buf[:0], first)
	for n := l.pass; ; {
		c := byte(n & 127)
		if n >>= 7; n > 0 {
			c |= 128
		}
		l.head = append(l.head, c)
		if n == 0 {
			return nil
		}
	}
}
