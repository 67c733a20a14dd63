package local

import (
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// errNegotiation is returned for a login that sends too much.
var errNegotiation = errors.New("the login is too long")

// socket is the connection below TLS. It counts what comes in before the login,
// and closes so that the last words are heard.
type socket struct {
	net.Conn
	free   atomic.Bool // logged in: nothing is counted any more
	left   int         // bytes that may still come before; the reader's
	linger atomic.Bool // wait at the end until the other side has read all
	once   sync.Once
	err    error
}

// maxNegotiation is how many bytes may come in until the login is complete, TLS
// included.
const maxNegotiation = 64 << 10

// sendBuffer is what the system may hold for a client that does not read, which
// would be megabytes; beyond it our own queue fills, which is bounded, too.
const sendBuffer = 128 << 10

func newSocket(c net.Conn) *socket {
	if t, ok := c.(*net.TCPConn); ok {
		t.SetWriteBuffer(sendBuffer) // a wish only
	}
	return &socket{Conn: c, left: maxNegotiation}
}

func (s *socket) Read(p []byte) (int, error) {
	if s.free.Load() {
		return s.Conn.Read(p)
	}
	if s.left == 0 {
		return 0, errNegotiation
	}
	n, err := s.Conn.Read(p[:min(len(p), s.left)])
	s.left -= n
	return n, err
}

// Close closes the connection. A peer that was still sending would lose the
// stream error to a reset, unless what it sends is taken for a moment.
func (s *socket) Close() error {
	s.once.Do(func() {
		if half, ok := s.Conn.(interface{ CloseWrite() error }); ok && s.linger.Load() && half.CloseWrite() == nil {
			s.Conn.SetReadDeadline(time.Now().Add(time.Second))
			io.Copy(io.Discard, io.LimitReader(s.Conn, 8<<20))
		}
		s.err = s.Conn.Close()
	})
	return s.err
}
