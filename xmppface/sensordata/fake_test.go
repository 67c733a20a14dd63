package sensordata

import (
	"context"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/fieldhub/hub/nodes"
	"github.com/fieldhub/hub/xmppface/ext"
	"github.com/fieldhub/hub/xmppface/ext/exttest"
	"github.com/fieldhub/hub/xmppface/wire"
)

func TestMain(m *testing.M) { exttest.Main(m, func() error { return goleak.Find() }) }

var (
	quiet = slog.New(slog.DiscardHandler)
	at    = time.Date(2026, 8, 20, 10, 11, 12, 345e6, time.UTC)
)

// fake is a backend over some nodes:
//
//	Root   the hub itself, fresh
//	GW/7   fields of all kinds and categories, fresh
//	big    1,000 fields, fresh
//	old    one field that has to be read
//	slow   the same, but it takes until the test says
//	dead   does not answer: the last values and an error
//	folder has no values
//	secret may be seen only
type fake struct {
	fields map[string][]nodes.Field

	mu      sync.Mutex
	hold    chan struct{} // slow answers when it is closed
	reading int
	most    int
	reads   int
	ended   int // reads that their context ended
}

func newFake() *fake {
	field := func(name string, v nodes.Value, c nodes.Category, q nodes.QoS) nodes.Field {
		return nodes.Field{Name: name, Value: v, Time: at, Category: c, QoS: q}
	}
	earlier := field("Peak", nodes.Quantity(31.25, 2, "°C"), nodes.Peak, 0)
	earlier.Time = at.Add(-time.Hour)
	writable := field("Pump", nodes.Bool(true), nodes.Momentary, nodes.AutomaticReadout)
	writable.Writable = true
	f := &fake{hold: make(chan struct{}), fields: map[string][]nodes.Field{
		"Root": {field("Uptime", nodes.Duration(0, 90*time.Minute), nodes.Status, 0), field("Name", nodes.String("a <hub>"), nodes.Identity, 0)},
		"GW/7": {
			field("Temperature", nodes.Quantity(23.5, 2, "°C"), nodes.Momentary, nodes.AutomaticReadout),
			writable, earlier,
			field("Count", nodes.Int32(-7), nodes.Momentary, nodes.Warning),
			field("Total", nodes.Int64(1<<40), nodes.Computed, 0),
			field("State", nodes.Enum("Open", "Valve"), nodes.Status, nodes.Erroneous|nodes.Signed),
			field("Built", nodes.Date(at), nodes.Identity, 0),
			field("Changed", nodes.DateTime(at), nodes.Status, 0),
			field("Daily", nodes.TimeOfDay(90*time.Minute), nodes.Momentary, 0),
			field("Serial & no.", nodes.String("\"7\"\n"), nodes.Identity, 0),
			field("Broken", nodes.Double(math.NaN()), nodes.Momentary, 0),
		},
		"old":  {field("Level", nodes.Quantity(1.5, 1, "m"), nodes.Momentary, 0)},
		"slow": {field("Level", nodes.Quantity(2.5, 1, "m"), nodes.Momentary, 0)},
		"dead": {field("Level", nodes.Quantity(3.5, 1, "m"), nodes.Momentary, nodes.Erroneous)},
	}}
	for i := range 1000 {
		f.fields["big"] = append(f.fields["big"], field("Register "+strconv.Itoa(i), nodes.Quantity(float64(i)/10, 1, "kWh"), nodes.Momentary, 0))
	}
	return f
}

func (f *fake) reading1(ref nodes.Ref, ro *nodes.Readout) nodes.Reading {
	r := nodes.Reading{Node: ref.ID}
	for _, x := range f.fields[ref.ID] {
		if ro.Wants(&x) {
			r.Fields = append(r.Fields, x)
		}
	}
	switch ref.ID {
	case "folder":
		r.Err = nodes.Errorf(nodes.Unsupported, "read", ref, "this node has no values of its own")
	case "dead":
		r.Err = nodes.Errorf(nodes.Timeout, "read", ref, "unit 9 at 192.0.2.7 does not answer; is it on?")
	}
	return r
}

func (f *fake) check(c nodes.Caller, ro *nodes.Readout) error {
	for _, ref := range ro.Refs {
		_, ok := f.fields[ref.ID]
		switch {
		case c.JID != "ops@example.org" || ref.Resolved().Source != nodes.DefaultSource || ref.Partition != "",
			!ok && ref.ID != "folder" && ref.ID != "secret":
			return nodes.Errorf(nodes.NotFound, "read", ref, "no node "+ext.Clip(ref.ID))
		case ref.ID == "secret":
			return nodes.Errorf(nodes.Forbidden, "read", ref, "you may not read this node")
		}
	}
	return nil
}

func (f *fake) Current(c nodes.Caller, ro *nodes.Readout, yield func(nodes.Ref, nodes.Reading)) (bool, error) {
	if err := f.check(c, ro); err != nil {
		return false, err
	}
	for _, ref := range ro.Refs {
		if ref.ID == "old" || ref.ID == "slow" || ref.ID == "dead" {
			return false, nil
		}
	}
	for _, ref := range ro.Refs {
		yield(ref, f.reading1(ref, ro))
	}
	return true, nil
}

func (f *fake) Read(ctx context.Context, c nodes.Caller, ro *nodes.Readout, yield func(nodes.Ref, nodes.Reading)) error {
	if err := f.check(c, ro); err != nil {
		return err
	}
	f.count(1)
	defer f.count(-1)
	slow := nodes.Ref{}
	for _, ref := range ro.Refs {
		if ref.ID == "slow" {
			slow = ref
			continue
		}
		yield(ref, f.reading1(ref, ro))
	}
	if slow.ID != "" {
		select {
		case <-f.hold:
			yield(slow, f.reading1(slow, ro))
		case <-ctx.Done():
			f.mu.Lock()
			f.ended++
			f.mu.Unlock()
		}
	}
	return nil
}

func (f *fake) count(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.reading += n
	f.reads += max(n, 0)
	f.most = max(f.most, f.reading)
}

func (f *fake) idle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.reading == 0
}

// inbox collects the messages that a peer gets.
type inbox chan *wire.Element

func (in inbox) Receive(m *ext.Message) { in <- m.Payload }

// next returns the next message, or nil when none comes for a while.
func (in inbox) next(wait time.Duration) *wire.Element {
	select {
	case e := <-in:
		return e
	case <-time.After(wait):
		return nil
	}
}

// peer is a server and a peer that speaks raw.
func peer(t testing.TB, f *fake) (*exttest.Link, inbox, *Server) {
	t.Helper()
	s := New(f, quiet)
	in := make(inbox, 10000)
	return exttest.Pair(t, s, in), in, s
}

func pair(t testing.TB, f *fake, space string) (*Client, *exttest.Link, *Server) {
	t.Helper()
	s := New(f, quiet)
	c := &Client{To: exttest.ServerJID, Space: space}
	link := exttest.Pair(t, s, c)
	c.Link = link
	return c, link, s
}

func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for until := time.Now().Add(5 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("not so after 5 s: %s", what)
		}
	}
}
