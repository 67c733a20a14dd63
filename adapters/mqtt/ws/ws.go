// Package ws makes a stream of the messages of a WebSocket, as MQTT wants it (MQTT 3.1.1,
// 6): the borders of messages say nothing.
package ws

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Conn is a [net.Conn] over a WebSocket. One goroutine may read at a time.
type Conn struct {
	*websocket.Conn
	rest io.Reader

	mu sync.Mutex // guards writing, and its deadline
}

var _ net.Conn = (*Conn)(nil)

// New makes a connection; closing it closes the WebSocket.
func New(c *websocket.Conn) *Conn { return &Conn{Conn: c} }

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (int, error) {
	for {
		if c.rest == nil {
			_, r, err := c.NextReader()
			if err != nil {
				var closed *websocket.CloseError
				if errors.As(err, &closed) {
					err = io.EOF
				}
				return 0, err
			}
			c.rest = r
		}
		n, err := c.rest.Read(p)
		if err == io.EOF {
			c.rest, err = nil, nil
			if n == 0 {
				continue
			}
		}
		return n, err
	}
}

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.WriteMessage(websocket.BinaryMessage, p); err != nil {
		return 0, err
	}
	return len(p), nil
}

// SetDeadline implements [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// SetWriteDeadline implements [net.Conn]. It waits for a write that is under way.
func (c *Conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Conn.SetWriteDeadline(t)
}
