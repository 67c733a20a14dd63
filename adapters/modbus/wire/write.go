package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// The functions that write (MAP 6.5, 6.6, 6.11, 6.12, 6.16).
const (
	WriteCoil      = 5
	WriteRegister  = 6
	WriteCoils     = 15
	WriteRegisters = 16
	MaskRegister   = 22
)

// The limits of one write request (MAP 6.11, 6.12).
const (
	MaxWrittenRegisters = 123
	MaxWrittenBits      = 1968
)

// WriteRequest is a request to write coils or holding registers.
type WriteRequest struct {
	Function byte     // 5, 6, 15, 16 or 22
	Table    Table    // that of the function: [Coil] or [HoldingRegister]
	First    int      // zero-based address
	Words    []uint16 // what to write; bits are 0 or 1; one for 5 and 6, none for 22
	And, Or  uint16   // of function 22: the register becomes (register and And) or (Or and not And)
}

// Written returns the table that a function writes.
func Written(function byte) (Table, bool) {
	switch function {
	case WriteCoil, WriteCoils:
		return Coil, true
	case WriteRegister, WriteRegisters, MaskRegister:
		return HoldingRegister, true
	}
	return 0, false
}

// Count returns how many coils or registers are written.
func (w WriteRequest) Count() int {
	if w.Function == MaskRegister {
		return 1
	}
	return len(w.Words)
}

// Valid tells whether the request is one that the protocol has; the error says
// what is wrong.
func (w WriteRequest) Valid() error {
	t, ok := Written(w.Function)
	n := len(w.Words)
	least, most := 1, 1
	switch w.Function {
	case WriteCoils:
		most = MaxWrittenBits
	case WriteRegisters:
		most = MaxWrittenRegisters
	case MaskRegister:
		least, most = 0, 0
	}
	switch {
	case !ok:
		return fmt.Errorf("function %d writes nothing", w.Function)
	case t != w.Table:
		return fmt.Errorf("function %d writes no %s", w.Function, w.Table.info().one)
	case n < least || n > most:
		return fmt.Errorf("function %d cannot write %d values: it takes %d to %d", w.Function, n, least, most)
	case w.First < 0 || w.First+max(1, n) > 1<<16:
		return fmt.Errorf("%s: addresses go from 0 to 65535", t.Range(w.First, max(1, n)))
	}
	if t.Bits() {
		for _, v := range w.Words {
			if v > 1 {
				return fmt.Errorf("a coil holds 0 or 1, not %d", v)
			}
		}
	}
	return nil
}

// Append appends the data of the request, behind the function code. The request
// must be valid.
func (w WriteRequest) Append(b []byte) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(w.First))
	switch w.Function {
	case WriteCoil:
		return binary.BigEndian.AppendUint16(b, w.Words[0]*0xff00)
	case WriteRegister:
		return binary.BigEndian.AppendUint16(b, w.Words[0])
	case MaskRegister:
		return binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, w.And), w.Or)
	}
	n := w.Table.AnswerBytes(len(w.Words))
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(w.Words))), byte(n))
	at := len(b)
	b = append(b, make([]byte, n)...)
	for i, v := range w.Words {
		if w.Table.Bits() {
			PutBit(b[at:], i, v != 0)
		} else {
			binary.BigEndian.PutUint16(b[at+2*i:], v)
		}
	}
	return b
}

// ParseWriteRequest reads the data of a request to write; the exception is what a
// device answers to a wrong one, 0 when it is right.
func ParseWriteRequest(function byte, data []byte) (WriteRequest, Exception) {
	t, ok := Written(function)
	if !ok {
		return WriteRequest{}, IllegalFunction
	}
	if len(data) < 4 {
		return WriteRequest{}, IllegalValue
	}
	w := WriteRequest{Function: function, Table: t, First: int(binary.BigEndian.Uint16(data))}
	v := binary.BigEndian.Uint16(data[2:])
	switch function {
	case WriteCoil:
		if len(data) != 4 || v != 0 && v != 0xff00 {
			return w, IllegalValue
		}
		w.Words = []uint16{v >> 15}
		return w, 0
	case WriteRegister:
		if len(data) != 4 {
			return w, IllegalValue
		}
		w.Words = []uint16{v}
		return w, 0
	case MaskRegister:
		if len(data) != 6 {
			return w, IllegalValue
		}
		w.And, w.Or = v, binary.BigEndian.Uint16(data[4:])
		return w, 0
	}
	n, most := int(v), MaxWrittenRegisters
	if t.Bits() {
		most = MaxWrittenBits
	}
	size := t.AnswerBytes(n)
	switch {
	case n < 1 || n > most || len(data) != 5+size || int(data[4]) != size:
		return w, IllegalValue
	case w.First+n > 1<<16:
		return w, IllegalAddress
	}
	w.Words = make([]uint16, n)
	for i := range w.Words {
		if !t.Bits() {
			w.Words[i] = binary.BigEndian.Uint16(data[5+2*i:])
		} else if Bit(data[5:], i) {
			w.Words[i] = 1
		}
	}
	return w, 0
}

// Check tells whether data, without the function code, acknowledges the request:
// functions 5, 6 and 22 are repeated, 15 and 16 answered with address and count.
func (w WriteRequest) Check(data []byte) error {
	var buf [16]byte
	want := buf[:0]
	switch w.Function {
	case WriteCoils, WriteRegisters:
		want = binary.BigEndian.AppendUint16(want, uint16(w.First))
		want = binary.BigEndian.AppendUint16(want, uint16(len(w.Words)))
	default:
		want = w.Append(want)
	}
	switch {
	case bytes.Equal(data, want):
		return nil
	case len(data) != len(want):
		return fmt.Errorf("the acknowledgement holds %d bytes in place of %d", len(data), len(want))
	}
	return fmt.Errorf("the acknowledgement is of another write: % x in place of % x", data, want)
}

// String names what is written: "holding register 7".
func (w WriteRequest) String() string { return w.Table.Range(w.First, w.Count()) }
