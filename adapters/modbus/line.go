package modbus

import (
	"context"
	"errors"
	"strings"
	"time"

	gb "github.com/goburrow/modbus"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/sniffer"
)

// call is one transaction as its device wants it. The device keeps it and uses
// it again.
type call struct {
	ctx     context.Context
	timeout time.Duration
	unit    byte
	node    string // of the unit, for the tap
	tap     *sniffer.Tap
	urgent  bool // somebody waits: passes before polling, and dials at once

	answered time.Time // when the answer was complete
	late     []byte    // units of answers that were discarded
	data     []byte    // of the answer, valid until the next call
}

// link is a transport: it carries one frame there and one back.
type link interface {
	// exchange sends a request and returns its answer, valid until the next
	// exchange. Answers to anything else are discarded.
	exchange(c *call, adu []byte) ([]byte, error)
	close()
}

// line is one connection that its users share: one transaction at a time. The
// functions of goburrow make and check the PDUs.
type line struct {
	addr  string
	users int // guarded by the pool
	gate  gate

	// Below: only inside the gate.
	link    link
	framing *gb.TCPClientHandler // as a packager only; counts the transaction ids
	client  gb.Client
	now     *call
}

func newLine(k link) *line {
	l := &line{link: k, framing: &gb.TCPClientHandler{}}
	l.client = gb.NewClient2(l.framing, l)
	return l
}

// Send implements the transporter that goburrow's client calls.
func (l *line) Send(adu []byte) ([]byte, error) { return l.link.exchange(l.now, adu) }

// read reads bits or registers. On success c.data holds exactly what was asked
// for. The error is a [wire.Exception], *downError, *silentError, *brokenError,
// *answerError, or that of the context.
func (l *line) read(c *call, r wire.ReadRequest) error {
	if err := l.gate.enter(c.ctx, c.urgent); err != nil {
		return err
	}
	defer l.gate.leave()
	l.now = c
	l.framing.SlaveId = c.unit
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
		return classify(c.ctx, err)
	}
	if err := r.Check(data); err != nil {
		return &answerError{err}
	}
	c.data = append(c.data[:0], data...)
	return nil
}

// classify brings what came through goburrow's client into our words.
func classify(ctx context.Context, err error) error {
	var refused *gb.ModbusError
	var down *downError
	var silent *silentError
	var broken *brokenError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &refused) && refused.ExceptionCode == 0:
		return &answerError{errors.New("an exception without a code")}
	case errors.As(err, &refused):
		return wire.Exception(refused.ExceptionCode)
	case errors.As(err, &down), errors.As(err, &silent), errors.As(err, &broken):
		return err
	}
	return &answerError{errors.New(strings.TrimPrefix(err.Error(), "modbus: "))}
}
