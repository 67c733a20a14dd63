package modbus

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/serial"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/sniffer"
)

// port is what RTU frames travel over: a serial port or a TCP connection.
type port interface {
	io.ReadWriteCloser
	syscall.Conn
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// rtuLink carries RTU frames over a serial port or a TCP connection that is opened
// when it is needed and opened again, after growing pauses, when it was lost. Frames
// have no transaction id: what tells an answer from anything else is its unit,
// function, length and CRC, and the silence around it. Not safe for concurrent use.
type rtuLink struct {
	ep      endpoint
	redial  redial
	silence time.Duration // t3.5; over TCP none
	gap     time.Duration // how long a pause within a frame may be

	conn  port
	buf   []byte         // what came since the request
	heard time.Time      // when the last byte came or went
	echo  bool           // the line returns what is sent
	cut   sync.WaitGroup // the end of a context may be cutting a request off
	debts []debt         // answers that may still come, oldest first
	deaf  int            // requests in a row without any byte coming back, over TCP
	fresh bool           // nothing came over this connection yet
}

// debt is an answer that did not come in time and may still come.
type debt struct {
	unit, function byte
	until          time.Time // it is not expected after that
}

// maxDebts is how many are remembered; a line whose units all answer late is
// beyond help.
const maxDebts = 64

// owe remembers that the answer to a request may still come.
func (r *rtuLink) owe(c *call, function byte) {
	if len(r.debts) == maxDebts {
		r.debts = r.debts[1:]
	}
	r.debts = append(r.debts, debt{c.unit, function, c.sent.Add(max(time.Second, 3*c.timeout))})
}

// owes tells whether an answer of a unit may still come that nobody could tell from
// that to a new request to read: until it has come, or is not expected any more, the
// unit is not asked by this function. (Answers to writes name what was written.)
func (r *rtuLink) owes(unit, function byte) bool {
	now := time.Now()
	r.debts = slices.DeleteFunc(r.debts, func(d debt) bool { return now.After(d.until) })
	_, reads := wire.TableOf(function)
	return reads && slices.ContainsFunc(r.debts, func(d debt) bool { return d.unit == unit && d.function == function })
}

// paid forgets the oldest answer that a unit owes to a function.
func (r *rtuLink) paid(unit, function byte) {
	if i := slices.IndexFunc(r.debts, func(d debt) bool { return d.unit == unit && d.function == function&^wire.Refuses }); i >= 0 {
		r.debts = slices.Delete(r.debts, i, i+1)
	}
}

func newRTULink(ep endpoint, p pause) *rtuLink {
	r := &rtuLink{ep: ep, redial: redial{addr: ep.addr, pause: p}, gap: 100 * time.Millisecond,
		buf: make([]byte, 0, 2*wire.MaxRTU)}
	if ep.kind == kindSerial {
		r.silence = ep.port.Silence()
		r.gap = max(ep.port.Characters(4), 20*time.Millisecond) // USB adapters deliver in portions
	}
	return r
}

func (r *rtuLink) close() {
	if r.conn != nil {
		r.conn.Close()
		r.conn = nil
	}
}

// lose closes a connection that cannot be used any more.
func (r *rtuLink) lose(c *call, why error) {
	c.tap.Note(sniffer.Warning, "", r.ep.addr+" closed: "+why.Error())
	if r.fresh {
		r.redial.failed(why)
	}
	r.close()
}

func (r *rtuLink) connect(c *call) error {
	if r.conn != nil {
		return nil
	}
	if err := r.redial.wait(c); err != nil {
		return err
	}
	var conn port
	var err error
	if r.ep.kind == kindSerial {
		conn, err = serial.Open(r.ep.addr, r.ep.port)
	} else {
		d := net.Dialer{Timeout: cmp.Or(c.dial, c.timeout)}
		var n net.Conn
		if n, err = d.DialContext(c.ctx, "tcp", r.ep.addr); err == nil {
			conn = n.(*net.TCPConn)
		}
	}
	if err != nil {
		return r.redial.refused(c, err)
	}
	r.conn, r.deaf, r.fresh, r.heard = conn, 0, true, time.Now()
	r.debts = nil
	c.tap.Note(sniffer.Info, "", "opened "+r.ep.addr)
	return rest(c.ctx, c.settle)
}

// exchange implements link. A request is sent once: on a line without transaction
// ids nobody could tell the answers apart.
func (r *rtuLink) exchange(c *call, adu []byte) ([]byte, error) {
	if err := r.connect(c); err != nil {
		return nil, err
	}
	conn := r.conn
	r.cut.Add(1)
	stop := context.AfterFunc(c.ctx, func() {
		defer r.cut.Done()
		conn.SetReadDeadline(time.Unix(1, 0))
	})
	defer func() {
		if stop() {
			r.cut.Done()
		} else {
			r.cut.Wait() // else it would cut off the next request on a shared line
		}
	}()
	if err := r.quiet(c); err != nil {
		return nil, err
	}
	if c.hand != nil && !c.hand() {
		return nil, c.ctx.Err()
	}
	if c.unit != 0 && r.owes(c.unit, adu[1]) {
		return nil, &silentError{owing: true}
	}
	c.tap.Tx(c.node, adu)
	if c.tap.Active() {
		c.tap.Note(sniffer.Tx, c.node, wire.DescribeRTURequest(adu))
	}
	c.sent = time.Now()
	deadline := c.sent.Add(c.timeout)
	if r.ep.kind == kindSerial {
		deadline = deadline.Add(r.ep.port.Characters(len(adu)))
	}
	conn.SetWriteDeadline(deadline)
	if _, err := conn.Write(adu); err != nil {
		err = gone(err)
		r.lose(c, err)
		return nil, &brokenError{fmt.Errorf("cannot send: %w", err)}
	}
	if c.unit == 0 { // a broadcast: nobody answers, everybody needs the time to hear it
		if r.heard = time.Now(); r.ep.kind == kindSerial {
			r.heard = r.heard.Add(r.ep.port.Characters(len(adu)))
		}
		return nil, errors.Join(rest(c.ctx, min(c.timeout, 100*time.Millisecond)), errNoAnswer)
	}
	return r.receive(c, adu, deadline)
}

// quiet waits until the line has been silent for t3.5, at most as long as for an
// answer: then it babbles, and the request may get through or not.
func (r *rtuLink) quiet(c *call) error {
	for began := time.Now(); ; {
		came, err := r.drain(c)
		if err != nil {
			r.lose(c, err)
			return &brokenError{err}
		}
		wait := r.silence - time.Since(r.heard)
		if wait <= 0 && !came || time.Since(began) > c.timeout {
			return nil
		}
		if err := rest(c.ctx, wait); err != nil {
			return err
		}
	}
}

// receive waits for the answer to a request.
func (r *rtuLink) receive(c *call, adu []byte, deadline time.Time) ([]byte, error) {
	r.buf = r.buf[:0]
	unit, function := adu[0], adu[1]
	var alien []byte
	for {
		seen := r.buf
		if n := len(adu); bytes.HasPrefix(seen, adu) && !(symmetric(function) && !r.echo) {
			r.echo = r.echo || !symmetric(function)
			seen = seen[n:]
		}
		frame, foreign, _ := wire.FindAnswer(seen, unit, function)
		if foreign != nil && alien == nil {
			alien = append(alien, foreign...)
			r.paid(foreign[0], foreign[1])
			r.alien(c, alien)
		}
		if frame != nil {
			return r.accept(c, adu, frame)
		}
		wait, silence := deadline, false
		if size := wire.AnswerSize(seen); len(seen) >= 4 && size == len(seen) && seen[0] == unit && seen[1]&^wire.Refuses == function {
			wait, silence = earlier(deadline, time.Now().Add(r.gap)), true // a whole answer with a wrong CRC, if nothing follows
		}
		if len(r.buf) == cap(r.buf) { // a babbling line: the end of it may be ours
			r.buf = append(r.buf[:0], r.buf[len(r.buf)-wire.MaxRTU:]...)
		}
		err := r.read(wait)
		switch {
		case err == nil:
			continue
		case c.ctx.Err() != nil:
			r.owe(c, function)
			return nil, c.ctx.Err()
		case !errors.Is(err, os.ErrDeadlineExceeded):
			err = gone(err)
			r.lose(c, err)
			return nil, &brokenError{err}
		case silence:
			c.tap.Rx(c.node, seen)
			return nil, &damagedError{errors.New("the answer is damaged, its CRC is wrong; look at wiring, termination and line settings")}
		}
		r.owe(c, function)
		return nil, r.silent(c, unit, function, alien, len(seen))
	}
}

// symmetric tells whether the answer to a function is the same as the request.
func symmetric(function byte) bool {
	return function == wire.WriteCoil || function == wire.WriteRegister || function == wire.MaskRegister
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// accept hands over an answer.
func (r *rtuLink) accept(c *call, adu, frame []byte) ([]byte, error) {
	c.answered = time.Now()
	r.deaf, r.fresh = 0, false
	r.redial.good()
	c.tap.Rx(c.node, frame)
	if c.tap.Active() {
		c.tap.Note(sniffer.Rx, c.node, wire.DescribeRTUAnswer(adu, frame))
	}
	return frame, nil
}

// alien notes a frame that was for somebody else.
func (r *rtuLink) alien(c *call, frame []byte) {
	c.late = append(c.late, frame[0])
	node := ""
	if frame[0] == c.unit {
		node = c.node
	}
	c.tap.Rx(node, frame)
	if c.tap.Active() {
		c.tap.Note(sniffer.Warning, node, fmt.Sprintf("discarded: a frame of unit %d, function %d, late or foreign", frame[0], frame[1]))
	}
}

// silent says that no answer came in time, and what came in its place.
func (r *rtuLink) silent(c *call, unit, function byte, alien []byte, noise int) error {
	e := &silentError{after: c.timeout}
	switch {
	case alien != nil && alien[0] == unit:
		e.foreign = fmt.Sprintf("an answer to function %d", alien[1]&^wire.Refuses)
	case alien != nil && alien[1]&^wire.Refuses == function:
		e.foreign = fmt.Sprintf("an answer of unit %d", alien[0])
	case alien != nil:
		e.foreign = fmt.Sprintf("a frame of unit %d, function %d", alien[0], alien[1])
	case noise > 0:
		c.tap.Rx(c.node, r.buf)
		e.foreign = fmt.Sprintf("%d bytes that are no answer; look at wiring, termination, line settings and for another master on the line", noise)
	default:
		if r.deaf++; r.ep.kind == kindRTUOverTCP && r.deaf >= deafAfter {
			c.tap.Note(sniffer.Warning, "", fmt.Sprintf("%d requests without an answer; connecting to %s anew", r.deaf, r.ep.addr))
			r.close()
		}
	}
	return e
}

// read appends what comes until a deadline to the buffer.
func (r *rtuLink) read(deadline time.Time) error {
	r.conn.SetReadDeadline(deadline)
	n, err := r.conn.Read(r.buf[len(r.buf):cap(r.buf)])
	if n > 0 {
		r.buf, r.heard = r.buf[:len(r.buf)+n], time.Now()
		return nil
	}
	if err == nil {
		err = io.EOF
	}
	return err
}

// drain throws away what came since the last answer: late answers, noise and the
// traffic of others. It tells whether anything did.
func (r *rtuLink) drain(c *call) (came bool, err error) {
	raw, err := r.conn.SyscallConn()
	if err != nil {
		return false, err
	}
	buf := r.buf[:cap(r.buf)]
	var n int
	var failed error
	if err := raw.Control(func(fd uintptr) { // Read would mind the deadline of the last request
		n, failed = syscall.Read(int(fd), buf)
	}); err != nil {
		return false, gone(err)
	}
	switch {
	case failed == syscall.EAGAIN, failed == syscall.EINTR:
		return false, nil
	case failed != nil:
		return false, gone(failed)
	case n == 0:
		return false, errors.New("the device closed the connection")
	}
	r.heard = time.Now()
	for rest := buf[:n]; len(rest) > 0; {
		_, foreign, skipped := wire.FindAnswer(rest, 0, 0)
		if foreign == nil {
			break
		}
		r.paid(foreign[0], foreign[1])
		r.alien(c, foreign)
		rest = rest[max(1, skipped):]
	}
	return true, nil
}

// gone brings the end of a port into words.
func gone(err error) error {
	switch {
	case errors.Is(err, syscall.EIO), errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO):
		return errors.New("the adapter is gone; plug it in again")
	case errors.Is(err, io.EOF):
		return errors.New("the device closed the connection")
	}
	return err
}
