package bench

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fieldhub/hub/adapters/modbus/wire"
)

// The plant: so many endpoints, units on each, and registers of each unit in
// three ranges with holes.
const (
	endpoints = 10
	units     = 50
	interval  = time.Second
)

// wanted are the registers of each unit that are read.
var wanted = func() (list []int) {
	for _, base := range []int{0, 100, 200} {
		for _, a := range []int{0, 1, 2, 4, 5, 6, 9, 10, 12, 13} {
			list = append(list, base+a)
		}
	}
	return list
}()

const space = 214 // registers that a unit has, the holes included

// tick is the step of time in which values change; word is what a register holds
// at a time, so that a value tells when it was served.
const tick = 50 * time.Millisecond

func word(endpoint, unit, address int, at time.Time) uint16 {
	return uint16(at.UnixMilli()/tick.Milliseconds()) + offset(endpoint, unit, address)
}

func offset(endpoint, unit, address int) uint16 {
	return uint16(endpoint*7919 + unit*613 + address*31)
}

// served returns when a value was served, the latest such time before a later one.
func served(endpoint, unit, address int, value uint16, before time.Time) time.Time {
	now := before.UnixMilli() / tick.Milliseconds()
	age := uint16(now) - (value - offset(endpoint, unit, address))
	return time.UnixMilli((now - int64(age)) * tick.Milliseconds())
}

// plantKind is how the plant behaves.
type plantKind struct {
	Dead  bool // one unit of twenty does not answer
	Holes bool // addresses that nobody wants are refused
}

func (k plantKind) dead(endpoint, unit int) bool {
	return k.Dead && (endpoint*units+unit)%20 == 0
}

// score is what a plant saw in a window.
type score struct {
	Seconds  float64
	Values   int // wanted registers served
	Requests int
	Refused  int
	Expected int // readings of registers of living units that were due
	Missed   int // those of them that came not, or late: more than a quarter of the interval
}

func (s score) onTime() float64 { return 100 * (1 - float64(s.Missed)/float64(s.Expected)) }

// plant is the simulated plant, in a process of its own.
type plant struct {
	addrs []string
	in    *bufio.Scanner
	out   *os.File
}

func startPlant(t *testing.T, k plantKind) *plant {
	t.Helper()
	kind, err := json.Marshal(k)
	if err != nil {
		t.Fatal(err)
	}
	c := child(t, "plant", string(kind))
	in, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	c.Stdin = r
	start(t, c)
	r.Close()
	t.Cleanup(func() { w.Close() }) // not before: the plant ends with its input
	p := &plant{in: bufio.NewScanner(in), out: w}
	p.in.Buffer(nil, 1<<20)
	p.in.Scan()
	p.addrs = strings.Fields(p.in.Text())
	if len(p.addrs) != endpoints {
		t.Fatalf("the plant said %q", p.in.Text())
	}
	return p
}

// window ends a window and begins the next.
func (p *plant) window(t *testing.T) score {
	t.Helper()
	fmt.Fprintln(p.out)
	var s score
	if !p.in.Scan() {
		t.Fatal("the plant is gone")
	}
	if err := json.Unmarshal(p.in.Bytes(), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// child is this program in another role, see TestMain.
func child(t *testing.T, role string, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command(exe, args...)
	c.Env = append(os.Environ(), "HUB_BENCH_ROLE="+role)
	return c
}

// start starts a process that ends with the test.
func start(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if c.Stderr == nil {
		c.Stderr = os.Stderr
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Kill()
		c.Wait() // it was killed
	})
}

// unitRecord is what the plant notes of a unit.
type unitRecord struct {
	mu       sync.Mutex
	last     [space]time.Time
	values   int
	requests int
	refused  int
	missed   int
}

// runPlant is the process: it prints the addresses, and a score for each line that
// it reads.
func runPlant(kind string) {
	var k plantKind
	if err := json.Unmarshal([]byte(kind), &k); err != nil {
		panic(err)
	}
	isWanted := make([]bool, space)
	for _, a := range wanted {
		isWanted[a] = true
	}
	var addrs []string
	records := make([]unitRecord, endpoints*units)
	for e := range endpoints {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			panic(err)
		}
		addrs = append(addrs, ln.Addr().String())
		go func() {
			for {
				conn, err := ln.Accept()
				if err != nil {
					panic(err)
				}
				go servePlant(conn, k, e, records[e*units:(e+1)*units], isWanted)
			}
		}()
	}
	fmt.Println(strings.Join(addrs, " "))
	began := time.Now()
	for i := range records {
		records[i].begin(began)
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		now := time.Now()
		s := score{Seconds: now.Sub(began).Seconds()}
		began = now
		for i := range records {
			records[i].add(&s, now, k.dead(i/units, i%units))
			records[i].begin(now)
		}
		b, err := json.Marshal(s)
		if err != nil {
			panic(err)
		}
		fmt.Println(string(b))
	}
}

func (r *unitRecord) begin(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.values, r.requests, r.refused, r.missed = 0, 0, 0, 0
	for i := range r.last {
		if r.last[i].Before(now.Add(-interval)) {
			r.last[i] = now
		}
	}
}

func (r *unitRecord) add(s *score, now time.Time, dead bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Values, s.Requests, s.Refused = s.Values+r.values, s.Requests+r.requests, s.Refused+r.refused
	if dead {
		return
	}
	s.Expected += int(s.Seconds*float64(time.Second)/float64(interval)) * len(wanted)
	for _, a := range wanted {
		r.late(now.Sub(r.last[a]))
	}
	s.Missed += r.missed
}

// late counts the readings that were left out in a gap.
func (r *unitRecord) late(gap time.Duration) {
	if gap > interval+interval/4 {
		r.missed += max(1, int((gap+interval/2)/interval)-1)
	}
}

// servePlant answers one connection.
func servePlant(conn net.Conn, k plantKind, endpoint int, list []unitRecord, isWanted []bool) {
	defer conn.Close()
	in := bufio.NewReaderSize(conn, 4096)
	out := make([]byte, 0, wire.MaxADU)
	for {
		q, err := in.Peek(12)
		if err != nil {
			return
		}
		unit, function := int(q[6])-1, q[7]
		first, count := int(binary.BigEndian.Uint16(q[8:])), int(binary.BigEndian.Uint16(q[10:]))
		out = append(out[:0], q[0], q[1], 0, 0, 0, 3, q[6], function|wire.Refuses, byte(wire.IllegalAddress))
		in.Discard(12)
		if unit < 0 || unit >= units || function != 3 || k.dead(endpoint, unit) {
			continue
		}
		u := &list[unit]
		now := time.Now()
		u.mu.Lock()
		u.requests++
		good := first+count <= space && count > 0 && count <= wire.MaxRegisters
		for a := first; good && k.Holes && a < first+count; a++ {
			good = isWanted[a]
		}
		if !good {
			u.refused++
		} else {
			out = append(out[:7], function, byte(2*count))
			binary.BigEndian.PutUint16(out[4:], uint16(3+2*count))
			for a := first; a < first+count; a++ {
				out = binary.BigEndian.AppendUint16(out, word(endpoint, unit, a, now))
				if isWanted[a] {
					u.values++
					u.late(now.Sub(u.last[a]))
					u.last[a] = now
				}
			}
		}
		u.mu.Unlock()
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}
