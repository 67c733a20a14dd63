package modbus

import (
	"fmt"
	"io"
	"log"
	"net"
	"sync"
	"testing"
	"time"

	vetter "github.com/simonvetter/modbus"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
)

// vetterDevice is a device behind the server of simonvetter/modbus: unit 1 holds
// the address times 3 in its input and holding registers, every third coil and
// discrete input is on, and addresses from 2000 on do not exist. Other units are
// refused. What is written stays.
type vetterDevice struct {
	mu      sync.Mutex
	coils   [2000]bool
	holding [2000]uint16
	writes  int
}

func newVetterDevice() *vetterDevice {
	d := &vetterDevice{}
	for i := range d.holding {
		d.holding[i], d.coils[i] = uint16(3*i), i%3 == 0
	}
	return d
}

func (d *vetterDevice) check(unit uint8, first, n uint16) error {
	switch {
	case unit != 1:
		return vetter.ErrGWTargetFailedToRespond
	case int(first)+int(n) > len(d.holding):
		return vetter.ErrIllegalDataAddress
	}
	return nil
}

func (d *vetterDevice) HandleCoils(q *vetter.CoilsRequest) ([]bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(q.UnitId, q.Addr, q.Quantity); err != nil {
		return nil, err
	}
	if q.IsWrite {
		d.writes++
		copy(d.coils[q.Addr:], q.Args)
	}
	return append([]bool(nil), d.coils[q.Addr:q.Addr+q.Quantity]...), nil
}

func (d *vetterDevice) HandleDiscreteInputs(q *vetter.DiscreteInputsRequest) ([]bool, error) {
	return d.HandleCoils(&vetter.CoilsRequest{UnitId: q.UnitId, Addr: q.Addr, Quantity: q.Quantity})
}

func (d *vetterDevice) HandleHoldingRegisters(q *vetter.HoldingRegistersRequest) ([]uint16, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.check(q.UnitId, q.Addr, q.Quantity); err != nil {
		return nil, err
	}
	if q.IsWrite {
		d.writes++
		copy(d.holding[q.Addr:], q.Args)
	}
	return append([]uint16(nil), d.holding[q.Addr:q.Addr+q.Quantity]...), nil
}

func (d *vetterDevice) HandleInputRegisters(q *vetter.InputRegistersRequest) ([]uint16, error) {
	return d.HandleHoldingRegisters(&vetter.HoldingRegistersRequest{UnitId: q.UnitId, Addr: q.Addr, Quantity: q.Quantity})
}

// freePort returns a port of 127.0.0.1 where nothing listens.
func freePort(t testing.TB) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return portOf(t, ln.Addr().String())
}

// vetterServer runs the server of simonvetter/modbus and returns its port.
func vetterServer(t *testing.T, d *vetterDevice, clients uint) int {
	t.Helper()
	port := freePort(t)
	s, err := vetter.NewServer(&vetter.ServerConfiguration{URL: fmt.Sprintf("tcp://127.0.0.1:%d", port),
		Timeout: time.Minute, MaxClients: clients, Logger: log.New(io.Discard, "", 0)}, d)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Stop() })
	return port
}

// The server of simonvetter/modbus: all tables, requests of full length, an address
// and a unit that it refuses.
func TestVetter(t *testing.T) {
	t.Parallel()
	want := make(map[string]nodes.Value)
	var registers []*nodes.Node
	for _, table := range wire.Tables {
		for a := 0; a < 2000; a += 7 {
			n := registerNode(fmt.Sprint(table, a), table, a, "")
			registers = append(registers, n)
			if want["gw/one/"+n.Name] = nodes.Int32(int32(3 * a)); table.Bits() {
				want["gw/one/"+n.Name] = nodes.Bool(a%3 == 0)
			}
		}
	}
	registers = append(registers, registerNode("beyond", wire.HoldingRegister, 2000, ""))
	n := gatewayNode(t, vetterServer(t, newVetterDevice(), 1), unitNode("one", 1, registers...), unitNode("two", 2, registerNode("r", wire.Coil, 0, "")))
	n.Params["Timeout"] = nodes.Duration(0, 2*time.Second)
	n.Params["PollInterval"] = nodes.Duration(0, 300*time.Millisecond)
	d := adaptertest.Start(t, factory(hasty), n)
	for id, v := range want {
		d.Host.Wait(t, 20*time.Second, id, func() bool { return d.Host.Count(id) > 0 })
		if got := d.Host.Value(id); got != v {
			t.Errorf("%s: got %v (%v), want %v", id, got, d.Host.Err(id), v)
		}
	}
	for _, id := range []string{"gw/one/beyond", "gw/two/r"} {
		d.Host.Wait(t, 20*time.Second, "an error of "+id, func() bool { return d.Host.Err(id) != nil })
	}
}

// What we write, the server of simonvetter/modbus keeps, once.
func TestVetterWrites(t *testing.T) {
	t.Parallel()
	device := newVetterDevice()
	writable := func(name string, table wire.Table, address int, typ string) *nodes.Node {
		return registerNode(name, table, address, typ, "Writable", nodes.Bool(true))
	}
	n := gatewayNode(t, vetterServer(t, device, 1), unitNode("one", 1,
		writable("coil", wire.Coil, 1, ""), writable("word", wire.HoldingRegister, 7, "uint16"), writable("long", wire.HoldingRegister, 8, "int32")))
	n.Params["Timeout"] = nodes.Duration(0, 2*time.Second)
	d := adaptertest.Start(t, factory(hasty), n)
	s := setter(t, d)
	for name, v := range map[string]nodes.Value{"coil": nodes.Bool(true), "word": nodes.Int32(4711), "long": nodes.Int32(-2)} {
		if o := set(t, s, "gw/one/"+name, name, v, 2*soon); !o.State.Good() {
			t.Errorf("%s: got %v (%v)", name, o.State, o.Err)
		}
	}
	device.mu.Lock()
	defer device.mu.Unlock()
	if !device.coils[1] || device.holding[7] != 4711 || device.holding[8] != 0xffff || device.holding[9] != 0xfffe || device.writes != 3 {
		t.Errorf("coil %v, registers %v, %d writes", device.coils[1], device.holding[7:10], device.writes)
	}
}
