package modbus

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	gb "github.com/goburrow/modbus"

	"github.com/fieldhub/hub/adapters/modbus/serial"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/sniffer"
)

// call is one transaction as its device wants it. The device keeps it and uses
// it again.
type call struct {
	ctx      context.Context
	timeout  time.Duration
	dial     time.Duration // for connecting; 0: as timeout
	unit     byte
	node     string // of the unit, for the tap
	tap      *sniffer.Tap
	priority priority      // who passes first; from reading on one dials at once
	pause    time.Duration // least silence since the last transaction on the line
	settle   time.Duration // least silence after connecting
	held     bool          // inside line.hold: the gate was entered before

	// hand is asked right before the request is handed over; false: not any more, and
	// ctx has ended. May be nil.
	hand func() bool

	once     bool      // must reach the device once at most: a write
	sent     time.Time // when the request was handed over; zero: it was not
	answered time.Time // when the answer was complete
	late     []byte    // units of answers that were discarded
	data     []byte    // of the answer, valid until the next call
}

// urgent tells whether somebody waits.
func (c *call) urgent() bool { return c.priority > polling }

// link is a transport: it carries one frame there and one back.
type link interface {
	// exchange sends a request and returns its answer, valid until the next
	// exchange. Answers to anything else are discarded.
	exchange(c *call, adu []byte) ([]byte, error)
	close()
}

// framing is goburrow's packager, which makes and checks frames, and the unit that
// they are for.
type framing interface {
	gb.Packager
	to(unit byte)
}

type tcpFraming struct{ *gb.TCPClientHandler }

func (f tcpFraming) to(unit byte) { f.SlaveId = unit }

type rtuFraming struct{ *gb.RTUClientHandler }

func (f rtuFraming) to(unit byte) { f.SlaveId = unit }

// line is one connection that its users share: one transaction at a time. The
// functions of goburrow make and check the PDUs.
type line struct {
	ep    endpoint
	addr  string // for people
	users int    // guarded by the pool
	gate  gate
	count lineCounters

	health health // of its units
	budget budget // of its time

	// Below: only inside the gate.
	link    link
	framing framing // as a packager only; that of TCP counts the transaction ids
	client  gb.Client
	now     *call
	ended   time.Time // of the last transaction
}

func newLine(ep endpoint, k link) *line {
	l := &line{ep: ep, addr: ep.addr, link: k}
	if ep.kind == kindTCP {
		l.health.told = true
		l.framing = tcpFraming{&gb.TCPClientHandler{}}
	} else {
		l.framing = rtuFraming{&gb.RTUClientHandler{}}
	}
	l.client = gb.NewClient2(l.framing, l)
	return l
}

// Send implements the transporter that goburrow's client calls.
func (l *line) Send(adu []byte) ([]byte, error) {
	c := l.now
	if c.pause > 0 && !l.ended.IsZero() {
		if err := rest(c.ctx, c.pause-time.Since(l.ended)); err != nil {
			return nil, err
		}
	}
	answer, err := l.link.exchange(c, adu)
	if err == nil {
		l.ended = c.answered
	} else {
		l.ended = time.Now()
	}
	l.count.exchange(l.ep.kind, l.ended, adu, answer, c, err)
	return answer, err
}

// begin enters the gate for a call and prepares it.
func (l *line) begin(c *call) error {
	if !c.held {
		if err := l.gate.enter(c.ctx, c.priority); err != nil {
			return err
		}
	}
	l.now = c
	l.framing.to(c.unit)
	c.sent = time.Time{}
	return nil
}

func (l *line) end(c *call) {
	if !c.held {
		l.gate.leave()
	}
}

// hold enters the gate for several transactions, which nobody else's interrupts:
// their calls have held set. The caller must release it.
func (l *line) hold(ctx context.Context, p priority) (release func(), err error) {
	if err := l.gate.enter(ctx, p); err != nil {
		return nil, err
	}
	return l.gate.leave, nil
}

// read reads bits or registers. On success c.data holds exactly what was asked
// for. The error is a [wire.Exception], *downError, *silentError, *brokenError,
// *damagedError, *answerError, or that of the context.
func (l *line) read(c *call, r wire.ReadRequest) error {
	if err := l.begin(c); err != nil {
		return err
	}
	defer l.end(c)
	c.once = false
	var data []byte
	var err error
	switch first, count := uint16(r.First), uint16(r.Count); r.Table {
	case wire.Coil:
		data, err = l.client.ReadCoils(first, count)
	case wire.DiscreteInput:
		data, err = l.client.ReadDiscreteInputs(first, count)
	case wire.InputRegister:
		data, err = l.client.ReadInputRegisters(first, count)
	default:
		data, err = l.client.ReadHoldingRegisters(first, count)
	}
	if err != nil {
		return l.classify(c, err)
	}
	if err := r.Check(data); err != nil {
		return &answerError{err}
	}
	c.data = append(c.data[:0], data...)
	return nil
}

// write writes bits or registers, at most once. The errors are those of read; sent
// tells whether the device may have got the request.
func (l *line) write(c *call, w wire.WriteRequest) error {
	if err := w.Valid(); err != nil {
		return &answerError{err}
	}
	if err := l.begin(c); err != nil {
		return err
	}
	defer l.end(c)
	c.once = true
	var err error
	switch first, n := uint16(w.First), uint16(len(w.Words)); w.Function {
	case wire.WriteCoil:
		_, err = l.client.WriteSingleCoil(first, 0xff00*w.Words[0])
	case wire.WriteRegister:
		_, err = l.client.WriteSingleRegister(first, w.Words[0])
	case wire.WriteCoils:
		_, err = l.client.WriteMultipleCoils(first, n, w.Append(nil)[5:])
	case wire.WriteRegisters:
		_, err = l.client.WriteMultipleRegisters(first, n, w.Append(nil)[5:])
	default:
		_, err = l.client.MaskWriteRegister(first, w.And, w.Or)
	}
	if errors.Is(err, errNoAnswer) && c.unit == 0 {
		return nil // a broadcast
	}
	if err != nil {
		return l.classify(c, err)
	}
	return nil
}

// do sends any other function and returns the data of its answer, which is the
// caller's: the line's own buffer is somebody else's as soon as the gate is left. The
// errors are those of read.
func (l *line) do(c *call, function byte, data []byte) ([]byte, error) {
	if err := l.begin(c); err != nil {
		return nil, err
	}
	defer l.end(c)
	c.once = true
	request, err := l.framing.Encode(&gb.ProtocolDataUnit{FunctionCode: function, Data: data})
	var answer []byte
	if err == nil {
		answer, err = l.Send(request)
	}
	if err == nil {
		err = l.framing.Verify(request, answer)
	}
	var pdu *gb.ProtocolDataUnit
	if err == nil {
		pdu, err = l.framing.Decode(answer)
	}
	switch {
	case err != nil:
		return nil, l.classify(c, err)
	case pdu.FunctionCode == function|wire.Refuses && len(pdu.Data) > 0:
		return nil, wire.Exception(pdu.Data[0])
	case pdu.FunctionCode != function:
		return nil, &answerError{fmt.Errorf("it is one to function %d", pdu.FunctionCode)}
	}
	return bytes.Clone(pdu.Data), nil
}

// duration is what a transaction with PDUs of these sizes takes on the wire at
// least, with the silence before it: nothing over a network.
func (l *line) duration(requestBytes, answerBytes int) time.Duration {
	if l.ep.kind != kindSerial {
		return 0
	}
	const frame = 3 // unit and CRC
	return l.ep.port.Characters(requestBytes+answerBytes+2*frame) + 2*l.ep.port.Silence()
}

// rest waits, precisely.
func rest(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	if d > 5*time.Millisecond {
		timer := time.NewTimer(d - time.Millisecond)
		defer timer.Stop()
		began := time.Now()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		d -= time.Since(began)
	}
	serial.Sleep(d)
	return ctx.Err()
}

// classify brings what came through goburrow's client into our words.
func (l *line) classify(c *call, err error) error {
	var refused *gb.ModbusError
	var down *downError
	var silent *silentError
	var broken *brokenError
	var damaged *damagedError
	switch {
	case c.ctx.Err() != nil:
		return c.ctx.Err()
	case errors.As(err, &refused) && refused.ExceptionCode == 0:
		return &answerError{errors.New("an exception without a code")}
	case errors.As(err, &refused):
		return wire.Exception(refused.ExceptionCode)
	case errors.As(err, &down), errors.As(err, &silent), errors.As(err, &broken), errors.As(err, &damaged):
		return err
	}
	return &answerError{errors.New(strings.TrimPrefix(err.Error(), "modbus: "))}
}
