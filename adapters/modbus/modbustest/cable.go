package modbustest

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"sync"
	"time"
)

// Cable joins two pseudo terminals like a null modem cable, without timing, for
// peers that want a serial port of their own.
type Cable struct{ ends [2]*os.File }

// NewCable makes a cable and returns the paths of its ends, which exist until Run,
// or Close, is over.
func NewCable() (c *Cable, a, b string, err error) {
	c = &Cable{}
	if c.ends[0], a, err = openPTY(); err != nil {
		return nil, "", "", err
	}
	if c.ends[1], b, err = openPTY(); err != nil {
		c.ends[0].Close()
		return nil, "", "", err
	}
	return c, a, b, nil
}

// Close pulls both ends.
func (c *Cable) Close() {
	for _, end := range c.ends {
		end.Close()
	}
}

// Run carries characters until ctx ends, and closes the cable.
func (c *Cable) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer c.Close()
	for i, from := range c.ends {
		wg.Go(func() { carry(ctx, c.ends[1-i], from) })
	}
	<-ctx.Done()
	return nil
}

// carry copies until from is closed. While nobody has the other end open, reading
// is an error; what is sent to an end that nobody has open is lost, or comes late.
func carry(ctx context.Context, to, from *os.File) {
	b := make([]byte, 512)
	for ctx.Err() == nil {
		n, err := from.Read(b)
		to.SetWriteDeadline(time.Now().Add(unread))
		to.Write(b[:n])
		switch {
		case errors.Is(err, fs.ErrClosed):
			return
		case err != nil:
			select {
			case <-ctx.Done():
			case <-time.After(5 * time.Millisecond):
			}
		}
	}
}
