package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Sizes of a Modbus TCP frame (MTI 3.1.3).
const (
	HeaderSize = 7   // transaction, protocol, length, unit
	MaxADU     = 260 // header and the longest PDU, 253 bytes
)

// ErrIncomplete says that more bytes are needed to tell the length of a frame.
var ErrIncomplete = errors.New("incomplete frame")

// ErrFraming says that bytes cannot be the start of a Modbus TCP frame; where the
// next one starts is unknown, so that the connection must be closed.
var ErrFraming = errors.New("not a Modbus TCP frame")

// FrameSize returns the length of the frame that starts with these bytes, of
// which there must be at least six.
func FrameSize(b []byte) (int, error) {
	if len(b) < 6 {
		return 0, ErrIncomplete
	}
	if p := binary.BigEndian.Uint16(b[2:]); p != 0 {
		return 0, fmt.Errorf("%w: protocol id %d in place of 0", ErrFraming, p)
	}
	n := int(binary.BigEndian.Uint16(b[4:]))
	if n < 2 || n > MaxADU-6 {
		return 0, fmt.Errorf("%w: length %d, possible are 2 to %d", ErrFraming, n, MaxADU-6)
	}
	return 6 + n, nil
}

// ADU is a Modbus TCP frame taken apart.
type ADU struct {
	Transaction uint16
	Unit        byte
	Function    byte
	Data        []byte // of the PDU, without the function code
}

// ParseADU takes one whole frame apart. Data is a part of b.
func ParseADU(b []byte) (ADU, error) {
	n, err := FrameSize(b)
	switch {
	case err != nil:
		return ADU{}, err
	case len(b) < n:
		return ADU{}, ErrIncomplete
	case len(b) > n:
		return ADU{}, fmt.Errorf("%w: %d bytes after the end", ErrFraming, len(b)-n)
	}
	return ADU{Transaction: binary.BigEndian.Uint16(b), Unit: b[6], Function: b[7], Data: b[8:]}, nil
}

// Append appends the frame to b.
func (a ADU) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, a.Transaction)
	b = append(b, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(2+len(a.Data)))
	b = append(b, a.Unit, a.Function)
	return append(b, a.Data...)
}
