package modbus

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"syscall"
	"time"

	"github.com/fieldhub/hub/sniffer"
)

// redial keeps attempts to connect apart.
type redial struct {
	addr  string
	pause pause

	failures int       // connections in a row that came to nothing
	cause    error     // of the last failure
	retry    time.Time // no attempt before
	tried    time.Time // the last attempt
}

// wait fails when it is too early for another attempt.
func (d *redial) wait(c *call) error {
	now := time.Now()
	if now.Before(d.retry) && !(c.urgent() && now.Sub(d.tried) >= triedLately) {
		return &downError{d.addr, d.cause, d.retry}
	}
	d.tried = now
	return nil
}

// refused takes note of an attempt that failed.
func (d *redial) refused(c *call, err error) error {
	if c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	first := d.failures == 0
	err = plainly(err)
	d.failed(err)
	d.retry = time.Now().Add(d.jitter(d.failures))
	if first {
		c.tap.Note(sniffer.Error, "", "cannot connect to "+d.addr+": "+err.Error())
	}
	return &downError{d.addr, err, d.retry}
}

// failed counts a connection that came to nothing. One that was made and then
// closed without an answer may be tried again once without a pause.
func (d *redial) failed(cause error) {
	d.failures++
	d.cause = cause
	if d.failures > 1 {
		d.retry = time.Now().Add(d.jitter(d.failures - 1))
	}
}

// good takes note of an answer.
func (d *redial) good() { d.failures, d.retry = 0, time.Time{} }

// jitter keeps hubs that lost the same peer from coming back all at once.
func (d *redial) jitter(n int) time.Duration {
	p := d.pause.after(n)
	return p - p/4 + rand.N(p/2+1)
}

// plainly takes the parts away that change from one attempt to the next.
func plainly(err error) error {
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Errorf("the name %s is unknown", dns.Name)
	case errors.As(err, &dns):
		return fmt.Errorf("the name %s cannot be looked up: no answer from the name server", dns.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		return errors.New("connection refused; nothing listens on this port")
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return errors.New("no route to this address")
	case errors.As(err, &timeout) && timeout.Timeout():
		return errors.New("no answer in time")
	}
	return err
}
