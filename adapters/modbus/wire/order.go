package wire

import (
	"encoding/binary"
	"math/bits"
)

// Order is the order of the bytes of a value on the wire, A being the most
// significant. It is made of three steps, each of which a device takes or not:
// bytes swapped within each register, registers swapped within each 32 bits,
// halves of 64 bits swapped. A narrower value knows only the first, or the first
// two.
type Order uint8

const (
	swapBytes Order = 1 << iota
	swapWords
	swapHalves
	anOrder // tells the zero Order from ABCD
)

// The orders. The first four are patterns for every width; in 64 bits they mean
// ABCDEFGH, BADCFEHG, GHEFCDAB and HGFEDCBA. In 16 bits BADC and DCBA swap the
// bytes. The others differ from those in 64 bits only.
const (
	ABCD = anOrder                                      // big-endian, as the protocol itself
	BADC = anOrder | swapBytes                          // bytes swapped within each register
	CDAB = anOrder | swapWords | swapHalves             // registers reversed: the low one first
	DCBA = anOrder | swapWords | swapHalves | swapBytes // little-endian

	CDABGHEF = anOrder | swapWords
	DCBAHGFE = anOrder | swapWords | swapBytes
	EFGHABCD = anOrder | swapHalves
	FEHGBADC = anOrder | swapHalves | swapBytes
)

// Orders are the orders that every width has.
var Orders = [...]Order{ABCD, BADC, CDAB, DCBA}

// LongOrders are the orders that only 64 bits have.
var LongOrders = [...]Order{CDABGHEF, DCBAHGFE, EFGHABCD, FEHGBADC}

var orderNames = [...][2]string{
	ABCD: {"ABCD", "ABCDEFGH"}, BADC: {"BADC", "BADCFEHG"}, CDAB: {"CDAB", "GHEFCDAB"}, DCBA: {"DCBA", "HGFEDCBA"},
	CDABGHEF: {"CDABGHEF"}, DCBAHGFE: {"DCBAHGFE"}, EFGHABCD: {"EFGHABCD"}, FEHGBADC: {"FEHGBADC"},
}

// ParseOrder returns the order of that name: of four letters, or of eight, as it
// shows in 64 bits.
func ParseOrder(name string) (Order, bool) {
	if name == "" {
		return 0, false
	}
	for o, n := range orderNames {
		if name == n[0] || name == n[1] {
			return Order(o), true
		}
	}
	return 0, false
}

// String returns the name of the order, the short one where there is one.
func (o Order) String() string {
	if int(o) < len(orderNames) {
		return orderNames[o][0]
	}
	return ""
}

// Long64 returns the name of eight letters.
func (o Order) Long64() string {
	if int(o) < len(orderNames) && orderNames[o][1] != "" {
		return orderNames[o][1]
	}
	return o.String()
}

// Only64 tells whether only values of 64 bits have the order.
func (o Order) Only64() bool { return o&swapWords == 0 != (o&swapHalves == 0) }

// SwapsBytes tells whether the low byte of a register comes first.
func (o Order) SwapsBytes() bool { return o&swapBytes != 0 }

// Word returns the 16 bit value of the first two bytes of b.
func (o Order) Word(b []byte) uint16 {
	w := binary.BigEndian.Uint16(b)
	if o&swapBytes != 0 {
		w = bits.ReverseBytes16(w)
	}
	return w
}

// PutWord writes a 16 bit value.
func (o Order) PutWord(b []byte, v uint16) {
	if o&swapBytes != 0 {
		v = bits.ReverseBytes16(v)
	}
	binary.BigEndian.PutUint16(b, v)
}

// Long returns the 32 bit value of the first four bytes of b.
func (o Order) Long(b []byte) uint32 { return o.long(binary.BigEndian.Uint32(b)) }

// PutLong writes a 32 bit value.
func (o Order) PutLong(b []byte, v uint32) { binary.BigEndian.PutUint32(b, o.long(v)) }

// long takes the steps; taken twice they lead back.
func (o Order) long(v uint32) uint32 {
	if o&swapBytes != 0 {
		v = v>>8&0x00ff00ff | v&0x00ff00ff<<8
	}
	if o&swapWords != 0 {
		v = bits.RotateLeft32(v, 16)
	}
	return v
}

// Quad returns the 64 bit value of the first eight bytes of b.
func (o Order) Quad(b []byte) uint64 { return o.quad(binary.BigEndian.Uint64(b)) }

// PutQuad writes a 64 bit value.
func (o Order) PutQuad(b []byte, v uint64) { binary.BigEndian.PutUint64(b, o.quad(v)) }

func (o Order) quad(v uint64) uint64 {
	if o&swapBytes != 0 {
		v = v>>8&0x00ff00ff00ff00ff | v&0x00ff00ff00ff00ff<<8
	}
	if o&swapWords != 0 {
		v = v>>16&0x0000ffff0000ffff | v&0x0000ffff0000ffff<<16
	}
	if o&swapHalves != 0 {
		v = bits.RotateLeft64(v, 32)
	}
	return v
}
