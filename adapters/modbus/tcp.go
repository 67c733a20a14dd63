package modbus

import (
	"bufio"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/sniffer"
)

// deafAfter is how many requests in a row may go unanswered on a connection
// before it is replaced: the peer may have vanished without a word.
const deafAfter = 3

// tcpLink is a Modbus TCP connection that is opened when it is needed and opened
// again, after growing pauses, when it was lost. Not safe for concurrent use.
type tcpLink struct {
	redial

	conn     net.Conn
	in       *bufio.Reader
	answered bool           // an answer came over this connection
	deaf     int            // requests in a row without any frame coming back
	cutting  sync.WaitGroup // the end of a context may be cutting a request off
}

func (t *tcpLink) close() {
	if t.conn != nil {
		t.conn.Close()
		t.conn = nil
	}
}

// exchange implements link. A request is sent a second time only when the
// connection that it was sent on had been good before and turned out to be
// closed, as peers do with idle ones.
func (t *tcpLink) exchange(c *call, adu []byte) ([]byte, error) {
	for again := false; ; again = true {
		if err := t.connect(c); err != nil {
			return nil, err
		}
		stale := t.answered && !again
		answer, err := t.once(c, adu)
		if err == nil {
			return answer, nil
		}
		var broken *brokenError
		if !errors.As(err, &broken) {
			return nil, err
		}
		c.tap.Note(sniffer.Warning, "", "connection to "+t.addr+" closed: "+broken.Error())
		if !t.answered {
			t.failed(broken.err)
		}
		t.close()
		if !stale || c.once || errors.Is(err, wire.ErrFraming) || c.ctx.Err() != nil {
			return nil, err
		}
	}
}

func (t *tcpLink) connect(c *call) error {
	if t.conn != nil {
		return nil
	}
	if err := t.wait(c); err != nil {
		return err
	}
	d := net.Dialer{Timeout: cmp.Or(c.dial, c.timeout)}
	conn, err := d.DialContext(c.ctx, "tcp", t.addr)
	if err != nil {
		return t.refused(c, err)
	}
	t.conn, t.answered, t.deaf = conn, false, 0
	if t.in == nil {
		t.in = bufio.NewReaderSize(conn, 2*wire.MaxADU)
	}
	t.in.Reset(conn)
	c.tap.Note(sniffer.Info, "", "connected to "+t.addr)
	return rest(c.ctx, c.settle)
}

// once sends a request over the open connection and waits for its answer.
func (t *tcpLink) once(c *call, adu []byte) ([]byte, error) {
	conn := t.conn
	deadline := time.Now().Add(c.timeout)
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, &brokenError{err}
	}
	t.cutting.Add(1)
	stop := context.AfterFunc(c.ctx, func() {
		defer t.cutting.Done()
		conn.SetDeadline(time.Unix(1, 0))
	})
	defer func() {
		if stop() {
			t.cutting.Done()
		} else {
			t.cutting.Wait() // else it would cut off the next request on a shared line
		}
	}()
	if c.hand != nil && !c.hand() {
		return nil, c.ctx.Err()
	}
	c.tap.Tx(c.node, adu)
	if c.tap.Active() {
		c.tap.Note(sniffer.Tx, c.node, wire.DescribeRequest(adu))
	}
	c.sent = time.Now()
	if _, err := conn.Write(adu); err != nil {
		if c.ctx.Err() != nil {
			return nil, c.ctx.Err()
		}
		return nil, &brokenError{fmt.Errorf("cannot send: %w", err)}
	}
	foreign := ""
	for {
		frame, err := t.frame()
		switch {
		case err == nil:
		case c.ctx.Err() != nil:
			return nil, c.ctx.Err()
		case errors.Is(err, os.ErrDeadlineExceeded):
			if t.deaf++; t.deaf >= deafAfter {
				c.tap.Note(sniffer.Warning, "", fmt.Sprintf("%d requests without an answer; connecting to %s anew", t.deaf, t.addr))
				t.close()
			}
			return nil, &silentError{after: c.timeout, foreign: foreign}
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return nil, &brokenError{errors.New("the device closed the connection")}
		default:
			return nil, &brokenError{err}
		}
		c.answered = time.Now()
		t.deaf = 0
		if why := mismatch(adu, frame); why != "" {
			foreign = why
			c.late = append(c.late, frame[6])
			node := ""
			if frame[6] == c.unit {
				node = c.node
			}
			c.tap.Rx(node, frame)
			if c.tap.Active() {
				c.tap.Note(sniffer.Warning, node, "discarded: "+why)
			}
			continue
		}
		c.tap.Rx(c.node, frame)
		if c.tap.Active() {
			c.tap.Note(sniffer.Rx, c.node, wire.DescribeAnswer(adu, frame))
		}
		t.answered = true
		t.good()
		return frame, nil
	}
}

// frame returns the next frame, valid until the next call. After a deadline the
// part that has come already is kept.
func (t *tcpLink) frame() ([]byte, error) {
	head, err := t.in.Peek(6)
	if err != nil {
		return nil, ended(err, len(head))
	}
	n, err := wire.FrameSize(head)
	if err != nil {
		return nil, err
	}
	frame, err := t.in.Peek(n)
	if err != nil {
		return nil, ended(err, len(frame))
	}
	_, err = t.in.Discard(n)
	return frame, err
}

func ended(err error, have int) error {
	if err == io.EOF && have > 0 {
		return io.ErrUnexpectedEOF
	}
	return err
}

// mismatch tells why a frame is not the answer to a request, or returns "".
func mismatch(request, frame []byte) string {
	switch {
	case binary.BigEndian.Uint16(frame) != binary.BigEndian.Uint16(request):
		return fmt.Sprintf("an answer to transaction %d in place of %d, late or foreign",
			binary.BigEndian.Uint16(frame), binary.BigEndian.Uint16(request))
	case frame[6] != request[6]:
		return fmt.Sprintf("an answer of unit %d", frame[6])
	case frame[7]&^wire.Refuses != request[7]:
		return fmt.Sprintf("an answer to function %d", frame[7]&^wire.Refuses)
	}
	return ""
}
