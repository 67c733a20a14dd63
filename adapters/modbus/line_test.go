package modbus

import (
	"context"
	"errors"
	"flag"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldhub/hub/adapters/modbus/modbustest"
	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// Tests wait more than they work: many at a time do not disturb each other.
func TestMain(m *testing.M) {
	if os.Getenv(serverEnv) != "" {
		serveAlone()
		return
	}
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

// serve runs a server until the test ends and returns its port.
func serve(t testing.TB, s *modbustest.Server) int {
	t.Helper()
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("server: %v", err)
		}
	})
	return portOf(t, s.Addr())
}

func portOf(t testing.TB, addr string) int {
	t.Helper()
	_, text, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

var quick = pause{10 * time.Millisecond, 80 * time.Millisecond}

// What each fault of the peer does to a request, and that the next one works.
func TestLineFaults(t *testing.T) {
	silent := func(err error) bool { var e *silentError; return errors.As(err, &e) }
	broken := func(err error) bool { var e *brokenError; return errors.As(err, &e) }
	answer := func(err error) bool { var e *answerError; return errors.As(err, &e) }
	none := func(err error) bool { return err == nil }
	for _, tt := range []struct {
		name  string
		fault modbustest.Fault
		want  func(error) bool
		text  string // part of the message
		conns int    // connections after the next, good request
	}{
		{"health", modbustest.Fault{}, none, "", 1},
		{"silent", modbustest.Fault{Silent: true}, silent, "no answer within 100ms", 1},
		{"late", modbustest.Fault{Delay: 150 * time.Millisecond}, silent, "no answer", 1},
		{"wrong transaction", modbustest.Fault{WrongTransaction: true}, silent, "late or foreign", 1},
		{"wrong unit", modbustest.Fault{WrongUnit: true}, silent, "an answer of unit 2", 1},
		{"wrong function", modbustest.Fault{WrongFunction: true}, silent, "an answer to function 4", 1},
		{"short", modbustest.Fault{Short: true}, answer, "18 bytes in place of 20", 1},
		{"exception", modbustest.Fault{Exception: wire.DeviceBusy}, func(err error) bool { return err == wire.DeviceBusy }, "busy", 1},
		{"split", modbustest.Fault{Split: true}, none, "", 1},
		{"duplicate", modbustest.Fault{Duplicate: true}, none, "", 1},
		{"damaged", modbustest.Fault{Damaged: true}, broken, "not a Modbus TCP frame", 2},
		{"close once", modbustest.Fault{Close: true}, none, "", 2},
		{"close twice", modbustest.Fault{Close: true, Times: 2}, broken, "closed", 3},
		{"close in mid-frame", modbustest.Fault{CloseMidFrame: true}, none, "", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := modbustest.NewServer()
			u := s.Unit(1)
			for i := range 20 {
				u.SetWords(wire.HoldingRegister, i, uint16(100+i))
			}
			p := newPool(quick)
			l := p.acquire(networkEndpoint(kindTCP, "127.0.0.1", serve(t, s)))
			defer p.release(l)
			c := &call{ctx: t.Context(), timeout: 100 * time.Millisecond, unit: 1}
			ask := func(first int) error {
				err := l.read(c, wire.ReadRequest{Table: wire.HoldingRegister, First: first, Count: 10})
				if err == nil {
					for i := range 10 {
						if got, want := wire.ABCD.Word(c.data[2*i:]), uint16(100+first+i); got != want {
							t.Fatalf("register %d: got %d, want %d", first+i, got, want)
						}
					}
				}
				return err
			}
			if err := ask(0); err != nil {
				t.Fatalf("before: %v", err)
			}
			if tt.fault.Times == 0 {
				tt.fault.Times = 1
			}
			u.SetFault(tt.fault)
			err := ask(5)
			if !tt.want(err) {
				t.Fatalf("got error %T %v", err, err)
			}
			if tt.text != "" && !strings.Contains(err.Error(), tt.text) {
				t.Errorf("got %q, want it to hold %q", err, tt.text)
			}
			for i := range 5 {
				if err := ask(i); err != nil {
					t.Fatalf("after, request %d: %v", i, err)
				}
			}
			if _, total := s.Connections(); total != tt.conns {
				t.Errorf("got %d connections, want %d", total, tt.conns)
			}
		})
	}
}

func TestLineReplacesDeafConnection(t *testing.T) {
	s := modbustest.NewServer()
	u := s.Unit(1)
	p := newPool(quick)
	l := p.acquire(networkEndpoint(kindTCP, "127.0.0.1", serve(t, s)))
	defer p.release(l)
	c := &call{ctx: t.Context(), timeout: 20 * time.Millisecond, unit: 1}
	r := wire.ReadRequest{Table: wire.Coil, First: 0, Count: 1}
	u.SetFault(modbustest.Fault{Silent: true, Times: deafAfter})
	for range deafAfter {
		if err := l.read(c, r); err == nil {
			t.Fatal("a silent unit answered")
		}
	}
	c.timeout = time.Second
	if err := l.read(c, r); err != nil {
		t.Fatal(err)
	}
	if _, total := s.Connections(); total != 2 {
		t.Errorf("got %d connections, want 2", total)
	}
}

func TestLineDownAndBack(t *testing.T) {
	s := modbustest.NewServer()
	s.Unit(1)
	if err := s.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	addr := s.Addr()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Run(ctx); err != nil {
		t.Fatal(err)
	}
	p := newPool(quick)
	l := p.acquire(networkEndpoint(kindTCP, "127.0.0.1", portOf(t, addr)))
	defer p.release(l)
	c := &call{ctx: t.Context(), timeout: time.Second, unit: 1}
	r := wire.ReadRequest{Table: wire.Coil, First: 0, Count: 1}
	var down *downError
	if err := l.read(c, r); !errors.As(err, &down) || !strings.Contains(err.Error(), "connection refused") {
		t.Fatalf("got %v, want connection refused", err)
	}
	retry := down.retry
	if err := l.read(c, r); !errors.As(err, &down) || !down.retry.Equal(retry) {
		t.Errorf("during the pause: got %v, want the same refusal without an attempt", err)
	}
	if err := s.Listen(addr); err != nil {
		t.Fatal(err)
	}
	ctx, cancel = context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	time.Sleep(time.Until(retry))
	if err := l.read(c, r); err != nil {
		t.Errorf("after the pause: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestLineCancelled(t *testing.T) {
	s := modbustest.NewServer()
	u := s.Unit(1)
	p := newPool(quick)
	l := p.acquire(networkEndpoint(kindTCP, "127.0.0.1", serve(t, s)))
	defer p.release(l)
	r := wire.ReadRequest{Table: wire.Coil, First: 0, Count: 1}
	u.SetFault(modbustest.Fault{Silent: true, Times: 1})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := l.read(&call{ctx: ctx, timeout: 10 * time.Second, unit: 1}, r); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the end of the context", err)
	}
	if took := time.Since(start); took > time.Second {
		t.Errorf("took %v", took)
	}
	if err := l.read(&call{ctx: t.Context(), timeout: time.Second, unit: 1}, r); err != nil {
		t.Errorf("the next request: %v", err)
	}
}

func TestPoolShares(t *testing.T) {
	p := newPool(quick)
	a, b := p.acquire(networkEndpoint(kindTCP, "PLC", 502)), p.acquire(networkEndpoint(kindTCP, "plc", 502))
	other := p.acquire(networkEndpoint(kindTCP, "plc", 503))
	if a != b || a == other {
		t.Error("one line for each address: it is not so")
	}
	p.release(a)
	p.release(other)
	if len(p.lines) != 1 {
		t.Errorf("got %d lines, want 1", len(p.lines))
	}
	p.release(b)
	if len(p.lines) != 0 {
		t.Errorf("got %d lines, want none", len(p.lines))
	}
}

func TestGateLetsUrgentPass(t *testing.T) {
	var g gate
	ctx := t.Context()
	if err := g.enter(ctx, polling); err != nil {
		t.Fatal(err)
	}
	order := make(chan string, 2)
	wait := func(name string, p priority, queued int) {
		go func() {
			if g.enter(ctx, p) == nil {
				order <- name
				g.leave()
			}
		}()
		for n := 0; n < queued; time.Sleep(time.Millisecond) {
			g.mu.Lock()
			n = len(g.waiting[0]) + len(g.waiting[1])
			g.mu.Unlock()
		}
	}
	wait("poll", polling, 1)
	wait("read", reading, 2)
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	if err := g.enter(short, reading); err == nil {
		t.Error("entered a busy gate")
	}
	g.leave()
	if first, second := <-order, <-order; first != "read" || second != "poll" {
		t.Errorf("got %s, %s; want read, poll", first, second)
	}
}

// A connection that the peer closed while it was idle costs a write nothing: it is
// found before the request is sent.
func TestLineWritesOverClosedConnection(t *testing.T) {
	s := modbustest.NewServer()
	u := s.Unit(1)
	p := newPool(quick)
	l := p.acquire(networkEndpoint(kindTCP, "127.0.0.1", serve(t, s)))
	defer p.release(l)
	c := &call{ctx: t.Context(), timeout: 2 * time.Second, unit: 1}
	if err := l.read(c, wire.ReadRequest{Table: wire.HoldingRegister, First: 0, Count: 1}); err != nil {
		t.Fatal(err)
	}
	s.Drop()
	for open := 1; open > 0; open, _ = s.Connections() {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(10 * time.Millisecond) // the end is on its way
	for i := range 3 {
		w := wire.WriteRequest{Function: wire.WriteRegister, Table: wire.HoldingRegister, First: i, Words: []uint16{7}}
		if err := l.write(c, w); err != nil {
			t.Errorf("write %d: %v", i, err)
		}
	}
	if got := len(u.Writes()); got != 3 {
		t.Errorf("the unit got %d writes, want 3", got)
	}
}
