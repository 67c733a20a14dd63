package modbustest

import (
	"math/rand/v2"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// Fault is what goes wrong with the answers of a unit; the zero Fault is health.
// A request that goes unanswered, or is answered wrongly, is carried out all the
// same, except with Exception.
type Fault struct {
	Silent           bool           // no answer
	Delay            time.Duration  // answers late; other requests are not held up
	Held             bool           // answers only when the next request comes to any unit, before that one is answered
	WrongTransaction bool           // another transaction id; RTU has none
	WrongUnit        bool           // another unit id
	WrongFunction    bool           // another function code
	Short            bool           // one register or byte too few, in a sound frame
	Long             bool           // one register or byte too many, in a sound frame
	Exception        wire.Exception // refuses everything
	Close            bool           // closes in place of an answer; on a serial line: Silent
	CloseMidFrame    bool           // sends half the answer and closes; on a serial line only the former
	Duplicate        bool           // answers twice
	Split            bool           // sends the answer byte by byte
	Damaged          bool           // TCP: sends something that is no frame; RTU: one bit of the data is wrong
	Echo             bool           // the request comes back before the answer, as from two-wire adapters
	Foreign          bool           // before the answer, another master asks another unit, which answers
	Noise            int            // so many random bytes come before the answer
	Babble           bool           // sends random bytes from the next request on, for as long as this is set
	Times            int            // only so many requests; 0: until changed
}

// The values that units answer whom a foreign master asks: no value of ours.
const foreignWord = 0xdead

// spoil changes an answer as the fault wants it.
func (f Fault) spoil(a wire.ADU) wire.ADU {
	if f.WrongTransaction {
		a.Transaction += 1000
	}
	if f.WrongUnit {
		a.Unit++
	}
	if f.WrongFunction {
		a.Function = a.Function%4 + 1
	}
	return a
}

// strange returns what is sent before the answer, each with silence around it on a
// serial line. request is the frame as it came.
func (f Fault) strange(k framing, request []byte, a wire.ADU) [][]byte {
	var list [][]byte
	if f.Echo {
		list = append(list, append([]byte(nil), request...))
	}
	if f.Foreign {
		other := wire.ADU{Transaction: a.Transaction + 77, Unit: a.Unit + 100, Function: 3, Data: []byte{0, 5, 0, 2}}
		list = append(list, k.append(nil, other))
		other.Data = []byte{4, foreignWord >> 8, foreignWord & 0xff, foreignWord >> 8, foreignWord & 0xff}
		list = append(list, k.append(nil, other))
	}
	return list
}

// render appends to out what is sent in place of the frame of an answer, and tells
// whether the connection ends then.
func (f Fault) render(out []byte, k framing, a wire.ADU) ([]byte, bool) {
	for range f.Noise {
		out = append(out, byte(rand.Uint32()))
	}
	if f.Silent || f.Close || f.Babble {
		return out, f.Close
	}
	start := len(out)
	out = k.append(out, f.spoil(a))
	if f.Damaged {
		k.damage(out[start:])
	}
	if f.CloseMidFrame {
		return out[:start+(len(out)-start)/2], true
	}
	if f.Duplicate {
		out = append(out, out[start:]...)
	}
	return out, false
}

// babble fills b with noise.
func babble(b []byte) {
	for i := range b {
		b[i] = byte(rand.Uint32())
	}
}
