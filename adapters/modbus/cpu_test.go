package modbus

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	gb "github.com/goburrow/modbus"

	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
	"github.com/fieldhub/hub/sniffer"
)

// serverEnv makes the test binary a device server in a process of its own, whose
// processor time is not counted.
const serverEnv = "HUB_MODBUS_TEST_SERVER"

func serveAlone() {
	s := modbustest.NewServer()
	s.Unit(1).SetWords(wire.HoldingRegister, 0, make([]uint16, 125)...)
	if err := s.Listen("127.0.0.1:0"); err != nil {
		panic(err)
	}
	fmt.Println(s.Addr())
	if err := s.Run(context.Background()); err != nil {
		panic(err)
	}
}

func serverApart(b *testing.B) string {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverEnv+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	addr, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(addr)
}

func processorTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkProcessor compares the processor time of a request, kernel included, of
// bare goburrow and of a line: in turn, ten connections each, medians of 15 rounds.
func BenchmarkProcessor(b *testing.B) {
	const connections, requests, rounds = 10, 300, 15
	addr := serverApart(b)
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		b.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		b.Fatal(err)
	}
	var bare, ours []func() error
	for range connections {
		h := gb.NewTCPClientHandler(addr)
		h.SlaveId, h.Timeout = 1, time.Second
		defer h.Close()
		client := gb.NewClient(h)
		bare = append(bare, func() error { _, err := client.ReadHoldingRegisters(0, 30); return err })
		p := newPool(quick)
		l := p.acquire(networkEndpoint(kindTCP, host, port))
		defer p.release(l)
		c := &call{ctx: b.Context(), timeout: time.Second, unit: 1, node: "plc/1", tap: sniffer.NewTap()}
		ours = append(ours, func() error {
			return l.read(c, wire.ReadRequest{Table: wire.HoldingRegister, First: 0, Count: 30})
		})
	}
	one := func(list []func() error) time.Duration {
		before := processorTime(b)
		for range requests {
			for _, ask := range list {
				if err := ask(); err != nil {
					b.Fatal(err)
				}
			}
		}
		return (processorTime(b) - before) / (requests * connections)
	}
	var bares, lines []time.Duration
	for b.Loop() {
		for range rounds {
			bares = append(bares, one(bare))
			lines = append(lines, one(ours))
		}
	}
	slices.Sort(bares)
	slices.Sort(lines)
	x, y := bares[len(bares)/2], lines[len(lines)/2]
	b.ReportMetric(float64(x.Nanoseconds()), "bare-ns/request")
	b.ReportMetric(float64(y.Nanoseconds()), "line-ns/request")
	b.ReportMetric(float64(x)/float64(y), "ratio")
	b.ReportMetric(0, "ns/op")
}
