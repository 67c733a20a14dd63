package modbus

import (
	"errors"
	"fmt"
	"time"
)

// downError says that there is no connection; until retry, nobody tries again.
type downError struct {
	addr  string
	err   error
	retry time.Time
}

func (e *downError) Error() string { return "no connection to " + e.addr + ": " + e.err.Error() }
func (e *downError) Unwrap() error { return e.err }

// silentError says that no answer came in time.
type silentError struct {
	after   time.Duration
	foreign string // what came instead; may be empty
	owing   bool   // it was not asked: an answer to an earlier request may still come
}

func (e *silentError) Error() string {
	if e.owing {
		return "not asked: its answer to an earlier request may still come"
	}
	s := fmt.Sprintf("no answer within %s", e.after)
	if e.foreign != "" {
		s += "; what came was " + e.foreign
	}
	return s
}

// brokenError says that the connection ended before an answer came.
type brokenError struct{ err error }

func (e *brokenError) Error() string { return e.err.Error() }
func (e *brokenError) Unwrap() error { return e.err }

// answerError says that an answer came that does not fit the request.
type answerError struct{ err error }

func (e *answerError) Error() string { return "wrong answer: " + e.err.Error() }
func (e *answerError) Unwrap() error { return e.err }

// damagedError says that something came that is no sound frame.
type damagedError struct{ err error }

func (e *damagedError) Error() string { return e.err.Error() }
func (e *damagedError) Unwrap() error { return e.err }

// sent tells whether a request that failed may have reached the device.
func sent(c *call, err error) bool {
	var down *downError
	return err != nil && !errors.As(err, &down) && !c.sent.IsZero()
}
