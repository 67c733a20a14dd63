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
	pause    time.Duration
	refused  [256]bool // function codes
	identity Identity
	last     time.Time // when it heard the last request
	requests int
	asked    []wire.ReadRequest
	writes   []Write
}

type table struct {
	words   []uint16 // bits are 0 or 1
	defined []bool
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

// NeedPause makes the unit deaf to requests that come sooner than d after the last
// one that it heard.
func (u *Unit) NeedPause(d time.Duration) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.pause = d
}

// Refuse makes the unit refuse functions with exception 1, in place of those named
// before.
func (u *Unit) Refuse(functions ...byte) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.refused = [256]bool{}
	for _, f := range functions {
		u.refused[f] = true
	}
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

// Writes returns the last requests to write that were well formed, at most 1000,
// the oldest first: also those that were refused, and those whose answer was lost.
func (u *Unit) Writes() []Write {
	u.mu.Lock()
	defer u.mu.Unlock()
	return append([]Write(nil), u.writes...)
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

// SetNumber sets a value of a numeric type.
func (u *Unit) SetNumber(t wire.Table, first int, typ wire.Type, o wire.Order, v float64) {
	var b [8]byte
	switch typ {
	case wire.Float16, wire.Float32, wire.Float64:
		wire.PutRaw(typ, o, b[:], typ.FromFloat(v))
	default:
		wire.PutInteger(typ, o, b[:], int64(math.Round(v)))
	}
	var words [4]uint16
	for i := range words {
		words[i] = wire.ABCD.Word(b[2*i:])
	}
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
