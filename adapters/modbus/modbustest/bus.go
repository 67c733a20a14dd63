package modbustest

import (
	"sync"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// Bus is a set of units by id, as they are behind a gateway or on a line. Safe for
// concurrent use.
type Bus struct {
	mu    sync.Mutex
	units map[byte]*Unit
	held  []heldAnswer
	out   func([]byte)
}

// heldAnswer is what [Fault.Held] keeps.
type heldAnswer struct {
	conn any // where it goes
	out  []byte
}

// Unit returns the unit with that id, which it makes when there is none.
func (s *Bus) Unit(id byte) *Unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.units == nil {
		s.units = make(map[byte]*Unit)
	}
	u := s.units[id]
	if u == nil {
		u = &Unit{}
		s.units[id] = u
	}
	return u
}

// Send sends bytes unasked, as another master or a fault would: on all connections
// of a server, or on a line as soon as it is free.
func (s *Bus) Send(b []byte) {
	if s.out != nil {
		s.out(b)
	}
}

// Remove takes a unit off the bus: requests to it are not answered any more. A
// unit made with that id later is another one.
func (s *Bus) Remove(id byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.units, id)
}

func (s *Bus) find(id byte) *Unit {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.units[id]
}

// broadcast has every unit carry a request out.
func (s *Bus) broadcast(q wire.ADU) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var buf [wire.MaxADU]byte
	for _, u := range s.units {
		u.answer(q, buf[:])
	}
}

// hold keeps an answer until release.
func (s *Bus) hold(conn any, out []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = append(s.held, heldAnswer{conn, out})
}

// release returns what was held for conn.
func (s *Bus) release(conn any) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []byte
	kept := s.held[:0]
	for _, h := range s.held {
		if h.conn == conn {
			out = append(out, h.out...)
		} else {
			kept = append(kept, h)
		}
	}
	s.held = kept
	return out
}
