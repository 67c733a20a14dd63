package modbus

import (
	"net"
	"strconv"
	"testing"
	"time"

	gb "github.com/goburrow/modbus"

	"github.com/fieldhub/hub/adapters/adaptertest"
	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/nodes"
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
	l := p.acquire(networkEndpoint(kindTCP, "127.0.0.1", benchServer(b)))
	defer p.release(l)
	c := &call{ctx: b.Context(), timeout: time.Second, unit: 1, node: "plc/1", tap: sniffer.NewTap()}
	r := wire.ReadRequest{Table: wire.HoldingRegister, First: 0, Count: 10}
	for b.Loop() {
		if err := l.read(c, r); err != nil {
			b.Fatal(err)
		}
	}
}

// Both in turn, medians of 15 rounds; the ratio is that of the rates.
func BenchmarkSpeed(b *testing.B) {
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(benchServer(b)))
	for b.Loop() {
		bare, line, err := Speed(b.Context(), addr, 15, 2000)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(bare.Nanoseconds()), "bare-ns/request")
		b.ReportMetric(float64(line.Nanoseconds()), "line-ns/request")
		b.ReportMetric(float64(bare)/float64(line), "ratio")
	}
}

// A whole device without a network delay: how many values a second it can carry,
// polled as fast as it goes.
func BenchmarkValues(b *testing.B) {
	port := benchServer(b)
	var registers []*nodes.Node
	for i := range 100 {
		registers = append(registers, registerNode("r"+strconv.Itoa(i), wire.HoldingRegister, i, "int16", "Scale", nodes.Quantity(0.1, 1, "")))
	}
	n := gatewayNode(b, port, unitNode("u", 1, registers...))
	n.Params["PollInterval"] = nodes.Duration(0, time.Microsecond)
	d := adaptertest.Start(b, factory(hasty), n)
	d.Host.Wait(b, soon, "a reading", func() bool { return d.Host.Reports() > 0 })
	before := d.Host.Reports()
	for b.Loop() {
		time.Sleep(100 * time.Millisecond)
	}
	b.ReportMetric(float64(d.Host.Reports()-before)*100/b.Elapsed().Seconds(), "values/s")
}
