package modbus

import (
	"errors"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// counts count transactions with a unit.
type counts struct {
	requests, timeouts, exceptions, damaged, others int64
	last                                            string // failure
}

// note counts a transaction by the error that the line returned.
func (n *counts) note(err error) {
	n.requests++
	if err == nil {
		return
	}
	var refused wire.Exception
	var silent *silentError
	var damaged *damagedError
	switch {
	case errors.As(err, &refused):
		n.exceptions++
	case errors.As(err, &silent):
		n.timeouts++
	case errors.As(err, &damaged):
		n.damaged++
	default:
		n.others++
	}
	n.last = err.Error()
}
