package modbus

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// beforeError says that a write failed before its request was sent.
type beforeError struct{ err error }

func (e *beforeError) Error() string { return e.err.Error() }
func (e *beforeError) Unwrap() error { return e.err }

// sentError says that the request of a write was sent and that nobody knows what
// became of it.
type sentError struct{ err error }

func (e *sentError) Error() string { return e.err.Error() }
func (e *sentError) Unwrap() error { return e.err }

// hold enters the line for a write.
func (w *writer) hold() (release func(), err error) {
	release, err = w.line.hold(w.ctx, writing)
	if err != nil {
		return nil, &beforeError{err}
	}
	return release, nil
}

// send writes once. The error is a [wire.Exception], a *sentError, or else nothing
// was sent. While there is no connection it waits for one, for as long as a request
// may take; a connection that ended before the request was handed over is replaced.
func (w *writer) send(o *order, request wire.WriteRequest) error {
	giveUp := time.Now().Add(o.unit.cfg.timeout)
	for again := false; ; again = true {
		release, err := w.hold()
		if err != nil {
			return err
		}
		err = w.sendHeld(o, request)
		release()
		var down *downError
		var broken *brokenError
		var before *beforeError
		if !again && errors.As(err, &before) && errors.As(err, &broken) {
			continue
		}
		if !errors.As(err, &down) || down.retry.After(giveUp) || time.Now().After(giveUp) {
			return err
		}
		if err := rest(w.ctx, max(10*time.Millisecond, time.Until(down.retry))); err != nil {
			return &beforeError{err}
		}
	}
}

// sendHeld is send inside the gate. The end of the caller's context stops it until
// the moment at which the request is handed over; from then on the answer is waited
// for.
func (w *writer) sendHeld(o *order, request wire.WriteRequest) error {
	if err := w.caller.Err(); err != nil {
		return &beforeError{err}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(w.ctx))
	defer cancel()
	defer context.AfterFunc(w.d.outside.life, cancel)()
	var handed atomic.Bool // or given up; who is first decides
	defer context.AfterFunc(w.caller, func() {
		if handed.CompareAndSwap(false, true) {
			cancel()
		}
	})()
	c := w.call(ctx, o.unit, writing)
	c.held = true
	c.hand = func() bool {
		if w.caller.Err() == nil && handed.CompareAndSwap(false, true) {
			return true
		}
		cancel()
		return false
	}
	began := time.Now()
	err := w.line.write(c, request)
	w.d.heard(o.unit.id, fmt.Sprintf("function %d, %s", request.Function, request), time.Since(began), err)
	if _, refused := err.(wire.Exception); err == nil || refused {
		return err
	}
	if sent(c, err) {
		return &sentError{err}
	}
	if w.caller.Err() != nil {
		err = w.caller.Err()
	}
	return &beforeError{err}
}

// lacking is which functions units refuse as unknown.
type lacking struct {
	mu   sync.Mutex
	list map[lack]bool
}

// lack names a unit by all that it may be changed by.
type lack struct {
	endpoint endpoint
	unit     byte
	function byte
}

// lacks tells whether a unit is known to refuse a function.
func (w *writer) lacks(o *order, function byte) bool {
	l := &w.d.lacks
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.list[lack{w.line.ep, o.unit.cfg.id, function}]
}

// learn remembers a function when the error says that the unit does not know it.
func (w *writer) learn(o *order, function byte, err error) {
	if err != wire.IllegalFunction {
		return
	}
	l := &w.d.lacks
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.list == nil {
		l.list = make(map[lack]bool)
	}
	l.list[lack{w.line.ep, o.unit.cfg.id, function}] = true
}

// forget drops what is known of a unit.
func (l *lacking) forget(unit byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k := range l.list {
		if k.unit == unit {
			delete(l.list, k)
		}
	}
}
