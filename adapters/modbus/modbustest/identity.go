package modbustest

import (
	"maps"
	"slices"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// Identity is what a unit says about itself.
type Identity struct {
	// ServerID is answered to function 17, with Running behind it; nil: the unit
	// does not know the function.
	ServerID []byte
	Running  bool
	// Objects are the texts of function 43/14 by object id: 0 to 2 are vendor,
	// product and version, 3 to 6 regular, from 128 on extended; nil: the unit does
	// not know the function.
	Objects map[byte]string
	// PerAnswer is how many objects go into one answer; 0: as many as fit.
	PerAnswer int
}

// Identify sets what the unit says about itself.
func (u *Unit) Identify(i Identity) {
	u.mu.Lock()
	defer u.mu.Unlock()
	i.Objects = maps.Clone(i.Objects)
	u.identity = i
}

// serverID carries out function 17 (MAP 6.13).
func (u *Unit) serverID(data []byte) ([]byte, wire.Exception) {
	id := u.identity.ServerID
	if id == nil {
		return nil, wire.IllegalFunction
	}
	if len(data) != 0 || len(id) > 200 {
		return nil, wire.IllegalValue
	}
	out := append([]byte{byte(len(id) + 1)}, id...)
	if u.identity.Running {
		return append(out, 0xff), 0
	}
	return append(out, 0), 0
}

// identify carries out function 43/14, with more answers when the objects do not
// fit into one (MAP 6.21).
func (u *Unit) identify(data []byte) ([]byte, wire.Exception) {
	objects := u.identity.Objects
	if objects == nil {
		return nil, wire.IllegalFunction
	}
	if len(data) < 1 || data[0] != 14 {
		return nil, wire.IllegalFunction
	}
	if len(data) != 3 || data[1] < 1 || data[1] > 4 {
		return nil, wire.IllegalValue
	}
	code, first := data[1], data[2]
	conformity := byte(0x81)
	for id := range objects {
		switch {
		case id > 0x7f:
			conformity = 0x83
		case id > 2 && conformity < 0x82:
			conformity = 0x82
		}
	}
	last := map[byte]byte{1: 2, 2: 0x7f, 3: 0xff}[code]
	if code == 4 {
		if last = first; objects[first] == "" {
			return nil, wire.IllegalAddress
		}
	} else if _, ok := objects[first]; !ok {
		first = 0 // MAP: an unknown start means the beginning
	}
	out := []byte{14, code, conformity, 0, 0, 0}
	for _, id := range slices.Sorted(maps.Keys(objects)) {
		if id < first || id > last {
			continue
		}
		text := objects[id]
		if per := u.identity.PerAnswer; len(out)+2+len(text) > 250 || per > 0 && int(out[5]) >= per {
			out[3], out[4] = 0xff, id
			break
		}
		out = append(append(out, id, byte(len(text))), text...)
		out[5]++
	}
	return out, 0
}
