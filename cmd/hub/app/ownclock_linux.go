package app

import (
	"syscall"
	"time"
)

// notSynchronised is the state of a clock that nothing keeps right (adjtimex(2),
// TIME_ERROR).
const notSynchronised = 5

// clockState tells whether something keeps the clock right, and how wrong it may be
// at most; ok is false when the system does not say.
func clockState() (synchronised bool, most time.Duration, ok bool) {
	var x syscall.Timex
	state, err := syscall.Adjtimex(&x)
	if err != nil {
		return false, 0, false
	}
	return state != notSynchronised, time.Duration(x.Maxerror) * time.Microsecond, true
}
