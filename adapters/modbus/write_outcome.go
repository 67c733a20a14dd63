package modbus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

func failed(kind nodes.ErrorKind, id, text string) *nodes.Error {
	return nodes.Errorf(kind, "set", nodes.In(id), text)
}

// kindOf returns the kind of an error of a line.
func kindOf(err error) nodes.ErrorKind {
	var down *downError
	var ours *nodes.Error
	switch {
	case errors.As(err, &ours):
		return ours.Kind
	case errors.As(err, &down):
		return nodes.Unreachable
	case errors.Is(err, context.Canceled):
		return nodes.Gone
	case errors.Is(err, context.DeadlineExceeded):
		return nodes.Timeout
	}
	return nodes.NotAcceptable
}

// outcomes says what became of a request, for each order in it, and has the points
// read again.
func (w *writer) outcomes(list []order, request wire.WriteRequest, err error) []nodes.Outcome {
	state, kind, text := nodes.WriteDone, nodes.NotAcceptable, ""
	var lost *sentError
	var refused wire.Exception
	switch {
	case err == nil:
	case errors.As(err, &lost):
		state, kind = nodes.WriteUnknown, nodes.Timeout
		text = err.Error() + ". The request was sent, and nobody knows whether it was done; it is not repeated. Read the value"
	case err == wire.TargetNotResponded, err == wire.Acknowledge:
		state, kind = nodes.WriteUnknown, nodes.Timeout
		text = err.Error() + ". Nobody knows whether it was done; it is not repeated. Read the value"
	case errors.As(err, &refused):
		state = nodes.WriteRefused
		text = err.Error() + advice(refused)
	default:
		state, kind = nodes.WriteExpired, kindOf(err)
		text = "nothing was written: " + reason(err)
	}
	out := make([]nodes.Outcome, len(list))
	now := time.Now()
	for i := range list {
		out[i] = nodes.Outcome{State: state, Time: now}
		if text != "" {
			out[i].Err = failed(kind, list[i].Node, w.where(&list[i], request)+": "+text)
		}
		if state != nodes.WriteExpired {
			w.d.refresh(list[i].Node)
		}
	}
	return out
}

// reason says why nothing was sent.
func reason(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "its time was over before its turn came"
	case errors.Is(err, context.Canceled):
		return "it was given up before its turn came"
	}
	return err.Error()
}

// advice says what to do about a refusal.
func advice(e wire.Exception) string {
	switch e {
	case wire.IllegalFunction:
		return ". The unit does not know the function: choose another WriteFunction"
	case wire.IllegalAddress:
		return ". Check the address, and whether the register may be written"
	case wire.IllegalValue:
		return ". The unit does not take this value: check its range"
	case wire.DeviceBusy:
		return ". Try again"
	}
	return ""
}

// where names a write for people.
func (w *writer) where(o *order, request wire.WriteRequest) string {
	return fmt.Sprintf("%s, unit %d, function %d, %s", w.line.addr, o.unit.cfg.id, request.Function, o.reg.place())
}

// The pauses before a value is read back, since devices apply what they
// acknowledged late.
var readBackPauses = []time.Duration{0, 20 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond}

// verify reads back what was acknowledged, several times when it does not show
// yet. It writes nothing.
func (w *writer) verify(o *order, request wire.WriteRequest) nodes.Outcome {
	defer w.d.refresh(o.Node)
	read := wire.ReadRequest{Table: o.reg.table, First: o.reg.first, Count: o.reg.words()}
	unknown := func(err error) nodes.Outcome {
		return nodes.Outcome{State: nodes.WriteUnknown, Time: time.Now(), Err: failed(nodes.Timeout, o.Node,
			w.where(o, request)+": acknowledged, but reading it back failed: "+err.Error()+". Leave out ReadBack where a register cannot be read")}
	}
	var shown nodes.Value
	began := time.Now()
	for i, pause := range readBackPauses {
		if i > 0 && rest(w.ctx, pause) != nil {
			break
		}
		c := w.call(w.d.outside.life, o.unit, writing) // beyond the caller's time, as for the answer
		start := time.Now()
		err := w.line.read(c, read)
		w.d.heard(o.unit.id, what(read), time.Since(start), err)
		if err != nil {
			return unknown(err)
		}
		shown, err = o.reg.value(o.reg.first, c.data)
		if o.reg.shows(c.data, o.patch, o.reg.tolerance) {
			return nodes.Outcome{State: nodes.WriteVerified, Time: time.Now(), Value: shown}
		}
		if err != nil && i == len(readBackPauses)-1 {
			return unknown(err)
		}
	}
	return nodes.Outcome{State: nodes.WriteRefused, Time: time.Now(), Value: shown, Err: failed(nodes.NotAcceptable, o.Node,
		fmt.Sprintf("%s: the unit acknowledged %s and shows %s, still after %s", w.where(o, request), o.Value, shown, time.Since(began).Round(time.Millisecond)))}
}
