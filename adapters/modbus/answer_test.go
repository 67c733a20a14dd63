package modbus

import (
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// TestAnswersAreKept: what a function answered is the caller's; the next transaction
// on the line, somebody else's perhaps, does not change it.
func TestAnswersAreKept(t *testing.T) {
	for _, c := range []struct {
		name   string
		kind   endpointKind
		server func() *modbustest.Server
	}{
		{"tcp", kindTCP, modbustest.NewServer},
		{"rtu over tcp", kindRTUOverTCP, modbustest.NewRTUServer},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.server()
			s.Unit(1).Identify(modbustest.Identity{ServerID: []byte("SC-11"), Running: true})
			s.Unit(1).SetWords(wire.HoldingRegister, 0, 0x5858, 0x5858, 0x5858, 0x5858)
			p := newPool(quick)
			l := p.acquire(networkEndpoint(c.kind, "127.0.0.1", serve(t, s)))
			defer p.release(l)
			first := &call{ctx: t.Context(), timeout: 5 * time.Second, unit: 1}
			data, err := l.do(first, wire.ReportServerID, nil)
			if err != nil {
				t.Fatal(err)
			}
			before := string(data)
			other := &call{ctx: t.Context(), timeout: 5 * time.Second, unit: 1}
			if err := l.read(other, wire.ReadRequest{Table: wire.HoldingRegister, First: 0, Count: 4}); err != nil {
				t.Fatal(err)
			}
			if id, err := wire.ParseServerID(data); string(data) != before || err != nil || id.Text() != "SC-11" {
				t.Errorf("the answer was % x and is now % x, %q, %v", before, data, id.Text(), err)
			}
		})
	}
}
