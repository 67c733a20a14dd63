package wire

import (
	"encoding/binary"
	"fmt"
)

// Exception is the code with which a device refuses a request (MAP 7). An
// exception proves that the device and the line to it work; only the last two,
// sent by a gateway, say that they do not.
type Exception byte

// The exceptions.
const (
	IllegalFunction    Exception = 1
	IllegalAddress     Exception = 2
	IllegalValue       Exception = 3
	DeviceFailure      Exception = 4
	Acknowledge        Exception = 5
	DeviceBusy         Exception = 6
	MemoryParity       Exception = 8
	PathUnavailable    Exception = 10
	TargetNotResponded Exception = 11
)

// Error returns code and meaning: "exception 2, illegal data address".
func (e Exception) Error() string {
	name := "unknown"
	switch e {
	case IllegalFunction:
		name = "illegal function"
	case IllegalAddress:
		name = "illegal data address"
	case IllegalValue:
		name = "illegal data value"
	case DeviceFailure:
		name = "device failure"
	case Acknowledge:
		name = "acknowledged, still working"
	case DeviceBusy:
		name = "device busy"
	case MemoryParity:
		name = "memory parity error"
	case PathUnavailable:
		name = "gateway path unavailable"
	case TargetNotResponded:
		name = "no answer behind the gateway"
	}
	return fmt.Sprintf("exception %d, %s", byte(e), name)
}

// Refuses is the bit that an exception sets in the function code.
const Refuses = 0x80

// ReadRequest is a request for bits or registers.
type ReadRequest struct {
	Table Table
	First int // zero-based address
	Count int
}

// ParseReadRequest reads a request for bits or registers; the exception is what a
// device answers to a wrong one (MAP 6.1 to 6.4), 0 when it is right.
func ParseReadRequest(function byte, data []byte) (ReadRequest, Exception) {
	t, ok := TableOf(function)
	if !ok {
		return ReadRequest{}, IllegalFunction
	}
	if len(data) != 4 {
		return ReadRequest{}, IllegalValue
	}
	r := ReadRequest{t, int(binary.BigEndian.Uint16(data)), int(binary.BigEndian.Uint16(data[2:]))}
	switch {
	case r.Count < 1 || r.Count > t.Limit():
		return r, IllegalValue
	case r.First+r.Count > 1<<16:
		return r, IllegalAddress
	}
	return r, 0
}

// String names what is read: "holding registers 0 to 9".
func (r ReadRequest) String() string { return r.Table.Range(r.First, r.Count) }

// Check tells whether data, without the byte count, is the whole answer.
func (r ReadRequest) Check(data []byte) error {
	if want := r.Table.AnswerBytes(r.Count); len(data) != want {
		return fmt.Errorf("the answer holds %d bytes in place of %d", len(data), want)
	}
	return nil
}
