package modbustest

import (
	"math"
	"sync"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// Unit is one simulated unit with its four tables. Safe for concurrent use.
type Unit struct {
	mu       sync.Mutex
	tables   [5]table // by wire.Table
	fault    Fault
	holes    bool
	limit    int
	requests int
	asked    []wire.ReadRequest
}

type table struct {
	words   []uint16 // bits are 0 or 1
	defined []bool
}

// Fault is what goes wrong with the answers of a unit; the zero Fault is health.
type Fault struct {
	Silent           bool           // no answer
	Delay            time.Duration  // answers late; other requests are not held up
	WrongTransaction bool           // another transaction id
	WrongUnit        bool           // another unit id
	WrongFunction    bool           // another function code
	Short            bool           // one register or byte too few, in a sound frame
	Exception        wire.Exception // refuses everything
	Close            bool           // closes in place of an answer
	CloseMidFrame    bool           // closes after half the answer
	Duplicate        bool           // answers twice
	Split            bool           // sends the answer byte by byte
	Damaged          bool           // sends something that is no frame
	Times            int            // only so many requests; 0: until changed
}

// SetFault makes the unit's answers go wrong from now on.
func (u *Unit) SetFault(f Fault) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.fault = f
}

// RefuseHoles makes the unit refuse addresses that were never set, with exception
// 2. Otherwise they read as zero.
func (u *Unit) RefuseHoles(on bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.holes = on
}

// Limit makes the unit refuse requests to read more than n registers or bits,
// with exception 3; 0: as many as the protocol allows.
func (u *Unit) Limit(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.limit = n
}

// Requests returns how many requests came so far.
func (u *Unit) Requests() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.requests
}

// Asked returns the last requests to read, at most 1000, the oldest first.
func (u *Unit) Asked() []wire.ReadRequest {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]wire.ReadRequest(nil), u.asked...)
}

// SetWords sets registers from first on.
func (u *Unit) SetWords(t wire.Table, first int, words ...uint16) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i, w := range words {
		u.tables[t].set(first+i, w)
	}
}

// SetBits sets coils or discrete inputs from first on.
func (u *Unit) SetBits(t wire.Table, first int, bits ...bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i, b := range bits {
		w := uint16(0)
		if b {
			w = 1
		}
		u.tables[t].set(first+i, w)
	}
}

// SetNumber sets a value of one of the integer types or a float32.
func (u *Unit) SetNumber(t wire.Table, first int, typ wire.Type, o wire.Order, v float64) {
	var b [4]byte
	if typ == wire.Float32 {
		wire.PutFloat(o, b[:], float32(v))
	} else {
		wire.PutInteger(typ, o, b[:], int64(math.Round(v)))
	}
	words := []uint16{wire.ABCD.Word(b[:]), wire.ABCD.Word(b[2:])}
	u.SetWords(t, first, words[:typ.Words()]...)
}

// Undefine makes addresses holes again.
func (u *Unit) Undefine(t wire.Table, first, n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for i := first; i < first+n && i < len(u.tables[t].words); i++ {
		u.tables[t].words[i], u.tables[t].defined[i] = 0, false
	}
}

// Word returns a register.
func (u *Unit) Word(t wire.Table, address int) uint16 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.tables[t].get(address)
}

// Bit returns a coil or discrete input.
func (u *Unit) Bit(t wire.Table, address int) bool { return u.Word(t, address) != 0 }

func (t *table) set(address int, w uint16) {
	for len(t.words) <= address {
		t.words = append(t.words, 0)
		t.defined = append(t.defined, false)
	}
	t.words[address], t.defined[address] = w, true
}

func (t *table) get(address int) uint16 {
	if address < len(t.words) {
		return t.words[address]
	}
	return 0
}

func (t *table) has(first, n int) bool {
	for i := first; i < first+n; i++ {
		if i >= len(t.defined) || !t.defined[i] {
			return false
		}
	}
	return true
}

// answer computes the answer to a request and the fault to apply to it.
func (u *Unit) answer(q wire.ADU, buf []byte) (wire.ADU, Fault) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.requests++
	f := u.fault
	if f.Times > 0 {
		if u.fault.Times--; u.fault.Times == 0 {
			u.fault = Fault{}
		}
	}
	data, refused := u.do(q, buf, f.Short)
	if f.Exception != 0 {
		refused = f.Exception
	}
	a := wire.ADU{Transaction: q.Transaction, Unit: q.Unit, Function: q.Function, Data: data}
	if refused != 0 {
		a.Function |= wire.Refuses
		a.Data = append(buf[:0], byte(refused))
	}
	if f.WrongTransaction {
		a.Transaction += 1000
	}
	if f.WrongUnit {
		a.Unit++
	}
	if f.WrongFunction {
		a.Function = a.Function%4 + 1
	}
	return a, f
}

// do carries a request out and returns the data of the answer.
func (u *Unit) do(q wire.ADU, buf []byte, short bool) ([]byte, wire.Exception) {
	if _, reads := wire.TableOf(q.Function); !reads {
		return u.write(q)
	}
	r, refused := wire.ParseReadRequest(q.Function, q.Data)
	if refused != 0 {
		return nil, refused
	}
	if len(u.asked) == 1000 {
		u.asked = append(u.asked[:0], u.asked[500:]...)
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
	data := append(buf[:0], make([]byte, n+1)...)
	for i := range r.Count {
		if w := t.get(r.First + i); r.Table.Bits() {
			wire.PutBit(data[1:], i, w != 0)
		} else {
			wire.ABCD.PutWord(data[1+2*i:], w)
		}
	}
	if short && r.Table.Bits() {
		n--
	} else if short {
		n -= 2
	}
	data[0] = byte(n)
	return data[:n+1], 0
}

// write carries out functions 5, 6, 15 and 16 (MAP 6.5, 6.6, 6.11, 6.12).
func (u *Unit) write(q wire.ADU) ([]byte, wire.Exception) {
	switch q.Function {
	case 5, 6, 15, 16:
	default:
		return nil, wire.IllegalFunction
	}
	if len(q.Data) < 4 {
		return nil, wire.IllegalValue
	}
	first, v := int(wire.ABCD.Word(q.Data)), wire.ABCD.Word(q.Data[2:])
	switch q.Function {
	case 5:
		if len(q.Data) != 4 || v != 0 && v != 0xff00 {
			return nil, wire.IllegalValue
		}
		return q.Data, u.store(wire.Coil, first, []uint16{v >> 15})
	case 6:
		if len(q.Data) != 4 {
			return nil, wire.IllegalValue
		}
		return q.Data, u.store(wire.HoldingRegister, first, []uint16{v})
	}
	t, limit := wire.HoldingRegister, 123
	if q.Function == 15 {
		t, limit = wire.Coil, 1968
	}
	if n := int(v); n < 1 || n > limit || len(q.Data) != 5+t.AnswerBytes(n) {
		return nil, wire.IllegalValue
	}
	words := make([]uint16, v)
	for i := range words {
		if t.Bits() && wire.Bit(q.Data[5:], i) {
			words[i] = 1
		} else if !t.Bits() {
			words[i] = wire.ABCD.Word(q.Data[5+2*i:])
		}
	}
	return q.Data[:4], u.store(t, first, words)
}

func (u *Unit) store(t wire.Table, first int, words []uint16) wire.Exception {
	if first+len(words) > 1<<16 || u.holes && !u.tables[t].has(first, len(words)) {
		return wire.IllegalAddress
	}
	for i, w := range words {
		u.tables[t].set(first+i, w)
	}
	return 0
}
