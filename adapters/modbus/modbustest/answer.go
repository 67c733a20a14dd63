package modbustest

import (
	"encoding/binary"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// kept is how many requests a unit remembers.
const kept = 1000

// Write is a request to write, as a unit got it.
type Write struct {
	Time     time.Time
	Function byte
	Table    wire.Table
	First    int
	Words    []uint16 // bits are 0 or 1; of function 22: what the register holds afterwards
	And, Or  uint16   // the masks of function 22
	Refused  wire.Exception
}

// answer computes the answer to a request, before the fault to apply to it. A unit
// that does not even hear the request answers with function 0.
func (u *Unit) answer(q wire.ADU, buf []byte) (wire.ADU, Fault) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.requests++
	now := time.Now()
	if u.pause > 0 && now.Sub(u.last) < u.pause {
		return wire.ADU{}, Fault{Silent: true}
	}
	u.last = now
	f := u.fault
	if f.Times > 0 {
		if u.fault.Times--; u.fault.Times == 0 {
			u.fault = Fault{}
		}
	}
	a := wire.ADU{Transaction: q.Transaction, Unit: q.Unit, Function: q.Function}
	refused := f.Exception
	if refused == 0 && u.refused[q.Function] {
		refused = wire.IllegalFunction
	}
	if refused == 0 {
		a.Data, refused = u.do(q, buf, f)
	}
	if refused != 0 {
		a.Function |= wire.Refuses
		a.Data = append(buf[:0], byte(refused))
	}
	return a, f
}

// babbles tells whether the unit's fault is to babble.
func (u *Unit) babbles() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.fault.Babble
}

// do carries a request out and returns the data of the answer.
func (u *Unit) do(q wire.ADU, buf []byte, f Fault) ([]byte, wire.Exception) {
	switch q.Function {
	case 1, 2, 3, 4:
		r, refused := wire.ParseReadRequest(q.Function, q.Data)
		if refused != 0 {
			return nil, refused
		}
		return u.read(r, buf, f)
	case 5, 6, 15, 16, 22:
		return u.write(q)
	case 17:
		return u.serverID(q.Data)
	case 23:
		return u.readWrite(q.Data, buf, f)
	case 43:
		return u.identify(q.Data)
	}
	return nil, wire.IllegalFunction
}

// read carries out functions 1 to 4 (MAP 6.1 to 6.4).
func (u *Unit) read(r wire.ReadRequest, buf []byte, f Fault) ([]byte, wire.Exception) {
	if len(u.asked) == kept {
		u.asked = append(u.asked[:0], u.asked[kept/2:]...)
	}
	u.asked = append(u.asked, r)
	t := &u.tables[r.Table]
	if u.limit > 0 && r.Count > u.limit {
		return nil, wire.IllegalValue
	}
	if u.holes && !t.has(r.First, r.Count) {
		return nil, wire.IllegalAddress
	}
	n := r.Table.AnswerBytes(r.Count)
	data := append(buf[:0], make([]byte, n+3)...)
	for i := range r.Count {
		if w := t.get(r.First + i); r.Table.Bits() {
			wire.PutBit(data[1:], i, w != 0)
		} else {
			binary.BigEndian.PutUint16(data[1+2*i:], w)
		}
	}
	step := 2
	if r.Table.Bits() {
		step = 1
	}
	switch {
	case f.Short:
		n -= step
	case f.Long && n+step <= 250:
		n += step
	}
	data[0] = byte(n)
	return data[:n+1], 0
}

// write carries out functions 5, 6, 15, 16 and 22 (MAP 6.5, 6.6, 6.11, 6.12, 6.16).
func (u *Unit) write(q wire.ADU) ([]byte, wire.Exception) {
	if len(q.Data) < 4 {
		return nil, wire.IllegalValue
	}
	first, v := int(binary.BigEndian.Uint16(q.Data)), binary.BigEndian.Uint16(q.Data[2:])
	w := Write{Function: q.Function, First: first, Table: wire.HoldingRegister}
	switch q.Function {
	case 5:
		w.Table, w.Words = wire.Coil, []uint16{v >> 15}
		if len(q.Data) != 4 || v != 0 && v != 0xff00 {
			return nil, wire.IllegalValue
		}
		return q.Data, u.store(w)
	case 6:
		w.Words = []uint16{v}
		if len(q.Data) != 4 {
			return nil, wire.IllegalValue
		}
		return q.Data, u.store(w)
	case 22:
		if len(q.Data) != 6 {
			return nil, wire.IllegalValue
		}
		w.And, w.Or = v, binary.BigEndian.Uint16(q.Data[4:])
		w.Words = []uint16{u.tables[w.Table].get(first)&w.And | w.Or&^w.And}
		return q.Data, u.store(w)
	}
	limit := 123
	if q.Function == 15 {
		w.Table, limit = wire.Coil, 1968
	}
	n := int(v)
	if n < 1 || n > limit || len(q.Data) != 5+w.Table.AnswerBytes(n) || int(q.Data[4]) != w.Table.AnswerBytes(n) {
		return nil, wire.IllegalValue
	}
	w.Words = words(w.Table, q.Data[5:], n)
	return q.Data[:4], u.store(w)
}

// readWrite carries out function 23, which writes before it reads (MAP 6.17).
func (u *Unit) readWrite(data, buf []byte, f Fault) ([]byte, wire.Exception) {
	if len(data) < 9 {
		return nil, wire.IllegalValue
	}
	r, refused := wire.ParseReadRequest(3, data[:4])
	n := int(binary.BigEndian.Uint16(data[6:]))
	if refused == 0 && (n < 1 || n > 121 || len(data) != 9+2*n || int(data[8]) != 2*n) {
		refused = wire.IllegalValue
	}
	if refused != 0 {
		return nil, refused
	}
	w := Write{Function: 23, First: int(binary.BigEndian.Uint16(data[4:])), Table: wire.HoldingRegister}
	w.Words = words(w.Table, data[9:], n)
	if refused := u.store(w); refused != 0 {
		return nil, refused
	}
	return u.read(r, buf, f)
}

func words(t wire.Table, data []byte, n int) []uint16 {
	words := make([]uint16, n)
	for i := range words {
		if t.Bits() && wire.Bit(data, i) {
			words[i] = 1
		} else if !t.Bits() {
			words[i] = binary.BigEndian.Uint16(data[2*i:])
		}
	}
	return words
}

// store takes a write down and carries it out unless it is refused.
func (u *Unit) store(w Write) wire.Exception {
	if w.First+len(w.Words) > 1<<16 || u.holes && !u.tables[w.Table].has(w.First, len(w.Words)) {
		w.Refused = wire.IllegalAddress
	} else {
		for i, v := range w.Words {
			u.tables[w.Table].set(w.First+i, v)
		}
	}
	w.Time = time.Now()
	if len(u.writes) == kept {
		u.writes = append(u.writes[:0], u.writes[kept/2:]...)
	}
	u.writes = append(u.writes, w)
	return w.Refused
}
