package modbus

import (
	"encoding/binary"
	"math"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// shows tells whether what was read from the first address on is what was
// written: the same bits, or the same choice or text, or a number that differs by
// no more than the tolerance, in the unit of the value.
func (f *format) shows(data []byte, p patch, tolerance float64) bool {
	if f.table.Bits() {
		return wire.Bit(data, 0) == (p.words[0] != 0)
	}
	same := true
	want := make([]byte, 0, 2*len(p.words))
	for i, w := range p.words {
		mask := uint16(0xffff)
		if p.mask != nil {
			mask = p.mask[i]
		}
		same = same && (binary.BigEndian.Uint16(data[2*i:])^w)&mask == 0
		want = binary.BigEndian.AppendUint16(want, w)
	}
	if same {
		return true
	}
	a, errA := f.value(f.first, data)
	b, errB := f.value(f.first, want)
	if errA != nil || errB != nil {
		return false
	}
	if !a.IsNumber() {
		return a == b
	}
	off := math.Abs(a.Double() - b.Double())
	if tolerance > 0 { // 23.6 is within 0.1 of 23.5, though not in binary
		return off <= tolerance+1e-12*math.Max(math.Abs(a.Double()), math.Abs(b.Double()))
	}
	return off == 0
}
