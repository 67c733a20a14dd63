package tree

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/fieldhub/hub/nodes"
)

func (p *plant) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// TestMessagesOfAnEarlierOpening: what a device said goes when it is opened
// again; what the hub said stays.
func TestMessagesOfAnEarlierOpening(t *testing.T) {
	fall := make(chan struct{})
	p := &plant{}
	p.run = func(ctx context.Context) error {
		select {
		case <-fall:
			return errors.New("fell over")
		case <-ctx.Done():
			return nil
		}
	}
	tr := grow(t, p, &Memory{})
	p.mu.Lock()
	old := p.buses["B"].host
	p.mu.Unlock()
	old.Fault("B/X", nodes.Message{Severity: nodes.SeverityError, EventID: "Timeout", Text: "silent"})
	tr.Fault("B/X", nodes.Message{Severity: nodes.SeverityWarning, EventID: "Access", Text: "from the hub"})
	state := func(id string) nodes.State { i, _ := tr.Info(id, nodes.Detail{}); return i.State }
	if state("B/X") != nodes.StateError {
		t.Fatalf("state %v, want an error", state("B/X"))
	}
	fall <- struct{}{}
	until(t, "it runs again", func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		return p.opened == 2 && p.running == 1
	})
	until(t, "only the hub's message is left", func() bool { return state("B/X") == nodes.StateWarning })
	until(t, "the device's own message goes", func() bool { return state("B") == nodes.StateNone })
	old.Fault("B/X", nodes.Message{Severity: nodes.SeverityError, EventID: "Late", Text: "from the past"})
	old.Report([]nodes.Reading{value("B/X/a", "a", 5)})
	if r, _, _ := tr.Current("B/X/a"); len(r.Fields) != 0 || state("B/X") != nodes.StateWarning {
		t.Errorf("a device that has stopped still changed something: %s, %v", show(r), state("B/X"))
	}
	tr.Clear("B/X", "Access")
	if state("B/X") != nodes.StateNone {
		t.Errorf("state %v after Clear", state("B/X"))
	}
}

// TestFaultOfAnAdapter: a panic concerns only its own device.
func TestFaultOfAnAdapter(t *testing.T) {
	p := &plant{}
	p.run = func(ctx context.Context) error {
		p.mu.Lock()
		first := p.opened == 1
		p.mu.Unlock()
		if first {
			panic("index out of range")
		}
		<-ctx.Done()
		return nil
	}
	grow(t, p, &Memory{})
	until(t, "it is opened again", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.opened == 2 && p.running == 1 })
}

// TestDeviceThatDoesNotStop: the others and the tree go on; only Run waits.
func TestDeviceThatDoesNotStop(t *testing.T) {
	stuck := make(chan struct{})
	p := &plant{}
	p.run = func(ctx context.Context) error {
		<-ctx.Done()
		<-stuck
		return nil
	}
	tr := grow(t, p, &Memory{})
	if err := tr.Destroy(t.Context(), "B"); err != nil {
		t.Fatal(err)
	}
	if _, err := tr.Create(t.Context(), nodes.NewNode{Parent: nodes.In(nodes.RootID), Type: "bus", Name: "C"}); err != nil {
		t.Fatal(err)
	}
	until(t, "the other one runs", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.running == 2 })
	close(stuck)
	until(t, "the first one has stopped", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.running == 1 })
}

// TestChangeAfterTheEnd: it is refused at once, even while devices stop.
func TestChangeAfterTheEnd(t *testing.T) {
	stuck := make(chan struct{})
	p := &plant{}
	p.run = func(ctx context.Context) error {
		<-ctx.Done()
		<-stuck
		return nil
	}
	tr, err := New(Config{Types: testTypes, Store: &Memory{}, Opener: p})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- tr.Run(ctx) }()
	n := nodes.NewNode{Parent: nodes.In(nodes.RootID), Type: "bus", Name: "C"}
	if _, err := tr.Create(t.Context(), n); err != nil {
		t.Fatal(err)
	}
	cancel()
	n.Name = "D"
	if _, err := tr.Create(t.Context(), n); nodes.KindOf(err) != nodes.Gone {
		t.Errorf("Create: %v, want that the hub is stopping", err)
	}
	if err := tr.Destroy(t.Context(), "C"); nodes.KindOf(err) != nodes.Gone {
		t.Errorf("Destroy: %v, want that the hub is stopping", err)
	}
	close(stuck)
	if err := <-done; err != nil {
		t.Errorf("Run: %v", err)
	}
}

func TestWhatIsNoNumber(t *testing.T) {
	p := &plant{}
	tr := grow(t, p, &Memory{})
	p.report(value("B/X/a", "a", 1))
	for _, f := range []float64{math.NaN(), math.Inf(1)} {
		p.report(value("B/X/a", "a", f))
		r, fresh, _ := tr.Current("B/X/a")
		if got, want := show(r), "a=1.0 °C(error)!a is not a number"; got != want || fresh {
			t.Errorf("%v: got %q, fresh %v, want %q", f, got, fresh, want)
		}
	}
	p.report(value("B/X/a", "a", 2))
	if r, fresh, _ := tr.Current("B/X/a"); show(r) != "a=2.0 °C" || !fresh {
		t.Errorf("got %q, %v", show(r), fresh)
	}
}

// TestStale: a value that is too old is shown with its own time and the flag.
func TestStale(t *testing.T) {
	p := &plant{}
	tr := grow(t, p, &Memory{})
	r := value("B/X/a", "a", 1)
	r.MaxAge = time.Millisecond
	at := r.Fields[0].Time
	p.report(r, value("B/X/b", "b", 2))
	time.Sleep(3 * time.Millisecond)
	got, fresh, _ := tr.Current("B/X")
	if want := "a=1.0 °C(warning) b=2.0 °C"; show(got) != want || fresh || !got.Fields[0].Time.Equal(at) {
		t.Errorf("got %q of %v, fresh %v, want %q of %v", show(got), got.Fields[0].Time, fresh, want, at)
	}
	if got.Fields[1].QoS != nodes.AutomaticReadout {
		t.Errorf("b is %v, want only an automatic readout", got.Fields[1].QoS)
	}
	pushed := nodes.Reading{Node: "B/X/a", Fields: value("", "a", 3).Fields}
	p.report(pushed)
	if got, fresh, _ := tr.Current("B/X/a"); !fresh || got.Fields[0].QoS != 0 {
		t.Errorf("what was pushed is %s, fresh %v", show(got), fresh)
	}
}

// TestLostParts: of a device of which some parts cannot be read, each says its
// own cause and only its own fields are flagged.
func TestLostParts(t *testing.T) {
	p := &plant{answer: func(ctx context.Context, id string) nodes.Reading {
		if strings.HasSuffix(id, "b") {
			return nodes.Reading{Node: id, Err: errBroken}
		}
		return value(id, "a", 7)
	}}
	tr := grow(t, p, &Memory{})
	var got []string
	tr.Read(t.Context(), []string{"B/X"}, func(r nodes.Reading) { got = append(got, show(r)) })
	if want := "[a=7.0 °C!cable cut]"; fmt.Sprint(got) != want {
		t.Errorf("got %s, want %s", got, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	got = nil
	tr.Read(ctx, []string{"B/X", "B/X/b"}, func(r nodes.Reading) { got = append(got, r.Node+" "+show(r)) })
	if len(got) != 2 || !strings.Contains(fmt.Sprint(got), "B/X a=7.0 °C!the readout was stopped") {
		t.Errorf("got %q", got)
	}
}
