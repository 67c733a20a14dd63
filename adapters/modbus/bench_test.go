package modbus

import (
	"net"
	"strconv"
	"testing"
	"time"

	gb "github.com/goburrow/modbus"

	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/sniffer"
)

func benchServer(b *testing.B) int {
	s := modbustest.NewServer()
	s.Unit(1).SetWords(wire.HoldingRegister, 0, make([]uint16, 100)...)
	return serve(b, s)
}

// Ten holding registers per request on one connection.
func BenchmarkBareGoburrow(b *testing.B) {
	h := gb.NewTCPClientHandler(net.JoinHostPort("127.0.0.1", strconv.Itoa(benchServer(b))))
	h.SlaveId, h.Timeout = 1, time.Second
	defer h.Close()
	client := gb.NewClient(h)
	for b.Loop() {
		if data, err := client.ReadHoldingRegisters(0, 10); err != nil || len(data) != 20 {
			b.Fatal(len(data), err)
		}
	}
}

// The same through our line, with a tap as every device has one.
func BenchmarkTransport(b *testing.B) {
	p := newPool(quick)
	l := p.acquire("127.0.0.1", benchServer(b))
	defer p.release(l)
	c := &call{ctx: b.Context(), timeout: time.Second, unit: 1, node: "plc/1", tap: sniffer.NewTap()}
	r := wire.ReadRequest{Table: wire.HoldingRegister, First: 0, Count: 10}
	for b.Loop() {
		if err := l.read(c, r); err != nil {
			b.Fatal(err)
		}
	}
}
