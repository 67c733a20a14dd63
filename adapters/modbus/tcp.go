package modbus

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/sniffer"
)

// deafAfter is how many requests in a row may go unanswered on a connection
// before it is replaced: the peer may have vanished without a word.
const deafAfter = 3

// lookAfter is how long a connection may have been idle before one looks whether it
// was closed meanwhile.
const lookAfter = 100 * time.Millisecond

// tcpLink is a Modbus TCP connection that is opened when it is needed and opened
// again, after growing pauses, when it was lost. Not safe for concurrent use.
type tcpLink struct {
	redial

	stream   stream
	buf      []byte    // what came
	taken    int       // so much of it is done
	answered bool      // an answer came over this connection
	heard    time.Time // when the last one came
	deaf     int       // requests in a row without any frame coming back
}

func (t *tcpLink) close() { t.stream.close() }

// exchange implements link. A request is sent a second time only when the
// connection that it was sent on had been good before and turned out to be
// closed, as peers do with idle ones; one that must reach the device once at most,
// only when it was not handed over.
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
		if !stale || c.once && !c.sent.IsZero() || errors.Is(err, wire.ErrFraming) || c.ctx.Err() != nil {
			return nil, err
		}
	}
}

func (t *tcpLink) connect(c *call) error {
	if t.stream.isOpen() {
		return nil
	}
	if err := t.wait(c); err != nil {
		return err
	}
	d := net.Dialer{Timeout: cmp.Or(c.dial, c.timeout)}
	conn, err := d.DialContext(c.ctx, "tcp", t.addr)
	if err == nil {
		err = t.stream.open(conn.(port))
	}
	if err != nil {
		return t.refused(c, err)
	}
	t.answered, t.deaf, t.heard = false, 0, time.Now()
	if t.buf == nil {
		t.buf = make([]byte, 0, 2*wire.MaxADU)
	}
	t.buf, t.taken = t.buf[:0], 0
	c.tap.Note(sniffer.Info, "", "connected to "+t.addr)
	return rest(c.ctx, c.settle)
}

// once sends a request over the open connection and waits for its answer.
func (t *tcpLink) once(c *call, adu []byte) ([]byte, error) {
	now := time.Now()
	err := t.stream.begin(c.ctx, now.Add(c.timeout))
	defer t.stream.end()
	if err != nil {
		return nil, t.failure(c, err, "")
	}
	if c.once || now.Sub(t.heard) > lookAfter {
		if err := t.look(c); err != nil {
			return nil, t.failure(c, err, "")
		}
	}
	if c.hand != nil && !c.hand() {
		return nil, c.ctx.Err()
	}
	c.tap.Frame(now, sniffer.TxBin, c.node, adu)
	if c.tap.Active() {
		c.tap.Note(sniffer.Tx, c.node, wire.DescribeRequest(adu))
	}
	c.sent = now
	t.stream.send(adu)
	foreign := ""
	for {
		frame, err := t.frame()
		if err == nil && frame == nil {
			if err = t.fill(); err == nil {
				continue
			}
		}
		if err != nil {
			return nil, t.failure(c, err, foreign)
		}
		t.deaf = 0
		if why := mismatch(adu, frame); why != "" {
			foreign = why
			t.discard(c, frame, why)
			continue
		}
		c.answered = time.Now()
		c.tap.Frame(c.answered, sniffer.RxBin, c.node, frame)
		if c.tap.Active() {
			c.tap.Note(sniffer.Rx, c.node, wire.DescribeAnswer(adu, frame))
		}
		t.answered, t.heard = true, c.answered
		t.good()
		return frame, nil
	}
}

// failure brings what ended an exchange into words.
func (t *tcpLink) failure(c *call, err error, foreign string) error {
	var unsent *sendError
	switch {
	case c.ctx.Err() != nil:
		return c.ctx.Err()
	case errors.Is(err, os.ErrDeadlineExceeded):
		if t.deaf++; t.deaf >= deafAfter {
			c.tap.Note(sniffer.Warning, "", fmt.Sprintf("%d requests without an answer; connecting to %s anew", t.deaf, t.addr))
			t.close()
		}
		return &silentError{after: c.timeout, foreign: foreign}
	case errors.As(err, &unsent):
		c.sent = time.Time{}
	}
	if closed(err) {
		err = errors.New("the device closed the connection")
	}
	return &brokenError{err}
}

// look takes what came since the last answer, which nobody waits for any more, and
// finds out whether the connection was closed.
func (t *tcpLink) look(c *call) error {
	for {
		for {
			frame, err := t.frame()
			if err != nil {
				return err
			}
			if frame == nil {
				break
			}
			t.discard(c, frame, "an answer that nobody waits for any more")
		}
		t.compact()
		n, err := t.stream.waiting(t.buf[len(t.buf):cap(t.buf)])
		if n == 0 || err != nil {
			return err
		}
		t.buf = t.buf[:len(t.buf)+n]
	}
}

// discard notes a frame that is not the answer.
func (t *tcpLink) discard(c *call, frame []byte, why string) {
	c.late = append(c.late, frame[6])
	node := ""
	if frame[6] == c.unit {
		node = c.node
	}
	c.tap.Rx(node, frame)
	if c.tap.Active() {
		c.tap.Note(sniffer.Warning, node, "discarded: "+why)
	}
}

// frame returns the next whole frame of what came, valid until the next exchange;
// nil: there is none yet.
func (t *tcpLink) frame() ([]byte, error) {
	have := t.buf[t.taken:]
	n, err := wire.FrameSize(have)
	switch {
	case errors.Is(err, wire.ErrIncomplete):
		return nil, nil
	case err != nil:
		return nil, err
	case len(have) < n:
		return nil, nil
	}
	t.taken += n
	return have[:n:n], nil
}

// fill waits for more. After a deadline the part of a frame that has come is kept.
func (t *tcpLink) fill() error {
	t.compact()
	n, err := t.stream.receive(t.buf[len(t.buf):cap(t.buf)])
	t.buf = t.buf[:len(t.buf)+n]
	return err
}

func (t *tcpLink) compact() {
	t.buf = t.buf[:copy(t.buf, t.buf[t.taken:])]
	t.taken = 0
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
